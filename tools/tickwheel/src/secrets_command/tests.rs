//! What is named, what is printed of it, and what is not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use config::secrets::{SecretsSection, VaultSection};

use super::*;

const CANARY: &str = "canary-hunter2";

fn paper() -> Config {
    Config::parse(config::profile("paper").unwrap(), "paper").unwrap()
}

fn vault() -> VaultSection {
    VaultSection {
        url: "https://v:8200".to_string(),
        token: Some("file:/run/token".to_string()),
        role_id: None,
        secret_id: None,
        approle_mount: "approle".to_string(),
        namespace: None,
        ca_file: None,
        timeout_ms: 1_000,
    }
}

#[test]
fn every_name_of_a_secret_is_found_wherever_it_stands() {
    let mut config = paper();
    assert_eq!(
        named(&config).unwrap().iter().filter(|named| named.key.starts_with("secrets")).count(),
        0
    );
    config.wire.as_mut().unwrap().key_file = Some("k.toml".to_string());
    let key = Some("vault:secret/data/a#key".to_string());
    config.secrets =
        Some(SecretsSection { key, vault: Some(vault()), ..SecretsSection::default() });
    let found = named(&config).unwrap();
    let has = |key: &str, uri: &str, is_key: bool| {
        let is = |named: &&Named| named.key == key && named.uri.to_string() == uri;
        assert_eq!(found.iter().find(is).map(|named| named.is_key), Some(is_key), "{found:?}");
    };
    has("wire.key_file", "file:k.toml", true);
    has("secrets.key", "vault:secret/data/a#key", true);
    has("secrets.vault.token", "file:/run/token", false);
    let list = json!({ "alarms": { "channel": [{ "url": "env:HOOK" }] } });
    let mut found = Vec::new();
    walk(&list, "", &mut found).unwrap();
    assert_eq!(found[0].key, "alarms.channel[0].url");
}

#[test]
fn the_policy_lets_the_engine_read_its_own_paths_only() {
    let named = |uri: &str| Named {
        key: "k".to_string(),
        uri: SecretUri::parse(uri).unwrap(),
        is_key: true,
    };
    let text = policy_of(&[
        named("vault:secret/data/b"),
        named("vault:secret/data/a#x"),
        named("vault:secret/data/a#y"),
        named("file:/k"),
    ]);
    assert_eq!(text.matches("secret/data/a").count(), 1, "{text}");
    assert!(
        text.starts_with("path \"secret/data/a\" {\n  capabilities = [\"read\"]\n}\n"),
        "{text}"
    );
    assert!(text.contains("auth/token/renew-self") && !text.contains("/k"), "{text}");
    assert_eq!(policy_of(&[named("file:/k")]), "");
}

/// A line of the verdict for a key file with this text and mode.
#[track_caller]
fn check(text: &str, mode: u32, expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.toml");
    fs::write(&path, text.replace('?', CANARY)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let mut config = paper();
    config.wire.as_mut().unwrap().key_file = Some(path.display().to_string());
    let mut store = secrets::store(&config, Mode::Paper, &Clock::new()).unwrap();
    let named = named(&config).unwrap();
    let named = named.iter().find(|named| named.is_key).unwrap();
    let detail = look(&mut store, named).map(|(detail, _)| detail);
    let rows = [row(&named.key, &named.uri.to_string(), detail)];
    let told = to_text("x", Mode::Paper, &rows);
    let json = to_json(Mode::Paper, rows[0].is_good, &rows).to_string();
    assert!(told.contains(expected), "\"{expected}\" is not in: {told}");
    assert!(!told.contains(CANARY) && !json.contains(CANARY), "{told} {json}");
}

#[test]
fn a_secret_is_judged_and_not_shown() {
    let good = "api_key = \"k\"\nsecret = \"?\"\n";
    check(good, 0o600, "ok    wire.key_file = file:");
    check(good, 0o600, "API key that signs with HMAC-SHA256");
    check(good, 0o640, "FAIL  wire.key_file");
    check(good, 0o640, "mode 640");
    check("api_key = \"k\"\nprivate_key = \"?\"\n", 0o600, "no pkcs8 pem block");
    check("?", 0o600, "must have api_key");
}

#[test]
fn a_template_is_private_and_never_replaces_a_file() {
    let directory = tempfile::tempdir().unwrap();
    for (kind, word) in [(Kind::Hmac, "secret = "), (Kind::Ed25519, "BEGIN PRIVATE KEY")] {
        let file = directory.path().join(word.replace(' ', "_"));
        let args = InitArgs { file: file.clone(), kind };
        assert_eq!(init(&args).unwrap(), ExitCode::SUCCESS);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&file).unwrap().contains(word));
        let again = crate::chain(&init(&args).unwrap_err());
        assert!(again.contains("create"), "{again}");
        let error = secrets::read_key(&file).unwrap_err();
        assert!(!crate::chain(&error).is_empty(), "a template is no key yet");
    }
}
