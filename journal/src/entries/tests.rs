//! Entries are seen as the writer appends them; what is half written waits.

use std::os::unix::fs::FileExt as _;

use super::*;
use crate::chain::entry_hash;
use crate::layout::{Identity, encode_chain_entry, encode_chain_header};

fn identity() -> Identity {
    Identity { journal_id: [7; 16], segment_records: 64, block_records: 16 }
}

fn line(last_sequence: u64, count: u32, flags: u32) -> [u8; 64] {
    let mut entry = ChainEntry { last_sequence, count, flags, hash: [0; 32] };
    entry.hash = entry_hash(&[3; 32], &entry, None, &[]);
    encode_chain_entry(&entry)
}

fn seen(tail: &mut ChainTail) -> Vec<(u64, u64, bool, bool)> {
    let mut seen = Vec::new();
    tail.poll(|point| {
        seen.push((point.entry, point.last_sequence, point.opened, point.closed));
    })
    .unwrap();
    seen
}

#[test]
fn entries_are_seen_once_and_a_half_written_one_waits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(CHAIN_FILE);
    let mut bytes = encode_chain_header(&identity()).to_vec();
    bytes.extend(line(0, 0, FLAG_OPENED_PROCESS));
    std::fs::write(&path, &bytes).unwrap();
    let mut tail = ChainTail::open(dir.path()).unwrap();
    assert_eq!(seen(&mut tail), [(1, 0, true, false)]);
    assert_eq!(tail.journal_id(), Some([7; 16]));
    assert_eq!(seen(&mut tail), []);

    // Half an entry, then a whole length of which a part is still zero, then all of it.
    let file = File::options().write(true).open(&path).unwrap();
    let next = line(16, 16, 0);
    file.write_all_at(&next[..20], 128).unwrap();
    assert_eq!(seen(&mut tail), []);
    file.set_len(192).unwrap();
    assert_eq!(seen(&mut tail), []);
    assert_eq!(tail.fault(), None);
    file.write_all_at(&next, 128).unwrap();
    file.write_all_at(&line(20, 4, FLAG_CLOSED), 192).unwrap();
    assert_eq!(seen(&mut tail), [(2, 16, false, false), (3, 20, false, true)]);
    tail.sync().unwrap();

    // Damage before the end is damage.
    file.write_all_at(&[9; 64], 256).unwrap();
    assert_eq!(seen(&mut tail), []);
    assert_eq!(tail.fault(), None);
    file.write_all_at(&[9; 64], 320).unwrap();
    assert_eq!(seen(&mut tail), []);
    assert_eq!(tail.fault(), Some(ChainFault::Entry(4)));
}

#[test]
fn more_entries_than_one_reading_takes_are_all_seen() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = encode_chain_header(&identity()).to_vec();
    bytes.extend(line(0, 0, FLAG_OPENED_POWER));
    for block in 1..=3_000 {
        bytes.extend(line(block * 16, 16, 0));
    }
    std::fs::write(dir.path().join(CHAIN_FILE), &bytes).unwrap();
    let mut tail = ChainTail::open(dir.path()).unwrap();
    let all = seen(&mut tail);
    assert_eq!(all.len(), 3_001);
    assert_eq!(all[3_000], (3_001, 48_000, false, false));
}
