//! Every way to change a signed journal is seen, and a good one raises no alarm.

mod checkpoints;
mod journal_bytes;
mod rewrites;

use crate::report::code;
use crate::rig::{Rig, codes};
use crate::verify::VerifyOptions;

#[test]
fn a_good_journal_raises_no_alarm_at_any_moment_of_its_life() {
    let mut rig = Rig::new();
    let mut session = rig.start(1, "[audit]\n");
    rig.is_good();
    for _ in 0..4 {
        rig.work(&mut session, 40);
        let report = rig.verify();
        assert!(report.is_ok() && report.live, "{report:#?}");
    }
    assert!(3 <= rig.lines().len());
    rig.end(session);
    let report = rig.verify();
    assert!(report.is_ok() && !report.live, "{report:#?}");
    assert_eq!(report.signed_through, report.records);
    assert_eq!(report.checkpoints, u64::try_from(rig.lines().len()).unwrap());

    // Killed, looked at, started again, killed at once, ended in order.
    let mut session = rig.start(2, "[audit]\n");
    rig.work(&mut session, 30);
    rig.kill(session);
    rig.is_good();
    let session = rig.start(3, "[audit]\n");
    rig.kill(session);
    rig.is_good();
    let mut session = rig.start(4, "[audit]\n");
    rig.work(&mut session, 100);
    rig.end(session);
    let report = rig.verify();
    assert!(report.is_ok() && report.damage.is_empty(), "{report:#?}");
    assert_eq!(report.signed_through, report.records);
    assert_eq!(report.keys.len(), 1);
}

#[test]
fn half_a_line_of_a_crash_is_no_damage_and_the_next_session_goes_on_behind_it() {
    let mut rig = Rig::new();
    let mut session = rig.start(1, "[audit]\n");
    rig.work(&mut session, 40);
    rig.kill(session);
    let text = std::fs::read(rig.checkpoints()).unwrap();
    let mut torn = text.clone();
    torn.extend(&text[..100]);
    std::fs::write(rig.checkpoints(), torn).unwrap();
    let report = rig.verify();
    assert!(report.is_ok(), "{report:#?}");
    assert!(report.notes.iter().any(|note| note.contains("half a line")), "{report:#?}");
    let session = rig.start(2, "[audit]\n");
    rig.end(session);
    rig.is_good();
}

#[test]
fn garbage_in_the_middle_hides_nothing_behind_it() {
    let mut rig = Rig::new();
    let mut session = rig.start(1, "[audit]\n");
    rig.work(&mut session, 40);
    rig.work(&mut session, 40);
    rig.kill(session);
    let mut lines = rig.lines();
    for size in [0, 1, 8_191, 8_192, 8_193, 100_000] {
        lines.insert(1, "x".repeat(size));
        rig.write_lines(&lines);
        assert!(rig.codes().contains(&code::CHECKPOINT_DAMAGED), "{size} bytes");
        lines.remove(1);
    }
    rig.write_lines(&lines);
    rig.is_good();
}

#[test]
fn a_journal_that_nobody_signed_is_told_and_one_that_lost_its_signatures_is_damage() {
    let mut rig = Rig::two_sessions(20);
    std::fs::remove_dir_all(rig.audit()).unwrap();
    assert_eq!(rig.codes(), [code::CHECKPOINTS_MISSING]);

    let mut unsigned = Rig::new();
    let session = unsigned.start(1, "[engine]\n");
    unsigned.end(session);
    std::fs::remove_dir_all(unsigned.audit()).unwrap();
    let report = unsigned.verify();
    assert!(report.is_ok(), "{report:#?}");
    assert!(report.notes.iter().any(|note| note.contains("no session")), "{report:#?}");
    // Whoever names a key or an anchor says that it must be signed.
    let anchor = Some(rig.dir.path().join("anchor"));
    let report = unsigned.verify_with(&VerifyOptions { anchor, public_key: None });
    assert_eq!(codes(&report), [code::CHECKPOINTS_MISSING, code::ANCHOR_EMPTY]);
    rig.now_ns += 1;
}

#[test]
fn a_session_that_does_not_sign_leaves_an_end_that_need_not_be_signed() {
    let mut rig = Rig::two_sessions(20);
    let recovery = journal::recover(&rig.journal()).unwrap();
    let writer = journal::Writer::open(&rig.journal(), crate::rig::options(), &recovery).unwrap();
    writer.close().unwrap();
    // The last session that began said that it signs: somebody closed the journal past the last signature.
    assert_eq!(rig.codes(), [code::CLOSE_UNSIGNED]);

    let recovery = journal::recover(&rig.journal()).unwrap();
    let mut writer =
        journal::Writer::open(&rig.journal(), crate::rig::options(), &recovery).unwrap();
    let config = engine::event::session::text(engine::event::TextTopic::Config, "[engine]\n");
    let start = engine::event::session::session_start(3, engine::event::Mode::Paper);
    for mut event in config.into_iter().chain([start]) {
        event.sequence = writer.next_sequence();
        writer.append(bytemuck::cast_ref(&event)).unwrap();
    }
    writer.close().unwrap();
    let report = rig.verify();
    assert!(report.is_ok(), "{report:#?}");
    assert!(report.notes.iter().any(|note| note.contains("not signed yet")), "{report:#?}");
    // The next one that signs covers all of it.
    let session = rig.start(4, "[audit]\n");
    rig.end(session);
    let report = rig.verify();
    assert!(report.is_ok(), "{report:#?}");
    assert_eq!(report.signed_through, report.records);
}
