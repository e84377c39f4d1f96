//! A small journal with every byte flipped and every length cut, and the case that each must have.

use std::collections::BTreeMap;
use std::path::Path;

use journal::{Case, Durability, Options, Writer, inspect, recover, segment_file_name, verify};

use super::support::{append, assert_holds, closed, image, record, restore, scratch, small};

type Image = BTreeMap<String, Vec<u8>>;

/// 40 records in one segment, never synced, the writer gone; prepared segments removed to save time.
fn open_end() -> Image {
    let dir = scratch();
    let mut writer = Writer::create(dir.path(), small()).unwrap();
    append(&mut writer, 40);
    drop(writer);
    image(dir.path()).into_iter().filter(|(name, _)| is_kept(name, 1)).collect()
}

/// 100 records in two segments, closed.
fn closed_end() -> Image {
    let dir = scratch();
    closed(dir.path(), 100);
    image(dir.path()).into_iter().filter(|(name, _)| is_kept(name, 2)).collect()
}

fn is_kept(name: &str, segments: u64) -> bool {
    name == "chain.twc" || (1..=segments).any(|index| name == segment_file_name(index))
}

/// The table: what a changed byte at this offset of this file must be called.
fn expected(name: &str, offset: usize, byte: u8, is_closed: bool) -> Case {
    if name == "chain.twc" {
        return Case::ChainDamagedRefused;
    }
    if offset < 4096 {
        return Case::HeaderDamagedRefused;
    }
    let (place, inside) = ((offset - 4096) / 64, offset % 64);
    if is_closed {
        // Before the mark each record may have been acknowledged; behind a close nothing is written.
        return Case::BitRotRefused;
    }
    match (place, inside) {
        (39, 0) if byte == 0 => Case::TailCompleted,
        // The first free place: without a commit word it is an append that a kill cut short.
        (40, 8..) => Case::TornTailCut,
        _ => Case::BitRotRefused,
    }
}

