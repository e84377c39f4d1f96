//! A journal with one wrong byte: verify says where, run refuses with exit code 3, repair mends on order.

use std::os::unix::fs::FileExt as _;

use serde_json::Value;
use simulator::binary::{Place, tickwheel};

/// Offset of a record in the first segment.
fn offset(sequence: u64) -> u64 {
    4096 + (sequence - 1) * 64
}

fn flip(place: &Place, at: u64) -> String {
    let path = place.journal().join(journal::segment_file_name(1));
    let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
    path.display().to_string()
}

#[test]
fn one_wrong_byte_stops_everything_that_would_trust_it() {
    let place = Place::new(131, |_| {});
    place.run(&["--duration", "1s", "--speed", "500"]).expect(0);
    let at = offset(700) + 34;
    let path = flip(&place, at);

    let verify = place.about(&["journal", "verify"]).expect(3).json();
    assert_eq!(verify["ok"], false);
    let damage = verify["damage"].as_array().unwrap();
    assert!(damage.iter().any(|one| one["sequence"] == 700 && one["file"] == path), "{verify}");

    let refused = place.run(&["--duration", "1s"]).expect(3);
    assert!(refused.stderr.contains("00000001.twj"), "{refused:#?}");
    assert!(refused.stderr.contains(&offset(700).to_string()), "{refused:#?}");
    assert_eq!(refused.stdout, "");

    let replay = place.about(&["replay"]).expect(3).json();
    assert_eq!(replay["first_divergence"], Value::Null, "what is good before it replays");
    assert_eq!(replay["records"], 699);

    // On order, and only then, the journal is cut; the engine goes on from there.
    let proposed = place.about(&["journal", "repair"]).expect(1).json();
    assert_eq!((&proposed["done"], &proposed["keep_through"]), (&false.into(), &699.into()));
    place.about(&["journal", "verify"]).expect(3);
    let mended = place.about(&["journal", "repair", "--yes"]).expect(0).json();
    assert_ne!(mended["quarantined"], Value::Array(Vec::new()));
    place.about(&["journal", "verify"]).expect(0);
    place.run(&["--duration", "500ms"]).expect(0);
    place.about(&["replay"]).expect(0);
}

#[test]
fn a_decision_changed_with_a_right_checksum_is_caught_by_the_chain_and_by_replay() {
    let place = Place::new(133, |_| {});
    place.run(&["--duration", "2s", "--speed", "1000"]).expect(0);
    let path = place.journal().join(journal::segment_file_name(1));
    let events = simulator::scratch::events_of(&place.journal());
    let send = events.iter().find(|e| e.kind.is_outbound()).expect("somebody traded");
    let at = offset(send.sequence);
    let mut bytes = std::fs::read(&path).unwrap();
    let from = usize::try_from(at).unwrap();
    bytes[from + 32] ^= 1; // The price.
    let check = journal::crc32c(&bytes[from..from + 60]);
    bytes[from + 60..from + 64].copy_from_slice(&check.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();

    let verify = place.about(&["journal", "verify"]).expect(3).json();
    assert_eq!((&verify["ok"], &verify["case"]), (&false.into(), &"tampered-refused".into()));
    let replay = place.about(&["replay"]).expect(1).json();
    assert_eq!(replay["first_divergence"]["sequence"], send.sequence);
}

#[test]
fn a_second_engine_on_the_same_directory_is_refused() {
    let place = Place::new(135, |_| {});
    let mut first = simulator::binary::Running::start(&mut place.run_command(&[]));
    let stats = place.stats();
    assert!(first.wait_for(60_000_000_000, || stats.exists()), "it never started");
    let second = place.run(&["--duration", "1s"]).expect(2);
    assert!(second.stderr.contains("has a writer already"), "{second:#?}");
    assert!(second.stderr.contains(&place.journal().display().to_string()), "{second:#?}");
    // Looking is allowed beside a running engine.
    place.about(&["journal", "info"]).expect(0);
    place.about(&["replay"]).expect(0);
    first.interrupt();
    first.end().expect(0);
    place.run(&["--duration", "300ms"]).expect(0);
}

#[test]
fn a_directory_without_a_journal_is_wrong_use_and_not_damage() {
    let directory = simulator::scratch::directory();
    let empty = directory.path().display().to_string();
    let absent = directory.path().join("absent").display().to_string();
    for words in [&["replay"][..], &["journal", "verify"], &["journal", "info"]] {
        for place in [&empty, &absent] {
            let mut arguments: Vec<&str> = words.to_vec();
            arguments.push(place);
            let ended = tickwheel(&arguments).expect(2);
            assert!(ended.stderr.contains(place.as_str()), "{ended:#?}");
        }
    }
}
