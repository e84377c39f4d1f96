//! What the scenarios share: small journals and records that tell their sequence.

use std::path::Path;

use journal::{AppendError, Options, Record, Writer};

/// A record whose body follows from its sequence.
pub(super) fn record(sequence: u64) -> Record {
    let mut body = [0_u8; 52];
    for (index, byte) in body.iter_mut().enumerate() {
        let mixed =
            sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(u32::try_from(index).unwrap());
        *byte = mixed.to_le_bytes()[0];
    }
    Record::new(sequence, body)
}

/// Segments of 64 records, blocks of 16.
pub(super) fn small() -> Options {
    Options {
        segment_records: 64,
        block_records: 16,
        journal_id: *b"a small journal.",
        created_ns: 1_700_000_000_000_000_000,
        engine_version: "0.1.0".to_owned(),
        git_commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        config_hash: [7; 32],
        ..Options::default()
    }
}

/// Appends `count` records; waits for late segments as long as the helper lives.
pub(super) fn append(writer: &mut Writer, count: u64) {
    for _ in 0..count {
        let record = record(writer.next_sequence());
        loop {
            match writer.append(&record) {
                Ok(()) => break,
                Err(AppendError::NextSegmentLate) => {}
                Err(error) => panic!("append: {error}"),
            }
        }
    }
}

/// A journal of `count` records, closed.
pub(super) fn closed(dir: &Path, count: u64) {
    let mut writer = Writer::create(dir, small()).unwrap();
    append(&mut writer, count);
    writer.close().unwrap();
}

/// A journal of `count` records whose writer was dropped.
pub(super) fn dropped(dir: &Path, count: u64) {
    let mut writer = Writer::create(dir, small()).unwrap();
    append(&mut writer, count);
}

/// Waits for a condition with a bound of some seconds.
#[track_caller]
pub(super) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if condition() {
            return;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    panic!("{what} did not happen");
}
