//! Canary keys are planted wherever secrets come from; then everything that the system wrote is searched for them.
//!
//! The names of keys are public: every request to the venue holds one. Recordings of order entry hold names and
//! signatures, which are good for one request each, and never what signs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use simulator::binary::{Ended, Place, Running, command};
use simulator::compose;
use simulator::vault_double::{Trouble, VaultDouble};
use simulator::venue_process::VenueProcess;

/// No step of a session takes longer, even on a busy machine.
const PATIENCE_NS: u64 = 120_000_000_000;
const PATH: &str = "secret/data/desk";
/// Contents of secrets. No other test has them.
const TOKEN: &str = "hvs.canary-vault-token-f3b1";
const SECOND: &str = "canary-second-secret-77c4a19e";
const WRONG: &str = "canary-wrong-secret-0d52e8b6";
const UNREAD: &str = "canary-unread-secret-b81f6c02";

/// The way of a webhook's address, which is its password, and the password of a mail server.
const HOOK: &str = "canary-hook-5a90e7d3";
const MAIL: &str = "canary-mail-e2c84b17";

/// Everything that must not be found.
struct Canaries(Vec<String>);

impl Canaries {
    /// Where one of them stands in a file, a pipe or shared memory.
    fn look(&self, place: &str, bytes: &[u8], found: &mut Vec<String>) {
        for canary in &self.0 {
            if bytes.windows(canary.len()).any(|window| window == canary.as_bytes()) {
                found.push(format!("{}... in {place}", &canary[..8]));
            }
        }
    }

    /// Looks at every file below a folder; how many there were.
    fn look_below(&self, folder: &Path, found: &mut Vec<String>) -> usize {
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                count += self.look_below(&path, found);
            } else if path.is_file() {
                count += 1;
                self.look(&path.display().to_string(), &fs::read(&path).unwrap(), found);
            }
        }
        count
    }

    fn look_at(&self, ended: &Ended, found: &mut Vec<String>) {
        self.look("standard output", ended.stdout.as_bytes(), found);
        self.look("standard error", ended.stderr.as_bytes(), found);
    }

    /// Stats files of running engines.
    fn look_at_shared_memory(&self, found: &mut Vec<String>) {
        for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            // Another test may remove its own at any time.
            if let Ok(bytes) = fs::read(entry.path()) {
                self.look(&entry.path().display().to_string(), &bytes, found);
            }
        }
    }
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn key(name: &str, secret: &str) -> Value {
    json!({ "api_key": name, "secret": secret })
}

/// Where the secrets of a place are kept; gone with it.
struct Kept {
    directory: tempfile::TempDir,
}

impl Kept {
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        write_private(&path, text);
        path
    }

    fn token(&self) -> PathBuf {
        self.directory.path().join("token")
    }
}

/// Channels that nobody listens to: each delivery fails, and says so.
fn plant_alarms(config: &mut config::Config, kept: &Kept) {
    let hook = kept.write("hook", &format!("http://127.0.0.1:1/services/{HOOK}"));
    let mail = kept.write("mail", MAIL);
    let sections = json!({
        "webhook": [{
            "name": "hook", "url_secret": format!("file:{}", hook.display()), "shape": "slack",
        }],
        "smtp": [{
            "name": "mail", "host": "127.0.0.1", "port": 1, "security": "starttls", "user": "desk",
            "password_secret": format!("file:{}", mail.display()),
            "from": "engine@example.invalid", "to": ["desk@example.invalid"],
        }],
    });
    let alarms = config.alarms.get_or_insert_with(Default::default);
    alarms.webhook = serde_json::from_value(sections["webhook"].clone()).unwrap();
    alarms.smtp = serde_json::from_value(sections["smtp"].clone()).unwrap();
}

