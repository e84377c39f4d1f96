//! `tickwheel run` over real sockets, as the product: the local venue as a child, or one that was started elsewhere.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use engine::event::{Event, Kind};
use serde_json::Value;
use simulator::binary::{Place, Running, command};
use simulator::bookkeeper::Bookkeeper;
use simulator::venue_process::VenueProcess;
use simulator::{compose, scratch};

const SECOND_NS: u64 = 1_000_000_000;

/// Whether it is the second instrument, and the venue's trade id, of each fill that was booked.
fn fills(events: &[Event]) -> Vec<(bool, u64)> {
    // The fee of a fill carries its execution id, which is the venue's trade id.
    let fees = events.iter().filter(|event| event.kind == Kind::FEE);
    fees.map(|event| (event.instrument == 1, event.id)).collect()
}

#[test]
fn a_session_over_tls_ends_in_order_and_is_continued_after_a_kill() {
    let place = Place::with(&compose::lively_wire(31));
    let first = place.run(&["--duration", "4s"]).expect(0).json();
    assert!(0 < first["orders"].as_u64().unwrap(), "{first}");

    // Killed while it trades: its venue ends with it, and comes back with its orders.
    let mut second = Running::start(&mut place.run_command(&[]));
    second.let_run(4 * SECOND_NS);
    second.kill();
    second.end();

    let third = place.run(&["--duration", "4s"]).expect(0).json();
    let replay = place.about(&["replay"]).expect(0).json();
    assert_eq!(replay["first_divergence"], Value::Null);
    assert_eq!(replay["state_hash"], third["state_hash"]);
    let events = scratch::events_of(&place.journal());
    let books = Bookkeeper::of(&events);
    assert_eq!(books.session_count, 3);
    assert_eq!(books.open_count(), 0, "an orderly end leaves no order at the venue");
    let unlocked = |event: &&Event| event.kind == Kind::LOCK && event.code == 0;
    assert!(3 <= events.iter().filter(unlocked).count(), "each session was reconciled");
    let differences = events.iter().filter(|event| event.kind == Kind::DIFFERENCE);
    let told: Vec<&Event> = differences.filter(|event| event.code >= 4).collect();
    assert!(told.is_empty(), "balances agree after a kill: {told:?}");
}

#[test]
fn a_venue_that_was_started_elsewhere_agrees_about_every_fill() {
    let venue = VenueProcess::start(&["--seed", "33", "--speed", "400", "--fee-ppm", "100"]);
    let place = Place::with(&compose::lively_wire(33));
    let key = place.directory.path().join("key.toml");
    let (name, secret) = venue.account(0);
    std::fs::write(&key, format!("api_key = \"{name}\"\nsecret = \"{secret}\"\n")).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let key = key.display().to_string();
    let more = ["--venue-url", venue.rest(), "--key-file", &key];

    let mut first = Running::start(&mut place.run_command(&more));
    first.let_run(4 * SECOND_NS);
    first.kill();
    first.end();
    place.run(&[&more[..], &["--duration", "4s"]].concat()).expect(0);

    let state = venue.state();
    let ours = |list: &str| -> Vec<Value> {
        let rows = state[list].as_array().unwrap().iter();
        rows.filter(|row| row["account"] == 0).cloned().collect()
    };
    let open = |order: &Value| matches!(order["status"].as_str(), Some("NEW" | "PARTIALLY_FILLED"));
    assert!(!ours("orders").iter().any(open), "an orderly end leaves no order at the venue");
    let number = |fill: &Value| (fill["symbol"] == "ETHUSDT", fill["id"].as_u64().unwrap());
    let at_venue: BTreeSet<(bool, u64)> = ours("fills").iter().map(number).collect();
    let events = scratch::events_of(&place.journal());
    let booked = fills(&events);
    let count = booked.len();
    let booked: BTreeSet<(bool, u64)> = booked.into_iter().collect();
    assert_eq!(count, booked.len(), "no fill is booked twice");
    assert_eq!(booked, at_venue, "every fill at the venue is booked, and no other");
    let names: Vec<Value> =
        ours("orders").iter().map(|order| order["firstClientOrderId"].clone()).collect();
    let distinct: BTreeSet<&str> = names.iter().filter_map(Value::as_str).collect();
    assert_eq!(distinct.len(), names.len(), "no order was sent twice");
    assert!(!at_venue.is_empty(), "somebody traded");
    // The secret is nowhere in what the engine wrote.
    for entry in std::fs::read_dir(place.journal()).unwrap().flatten() {
        if entry.path().is_file() {
            let bytes = std::fs::read(entry.path()).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "the secret is in {}", entry.path().display());
        }
    }
}

