//! `tickwheel run`, then `replay`, then the next session: the state carries on, ids never come back.

use engine::event::Kind;
use serde_json::Value;
use simulator::binary::{Place, Running};
use simulator::bookkeeper::Bookkeeper;
use simulator::scratch;

#[track_caller]
fn has_keys(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "no key {key} in {value}");
    }
}

#[test]
fn two_sessions_are_one_history() {
    let place = Place::new(111, |_| {});
    let speed = ["--duration", "2s", "--speed", "1000"];
    let first = place.run(&speed).expect(0).json();
    has_keys(&first, &["events", "orders", "fills", "state_hash", "journal"]);
    assert_eq!(first["journal"], place.journal().display().to_string());
    assert!(1_000 < first["events"].as_u64().unwrap());
    assert!(0 < first["orders"].as_u64().unwrap());

    let replay = place.about(&["replay"]).expect(0).json();
    has_keys(&replay, &["events", "decisions_compared", "first_divergence", "events_per_second"]);
    assert_eq!(replay["first_divergence"], Value::Null);
    assert_eq!(replay["state_hash"], first["state_hash"]);
    assert_eq!(replay["events"], first["events_total"]);
    assert!(0 < replay["decisions_compared"].as_u64().unwrap());

    let second = place.run(&speed).expect(0).json();
    let replay = place.about(&["replay"]).expect(0).json();
    assert_eq!(replay["state_hash"], second["state_hash"]);
    assert_eq!(
        second["events_total"].as_u64().unwrap(),
        first["events"].as_u64().unwrap() + second["events"].as_u64().unwrap()
    );
    let verify = place.about(&["journal", "verify"]).expect(0).json();
    has_keys(&verify, &["ok", "records", "case", "damage"]);
    assert_eq!((&verify["ok"], &verify["case"]), (&true.into(), &"clean-end".into()));

    // The bookkeeper checks ids, positions and approvals over both sessions.
    let events = scratch::events_of(&place.journal());
    let books = Bookkeeper::of(&events);
    assert_eq!(books.session_count, 2);
    assert_eq!(verify["records"], events.len());
    let orders = first["orders"].as_u64().unwrap() + second["orders"].as_u64().unwrap();
    assert_eq!(books.sent_count, orders);
    assert_eq!(books.open_count(), 0, "an orderly end leaves no order at the venue");
    assert_eq!(events.last().map(|event| event.kind), Some(Kind::SESSION_END));

    // The library builds the same engine as the product.
    let desk = simulator::Desk::new(simulator::compose::lively(111));
    let replayed = scratch::replay(&events, &desk).unwrap();
    let hash = format!("{:016x}", replayed.pipeline.state_hash());
    assert_eq!(replay["state_hash"], hash);
    books.agrees_with(&replayed.pipeline);
}

#[test]
fn ctrl_c_ends_a_session_cleanly() {
    let place = Place::new(113, |_| {});
    let mut running = Running::start(&mut place.run_command(&["--speed", "500"]));
    let segment = place.journal().join(journal::segment_file_name(1));
    assert!(running.wait_for(60_000_000_000, || segment.exists()), "it never started");
    running.let_run(700_000_000);
    running.interrupt();
    let ended = running.end().expect(0);
    let report = ended.json();
    assert_eq!(report["failure"], Value::Null);
    let verify = place.about(&["journal", "verify"]).expect(0).json();
    assert_eq!(verify["case"], "clean-end");
    let replay = place.about(&["replay"]).expect(0).json();
    assert_eq!(replay["state_hash"], report["state_hash"]);
}

#[test]
fn dry_run_of_the_binary_sends_nothing() {
    let place = Place::new(115, |_| {});
    let report = place.run(&["--duration", "2s", "--speed", "1000", "--dry-run"]).expect(0).json();
    assert_eq!(report["fills"], 0);
    let events = scratch::events_of(&place.journal());
    let count = |kind| events.iter().filter(|event| event.kind == kind).count();
    let outbound = events.iter().filter(|event| event.kind.is_outbound()).count();
    assert!(0 < outbound, "nobody wanted to trade");
    assert_eq!(count(Kind::WITHHELD), outbound);
    assert_eq!(count(Kind::REPORT), 0);
    place.about(&["replay"]).expect(0);
}