/// A lively engine whose key is in a Vault.
fn place(double: &VaultDouble) -> (Place, Kept) {
    let kept = Kept { directory: simulator::scratch::directory() };
    let token = kept.write("token", &format!("{TOKEN}\n"));
    let mut config = compose::lively_wire(41);
    plant_alarms(&mut config, &kept);
    config.secrets = Some(config::secrets::SecretsSection {
        key: Some(format!("vault:{PATH}")),
        ttl_s: 1,
        vault: Some(config::secrets::VaultSection {
            url: double.url(),
            token: Some(format!("file:{}", token.display())),
            role_id: None,
            secret_id: None,
            approle_mount: "approle".to_string(),
            namespace: None,
            ca_file: None,
            timeout_ms: 30_000,
        }),
    });
    let place = Place::with(&config);
    let recording = place.directory.path().join("recording");
    let wire = config.wire.as_mut().unwrap();
    wire.feed.record_dir = Some(recording.display().to_string());
    // Signed questions, also while nobody trades.
    wire.reconcile.interval_ms = 2_000;
    fs::write(&place.config, config.to_toml()).unwrap();
    (place, kept)
}

fn run_command(place: &Place, venue: &VenueProcess, more: &[&str]) -> std::process::Command {
    let mut command = place.run_command(&["--venue-url", venue.rest()]);
    command.args(more).env("TICKWHEEL_LOG", "trace").current_dir(place.directory.path());
    command
}

fn order_count(venue: &VenueProcess) -> usize {
    let state = venue.state();
    let orders = state["orders"].as_array().unwrap().iter();
    orders.filter(|order| order["account"] == 0).count()
}

/// Waits until the first order of the engine is at the venue.
fn wait_for_an_order(running: &mut Running, venue: &VenueProcess) {
    assert!(running.wait_for(PATIENCE_NS, || 0 < order_count(venue)), "it trades");
}

/// What the engine tells of itself; nothing while it starts.
fn stat(place: &Place) -> Value {
    let mut stat = command(&["stat", "--json"]);
    let ended = Running::start(stat.arg("--data-dir").arg(&place.data)).end();
    serde_json::from_str(&ended.stdout).unwrap_or(Value::Null)
}

fn counter(told: &Value, name: &str) -> u64 {
    told["counters"][name]["value"].as_u64().unwrap_or(0)
}

/// Waits until signed requests are answered that were sent after now, and orders may pass.
fn wait_for_pulls(running: &mut Running, place: &Place) {
    // One may be on its way.
    let wanted = counter(&stat(place), "pulls") + 2;
    let mut told = Value::Null;
    let is_good = running.wait_for(PATIENCE_NS, || {
        told = stat(place);
        let is_open = counter(&told, "links_up") == 1 && counter(&told, "venues_locked") == 0;
        wanted <= counter(&told, "pulls") && is_open
    });
    assert!(is_good, "{told}");
}

/// Waits until the engine has told something in its error log.
fn wait_for_words(running: &mut Running, place: &Place, words: &str) {
    let mut log = String::new();
    let told = running.wait_for(PATIENCE_NS, || {
        log = stat(place)["errors"].to_string();
        log.contains(words)
    });
    assert!(told, "\"{words}\" is not in {log}");
}

fn assert_no_core(place: &Place) {
    let has_core = |path: &Path| {
        let mut names = fs::read_dir(path).unwrap().flatten().map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().starts_with("core"))
    };
    assert!(!has_core(place.directory.path()), "a core file");
}

fn limits_of(id: u32) -> String {
    fs::read_to_string(format!("/proc/{id}/limits")).unwrap_or_default()
}

