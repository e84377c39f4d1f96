//! The real binary on a journal whose very first start was cut off before its session began.

use engine::event::Kind;
use engine::pipeline::Recorder as _;
use journal::Durability;
use serde_json::Value;
use simulator::binary::Place;
use simulator::bookkeeper::Bookkeeper;
use simulator::scratch;

#[test]
fn it_starts_takes_snapshots_and_starts_again() {
    // A state hash is due within the manifest of every start: it must not come before its session.
    let often = |config: &mut config::Config| {
        config.engine.state_hash_interval = 32;
        config.journal.snapshot_interval_records = 1_000;
    };
    let whole = Place::new(171, often);
    whole.run(&["--duration", "300ms"]).expect(0);
    let events = scratch::events_of(&whole.journal());
    let start = events.iter().position(|event| event.kind == Kind::SESSION_START).unwrap();
    for kept in [1, start / 2, start] {
        let place = Place::new(171, often);
        std::fs::create_dir_all(place.journal()).unwrap();
        let options = scratch::options(16_384, Durability::Process);
        let mut recorder = scratch::recorder(&place.journal(), options);
        for event in &events[..kept] {
            assert!(recorder.record(event));
        }
        drop(recorder);

        let first = place.run(&["--duration", "1s", "--speed", "500"]).expect(0);
        assert!(!first.stderr.contains("snapshot"), "{kept} records: {first:#?}");
        let report = first.json();
        assert_eq!(report["snapshot_sequence"], report["records"], "{kept} records: {report}");
        let second = place.run(&["--duration", "300ms"]).expect(0);
        let replay = place.about(&["replay"]).expect(0).json();
        assert_eq!(replay["first_divergence"], Value::Null);
        assert_eq!(replay["state_hash"], second.json()["state_hash"]);
        let books = Bookkeeper::of(&scratch::events_of(&place.journal()));
        assert_eq!(books.session_count, 2);
    }
}