#[test]
fn what_keeps_a_run_from_starting_is_named() {
    let place = Place::with(&compose::lively_wire(35));
    let run = |more: &[&str]| {
        let mut command = place.run_command(more);
        Running::start(&mut command).end()
    };
    let key = place.directory.path().join("key.toml");
    std::fs::write(&key, "api_key = \"k\"\nsecret = \"s\"\n").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let key = key.display().to_string();
    // Nobody listens on port 1.
    let nobody = ["--venue-url", "http://127.0.0.1:1"];
    for (more, words) in [
        (&[&nobody[..], &["--key-file", &key]].concat()[..], &["key.toml", "chmod 600"][..]),
        (&["--venue-url", "127.0.0.1:1"], &["http://", "127.0.0.1:1"]),
        (&nobody[..], &["wire.key_file"]),
        (&[&nobody[..], &["--dry-run"]].concat(), &["127.0.0.1:1", "what it lists"]),
    ] {
        let ended = run(more).expect(2);
        for word in words {
            assert!(ended.stderr.contains(word), "{more:?}: \"{word}\" is not in {}", ended.stderr);
        }
    }
    let mut production = compose::lively_wire(35);
    production.engine.mode = "live".to_string();
    std::fs::write(&place.config, production.to_toml()).unwrap();
    let ended = run(&[]).expect(2);
    assert!(ended.stderr.contains("preflight"), "{}", ended.stderr);
}

#[test]
fn instruments_that_the_venue_lists_otherwise_are_named_before_anything_starts() {
    let mut config = compose::lively_wire(37);
    // Finer than what the venue takes.
    config.instrument[0].lot = "0.000001".parse().unwrap();
    let place = Place::with(&config);
    let ended = place.run(&["--duration", "1s"]).expect(2);
    for word in ["BTCUSDT", "lot", "0.000001"] {
        assert!(ended.stderr.contains(word), "\"{word}\" is not in {}", ended.stderr);
    }
    assert!(!place.journal().exists(), "nothing was started");
    let mut help = command(&["venue", "--help"]);
    assert!(Running::start(&mut help).end().expect(0).stdout.contains("--faults"));
}

#[test]
fn what_was_recorded_on_the_sockets_is_a_capture_that_backtest_takes() {
    let mut config = compose::lively_wire(39);
    let directory = scratch::directory();
    let record = directory.path().join("raw");
    config.wire.as_mut().unwrap().feed.record_dir = Some(record.display().to_string());
    let place = Place::with(&config);
    place.run(&["--duration", "3s"]).expect(0);

    let files: BTreeSet<String> = std::fs::read_dir(&record)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let of = |start: &str| files.iter().find(|name| name.starts_with(start)).cloned();
    for track in ["primary-0-in", "primary-0-out", "orders-0-in", "orders-0-out"] {
        assert!(of(track).is_some(), "no file of {track} among {files:?}");
    }
    let capture = record.join(of("primary-0-in").unwrap());
    let mut backtest = command(&["backtest", "--json", "--venue", "binance-spot", "--capture"]);
    let out = directory.path().join("out");
    backtest.arg(&capture).arg("--out").arg(&out).arg("--config").arg(backtest_config(&directory));
    let told = Running::start(&mut backtest).end().expect(0).json();
    assert!(100 < told["events"].as_u64().unwrap(), "{told}");
}

/// The backtest profile with the instruments of the paper profile.
fn backtest_config(directory: &tempfile::TempDir) -> std::path::PathBuf {
    let text = config::profile("backtest-spot").unwrap();
    let mut settings = config::Config::parse(text, "backtest-spot").unwrap();
    settings.instrument = compose::lively_wire(39).instrument;
    let path = directory.path().join("backtest.toml");
    std::fs::write(&path, settings.to_toml()).unwrap();
    path
}