fn check_flips(base: &Image, count: u64, is_closed: bool) {
    let dir = scratch();
    restore(dir.path(), base);
    let mut counts = BTreeMap::new();
    for (name, bytes) in base {
        for offset in 0..bytes.len() {
            for change in [0xFF, 1, bytes[offset]] {
                if change == 0 {
                    continue;
                }
                let mut damaged = bytes.clone();
                damaged[offset] ^= change;
                std::fs::write(dir.path().join(name), &damaged).unwrap();
                let case = expected(name, offset, damaged[offset], is_closed);
                let found = inspect(dir.path());
                assert_eq!(found.case, case, "{name} offset {offset} change {change}");
                assert!(found.last_sequence <= count);
                assert_eq!(
                    found.finding.is_some(),
                    !matches!(case, Case::CleanEnd | Case::UncleanEnd)
                );
                if case == Case::HeaderDamagedRefused || case == Case::ChainDamagedRefused {
                    let path = found.finding.unwrap().path;
                    assert_eq!(path, dir.path().join(name));
                }
                *counts.entry(case.name()).or_insert(0) += 1;
            }
        }
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    println!("{counts:?}");
}

#[test]
fn every_flipped_byte_of_an_unclosed_journal_has_its_case() {
    let base = open_end();
    assert!(base.contains_key("00000001.twj"));
    check_flips(&base, 40, false);
}

#[test]
fn every_flipped_byte_of_a_closed_journal_is_refused() {
    check_flips(&closed_end(), 100, true);
}

#[test]
fn verify_finds_every_flipped_byte_too() {
    let base = closed_end();
    let dir = scratch();
    restore(dir.path(), &base);
    assert!(verify(dir.path()).unwrap().ok);
    for (name, bytes) in &base {
        // Every byte of the places that hold something, every 7th of the blank rest.
        let step = |offset: usize| if bytes[offset] == 0 { 7 } else { 1 };
        let mut offset = 0;
        while offset < bytes.len() {
            let mut damaged = bytes.clone();
            damaged[offset] ^= 0x55;
            std::fs::write(dir.path().join(name), &damaged).unwrap();
            let report = verify(dir.path()).unwrap();
            assert!(!report.ok, "{name} offset {offset}");
            assert!(!report.damage.is_empty());
            offset += step(offset);
        }
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
}

#[test]
fn every_length_has_its_case() {
    let base = closed_end();
    let dir = scratch();
    restore(dir.path(), &base);
    for (name, bytes) in &base {
        for length in (0..bytes.len()).rev() {
            std::fs::write(dir.path().join(name), &bytes[..length]).unwrap();
            let case = match (name.as_str(), length) {
                // Without the entry that opens the first session a chain is none.
                ("chain.twc", 0..128) => Case::ChainDamagedRefused,
                // The marks in the segments and the records themselves are whole; the close is forgotten.
                ("chain.twc", _) => Case::UncleanEnd,
                _ => Case::SegmentLengthRefused,
            };
            assert_eq!(inspect(dir.path()).case, case, "{name} length {length}");
        }
        std::fs::write(dir.path().join(name), [&bytes[..], &[0]].concat()).unwrap();
        let longer = inspect(dir.path()).case;
        let expected =
            if name == "chain.twc" { Case::CleanEnd } else { Case::SegmentLengthRefused };
        assert_eq!(longer, expected);
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
}

#[test]
fn every_absent_file_has_its_case() {
    let base = closed_end();
    let dir = scratch();
    for (name, case) in [
        ("00000001.twj", Case::MissingSegmentRefused),
        // The last one is missed because the chain had covered its records.
        ("00000002.twj", Case::TailTruncatedRefused),
        ("chain.twc", Case::ChainDamagedRefused),
    ] {
        restore(dir.path(), &base);
        std::fs::remove_file(dir.path().join(name)).unwrap();
        assert_eq!(inspect(dir.path()).case, case, "{name}");
    }
    restore(dir.path(), &base);
    for index in [1, 2] {
        std::fs::remove_file(dir.path().join(segment_file_name(index))).unwrap();
    }
    assert_eq!(inspect(dir.path()).case, Case::MissingSegmentRefused);
    restore(dir.path(), &Image::new());
    assert_eq!(inspect(dir.path()).case, Case::EmptyDirectory);
    assert_eq!(inspect(&dir.path().join("absent")).case, Case::EmptyDirectory);
}

#[test]
fn a_tail_wiped_below_the_mark_is_noticed() {
    let base = closed_end();
    let dir = scratch();
    for kept in 0..100_usize {
        let mut files = base.clone();
        for (index, first) in [(1, 0), (2, 64)] {
            let bytes = files.get_mut(&segment_file_name(index)).unwrap();
            for place in 0..64 {
                if kept <= first + place {
                    bytes[4096 + place * 64..4096 + (place + 1) * 64].fill(0);
                }
            }
        }
        restore(dir.path(), &files);
        assert_eq!(inspect(dir.path()).case, Case::TailTruncatedRefused, "kept {kept}");
    }
}

#[track_caller]
fn place(files: &mut Image, sequence: usize) -> &mut [u8] {
    let (segment, place) = ((sequence - 1) / 64 + 1, (sequence - 1) % 64);
    let name = segment_file_name(u64::try_from(segment).unwrap());
    &mut files.get_mut(&name).unwrap()[4096 + place * 64..4096 + (place + 1) * 64]
}

#[test]
fn holes_breaks_and_strangers_have_their_cases() {
    let dir = scratch();
    let check = |files: &Image, case: Case, last: u64| {
        restore(dir.path(), files);
        let found = inspect(dir.path());
        assert_eq!((found.case, found.last_sequence), (case, last));
        assert!(recover(dir.path()).is_err());
        assert_eq!(image(dir.path()).get("00000001.twj"), files.get("00000001.twj"));
    };
    let base = open_end();
    let mut files = base.clone();
    place(&mut files, 20).fill(0);
    check(&files, Case::HoleRefused, 19);
    let mut files = base.clone();
    place(&mut files, 20).copy_from_slice(bytemuck::bytes_of(&record(21).sealed()));
    check(&files, Case::SequenceBreakRefused, 19);
    let mut files = base.clone();
    place(&mut files, 41).copy_from_slice(bytemuck::bytes_of(&record(40).sealed()));
    check(&files, Case::SequenceBreakRefused, 40);

    // A segment of another journal of the same shape.
    let other = scratch();
    let options = Options { journal_id: *b"another journal.", ..small() };
    let mut writer = Writer::create(other.path(), options).unwrap();
    append(&mut writer, 100);
    writer.close().unwrap();
    let other = image(other.path());
    let mut files = closed_end();
    files.insert("00000002.twj".to_owned(), other["00000002.twj"].clone());
    check(&files, Case::ForeignJournalRefused, 64);
    let mut files = closed_end();
    files.insert("chain.twc".to_owned(), other["chain.twc"].clone());
    check(&files, Case::ForeignJournalRefused, 100);
    // A segment in another's place.
    let mut files = closed_end();
    files.insert("00000002.twj".to_owned(), files["00000001.twj"].clone());
    check(&files, Case::ForeignJournalRefused, 64);
    let mut files = closed_end();
    files.insert("00000004.twj".to_owned(), files["00000001.twj"].clone());
    check(&files, Case::MissingSegmentRefused, 100);
}

#[test]
fn a_later_format_is_refused_by_name() {
    let mut files = closed_end();
    let bytes = files.get_mut("00000002.twj").unwrap();
    for start in [0, 512] {
        bytes[start + 8] = 2;
        let sum = journal::crc32c(&bytes[start..start + 508]);
        bytes[start + 508..start + 512].copy_from_slice(&sum.to_le_bytes());
    }
    let dir = scratch();
    restore(dir.path(), &files);
    assert_eq!(inspect(dir.path()).case, Case::ForeignVersionRefused);
}

#[test]
fn an_unreadable_file_is_named() {
    let dir = scratch();
    restore(dir.path(), &closed_end());
    // A folder under a segment's name: no user can read it, root neither.
    std::fs::remove_file(dir.path().join("00000002.twj")).unwrap();
    std::fs::create_dir(dir.path().join("00000002.twj")).unwrap();
    let found = inspect(dir.path());
    assert_eq!(found.case, Case::UnreadableRefused, "{:?}", found.finding);
    assert_eq!(found.finding.unwrap().path, dir.path().join("00000002.twj"));
}

#[test]
fn what_recovery_may_mend_is_mended_and_kept() {
    let base = open_end();
    let dir = scratch();
    let mend = |files: &Image, case: Case, count: u64, moved: usize| {
        restore(dir.path(), files);
        let before = Path::new("00000001.twj");
        let recovery = recover(dir.path()).unwrap();
        assert_eq!((recovery.case, recovery.last_sequence), (case, count), "{before:?}");
        assert_eq!(recovery.quarantined.len(), moved);
        let again = inspect(dir.path());
        assert_eq!((again.case, again.last_sequence), (Case::UncleanEnd, count));
        let mut writer = Writer::open(dir.path(), small(), &recovery).unwrap();
        append(&mut writer, 100);
        writer.close().unwrap();
        assert_holds(dir.path(), count + 100);
        assert!(verify(dir.path()).unwrap().ok);
        recovery
    };
    mend(&base, Case::UncleanEnd, 40, 0);
    let mut files = base.clone();
    place(&mut files, 40)[..8].fill(0);
    mend(&files, Case::TailCompleted, 40, 0);
    let mut files = base.clone();
    place(&mut files, 41)[9] = 77;
    let recovery = mend(&files, Case::TornTailCut, 40, 1);
    let kept = std::fs::read(&recovery.quarantined[0]).unwrap();
    assert_eq!((kept.len(), kept[9]), (64, 77));
    // A chain file that grew before its entry was there.
    let mut files = base.clone();
    files.get_mut("chain.twc").unwrap().extend([0; 100]);
    mend(&files, Case::UncleanEnd, 40, 1);
    // Under power durability pages of what was never confirmed may be missing.
    let power = scratch();
    let options = Options { durability: Durability::Power, ..small() };
    let writer = Writer::create(power.path(), options).unwrap();
    drop(writer);
    let mut files: Image =
        image(power.path()).into_iter().filter(|(name, _)| is_kept(name, 1)).collect();
    for sequence in (1..10).chain(20..30) {
        let sealed = record(u64::try_from(sequence).unwrap()).sealed();
        place(&mut files, sequence).copy_from_slice(bytemuck::bytes_of(&sealed));
    }
    let recovery = mend(&files, Case::HoleCut, 9, 1);
    let kept = std::fs::read(&recovery.quarantined[0]).unwrap();
    assert_eq!(kept.len(), (29 - 9) * 64);
}
