//! What the scenarios share: small journals and records that tell their sequence.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use journal::{AppendError, Options, Reader, Record, Writer};

/// A directory in memory where there is one: these tests sync tens of thousands of times, and what a disk does
/// with that is not what they are about.
pub(super) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap()
}

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

/// All files of a directory, by name; what is in folders is left out.
pub(super) fn image(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
        })
        .collect()
}

/// Makes a directory hold exactly these files.
pub(super) fn restore(dir: &Path, image: &BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    for (name, bytes) in image {
        fs::write(dir.join(name), bytes).unwrap();
    }
}

/// Asserts that the directory reads as records 1 to `count`.
#[track_caller]
pub(super) fn assert_holds(dir: &Path, count: u64) {
    let reader = Reader::open(dir).unwrap();
    assert_eq!(reader.last_sequence(), count);
    for (found, sequence) in reader.records_from(1).zip(1..) {
        assert_eq!(*found, record(sequence).sealed());
    }
    assert_eq!(u64::try_from(reader.records_from(1).count()).unwrap(), count);
}

/// A small seeded generator (splitmix64), so that a failure is told by its seed alone.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in `[0, bound)`, closely enough for tests.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
