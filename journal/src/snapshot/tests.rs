//! Snapshots are there whole or not at all, and damaged ones are passed over aloud.

use proptest::prelude::*;

use super::*;

#[test]
fn the_newest_at_or_before_a_sequence_is_found() {
    let dir = tempfile::tempdir().unwrap();
    assert!(newest_valid(dir.path(), u64::MAX).unwrap().snapshot.is_none());
    for sequence in [10, 20, 30] {
        save(dir.path(), sequence, sequence * 7, &vec![1; 1000]).unwrap();
    }
    for (max, expected) in [(9, None), (10, Some(10)), (29, Some(20)), (u64::MAX, Some(30))] {
        let newest = newest_valid(dir.path(), max).unwrap();
        assert_eq!(newest.snapshot.as_ref().map(|found| found.sequence), expected);
        assert!(newest.skipped.is_empty());
        if let Some(found) = newest.snapshot {
            assert_eq!((found.state_hash, found.bytes), (found.sequence * 7, vec![1; 1000]));
        }
    }
    assert_eq!(prune(dir.path(), 2).unwrap(), 1);
    assert!(newest_valid(dir.path(), 19).unwrap().snapshot.is_none());
    assert_eq!(prune(dir.path(), 2).unwrap(), 0);
}

#[test]
fn every_flipped_byte_and_every_length_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), 1, 11, b"older").unwrap();
    let path = save(dir.path(), 2, 22, b"the state").unwrap();
    let good = fs::read(&path).unwrap();
    let mut images = Vec::new();
    for offset in 0..good.len() {
        let mut bytes = good.clone();
        bytes[offset] ^= 0x40;
        images.push(bytes);
        images.push(good[..offset].to_vec());
    }
    images.push([&good[..], b"x"].concat());
    for bytes in images {
        fs::write(&path, &bytes).unwrap();
        let newest = newest_valid(dir.path(), 9).unwrap();
        assert_eq!(newest.snapshot.map(|found| found.sequence), Some(1));
        assert_eq!(newest.skipped.len(), 1);
        assert_eq!(newest.skipped[0].path, path);
    }
}

#[test]
fn a_snapshot_under_another_name_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = save(dir.path(), 5, 0, b"").unwrap();
    fs::rename(path, dir.path().join(file_name(6))).unwrap();
    let newest = newest_valid(dir.path(), 9).unwrap();
    assert!(newest.snapshot.is_none());
    assert!(matches!(newest.skipped[0].reason, SkipReason::Sequence { expected: 6, found: 5 }));
}

#[test]
fn a_half_written_snapshot_is_no_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("snapshot-00000000000000000009.tws.tmp"), b"TWSNAP1\n").unwrap();
    let newest = newest_valid(dir.path(), 9).unwrap();
    assert!(newest.snapshot.is_none());
    assert!(newest.skipped.is_empty());
}

proptest! {
    #[test]
    fn foreign_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&bytes).is_err());
        let mut bytes = bytes;
        bytes.splice(0..0, *b"TWSNAP1\n\x01\0\0\0\0\0\0\0");
        prop_assert!(decode(&bytes).is_err());
    }
}
