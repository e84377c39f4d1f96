//! A checkpoint survives its line, and nothing else does.

use proptest::prelude::*;

use super::*;
use crate::key::KEY_FILE;

fn keys() -> (tempfile::TempDir, SigningKey, SigningKey) {
    let dir = tempfile::tempdir().unwrap();
    let key = SigningKey::create(&dir.path().join(KEY_FILE)).unwrap();
    let other = SigningKey::create(&dir.path().join("other")).unwrap();
    (dir, key, other)
}

fn point(entry: u64) -> ChainPoint {
    let hash = *blake3::hash(&entry.to_le_bytes()).as_bytes();
    let last_sequence = entry * 100;
    ChainPoint { entry, last_sequence, hash, opened: false, closed: false, repaired: false }
}

fn says<'a>(kind: CheckpointKind, note: &'a str, new_key: Option<&'a SigningKey>) -> Statement<'a> {
    let journal_id = [5; 16];
    let previous = genesis(&journal_id);
    Statement { number: 1, kind, journal_id, previous, time_ns: 7, note, new_key }
}

#[test]
fn every_kind_survives_its_line_and_holds() {
    let (_dir, key, other) = keys();
    for statement in [
        says(CheckpointKind::Plain, "", None),
        says(CheckpointKind::Rotate, "planned \"rotation\"", Some(&other)),
        says(CheckpointKind::Repair, "disk 3 lost a sector\\", None),
    ] {
        let checkpoint = Checkpoint::sign(&key, &point(3), &statement);
        assert!(checkpoint.is_signed());
        let read = Checkpoint::from_line(checkpoint.to_line().as_bytes()).unwrap();
        assert_eq!(read, checkpoint);
        assert_eq!(read.digest(), checkpoint.digest());
    }
}

#[test]
fn every_byte_of_a_line_counts() {
    let (_dir, key, other) = keys();
    for statement in [
        says(CheckpointKind::Plain, "", None),
        says(CheckpointKind::Rotate, "why not", Some(&other)),
    ] {
        let checkpoint = Checkpoint::sign(&key, &point(3), &statement);
        let line = checkpoint.to_line().into_bytes();
        for at in 0..line.len() {
            for bit in [0x01, 0x20, 0x80] {
                let mut changed = line.clone();
                changed[at] ^= bit;
                let accepted = Checkpoint::from_line(&changed)
                    .is_ok_and(|read| read.is_signed() && read.key == key.public());
                assert!(!accepted, "{}", String::from_utf8_lossy(&changed));
            }
        }
        for length in 0..line.len() {
            assert!(Checkpoint::from_line(&line[..length]).is_err());
        }
    }
}

#[test]
fn a_line_in_another_form_is_refused_though_it_says_the_same() {
    let (_dir, key, _other) = keys();
    let line = Checkpoint::sign(&key, &point(3), &says(CheckpointKind::Plain, "", None)).to_line();
    assert!(Checkpoint::from_line(line.as_bytes()).is_ok());
    for changed in [
        line.replace(':', ": "),
        format!("{line} "),
        line.replace("\"entry\":3", "\"entry\":3.0"),
        line.replace("\"time_ns\":7,", "\"time_ns\":7,\"note\":\"\","),
        line.replace("\"version\":1", "\"version\":2"),
        line.replace("\"number\":1", "\"number\":1,\"number\":1"),
    ] {
        assert_ne!(changed, line);
        assert!(Checkpoint::from_line(changed.as_bytes()).is_err(), "{changed}");
    }
}

#[test]
fn a_rotation_needs_both_signatures() {
    let (_dir, key, other) = keys();
    let good = Checkpoint::sign(&key, &point(1), &says(CheckpointKind::Rotate, "", Some(&other)));
    assert!(good.is_signed());
    assert_eq!(good.next_key(), other.public());
    assert!(!Checkpoint { cross: None, ..good.clone() }.is_signed());
    assert!(!Checkpoint { cross: Some(good.signature), ..good.clone() }.is_signed());
    assert!(!Checkpoint { new_key: None, ..good.clone() }.is_signed());
    assert!(!Checkpoint { kind: CheckpointKind::Plain, ..good.clone() }.is_signed());
    assert!(!Checkpoint { new_key: Some(key.public()), ..good }.is_signed());
}

#[test]
fn a_note_is_printable_and_bounded() {
    assert_eq!(clean_note("by ann: disk\n\u{202e}x"), "by ann: disk??x");
    assert_eq!(clean_note(&"y".repeat(5_000)).len(), NOTE_SIZE_BYTES_MAX);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn foreign_lines_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Checkpoint::from_line(&bytes).is_err());
    }
}
