//! The chain file's own rules.

use proptest::prelude::*;

use super::*;

fn identity() -> Identity {
    Identity { journal_id: [1; 16], segment_records: 64, block_records: 16 }
}

fn line(last_sequence: u64, count: u32, flags: u32) -> [u8; 64] {
    encode_chain_entry(&ChainEntry { last_sequence, count, flags, hash: [2; 32] })
}

#[track_caller]
fn check(lines: &[[u8; 64]], rest: &[u8], fault: Option<ChainFault>, reaches: u64, torn: bool) {
    let mut bytes = encode_chain_header(&identity()).to_vec();
    bytes.extend(lines.concat());
    bytes.extend(rest);
    let summary = scan_chain_bytes(&bytes);
    assert_eq!((summary.fault, summary.last_sequence, summary.torn), (fault, reaches, torn));
}

#[test]
fn entries_continue_each_other_in_whole_blocks() {
    let open = line(0, 0, FLAG_OPENED_PROCESS);
    check(&[open, line(16, 16, 0), line(20, 4, FLAG_CLOSED)], &[], None, 20, false);
    check(&[open, line(20, 20, FLAG_CLOSED)], &[], Some(ChainFault::Order(2)), 0, false);
    check(&[open, line(15, 15, 0)], &[], Some(ChainFault::Order(2)), 0, false);
    check(&[open, line(16, 15, 0)], &[], Some(ChainFault::Order(2)), 0, false);
    check(&[open, line(16, 16, 16)], &[], Some(ChainFault::Order(2)), 0, false);
    check(&[open, line(16, 16, 3)], &[], Some(ChainFault::Order(2)), 0, false);
    check(&[line(16, 16, 0)], &[], Some(ChainFault::Order(1)), 0, false);
    let after_close =
        [open, line(5, 5, FLAG_CLOSED), line(5, 0, FLAG_OPENED_POWER), line(16, 11, 0)];
    check(&after_close, &[], None, 16, false);
}

#[test]
fn an_end_that_is_no_entry_yet_is_torn_and_a_bad_entry_is_damage() {
    let open = line(0, 0, FLAG_OPENED_PROCESS);
    check(&[open, [0; 64]], &[], None, 0, true);
    check(&[open], &[1, 2, 3], None, 0, true);
    check(&[open, [0; 64], line(16, 16, 0)], &[], Some(ChainFault::Entry(3)), 0, true);
    let mut bad = line(16, 16, 0);
    bad[20] ^= 1;
    check(&[open, bad], &[], Some(ChainFault::Entry(2)), 0, false);
    assert_eq!(scan_chain_bytes(&[]).fault, Some(ChainFault::Header));
    assert_eq!(scan_chain_bytes(&[0; 63]).fault, Some(ChainFault::Header));
}

proptest! {
    #[test]
    fn foreign_bytes_are_judged_without_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        lines in proptest::collection::vec(any::<(u64, u32, u32)>(), 0..5)
    ) {
        scan_chain_bytes(&bytes);
        let mut sealed = encode_chain_header(&identity()).to_vec();
        for (last_sequence, count, flags) in lines {
            sealed.extend(line(last_sequence, count, flags));
        }
        scan_chain_bytes(&sealed);
    }
}