#[test]
fn a_key_from_vault_is_exchanged_while_trading_and_no_secret_is_written_anywhere() {
    let venue = VenueProcess::start(&["--seed", "41", "--speed", "400", "--fee-ppm", "1000"]);
    let (name, first) = venue.account(0);
    let canaries = [&first, TOKEN, SECOND, WRONG, UNREAD, HOOK, MAIL];
    let canaries = Canaries(canaries.iter().map(|text| (*text).to_string()).collect());
    let double = VaultDouble::start(None);
    double.allow(TOKEN);
    let mut data = key(&name, &first);
    double.put(PATH, data.clone());
    let (place, _kept) = place(&double);
    let mut found = Vec::new();

    let mut running = Running::start(&mut run_command(&place, &venue, &[]));
    wait_for_an_order(&mut running, &venue);
    let limits = limits_of(running.id());
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.unwrap_or_default().split_whitespace().collect();
    assert_eq!(words.get(4..6), Some(&["0", "0"][..]), "{limits}");

    // Trouble that must not take the working key away.
    data["secret"] = json!(WRONG);
    double.put(PATH, data);
    wait_for_words(&mut running, &place, "-1022");
    double.put(PATH, json!({ "api_key": UNREAD, "secret": UNREAD, "more": UNREAD }));
    wait_for_words(&mut running, &place, "must have api_key");
    for (trouble, words) in [(Trouble::Sealed, "sealed"), (Trouble::Echo, "is not shown")] {
        double.state().trouble = trouble;
        wait_for_words(&mut running, &place, words);
    }
    double.state().trouble = Trouble::None;
    wait_for_pulls(&mut running, &place);

    // The exchange: the new key is added at the venue, then in Vault; then the old one is revoked.
    let body = json!({ "account": "alpha", "api_key": "second-key", "secret": SECOND });
    assert_eq!(venue.command("POST", "/tickwheel/keys", &body.to_string()), json!({}));
    double.put(PATH, key("second-key", SECOND));
    wait_for_words(&mut running, &place, "the key was exchanged");
    wait_for_pulls(&mut running, &place);
    let gone = json!({ "api_key": name }).to_string();
    let revoked = venue.command("DELETE", "/tickwheel/keys", &gone);
    assert!(revoked["closed"].is_u64(), "{revoked}");
    wait_for_pulls(&mut running, &place);
    canaries.look_at_shared_memory(&mut found);
    running.interrupt();
    let ended = running.end().expect(0);
    canaries.look_at(&ended, &mut found);
    let state = venue.state();
    let open = state["orders"].as_array().unwrap().iter().filter(|order| {
        order["account"] == 0
            && matches!(order["status"].as_str(), Some("NEW" | "PARTIALLY_FILLED"))
    });
    assert_eq!(open.count(), 0, "the new key cancels what the old one placed");

    // A crash leaves no core file.
    let mut running = Running::start(&mut run_command(&place, &venue, &[]));
    wait_for_pulls(&mut running, &place);
    running.abort();
    let ended = running.end();
    assert_eq!(ended.code, None, "a signal ended it");
    canaries.look_at(&ended, &mut found);
    assert_no_core(&place);

    let count = canaries.look_below(place.directory.path(), &mut found);
    assert!(5 < count, "journal, snapshots, recording, configuration: {count} files");
    assert_eq!(found, [""; 0]);
    let names = fs::read_dir(place.directory.path().join("recording")).unwrap().flatten();
    let out = names.filter(|entry| entry.file_name().to_string_lossy().contains("orders")).count();
    assert!(0 < out, "order entry was recorded");
}

