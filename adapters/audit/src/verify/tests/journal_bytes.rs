//! Every byte and every length of every file of a signed journal.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::rig::Rig;

fn flip(path: &Path, at: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

/// All places of small files; of segments all records and, without `RUN_SLOW_TESTS`, every seventh byte of the rest.
fn places(path: &Path, records_end: u64) -> Vec<u64> {
    let all = std::env::var_os("RUN_SLOW_TESTS").is_some_and(|value| value != "0");
    let is_segment = path.extension().is_some_and(|ext| ext == "twj");
    (0..size(path))
        .filter(|at| {
            let in_header = is_segment && *at < 4096;
            let behind = is_segment && records_end <= *at;
            all || !is_segment || !(in_header || behind) || at.is_multiple_of(7)
        })
        .collect()
}

#[test]
fn every_flipped_byte_is_seen() {
    let rig = Rig::two_sessions(16);
    rig.is_good();
    let records = rig.verify().records;
    assert!(32 < records && records < 64, "{records}");
    for name in [journal::segment_file_name(1), journal::CHAIN_FILE.to_string()] {
        let path = rig.journal().join(name);
        for at in places(&path, 4096 + records * 64) {
            flip(&path, at);
            assert!(!rig.verify().is_ok(), "{} byte {at}", path.display());
            flip(&path, at);
        }
    }
    let path = rig.checkpoints();
    for at in 0..size(&path) {
        flip(&path, at);
        assert!(!rig.verify().is_ok(), "{} byte {at}", path.display());
        flip(&path, at);
    }
    rig.is_good();
}

#[test]
fn every_length_is_seen() {
    let rig = Rig::two_sessions(60);
    rig.is_good();
    let last = journal::segment_file_name(3);
    for name in [last, journal::CHAIN_FILE.to_string()] {
        let path = rig.journal().join(name);
        check_lengths(
            &rig,
            &path,
            if path.extension().is_some_and(|it| it == "twj") { 61 } else { 1 },
        );
    }
    check_lengths(&rig, &rig.checkpoints(), 1);
}

fn check_lengths(rig: &Rig, path: &Path, step: usize) {
    let bytes = std::fs::read(path).unwrap();
    for length in (0..bytes.len()).step_by(step) {
        std::fs::write(path, &bytes[..length]).unwrap();
        assert!(!rig.verify().is_ok(), "{} cut to {length}", path.display());
    }
    std::fs::write(path, &bytes).unwrap();
    rig.is_good();
}

#[test]
fn every_missing_file_is_seen() {
    let rig = Rig::two_sessions(60);
    let mut files: Vec<_> =
        (1..=3).map(|index| rig.journal().join(journal::segment_file_name(index))).collect();
    files.push(rig.journal().join(journal::CHAIN_FILE));
    files.push(rig.checkpoints());
    for path in files {
        let aside = rig.dir.path().join("aside");
        std::fs::rename(&path, &aside).unwrap();
        assert!(!rig.verify().is_ok(), "{} is gone", path.display());
        std::fs::rename(&aside, &path).unwrap();
    }
    rig.is_good();
}
