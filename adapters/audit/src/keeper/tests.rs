//! Keys change hands in the open, anchors catch up, and what cannot be signed is said.

use crate::anchor::Anchor;
use crate::keeper::{Keeper, KeeperError, rotate, sign_repair};
use crate::key::{KEY_FILE, SigningKey};
use crate::log::LogError;
use crate::rig::{Rig, forge, records};
use crate::verify::VerifyOptions;

fn start(rig: &mut Rig) -> Result<Keeper, KeeperError> {
    Keeper::open(rig.settings.clone(), rig.now_ns)
}

#[test]
fn checkpoints_come_when_time_or_records_are_due_and_never_without_news() {
    let mut rig = Rig::new();
    rig.settings.interval_records = 32;
    let mut session = rig.start(1, "[audit]\n");
    assert_eq!(rig.lines().len(), 1);
    assert!(!session.keeper.poll(rig.now_ns + 3_600_000_000_000).unwrap().signed, "nothing is new");
    // Fewer records than are due, and no time has passed.
    let before = rig.lines().len();
    rig.work(&mut session, 20);
    assert_eq!(rig.lines().len(), before + 1, "a second has passed");
    let signed = session.keeper.last().unwrap().sequence;
    rig.now_ns -= 1_000_000_000;
    rig.work(&mut session, 10);
    assert_eq!(session.keeper.last().unwrap().sequence, signed, "neither is due");
    rig.now_ns -= 1_000_000_000;
    rig.work(&mut session, 40);
    assert!(signed + 32 <= session.keeper.last().unwrap().sequence, "the records are due");
    rig.end(session);
    rig.is_good();
}

#[test]
fn only_one_process_signs_at_a_time() {
    let mut rig = Rig::new();
    let session = rig.start(1, "[audit]\n");
    assert!(matches!(start(&mut rig), Err(KeeperError::Log(LogError::Locked(_)))));
    let place = ("no", rig.now_ns);
    let refused = rotate(&rig.journal(), &rig.audit(), None, place);
    assert!(matches!(refused, Err(KeeperError::Log(LogError::Locked(_)))));
    rig.end(session);
    start(&mut rig).unwrap();
}

#[test]
fn another_key_without_a_rotation_is_refused() {
    let mut rig = Rig::two_sessions(20);
    let path = rig.audit().join(KEY_FILE);
    let old = std::fs::read(&path).unwrap();
    SigningKey::create(&path).unwrap();
    assert!(matches!(start(&mut rig), Err(KeeperError::KeyChanged { .. })));
    std::fs::remove_file(&path).unwrap();
    assert!(
        matches!(start(&mut rig), Err(KeeperError::Key(_))),
        "a lost key is not replaced by itself"
    );
    std::fs::write(&path, old).unwrap();
    assert!(matches!(start(&mut rig), Err(KeeperError::Key(_))), "others can read it");
}

#[test]
fn a_rotation_that_was_cut_off_after_its_line_is_ended_by_the_next_start() {
    let mut rig = Rig::two_sessions(20);
    let path = rig.audit().join(KEY_FILE);
    let old = std::fs::read(&path).unwrap();
    let place = ("planned", rig.now_ns);
    rotate(&rig.journal(), &rig.audit(), None, place).unwrap();
    let new = std::fs::read(&path).unwrap();
    // As if it had died before the rename.
    let next = rig.audit().join(format!("{KEY_FILE}.next"));
    std::fs::rename(&path, &next).unwrap();
    std::fs::write(&path, &old).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    start(&mut rig).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), new);
    assert!(!next.exists());
    rig.is_good();
}

#[test]
fn a_key_from_elsewhere_signs_and_stays_there() {
    let mut rig = Rig::new();
    let key = rig.dir.path().join("vault.pem");
    rig.settings.key_file = Some(key.clone());
    std::fs::create_dir_all(rig.journal()).unwrap();
    journal::Writer::create(&rig.journal(), crate::rig::options()).unwrap().close().unwrap();
    assert!(matches!(start(&mut rig), Err(KeeperError::Key(_))), "it must exist");
    SigningKey::create(&key).unwrap();
    let session = rig.start(1, "[audit]\n");
    rig.end(session);
    assert!(!rig.audit().join(KEY_FILE).exists());
    rig.is_good();
}

#[test]
fn a_journal_that_was_cut_or_rewritten_is_not_signed_again() {
    let mut rig = Rig::two_sessions(40);
    let mut events = records(&rig.journal());
    events.truncate(30);
    forge(&rig.journal(), &events);
    assert!(matches!(start(&mut rig), Err(KeeperError::Disagrees { .. })));
    let place = ("no", rig.now_ns);
    assert!(matches!(
        rotate(&rig.journal(), &rig.audit(), None, place),
        Err(KeeperError::Disagrees { .. })
    ));
    let refused = sign_repair(&rig.journal(), &rig.audit(), None, place);
    assert!(matches!(refused, Err(KeeperError::NotRepaired)), "there is no cut to explain");
}

