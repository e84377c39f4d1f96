//! Cache, renewal and strictness, with a Vault double and a clock that we turn.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::*;
use crate::vault::testing::{Trouble, VaultDouble};
use crate::vault::{VaultAuth, VaultSettings};

const PATH: &str = "secret/data/a";

struct Rig {
    double: VaultDouble,
    store: SecretStore,
    time: engine::clock::ManualTime,
    _directory: tempfile::TempDir,
}

fn rig(strictness: Strictness) -> Rig {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "t").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let double = VaultDouble::start(None);
    double.put(PATH, json!({ "f": "one" }));
    double.allow("t");
    let vault = VaultSettings {
        url: double.url(),
        auth: VaultAuth::Token(SecretUri::File(path)),
        namespace: None,
        tls: None,
        timeout_ns: 30 * SECOND_NS,
    };
    let (clock, time) = Clock::manual(SECOND_NS);
    let settings = StoreSettings { strictness, ttl_ns: 10 * SECOND_NS, vault: Some(vault) };
    Rig { double, store: SecretStore::new(settings, clock), time, _directory: directory }
}

fn uri() -> SecretUri {
    SecretUri::Vault { path: PATH.to_string(), field: Some("f".to_string()) }
}

fn get(rig: &mut Rig) -> String {
    match rig.store.get(&uri()) {
        Ok(secret) => secret.expose().to_string(),
        Err(error) => error.to_string(),
    }
}

fn reads(rig: &Rig) -> usize {
    rig.double.state().heard.iter().filter(|heard| heard.contains(PATH)).count()
}

#[test]
fn a_secret_is_asked_for_once_in_its_time() {
    let mut rig = rig(Strictness::Live);
    assert_eq!((get(&mut rig), get(&mut rig), reads(&rig)), ("one".into(), "one".into(), 1));
    rig.double.put(PATH, json!({ "f": "two" }));
    rig.time.advance(10 * SECOND_NS - 1);
    assert_eq!(get(&mut rig), "one");
    assert!(rig.store.renew().is_empty());
    rig.time.advance(1);
    assert_eq!((get(&mut rig), reads(&rig)), ("two".into(), 2));
    assert_eq!(rig.store.version(&uri()), Some(2));
}

#[test]
fn a_changed_secret_is_told_once() {
    let mut rig = rig(Strictness::Live);
    get(&mut rig);
    rig.time.advance(10 * SECOND_NS);
    let told = rig.store.renew();
    assert!(matches!(told[..], [Renewal { outcome: Ok(None), .. }]), "{told:?}");
    rig.double.put(PATH, json!({ "f": "two" }));
    rig.time.advance(10 * SECOND_NS);
    let told = rig.store.renew();
    let [Renewal { uri: name, outcome: Ok(Some(secret)) }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((name, secret.expose()), (&uri(), "two"));
    rig.time.advance(10 * SECOND_NS);
    assert!(matches!(rig.store.renew()[..], [Renewal { outcome: Ok(None), .. }]));
    rig.double.state().trouble = Trouble::Sealed;
    rig.time.advance(10 * SECOND_NS);
    let told = rig.store.renew();
    assert!(matches!(&told[..], [Renewal { outcome: Err(error), .. }] if error.is_retryable()));
}

#[test]
fn practice_goes_on_with_the_last_good_value_and_live_does_not() {
    for (strictness, expected) in
        [(Strictness::Practice, "one"), (Strictness::Live, "older than 10 s and cannot be renewed")]
    {
        let mut rig = rig(strictness);
        assert_eq!(get(&mut rig), "one");
        rig.double.state().trouble = Trouble::Sealed;
        assert_eq!(get(&mut rig), "one", "fresh");
        rig.time.advance(10 * SECOND_NS);
        let found = get(&mut rig);
        assert!(found.contains(expected), "{found}");
        rig.double.state().trouble = Trouble::None;
        assert_eq!(get(&mut rig), "one");
    }
}

#[test]
fn a_no_is_never_answered_from_the_cache() {
    for strictness in [Strictness::Practice, Strictness::Live] {
        let mut rig = rig(strictness);
        get(&mut rig);
        rig.double.state().tokens.clear();
        rig.time.advance(10 * SECOND_NS);
        let found = get(&mut rig);
        assert!(found.contains("permission denied"), "{found}");
    }
}

#[test]
fn a_value_that_was_never_had_is_not_made_up() {
    for strictness in [Strictness::Practice, Strictness::Live] {
        let mut rig = rig(strictness);
        rig.double.state().trouble = Trouble::Sealed;
        assert!(get(&mut rig).contains("sealed"));
    }
}

#[test]
fn without_a_vault_its_secrets_are_not_configured() {
    let mut store = SecretStore::local(Strictness::Live, Clock::new());
    let error = store.get(&uri()).unwrap_err().to_string();
    assert!(error.contains("no [secrets.vault]"), "{error}");
    let error = store.get(&SecretUri::Env("PATH".to_string())).unwrap_err();
    assert!(matches!(error, SecretError::EnvironmentInLive { .. }));
    assert!(store.vault_health().is_none());
}

#[test]
fn a_store_shows_names_and_no_values() {
    let mut rig = rig(Strictness::Live);
    rig.double.put(PATH, json!({ "f": "canary" }));
    get(&mut rig);
    let text = format!("{:?}", rig.store);
    assert!(text.contains("secret/data/a") && !text.contains("canary"), "{text}");
}
