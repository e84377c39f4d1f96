//! Records deleted, added, moved, changed, with every check and the whole chain made good again.

use engine::event::Event;

use crate::anchor::Anchor;
use crate::checkpoint::Checkpoint;
use crate::keeper::Keeper;
use crate::key::{KEY_FILE, PUBLIC_KEY_FILE, PublicKey, SigningKey};
use crate::report::code;
use crate::rig::{Rig, codes, copy, forge, records};
use crate::verify::VerifyOptions;

/// The journal of `rig` with other records, its chain recomputed: what an attacker without the key can do.
#[track_caller]
fn is_seen(rig: &Rig, events: &[Event], what: &str) {
    let kept = rig.dir.path().join("kept");
    copy(&rig.journal(), &kept);
    forge(&rig.journal(), events);
    assert!(journal::verify(&rig.journal()).unwrap().ok, "{what}: the forgery is not good enough");
    let found = rig.codes();
    assert!(!found.is_empty(), "{what} is not seen");
    let known = [code::HEAD_CHANGED, code::HEAD_MISSING, code::CLOSE_UNSIGNED];
    assert!(found.iter().all(|it| known.contains(it)), "{what}: {found:?}");
    std::fs::remove_dir_all(rig.journal()).unwrap();
    std::fs::rename(&kept, rig.journal()).unwrap();
}

#[test]
fn a_record_deleted_doubled_moved_changed_or_added_is_seen() {
    let rig = Rig::two_sessions(40);
    rig.is_good();
    let events = records(&rig.journal());
    for at in 0..events.len() {
        let mut without = events.clone();
        without.remove(at);
        is_seen(&rig, &without, &format!("record {} deleted", at + 1));

        let mut twice = events.clone();
        twice.insert(at, events[at]);
        is_seen(&rig, &twice, &format!("record {} doubled", at + 1));

        let mut changed = events.clone();
        changed[at].price += 1;
        is_seen(&rig, &changed, &format!("record {} changed", at + 1));

        if at + 1 < events.len() {
            let mut moved = events.clone();
            moved.swap(at, at + 1);
            is_seen(&rig, &moved, &format!("records {} and {} swapped", at + 1, at + 2));
        }
    }
    rig.is_good();
}

#[test]
fn a_tail_cut_together_with_its_chain_entries_is_seen_at_every_length() {
    let rig = Rig::two_sessions(40);
    let events = records(&rig.journal());
    for length in 0..events.len() {
        is_seen(&rig, &events[..length], &format!("cut to {length} records"));
    }
    rig.is_good();
}

fn anchored() -> (Rig, VerifyOptions) {
    let mut rig = Rig::new();
    let anchor = rig.dir.path().join("anchor.jsonl");
    rig.settings.anchors = vec![Anchor::File(anchor.clone())];
    for number in 1..=2 {
        let mut session = rig.start(number, "[audit]\n");
        rig.work(&mut session, 40);
        rig.end(session);
    }
    let options = VerifyOptions { anchor: Some(anchor), public_key: None };
    let report = rig.verify_with(&options);
    assert!(report.is_ok(), "{report:#?}");
    let count = u64::try_from(rig.lines().len()).unwrap();
    assert_eq!(report.anchor, Some((count, count)));
    (rig, options)
}

/// Journal and checkpoints made anew from nothing, signed with the key that lies in the audit directory.
fn rewrite_everything(rig: &Rig, events: &[Event]) {
    forge(&rig.journal(), events);
    std::fs::remove_file(rig.checkpoints()).unwrap();
    let settings = crate::keeper::KeeperSettings { anchors: Vec::new(), ..rig.settings.clone() };
    let keeper = Keeper::open(settings, rig.now_ns).unwrap();
    keeper.finish(rig.now_ns).unwrap();
}

#[test]
fn a_rewrite_with_the_stolen_key_is_seen_by_the_anchor_alone() {
    let (rig, options) = anchored();
    let mut events = records(&rig.journal());
    events[50].price = 1;
    rewrite_everything(&rig, &events);
    assert!(rig.verify().is_ok(), "this is why there is an anchor");
    let found = codes(&rig.verify_with(&options));
    assert!(found.contains(&code::ANCHOR_DIFFERS), "{found:?}");
    assert!(found.contains(&code::ANCHOR_AHEAD), "{found:?}");
}

