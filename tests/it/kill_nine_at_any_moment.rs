//! kill -9 at random moments, over and over: every start recovers, nothing is lost, invented or sent twice.

use std::path::Path;

use serde_json::Value;
use simulator::binary::{Place, Running, tickwheel};
use simulator::bookkeeper::Bookkeeper;
use simulator::{Desk, Random, compose, scratch};

/// What a killed engine left must be readable, whole and explainable before anybody starts it again.
fn judge(place: &Place, cycle: u64) -> u64 {
    let verify = place.about(&["journal", "verify"]).expect(0).json();
    assert_eq!(verify["ok"], true, "cycle {cycle}: {verify}");
    assert_eq!(verify["damage"], Value::Array(Vec::new()), "cycle {cycle}");
    let replay = place.about(&["replay"]).expect(0).json();
    assert_eq!(replay["first_divergence"], Value::Null, "cycle {cycle}: {replay}");
    let stats = place.stats();
    if stats.exists() {
        let ended =
            tickwheel(&[Path::new("stat"), Path::new("--json"), Path::new("--data-dir"), &stats]);
        ended.expect(0).json();
    }
    verify["records"].as_u64().unwrap()
}

/// Has it a journal yet? A kill can come before there is one.
fn has_journal(place: &Place) -> bool {
    place.journal().join(journal::segment_file_name(1)).exists()
}

/// Starts, kills and judges `cycles` times, then ends in order.
fn torment(place: &Place, cycles: u64, random: &mut Random) -> u64 {
    let mut records = 0;
    let mut in_flight = 0;
    for cycle in 0..cycles {
        let mut running = Running::start(&mut place.run_command(&["--speed", "3000"]));
        // Now and then in the middle of the start, mostly while it trades.
        let wait_ms = if random.chance(200) { random.below(60) } else { 60 + random.below(700) };
        running.let_run(wait_ms * 1_000_000);
        running.kill();
        let ended = running.end();
        assert_eq!(ended.code, None, "cycle {cycle}: it ended by itself: {ended:#?}");
        assert!(!ended.stderr.contains("snapshot thread ended"), "cycle {cycle}: {ended:#?}");
        if !has_journal(place) {
            continue;
        }
        let now = judge(place, cycle);
        assert!(records <= now, "cycle {cycle}: {now} records where {records} were");
        records = now;
        let events = scratch::events_of(&place.journal());
        in_flight += u64::from(0 < Bookkeeper::of(&events).open_count());
    }
    println!("{records} records after {cycles} kills, {in_flight} of them with open orders");
    in_flight
}

fn end_in_order(place: &Place) {
    let report = place.run(&["--duration", "500ms", "--speed", "1000"]).expect(0);
    assert!(!report.stderr.contains("snapshot"), "{report:#?}");
    let replay = place.about(&["replay"]).expect(0).json();
    assert_eq!(replay["state_hash"], report.json()["state_hash"]);
    let events = scratch::events_of(&place.journal());
    let books = Bookkeeper::of(&events);
    assert_eq!(books.open_count(), 0, "orders of killed sessions are settled in the end");
    let desk = Desk::new(compose::lively(0));
    books.agrees_with(&scratch::replay(&events, &desk).unwrap().pipeline);
}

#[test]
fn every_start_after_a_kill_recovers_and_the_history_is_one() {
    let mut random = Random::from_environment("moments of kills", 0x6b69_6c6c);
    let (places, cycles) = if simulator::is_slow_wanted() { (25, 20) } else { (3, 9) };
    let mut in_flight = 0;
    for number in 0..places {
        let place = Place::new(121 + number, |config| {
            // Snapshots come and go while it is killed.
            config.journal.snapshot_interval_records = [2_000, 20_000, 0][(number % 3) as usize];
            if number % 3 == 1 {
                config.journal.durability = "power".to_string();
            }
        });
        in_flight += torment(&place, cycles, &mut random);
        end_in_order(&place);
    }
    assert!(0 < in_flight, "no kill met an open order: the test proves little");
}
