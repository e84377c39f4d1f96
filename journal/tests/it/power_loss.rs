//! Images of a disk after power loss: what was synced is there, of the rest any subset, in any age.
//!
//! The unit is a sector of 512 bytes (8 records), which a disk writes whole or not. A sector past the synced
//! sequence is either as it was at the last sync or as at some later moment, when the cache line of the record
//! under way could be in any state that the writer's order of stores allows.

use std::collections::BTreeMap;
use std::path::Path;

use journal::{Case, Durability, Options, Writer, inspect, recover, segment_file_name, verify};

use super::support::{
    Random, append, assert_holds, image, record, restore, scratch, small, wait_until,
};

type Image = BTreeMap<String, Vec<u8>>;

/// A journal of four segments' room with `synced` records that the disk has; the files as the disk has them.
fn synced_base(dir: &Path, durability: Durability, synced: u64) -> (Image, u64) {
    let options = Options { durability, prepared_ahead: 3, ..small() };
    let mut writer = Writer::create(dir, options).unwrap();
    append(&mut writer, synced);
    if durability == Durability::Power {
        wait_until("sync", || writer.synced() == synced);
    }
    wait_until("segments", || 4 <= writer.status().segments);
    let confirmed = writer.synced();
    drop(writer);
    (image(dir), confirmed)
}

fn place(files: &mut Image, sequence: u64) -> &mut [u8] {
    let bytes = files.get_mut(&segment_file_name((sequence - 1) / 64 + 1)).unwrap();
    let start = 4096 + usize::try_from((sequence - 1) % 64).unwrap() * 64;
    &mut bytes[start..start + 64]
}

/// Lays records `synced + 1 ..= appended` over the image, sector by sector, as far as chance lets them.
fn lay(files: &mut Image, synced: u64, appended: u64, random: &mut Random) {
    for sector in synced / 8..=appended / 8 {
        if random.below(3) == 0 {
            continue;
        }
        // Age of the sector: the records through `seen` were there when it was written.
        let seen = sector * 8 + random.below(9);
        for sequence in (sector * 8 + 1..=sector * 8 + 8).filter(|next| synced < *next) {
            let sealed = record(sequence).sealed();
            let bytes = bytemuck::bytes_of(&sealed);
            if appended < sequence || sequence > 256 {
                continue;
            }
            if sequence <= seen {
                place(files, sequence).copy_from_slice(bytes);
            } else if sequence == seen + 1 {
                // The record under way: some of its body, no commit word.
                let stored = usize::try_from(random.below(8)).unwrap() * 8;
                place(files, sequence)[8..8 + stored.min(56)]
                    .copy_from_slice(&bytes[8..8 + stored.min(56)]);
            }
        }
    }
}

#[test]
fn under_power_durability_what_was_synced_is_recovered_and_nothing_else_stops_a_start() {
    let mut random = Random(0x5EED_0001);
    let mut cases: BTreeMap<&str, u32> = BTreeMap::new();
    for round in 0..24 {
        let synced = random.below(200);
        let made = scratch();
        let (base, confirmed) = synced_base(made.path(), Durability::Power, synced);
        assert_eq!(confirmed, synced);
        let dir = scratch();
        for turn in 0..200 {
            let seed = random.0;
            let context = format!("seed {seed:#x} round {round} turn {turn} synced {synced}");
            let appended = synced + random.below(257 - synced);
            let mut files = base.clone();
            lay(&mut files, synced, appended, &mut random);
            restore(dir.path(), &files);
            let recovery = recover(dir.path()).unwrap_or_else(|error| panic!("{context}: {error}"));
            *cases.entry(recovery.case.name()).or_insert(0) += 1;
            assert!(synced <= recovery.last_sequence, "{context}");
            assert!(recovery.last_sequence <= appended + 1, "{context}");
            assert_holds(dir.path(), recovery.last_sequence);
            if turn % 40 == 0 {
                let options = Options { durability: Durability::Power, ..small() };
                let mut writer = Writer::open(dir.path(), options, &recovery).unwrap();
                append(&mut writer, 20);
                writer.close().unwrap();
                assert_holds(dir.path(), recovery.last_sequence + 20);
                assert!(verify(dir.path()).unwrap().ok, "{context}");
            }
        }
    }
    println!("{cases:?}");
    for case in [Case::HoleCut, Case::TornTailCut, Case::UncleanEnd, Case::TailCompleted] {
        assert!(cases.contains_key(case.name()), "{case} was never met: {cases:?}");
    }
}

#[test]
fn under_process_durability_a_hole_is_refused_and_never_read_over() {
    let mut random = Random(0x5EED_0002);
    let mut refused = 0;
    for _ in 0..4 {
        let synced = random.below(60);
        let made = scratch();
        let (base, confirmed) = synced_base(made.path(), Durability::Process, synced);
        let dir = scratch();
        for _ in 0..300 {
            let seed = random.0;
            let appended = synced + random.below(257 - synced);
            let mut files = base.clone();
            lay(&mut files, synced, appended, &mut random);
            restore(dir.path(), &files);
            let found = inspect(dir.path());
            assert!(confirmed <= found.last_sequence, "seed {seed:#x}");
            assert_holds(dir.path(), found.last_sequence);
            // Refused exactly when good records lie behind the first gap: they show that some are missing.
            let behind = (found.last_sequence + 2..=256)
                .any(|sequence| place(&mut files, sequence)[..8] == sequence.to_le_bytes());
            if behind {
                assert!(found.case.is_refused(), "seed {seed:#x} {}", found.case);
                refused += 1;
            }
        }
    }
    assert!(0 < refused);
}
