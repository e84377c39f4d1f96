//! What an operator may order, and that nothing is deleted by it.

use journal::{
    Case, Options, RepairError, RepairStep, Writer, inspect, propose_repair, recover, repair,
    segment_file_name, verify,
};

use super::support::{
    append, assert_holds, closed, dropped, image, record, restore, scratch, small,
};

/// Repairs, and shows that a writer can go on after `keep` records.
#[track_caller]
fn check(dir: &std::path::Path, case: Case, keep: u64) {
    let before = image(dir);
    let plan = propose_repair(dir, None).unwrap();
    assert_eq!(image(dir), before, "a plan changes nothing");
    assert_eq!((plan.case, plan.keep_through), (case, keep), "{:?}", plan.steps);
    assert!(plan.steps.iter().all(|step| !step.to_string().is_empty()));
    let report = repair(&plan).unwrap();
    assert!(!report.recovery.case.is_refused(), "{:?}", report.recovery.finding);
    assert_eq!(report.recovery.last_sequence, keep);
    assert!(report.recovery.chain.repaired);
    assert!(report.quarantined.iter().all(|path| path.exists()));
    assert_holds(dir, keep);
    let found = verify(dir).unwrap();
    assert!(found.ok, "{:?}", found.damage);
    let recovery = recover(dir).unwrap();
    let mut writer = Writer::open(dir, small(), &recovery).unwrap();
    append(&mut writer, 80);
    writer.close().unwrap();
    assert_holds(dir, keep + 80);
    assert!(verify(dir).unwrap().ok);
}

fn flip(dir: &std::path::Path, name: &str, offset: usize) {
    let path = dir.join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[offset] ^= 0x20;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn each_refused_case_that_leaves_good_records_is_repaired() {
    let dir = scratch();
    closed(dir.path(), 200);
    let base = image(dir.path());
    let start = || restore(dir.path(), &base);
    let dir = dir.path();
    start();
    flip(dir, "00000002.twj", 4096 + 10 * 64 + 9);
    check(dir, Case::BitRotRefused, 74);
    start();
    flip(dir, "00000001.twj", 4096);
    check(dir, Case::BitRotRefused, 0);
    start();
    flip(dir, "00000003.twj", 100);
    check(dir, Case::HeaderDamagedRefused, 200);
    start();
    flip(dir, "00000001.twj", 600);
    check(dir, Case::HeaderDamagedRefused, 200);
    start();
    flip(dir, "00000002.twj", 1030);
    check(dir, Case::HeaderDamagedRefused, 200);
    start();
    flip(dir, "00000001.twj", 3000);
    check(dir, Case::HeaderDamagedRefused, 200);
    start();
    flip(dir, "chain.twc", 5);
    check(dir, Case::ChainDamagedRefused, 200);
    start();
    flip(dir, "chain.twc", 300);
    check(dir, Case::ChainDamagedRefused, 200);
    start();
    std::fs::remove_file(dir.join("chain.twc")).unwrap();
    check(dir, Case::ChainDamagedRefused, 200);
    start();
    std::fs::remove_file(dir.join("00000002.twj")).unwrap();
    check(dir, Case::MissingSegmentRefused, 64);
    start();
    let bytes = std::fs::read(dir.join("00000003.twj")).unwrap();
    std::fs::write(dir.join("00000003.twj"), &bytes[..4096 + 20 * 64 + 5]).unwrap();
    check(dir, Case::SegmentLengthRefused, 148);
    start();
    std::fs::write(dir.join("00000003.twj"), [&bytes[..], &[1; 7]].concat()).unwrap();
    check(dir, Case::SegmentLengthRefused, 200);
    start();
    std::fs::write(dir.join("00000002.twj"), &bytes).unwrap();
    check(dir, Case::ForeignJournalRefused, 64);
    start();
    let mut changed = record(70);
    changed.body[0] ^= 1;
    let mut bytes = std::fs::read(dir.join("00000002.twj")).unwrap();
    bytes[4096 + 5 * 64..4096 + 6 * 64].copy_from_slice(bytemuck::bytes_of(&changed.sealed()));
    std::fs::write(dir.join("00000002.twj"), &bytes).unwrap();
    let plan = propose_repair(dir, Some(64)).unwrap();
    assert_eq!((plan.case, plan.good_records_lost), (Case::TamperedRefused, 136));
    repair(&plan).unwrap();
    assert_holds(dir, 64);
    assert!(verify(dir).unwrap().ok);
}

#[test]
fn removed_bytes_are_all_in_the_quarantine() {
    let dir = scratch();
    dropped(dir.path(), 150);
    let before = image(dir.path());
    let plan = propose_repair(dir.path(), Some(70)).unwrap();
    assert_eq!(plan.good_records_lost, 80);
    assert!(
        plan.steps.iter().any(|step| matches!(step, RepairStep::CutRecords { sequence: 71, .. }))
    );
    let report = repair(&plan).unwrap();
    let mut kept: Vec<Vec<u8>> =
        report.quarantined.iter().map(|path| std::fs::read(path).unwrap()).collect();
    kept.retain(|bytes| !bytes.is_empty());
    let second = &before[&segment_file_name(2)];
    assert!(kept.contains(&second[4096 + 6 * 64..].to_vec()), "the cut part of segment 2");
    assert!(kept.contains(&before[&segment_file_name(3)]), "segment 3 as a whole");
    assert!(kept.contains(&before["chain.twc"]), "the chain as it was");
}

#[test]
fn what_cannot_be_kept_or_repaired_is_said() {
    let dir = scratch();
    closed(dir.path(), 10);
    assert!(matches!(
        propose_repair(dir.path(), Some(11)),
        Err(RepairError::KeepTooMuch { wanted: 11, last_good: 10 })
    ));
    let plan = propose_repair(dir.path(), Some(5)).unwrap();
    let options = Options { ..small() };
    let recovery = recover(dir.path()).unwrap();
    let mut writer = Writer::open(dir.path(), options, &recovery).unwrap();
    assert!(matches!(repair(&plan), Err(RepairError::Locked(_))));
    append(&mut writer, 100);
    writer.close().unwrap();
    assert!(matches!(repair(&plan), Err(RepairError::Stale(_))));
    assert_holds(dir.path(), 110);
    flip(dir.path(), "00000001.twj", 8);
    flip(dir.path(), "00000001.twj", 520);
    assert_eq!(inspect(dir.path()).case, Case::HeaderDamagedRefused);
    assert!(matches!(
        propose_repair(dir.path(), None),
        Err(RepairError::NotRepairable { case: Case::HeaderDamagedRefused, .. })
    ));
}