#[test]
fn a_rewrite_with_a_new_key_is_seen_by_the_anchor_and_by_the_public_key() {
    let (rig, options) = anchored();
    let trusted = rig.dir.path().join("trusted.pem");
    std::fs::copy(rig.audit().join(PUBLIC_KEY_FILE), &trusted).unwrap();
    let mut events = records(&rig.journal());
    events.truncate(60);
    std::fs::remove_file(rig.audit().join(KEY_FILE)).unwrap();
    rewrite_everything(&rig, &events);
    assert!(rig.verify().is_ok(), "this is why the public key is kept elsewhere");
    let by_key = VerifyOptions { anchor: None, public_key: Some(trusted) };
    assert_eq!(codes(&rig.verify_with(&by_key)), [code::KEY_UNTRUSTED]);
    let found = codes(&rig.verify_with(&options));
    assert!(found.contains(&code::ANCHOR_DIFFERS), "{found:?}");
}

#[test]
fn the_newest_checkpoints_removed_together_with_what_they_sign_are_seen_by_the_anchor() {
    let (rig, options) = anchored();
    let lines = rig.lines();
    let events = records(&rig.journal());
    // The journal as it was at an earlier checkpoint: its records, its chain, its lines.
    let early = Checkpoint::from_line(lines[1].as_bytes()).unwrap();
    let kept = usize::try_from(early.sequence).unwrap();
    forge(&rig.journal(), &events[..kept]);
    rig.write_lines(&lines[..2]);
    let found = codes(&rig.verify_with(&options));
    assert!(found.contains(&code::ANCHOR_AHEAD), "{found:?}");
}

#[test]
fn an_anchor_of_another_journal_or_none_is_seen() {
    let (rig, options) = anchored();
    let anchor = options.anchor.clone().unwrap();
    let text = std::fs::read_to_string(&anchor).unwrap();
    std::fs::write(&anchor, text.replace(&text[60..70], "0000000000")).unwrap();
    assert!(!rig.verify_with(&options).is_ok());
    std::fs::write(&anchor, "").unwrap();
    assert_eq!(codes(&rig.verify_with(&options)), [code::ANCHOR_EMPTY]);
    std::fs::remove_file(&anchor).unwrap();
    assert_eq!(codes(&rig.verify_with(&options)), [code::ANCHOR_EMPTY]);
    // Half a line, as a crash leaves it there, is nothing.
    std::fs::write(&anchor, format!("{text}{}", &text[..50])).unwrap();
    assert!(rig.verify_with(&options).is_ok());
}

#[test]
fn a_trusted_key_of_any_rotation_is_accepted_and_a_stranger_is_not() {
    let mut rig = Rig::two_sessions(20);
    let first = rig.dir.path().join("first.pem");
    std::fs::copy(rig.audit().join(PUBLIC_KEY_FILE), &first).unwrap();
    let place = ("planned", rig.now_ns);
    crate::keeper::rotate(&rig.journal(), &rig.audit(), None, place).unwrap();
    let session = rig.start(3, "[audit]\n");
    rig.end(session);
    let report = rig.verify();
    assert!(report.is_ok(), "{report:#?}");
    assert_eq!(report.keys.len(), 2);
    let second = rig.audit().join(PUBLIC_KEY_FILE);
    assert_ne!(PublicKey::read(&first).unwrap(), PublicKey::read(&second).unwrap());
    let stranger = rig.dir.path().join("stranger.pem");
    let key = SigningKey::create(&rig.dir.path().join("stranger")).unwrap();
    std::fs::write(&stranger, key.public().to_pem()).unwrap();
    for (path, good) in [(first, true), (second, true), (stranger, false)] {
        let options = VerifyOptions { anchor: None, public_key: Some(path.clone()) };
        assert_eq!(rig.verify_with(&options).is_ok(), good, "{}", path.display());
    }
}
