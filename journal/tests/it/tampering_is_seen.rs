//! Changes that keep every check right are seen by the hash chain.

use journal::{Case, Record, What, inspect, segment_file_name, verify};

use super::support::{closed, image, record, restore, scratch};

#[test]
fn a_record_rewritten_with_a_right_check_is_found() {
    let dir = scratch();
    closed(dir.path(), 150);
    let base = image(dir.path());
    for sequence in [1_usize, 16, 17, 64, 65, 128, 129, 144, 145, 150] {
        let mut files = base.clone();
        let (segment, place) = ((sequence - 1) / 64 + 1, (sequence - 1) % 64);
        let name = segment_file_name(u64::try_from(segment).unwrap());
        let mut changed = record(u64::try_from(sequence).unwrap());
        changed.body[3] ^= 1;
        let bytes = files.get_mut(&name).unwrap();
        bytes[4096 + place * 64..4096 + (place + 1) * 64]
            .copy_from_slice(bytemuck::bytes_of(&changed.sealed()));
        restore(dir.path(), &files);
        // A start does not read the hashes; it trusts the checks.
        assert_eq!(inspect(dir.path()).case, Case::CleanEnd);
        let report = verify(dir.path()).unwrap();
        assert!(!report.ok);
        assert!(!report.chain_ok);
        assert_eq!(report.case, Case::TamperedRefused);
        assert_eq!(report.damage.len(), 1, "one changed block is one finding");
        assert_eq!(report.damage[0].what, What::Tampered);
        let first = u64::try_from((sequence - 1) / 16 * 16 + 1).unwrap();
        assert_eq!(report.damage[0].sequence, first);
    }
}

#[test]
fn two_swapped_records_are_found() {
    let dir = scratch();
    closed(dir.path(), 40);
    let mut files = image(dir.path());
    let bytes = files.get_mut("00000001.twj").unwrap();
    for (sequence, other) in [(5, 6), (6, 5)] {
        let swapped = Record::new(sequence, record(other).body).sealed();
        let start = 4096 + usize::try_from(sequence - 1).unwrap() * 64;
        bytes[start..start + 64].copy_from_slice(bytemuck::bytes_of(&swapped));
    }
    restore(dir.path(), &files);
    assert_eq!(verify(dir.path()).unwrap().case, Case::TamperedRefused);
}

#[test]
fn a_changed_header_with_a_right_check_is_found() {
    let dir = scratch();
    closed(dir.path(), 100);
    let mut files = image(dir.path());
    let bytes = files.get_mut("00000002.twj").unwrap();
    for start in [0, 512] {
        // The commit's text.
        bytes[start + 168] ^= 1;
        let sum = journal::crc32c(&bytes[start..start + 508]);
        bytes[start + 508..start + 512].copy_from_slice(&sum.to_le_bytes());
    }
    restore(dir.path(), &files);
    assert_eq!(inspect(dir.path()).case, Case::CleanEnd);
    let report = verify(dir.path()).unwrap();
    assert_eq!(report.case, Case::TamperedRefused);
    assert_eq!(report.damage[0].sequence, 65);
}

#[test]
fn a_link_that_is_not_the_chains_is_found() {
    let dir = scratch();
    closed(dir.path(), 100);
    let mut files = image(dir.path());
    let bytes = files.get_mut("00000002.twj").unwrap();
    assert!(bytes[1024..1056].iter().any(|&byte| byte != 0), "the link is there");
    bytes[1024] ^= 1;
    let sum = journal::crc32c(&bytes[1024..1084]);
    bytes[1084..1088].copy_from_slice(&sum.to_le_bytes());
    restore(dir.path(), &files);
    let report = verify(dir.path()).unwrap();
    assert!(!report.ok);
    assert_eq!(report.damage[0].what, What::Link);
}

#[test]
fn records_cut_off_with_their_chain_entries_contradict_the_marks() {
    let dir = scratch();
    closed(dir.path(), 100);
    let mut files = image(dir.path());
    // Keep 64 records and the four blocks that cover them.
    files.remove("00000002.twj");
    files.get_mut("chain.twc").unwrap().truncate(64 + 64 + 4 * 64);
    let case = |files: &_| {
        restore(dir.path(), files);
        inspect(dir.path()).case
    };
    // Nothing is left that knew more: whole segments gone with their chain entries are seen only by somebody
    // who kept the chain's end elsewhere. The document says so.
    assert_eq!(case(&files), Case::UncleanEnd);
    let mut files = image(dir.path());
    files.insert("00000002.twj".to_owned(), vec![0; 10]);
    assert_eq!(case(&files), Case::SegmentLengthRefused);
}
