//! `tickwheel venue`: one line when it serves, in the foreground until SIGTERM, state that survives a kill.

use simulator::binary::{Running, command};
use simulator::scratch;
use simulator::venue_process::VenueProcess;

#[test]
fn the_line_holds_everything_that_a_client_needs_and_sigterm_ends_it() {
    let venue = VenueProcess::start(&["--seed", "7"]);
    let line = venue.line();
    for (key, scheme) in [
        ("rest", "http://"),
        ("stream", "ws://"),
        ("ws_api", "ws://"),
        ("rest_tls", "https://"),
        ("stream_tls", "wss://"),
        ("ws_api_tls", "wss://"),
    ] {
        assert!(line[key].as_str().unwrap().starts_with(scheme), "{key} in {line}");
    }
    let accounts = line["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 2);
    assert_ne!(accounts[0]["secret"], accounts[1]["secret"]);
    let info = venue.get("/api/v3/exchangeInfo");
    let listed = info["symbols"].as_array().unwrap();
    let listed: Vec<&str> = listed.iter().map(|s| s["symbol"].as_str().unwrap()).collect();
    assert!(listed.contains(&"BTCUSDT") && listed.contains(&"ETHUSDT"), "{listed:?}");
    assert!(venue.get("/api/v3/time")["serverTime"].is_u64());
    assert_eq!(venue.get("/api/v3/depth?symbol=NONE")["code"], -1121);
    let ended = venue.terminate();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn the_same_seed_gives_the_same_keys_and_another_one_others() {
    let account = |seed: &str| VenueProcess::start(&["--seed", seed, "--speed", "0"]).account(0);
    assert_eq!(account("7"), account("7"));
    assert_ne!(account("7"), account("8"));
}

#[test]
fn a_killed_venue_comes_back_with_its_accounts() {
    let directory = scratch::directory();
    let state = directory.path().display().to_string();
    let options = ["--seed", "7", "--speed", "0", "--state", &state];
    let first = VenueProcess::start(&options);
    let before = first.state();
    first.kill();
    let second = VenueProcess::start(&options);
    assert_eq!(before["accounts"], second.state()["accounts"]);
    // Two venues with one state would each forget what the other promised.
    let mut third = command(&["venue", "--json", "--state", &state]);
    let third = Running::start(&mut third).end();
    assert_eq!(third.code, Some(2), "{third:?}");
    assert!(third.stderr.contains("another venue uses it"), "{third:?}");
}

#[test]
fn wrong_arguments_are_named() {
    let directory = scratch::directory();
    let script = directory.path().join("faults.jsonl");
    std::fs::write(&script, "{\"on\":\"request\",\"do\":\"explode\"}\n").unwrap();
    let script = script.display().to_string();
    for (arguments, words) in [
        (&["--listen", "nowhere"][..], &["nowhere"][..]),
        (&["--faults", "/no/such/file"], &["/no/such/file"]),
        (&["--faults", &script], &["faults.jsonl"]),
        (&["--capture", "/no/such/capture"], &["/no/such/capture"]),
        (&["--speed", "fast"], &["fast"]),
    ] {
        let mut command = command(&[&["venue", "--json"], arguments].concat());
        let ended = Running::start(&mut command).end().expect(2);
        for word in words {
            assert!(ended.stderr.contains(word), "\"{word}\" is not in {}", ended.stderr);
        }
        assert!(ended.stdout.is_empty(), "{}", ended.stdout);
    }
}
