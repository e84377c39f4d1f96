//! Every answer of Vault's, over real sockets.

use std::path::PathBuf;

use serde_json::json;
use wire::tls::{TlsRoots, client_config, server_config};

use super::testing::{Token, Trouble, VaultDouble};
use super::*;

const TOKEN: &str = "hvs.canary-token-0123456789";
const KEY: &str = "canary-of-a-vault-secret";
const PATH: &str = "secret/data/tickwheel/binance";

/// A double with one secret, and what asks it.
struct Rig {
    double: VaultDouble,
    provider: VaultProvider,
    time: engine::clock::ManualTime,
    directory: tempfile::TempDir,
}

fn write_token(directory: &tempfile::TempDir, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = directory.path().join("token");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn settings(url: String, auth: VaultAuth) -> VaultSettings {
    VaultSettings { url, auth, namespace: None, tls: None, timeout_ns: 30 * SECOND_NS }
}

fn rig_with(auth: impl FnOnce(SecretUri) -> VaultAuth) -> Rig {
    let directory = tempfile::tempdir().unwrap();
    let path = write_token(&directory, &format!("{TOKEN}\n"));
    let double = VaultDouble::start(None);
    double.put(PATH, json!({ "key": KEY, "number": 7 }));
    double.allow(TOKEN);
    let (clock, time) = Clock::manual(1_000 * SECOND_NS);
    let settings = settings(double.url(), auth(SecretUri::File(path)));
    let provider = VaultProvider::new(settings, Strictness::Live, clock);
    Rig { double, provider, time, directory }
}

fn rig() -> Rig {
    rig_with(VaultAuth::Token)
}

fn fetch(rig: &mut Rig, name: &str) -> String {
    let uri = SecretUri::parse(&format!("vault:{name}")).unwrap();
    match rig.provider.fetch(&uri) {
        Ok(fetched) => {
            format!("version {:?}: {}", fetched.version.unwrap(), fetched.secret.expose())
        }
        Err(error) => {
            let text = format!("{error} {error:?}");
            assert!(!text.contains("canary"), "{text}");
            text
        }
    }
}

#[track_caller]
fn check(rig: &mut Rig, name: &str, expected: &str) {
    let found = fetch(rig, name);
    assert!(found.contains(expected), "\"{expected}\" is not in: {found}");
}

#[test]
fn a_secret_and_its_fields_are_read() {
    let mut rig = rig();
    check(&mut rig, &format!("{PATH}#key"), &format!("version 1: {KEY}"));
    check(&mut rig, PATH, &format!("version 1: {{\"key\":\"{KEY}\",\"number\":7}}"));
    check(&mut rig, &format!("{PATH}#number"), "no text of that name");
    check(&mut rig, &format!("{PATH}#other"), "no text of that name");
    rig.double.put(PATH, json!({ "key": "second" }));
    check(&mut rig, &format!("{PATH}#key"), "version 2: second");
}

#[test]
fn what_is_not_there_was_deleted_or_never_was() {
    let mut rig = rig();
    check(&mut rig, "secret/data/never", "there is no such secret");
    rig.double.state().secrets.get_mut(PATH).unwrap()[0].deleted = true;
    check(&mut rig, PATH, "version 1 was deleted at 2026-11-02T09:00:00.000000002Z");
    rig.double.state().secrets.get_mut(PATH).unwrap()[0].destroyed = true;
    check(&mut rig, PATH, "version 1 was deleted at a time unknown (destroyed)");
}

#[test]
fn a_token_that_may_not_is_denied() {
    let mut rig = rig();
    check(&mut rig, "other/data/a", "permission denied");
    rig.double.state().tokens.clear();
    check(&mut rig, PATH, "permission denied");
    rig.double.state().trouble = Trouble::Echo;
    check(&mut rig, PATH, "holds the token, and is not shown");
}

#[test]
fn trouble_of_vault_is_named_and_may_pass() {
    for (trouble, expected, is_retryable) in [
        (Trouble::Sealed, "sealed", true),
        (Trouble::Garbage, "not Vault's", true),
        (Trouble::Status(500), "answers 500 (told to)", true),
        (Trouble::Status(429), "answers 429", true),
        (Trouble::Status(307), "standby", false),
        (Trouble::Status(405), "answers 405", false),
    ] {
        let mut rig = rig();
        rig.double.state().trouble = trouble;
        check(&mut rig, PATH, expected);
        let uri = SecretUri::Vault { path: PATH.to_string(), field: None };
        let error = rig.provider.fetch(&uri).unwrap_err();
        assert_eq!(error.is_retryable(), is_retryable, "{error}");
        rig.double.state().trouble = Trouble::None;
        check(&mut rig, &format!("{PATH}#key"), KEY);
    }
}

#[test]
fn a_mute_vault_is_given_up_at_the_deadline() {
    let mut rig = rig();
    let now = Clock::new();
    rig.provider.caller.clock = now;
    rig.provider.caller.timeout_ns = 50_000_000;
    rig.double.state().trouble = Trouble::Mute;
    check(&mut rig, PATH, "no answer before the deadline");
}

#[test]
fn a_vault_that_is_down_is_unreachable() {
    let mut rig = rig();
    let url = rig.double.url();
    drop(std::mem::replace(&mut rig.double, VaultDouble::start(None)));
    check(&mut rig, PATH, &url);
}

#[test]
fn a_namespace_is_named_in_every_question() {
    let mut rig = rig();
    rig.double.state().namespace = Some("desk/a".to_string());
    check(&mut rig, PATH, "answers 404");
    rig.provider.caller.namespace = Some("desk/a".to_string());
    check(&mut rig, &format!("{PATH}#key"), KEY);
}

#[test]
fn a_token_leaves_only_over_tls_or_to_this_machine() {
    let directory = tempfile::tempdir().unwrap();
    let token = SecretUri::File(write_token(&directory, TOKEN));
    // An address for documentation: nobody is asked, because it is refused before.
    let settings = settings("http://192.0.2.1:8200".to_string(), VaultAuth::Token(token));
    let mut provider = VaultProvider::new(settings, Strictness::Live, Clock::new());
    let uri = SecretUri::Vault { path: PATH.to_string(), field: None };
    let error = provider.fetch(&uri).unwrap_err();
    assert!(error.to_string().contains("https://"), "{error}");
    assert!(!error.is_retryable());
}

#[test]
fn the_certificate_of_vault_is_checked() {
    let authority = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_string()]).unwrap();
    let (chain, key) = (authority.cert.pem(), authority.signing_key.serialize_pem());
    let tls = server_config(chain.as_bytes(), key.as_bytes()).unwrap();
    let mut rig = rig();
    rig.double = VaultDouble::start(Some(tls));
    rig.double.put(PATH, json!({ "key": KEY }));
    rig.double.allow(TOKEN);
    rig.provider.caller.url = rig.double.url();
    rig.provider.caller.tls = Some(client_config(TlsRoots::WebPki).unwrap());
    check(&mut rig, PATH, "no connection");
    assert_eq!(rig.double.state().heard.len(), 0, "no question before the certificate is known");
    rig.provider.caller.tls = Some(client_config(TlsRoots::Pem(chain.as_bytes())).unwrap());
    check(&mut rig, &format!("{PATH}#key"), KEY);
}