#[test]
fn an_anchor_that_was_away_gets_everything_when_it_is_back() {
    let mut rig = Rig::new();
    let place = rig.dir.path().join("elsewhere");
    let anchor = place.join("anchor.jsonl");
    rig.settings.anchors = vec![Anchor::File(anchor.clone())];
    let mut session = rig.start(1, "[audit]\n");
    let told = session.keeper.poll(rig.now_ns).unwrap().anchor_error.unwrap();
    assert!(told.contains("anchor.jsonl"), "{told}");
    rig.work(&mut session, 40);
    rig.work(&mut session, 40);
    assert_eq!(session.keeper.anchored(), Some(0));
    std::fs::create_dir(&place).unwrap();
    rig.now_ns += 10_000_000_000;
    rig.work(&mut session, 1);
    assert_eq!(session.keeper.anchored(), session.keeper.last().map(|last| last.number));
    rig.end(session);
    assert_eq!(std::fs::read(&anchor).unwrap(), std::fs::read(rig.checkpoints()).unwrap());

    // A new session goes on where the anchor stands, also behind half a line.
    let mut torn = std::fs::read(&anchor).unwrap();
    torn.truncate(torn.len() - 40);
    std::fs::write(&anchor, torn).unwrap();
    let session = rig.start(2, "[audit]\n");
    rig.end(session);
    let options = VerifyOptions { anchor: Some(anchor), public_key: None };
    let report = rig.verify_with(&options);
    assert!(report.is_ok(), "{report:#?}");
    let count = u64::try_from(rig.lines().len()).unwrap();
    assert_eq!(report.anchor, Some((count, count)));
}

#[test]
fn an_older_backup_is_not_continued_against_its_anchor() {
    let mut rig = Rig::new();
    rig.settings.anchors = vec![Anchor::File(rig.dir.path().join("anchor.jsonl"))];
    let session = rig.start(1, "[audit]\n");
    rig.end(session);
    let (journal, audit) = (rig.dir.path().join("old-journal"), rig.dir.path().join("old-audit"));
    crate::rig::copy(&rig.journal(), &journal);
    crate::rig::copy(&rig.audit(), &audit);
    let mut session = rig.start(2, "[audit]\n");
    rig.work(&mut session, 40);
    rig.end(session);
    for (old, new) in [(journal, rig.journal()), (audit, rig.audit())] {
        std::fs::remove_dir_all(&new).unwrap();
        std::fs::rename(old, new).unwrap();
    }
    rig.is_good();
    assert!(matches!(start(&mut rig), Err(KeeperError::AnchorAhead { .. })));
}

#[test]
fn every_third_checkpoint_is_anchored_and_always_the_first_and_the_last() {
    let mut rig = Rig::new();
    let anchor = rig.dir.path().join("anchor.jsonl");
    rig.settings.anchors = vec![Anchor::File(anchor.clone())];
    rig.settings.anchor_every = 3;
    let mut session = rig.start(1, "[audit]\n");
    for _ in 0..6 {
        rig.work(&mut session, 20);
    }
    rig.end(session);
    let text = std::fs::read_to_string(&anchor).unwrap();
    let numbers: Vec<u64> = text
        .lines()
        .map(|line| crate::checkpoint::Checkpoint::from_line(line.as_bytes()).unwrap().number)
        .collect();
    let last = u64::try_from(rig.lines().len()).unwrap();
    let mut due: Vec<u64> = (1..=last).filter(|it| *it == 1 || it % 3 == 0).collect();
    due.extend((!last.is_multiple_of(3)).then_some(last));
    assert_eq!(numbers, due);
    let options = VerifyOptions { anchor: Some(anchor), public_key: None };
    assert!(rig.verify_with(&options).is_ok());
}

#[test]
fn a_program_is_given_each_line_and_again_after_it_refused() {
    let mut rig = Rig::new();
    let kept = rig.dir.path().join("kept");
    let gate = rig.dir.path().join("gate");
    let script = rig.dir.path().join("keep.sh");
    let text = format!("test -e {} || exit 3\ncat >> {}\n", gate.display(), kept.display());
    std::fs::write(&script, text).unwrap();
    let words = vec!["sh".to_string(), script.display().to_string()];
    rig.settings.anchors = vec![Anchor::Command(words)];
    let mut session = rig.start(1, "[audit]\n");
    let told = session.keeper.poll(rig.now_ns).unwrap().anchor_error.unwrap();
    assert!(told.contains("exit status: 3"), "{told}");
    std::fs::write(&gate, "").unwrap();
    rig.now_ns += 10_000_000_000;
    rig.work(&mut session, 40);
    rig.end(session);
    assert_eq!(std::fs::read(&kept).unwrap(), std::fs::read(rig.checkpoints()).unwrap());
    let session = rig.start(2, "[audit]\n");
    rig.end(session);
    assert_eq!(std::fs::read(&kept).unwrap(), std::fs::read(rig.checkpoints()).unwrap());
    rig.is_good();
}

#[test]
fn anchors_have_a_form() {
    for (text, good) in [
        ("file:/a/b", true),
        ("file:", false),
        ("command:keep it", true),
        ("command:  ", false),
        ("/a/b", false),
        ("", false),
    ] {
        assert_eq!(Anchor::parse(text).is_ok(), good, "{text}");
    }
}