#[test]
fn what_keeps_a_key_from_being_used_is_told_without_it() {
    let venue = VenueProcess::start(&["--seed", "43"]);
    let (name, _) = venue.account(0);
    let canaries = [TOKEN, WRONG, UNREAD, HOOK, MAIL];
    let canaries = Canaries(canaries.iter().map(|text| (*text).to_string()).collect());
    let double = VaultDouble::start(None);
    let (place, kept) = place(&double);
    let mut found = Vec::new();
    let mut start = |words: &str, code: i32| {
        let mut command = run_command(&place, &venue, &["--duration", "1s"]);
        let ended = Running::start(&mut command).end().expect(code);
        assert!(ended.stderr.contains(words), "\"{words}\" is not in {}", ended.stderr);
        canaries.look_at(&ended, &mut found);
    };
    start("permission denied", 2);
    double.allow(TOKEN);
    start("there is no such secret", 2);
    double.put(PATH, json!({ "api_key": name, "secret": UNREAD, "private_key": WRONG }));
    start("either secret or private_key", 2);
    double.put(PATH, json!({ "api_key": name, "private_key": WRONG }));
    start("no pkcs8 pem block", 2);
    double.state().trouble = Trouble::Garbage;
    start("not Vault's", 2);
    double.state().trouble = Trouble::Sealed;
    start("sealed", 2);
    double.state().trouble = Trouble::None;
    fs::set_permissions(kept.token(), fs::Permissions::from_mode(0o644)).unwrap();
    start("chmod 600", 2);

    // TLS where there is none.
    let text = fs::read_to_string(&place.config).unwrap();
    fs::write(&place.config, text.replace(&double.url(), &double.url().replace("http", "https")))
        .unwrap();
    fs::set_permissions(kept.token(), fs::Permissions::from_mode(0o600)).unwrap();
    // No connection, or no answer in time: whichever its server does with the bytes of a handshake.
    start(&double.url().replace("http", "https"), 2);

    // From the environment: in practice only. The configuration names the variable, and nothing its contents.
    let mut config = config::Config::parse(&text, "x").unwrap();
    config.wire.as_mut().unwrap().key_file = None;
    config.secrets = Some(config::secrets::SecretsSection {
        key: Some("env:TW_CANARY".to_string()),
        ..Default::default()
    });
    fs::write(&place.config, config.to_toml()).unwrap();
    let run = |mode: &str| {
        let mut config = config.clone();
        config.engine.mode = mode.to_string();
        fs::write(&place.config, config.to_toml()).unwrap();
        let mut verify = command(&["secrets", "verify", "--json", "--config"]);
        verify.arg(&place.config).env("TW_CANARY", key(&name, WRONG).to_string());
        Running::start(&mut verify).end()
    };
    let ended = run("paper").expect(0);
    assert_eq!(ended.json()["ok"], true, "{ended:?}");
    canaries.look_at(&ended, &mut found);
    let ended = run("live").expect(2);
    assert!(ended.stderr.contains("environment in live mode"), "{}", ended.stderr);
    canaries.look_at(&ended, &mut found);

    canaries.look_below(place.directory.path(), &mut found);
    assert_eq!(found, [""; 0]);
}

#[test]
fn secrets_verify_names_each_secret_and_asks_the_venue() {
    let venue = VenueProcess::start(&["--seed", "45"]);
    let (name, first) = venue.account(0);
    let double = VaultDouble::start(None);
    double.allow(TOKEN);
    double.put(PATH, key(&name, &first));
    let (place, _kept) = place(&double);
    let text = fs::read_to_string(&place.config).unwrap();
    let mut config = config::Config::parse(&text, "x").unwrap();
    let wire = config.wire.as_mut().unwrap();
    wire.network = "url".to_string();
    let host = venue.rest().strip_prefix("http://").unwrap();
    wire.rest_url = Some(venue.rest().to_string());
    wire.stream_url = Some(format!("ws://{host}"));
    wire.ws_api_url = Some(format!("ws://{host}/ws-api/v3"));
    fs::write(&place.config, config.to_toml()).unwrap();
    let verify = |code: i32| {
        let mut verify = command(&["secrets", "verify", "--venue", "--json", "--config"]);
        Running::start(verify.arg(&place.config)).end().expect(code).json()
    };
    let row = |told: &Value, key: &str| {
        let rows = told["secrets"].as_array().unwrap().iter();
        let row = rows.clone().find(|row| row["key"] == key);
        row.map(|row| (row["ok"] == true, row["detail"].as_str().unwrap().to_string())).unwrap()
    };
    let told = verify(0);
    assert_eq!(told["ok"], true, "{told}");
    for (key, words) in [
        ("secrets.vault", "is active"),
        ("secrets.vault.token", "27 bytes"),
        ("secrets.key", "API key that signs with HMAC-SHA256, version 1"),
        ("venue", "the account may trade"),
    ] {
        let (is_good, detail) = row(&told, key);
        assert!(is_good && detail.contains(words), "{key}: {detail}");
    }
    double.put(PATH, key(&name, WRONG));
    let told = verify(1);
    assert_eq!((told["ok"] == true, row(&told, "secrets.key").0), (false, true), "{told}");
    assert!(row(&told, "venue").1.contains("-1022"), "{told}");
    double.state().trouble = Trouble::Sealed;
    let told = verify(1);
    assert!(row(&told, "secrets.vault").1.contains("sealed"), "{told}");
    assert!(!row(&told, "secrets.key").0, "{told}");
}
