//! Lines of the checkpoint file removed, doubled, moved, signed by others; repairs by operators.

use crate::checkpoint::{Checkpoint, CheckpointKind, Statement};
use crate::keeper::sign_repair;
use crate::key::SigningKey;
use crate::report::code;
use crate::rig::{Rig, records};
use journal::ChainPoint;

#[test]
fn every_line_removed_doubled_or_moved_is_seen() {
    let rig = Rig::two_sessions(40);
    let lines = rig.lines();
    assert!(6 <= lines.len(), "{}", lines.len());
    for at in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(at);
        rig.write_lines(&without);
        let due = if at + 1 == lines.len() { code::CLOSE_UNSIGNED } else { code::CHECKPOINT_ORDER };
        assert!(rig.codes().contains(&due), "line {} removed: {:?}", at + 1, rig.codes());

        let mut twice = lines.clone();
        twice.insert(at, lines[at].clone());
        rig.write_lines(&twice);
        assert!(rig.codes().contains(&code::CHECKPOINT_ORDER), "line {} doubled", at + 1);

        if at + 1 < lines.len() {
            let mut moved = lines.clone();
            moved.swap(at, at + 1);
            rig.write_lines(&moved);
            assert!(rig.codes().contains(&code::CHECKPOINT_ORDER), "line {} moved", at + 1);
        }
        // Cut from here on: more than the last one is gone.
        rig.write_lines(&lines[..at]);
        assert!(!rig.verify().is_ok(), "{at} lines left");
    }
    rig.write_lines(&lines);
    rig.is_good();
}

/// Line `at` again, its place in the order kept, signed by `key`.
fn resigned(line: &str, key: &SigningKey, change: impl Fn(&mut ChainPoint)) -> String {
    let old = Checkpoint::from_line(line.as_bytes()).unwrap();
    let mut point = ChainPoint {
        entry: old.entry,
        last_sequence: old.sequence,
        hash: old.hash,
        opened: false,
        closed: false,
        repaired: false,
    };
    change(&mut point);
    let says = Statement {
        number: old.number,
        kind: CheckpointKind::Plain,
        journal_id: old.journal_id,
        previous: old.previous,
        time_ns: old.time_ns,
        note: "",
        new_key: None,
    };
    Checkpoint::sign(key, &point, &says).to_line()
}

#[test]
fn a_line_signed_by_another_key_is_seen_wherever_it_stands() {
    let rig = Rig::two_sessions(40);
    let lines = rig.lines();
    let stranger = SigningKey::create(&rig.dir.path().join("stranger")).unwrap();
    for at in 0..lines.len() {
        let mut forged = lines.clone();
        forged[at] = resigned(&lines[at], &stranger, |_| {});
        rig.write_lines(&forged);
        let found = rig.codes();
        assert!(found.contains(&code::CHECKPOINT_KEY), "line {}: {found:?}", at + 1);
    }
}

#[test]
fn a_signature_of_what_the_chain_does_not_say_is_seen() {
    let rig = Rig::two_sessions(40);
    let lines = rig.lines();
    let key = SigningKey::read(&rig.audit().join(crate::key::KEY_FILE)).unwrap();
    let last = lines.len() - 1;
    let mut forged = lines.clone();
    // The key's owner signs it, so line and signature are good; the journal says otherwise.
    forged[last] = resigned(&lines[last], &key, |point| point.hash[0] ^= 1);
    rig.write_lines(&forged);
    assert_eq!(rig.codes(), [code::HEAD_CHANGED]);
    forged[last] = resigned(&lines[last], &key, |point| point.last_sequence += 1);
    rig.write_lines(&forged);
    assert_eq!(rig.codes(), [code::HEAD_CHANGED]);
    forged[last] = resigned(&lines[last], &key, |point| point.entry += 1);
    rig.write_lines(&forged);
    assert_eq!(rig.codes(), [code::HEAD_MISSING]);
}

#[test]
fn checkpoints_of_another_journal_are_foreign() {
    let rig = Rig::two_sessions(20);
    let mut other = Rig::new();
    let options = journal::Options { journal_id: [9; 16], ..crate::rig::options() };
    journal::Writer::create(&other.journal(), options).unwrap().close().unwrap();
    let session = other.start(1, "[audit]\n");
    other.end(session);
    std::fs::copy(other.checkpoints(), rig.checkpoints()).unwrap();
    let found = rig.codes();
    assert!(found.contains(&code::CHECKPOINT_FOREIGN), "{found:?}");
}

/// Damages a record so that the journal is refused, and repairs it.
fn repair(rig: &Rig, sequence: u64) {
    use std::os::unix::fs::FileExt as _;
    let path = rig.journal().join(journal::segment_file_name((sequence - 1) / 64 + 1));
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(&[0xee; 8], 4096 + (sequence - 1) % 64 * 64 + 20).unwrap();
    assert!(!rig.verify().is_ok());
    let plan = journal::propose_repair(&rig.journal(), None).unwrap();
    assert_eq!(plan.keep_through, sequence - 1);
    journal::repair(&plan).unwrap();
}

#[test]
fn a_repair_is_damage_until_it_is_signed_and_shows_as_a_repair_then() {
    for sequence in [1, 2, 20, 40, 50, 61, 64, 65, 80] {
        let mut rig = Rig::two_sessions(40);
        assert!(80 < records(&rig.journal()).len());
        repair(&rig, sequence);
        let found = rig.codes();
        assert!(!found.is_empty(), "cut at {sequence}");
        let known = [code::HEAD_CHANGED, code::HEAD_MISSING];
        assert!(found.iter().all(|it| known.contains(it)), "{found:?}");

        let why = ("by ann: sector lost", rig.now_ns);
        let signed = sign_repair(&rig.journal(), &rig.audit(), None, why).unwrap();
        assert_eq!((signed.kind, signed.sequence), (CheckpointKind::Repair, sequence - 1));
        let report = rig.verify();
        assert!(report.is_ok(), "{report:#?}");
        assert_eq!(report.repairs.len(), 1);
        assert_eq!(report.repairs[0].note, "by ann: sector lost");
        assert!(0 < report.repairs[0].superseded);
        assert_eq!(report.repairs[0].sequence, sequence - 1);

        // The engine goes on, and a second repair is a second statement.
        let mut session = rig.start(3, "[audit]\n");
        rig.work(&mut session, 40);
        rig.end(session);
        rig.is_good();
        let last = rig.verify().records;
        repair(&rig, last - 3);
        assert!(!rig.verify().is_ok());
        sign_repair(&rig.journal(), &rig.audit(), None, why).unwrap();
        let report = rig.verify();
        assert!(report.is_ok(), "{report:#?}");
        assert_eq!(report.repairs.len(), 2);
    }
}

#[test]
fn a_statement_does_not_excuse_what_happens_after_it() {
    let mut rig = Rig::two_sessions(40);
    repair(&rig, 50);
    let why = ("by ann: sector lost", rig.now_ns);
    sign_repair(&rig.journal(), &rig.audit(), None, why).unwrap();
    let mut session = rig.start(3, "[audit]\n");
    rig.work(&mut session, 40);
    rig.end(session);
    rig.is_good();
    let mut events = records(&rig.journal());
    events[10].price = 1;
    crate::rig::forge(&rig.journal(), &events);
    assert!(!rig.verify().is_ok());
}