#[test]
fn a_token_that_an_agent_replaced_is_used_at_once() {
    let mut rig = rig();
    check(&mut rig, &format!("{PATH}#key"), KEY);
    rig.double.state().tokens.clear();
    rig.double.allow("hvs.second");
    check(&mut rig, PATH, "permission denied");
    write_token(&rig.directory, "hvs.second");
    check(&mut rig, &format!("{PATH}#key"), KEY);
}

#[test]
fn a_token_that_is_no_token_is_refused_by_its_name() {
    let mut rig = rig();
    write_token(&rig.directory, "canary one\ncanary two");
    check(&mut rig, PATH, "must be a token");
    assert_eq!(rig.double.state().heard.len(), 0);
}

#[test]
fn a_token_is_renewed_when_two_thirds_of_its_time_are_over() {
    let mut rig = rig();
    let count = |rig: &Rig, what: &str| {
        rig.double.state().heard.iter().filter(|heard| heard.contains(what)).count()
    };
    let token =
        Token { ttl_s: 300, renewable: true, reads: vec!["secret/".to_string()], looks_up: true };
    rig.double.state().tokens.insert(TOKEN.to_string(), token);
    check(&mut rig, PATH, KEY);
    rig.time.advance(199 * SECOND_NS);
    check(&mut rig, PATH, KEY);
    assert_eq!(count(&rig, "renew-self"), 0);
    rig.time.advance(SECOND_NS);
    check(&mut rig, PATH, KEY);
    assert_eq!((count(&rig, "renew-self"), count(&rig, "lookup-self")), (1, 1));
    check(&mut rig, PATH, KEY);
    assert_eq!(count(&rig, "renew-self"), 1, "it lasts again");
    assert!(rig.provider.health().unwrap().contains("ends in 300 s, renewable"));
}

#[test]
fn a_role_logs_in_renews_and_logs_in_again() {
    let mut rig = rig_with(|secret_id| VaultAuth::AppRole {
        mount: "approle".to_string(),
        role_id: "role-1".to_string(),
        secret_id,
    });
    check(&mut rig, PATH, "invalid role or secret ID");
    let token = Token { ttl_s: 60, reads: vec!["secret/".to_string()], ..Token::default() };
    rig.double.state().roles.insert("role-1".to_string(), (TOKEN.to_string(), token));
    check(&mut rig, &format!("{PATH}#key"), KEY);
    let logins =
        |rig: &Rig| rig.double.state().heard.iter().filter(|heard| heard.contains("login")).count();
    assert_eq!(logins(&rig), 2);
    check(&mut rig, &format!("{PATH}#key"), KEY);
    assert_eq!(logins(&rig), 2, "the token lasts");
    rig.time.advance(40 * SECOND_NS);
    check(&mut rig, &format!("{PATH}#key"), KEY);
    assert_eq!(logins(&rig), 3, "it cannot be renewed, so the role logs in");
    rig.double.state().tokens.clear();
    check(&mut rig, &format!("{PATH}#key"), KEY);
    assert_eq!(logins(&rig), 4, "it was revoked, so the role logs in");
}

#[test]
fn health_says_what_is_wrong() {
    let mut rig = rig();
    let health = rig.provider.health().unwrap();
    assert!(health.contains("is active, the token does not end"), "{health}");
    rig.double.state().trouble = Trouble::Sealed;
    assert!(matches!(rig.provider.health(), Err(SecretError::Sealed { .. })));
    rig.double.state().trouble = Trouble::Status(501);
    assert!(rig.provider.health().unwrap_err().to_string().contains("not initialised"));
    rig.double.state().trouble = Trouble::None;
    rig.double.state().tokens.clear();
    // A token that may not even look at itself is found out by the first read.
    assert!(rig.provider.health().is_ok());
    check(&mut rig, PATH, "permission denied");
}

#[test]
fn nothing_of_a_provider_is_printed() {
    let mut rig = rig();
    check(&mut rig, PATH, KEY);
    let text = format!("{:?}", rig.provider);
    assert!(!text.contains("canary"), "{text}");
}
