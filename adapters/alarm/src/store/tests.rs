//! Tests of the store.

use super::*;
use crate::board::{Board, BoardSettings};
use crate::notice::Signal;
use crate::subject::{Names, Subject};

/// Notices of the numbers after `last`.
fn notices(last: u64, count: u64) -> Vec<Notice> {
    let state = BoardState { notice_last: last, alarm_last: last, ..BoardState::default() };
    let mut board = Board::new(BoardSettings::default(), state);
    let mut out = Vec::new();
    for number in 0..count {
        let signal = Signal::raise(Code::SessionStart, Subject::Engine, (number, number));
        board.signal(&signal, 0, &mut out);
    }
    for notice in &mut out {
        notice.word(&Names::default());
    }
    out
}

fn numbers(notices: &[Notice]) -> Vec<u64> {
    notices.iter().map(|notice| notice.notice).collect()
}

fn state(next_sequence: u64) -> SavedState {
    SavedState { next_sequence, ..SavedState::default() }
}

#[test]
fn what_was_told_and_where_it_stood_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, loaded) = Store::open(dir.path()).unwrap();
    assert_eq!((loaded.state, loaded.is_state_damaged, loaded.newest.len()), (None, false, 0));
    store.commit(state(10), &notices(0, 2)).unwrap();
    store.commit(state(20), &[]).unwrap();
    store.commit(state(30), &notices(2, 1)).unwrap();
    drop(store);
    let (_, loaded) = Store::open(dir.path()).unwrap();
    assert_eq!(loaded.state.unwrap().next_sequence, 30);
    assert_eq!(numbers(&loaded.newest), [1, 2, 3]);
}

#[test]
fn two_cannot_tell_the_alarms_of_one_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(dir.path()).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Locked(_))));
    drop(first);
    assert!(Store::open(dir.path()).is_ok());
}

/// A crash at any byte of the history leaves every notice in it exactly once.
#[test]
fn a_crash_at_any_byte_of_the_history_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(HISTORY_FILE);
    let (mut store, _) = Store::open(dir.path()).unwrap();
    store.commit(state(10), &notices(0, 2)).unwrap();
    let before = fs::metadata(&path).unwrap().len();
    store.commit(state(20), &notices(2, 3)).unwrap();
    drop(store);
    let whole = fs::read(&path).unwrap();
    let saved = fs::read(dir.path().join(STATE_FILE)).unwrap();
    let ends = [whole.len() - 2, whole.len() - 1, whole.len()];
    let cuts = (usize::try_from(before).unwrap()..whole.len()).step_by(37);
    for size in cuts.chain(ends) {
        fs::write(&path, &whole[..size]).unwrap();
        fs::write(dir.path().join(STATE_FILE), &saved).unwrap();
        let (store, loaded) = Store::open(dir.path()).unwrap();
        assert_eq!(numbers(&loaded.newest), [1, 2, 3, 4, 5], "cut at {size}");
        assert_eq!(fs::read(&path).unwrap(), whole, "cut at {size}");
        drop(store);
    }
}

#[test]
fn a_damaged_state_is_kept_beside_and_told() {
    let dir = tempfile::tempdir().unwrap();
    for text in ["", "{", "{\"version\":2}", "no json"] {
        fs::write(dir.path().join(STATE_FILE), text).unwrap();
        let (store, loaded) = Store::open(dir.path()).unwrap();
        assert_eq!((loaded.state, loaded.is_state_damaged), (None, true), "{text}");
        let kept = fs::read_to_string(dir.path().join("state.damaged.json")).unwrap();
        assert_eq!(kept, text);
        drop(store);
    }
}

#[test]
fn lines_that_are_no_notices_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(dir.path()).unwrap();
    store.commit(state(1), &notices(0, 1)).unwrap();
    let mut file = OpenOptions::new().append(true).open(dir.path().join(HISTORY_FILE)).unwrap();
    file.write_all(b"somebody wrote this\n{\"notice\":7}\n").unwrap();
    store.commit(state(2), &notices(1, 1)).unwrap();
    assert_eq!(numbers(&newest(dir.path()).unwrap()), [1, 2]);
}

#[test]
fn a_history_that_was_put_aside_still_gives_the_last_number() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(dir.path()).unwrap();
    store.commit(state(1), &notices(0, 3)).unwrap();
    drop(store);
    for (last, name) in [(1, "alarms-9.jsonl"), (3, "alarms-10.jsonl")] {
        let kept: Vec<u8> = notices(0, last)
            .iter()
            .flat_map(|notice| [serde_json::to_vec(notice).unwrap(), b"\n".to_vec()].concat())
            .collect();
        fs::write(dir.path().join(name), kept).unwrap();
    }
    fs::remove_file(dir.path().join(HISTORY_FILE)).unwrap();
    let (_, loaded) = Store::open(dir.path()).unwrap();
    assert_eq!(numbers(&loaded.newest), [1, 2, 3], "of the newest, by number");
}

#[test]
fn a_full_history_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(dir.path()).unwrap();
    store.history_size = HISTORY_SIZE_MAX;
    store.commit(state(1), &notices(0, 2)).unwrap();
    assert!(dir.path().join("alarms-2.jsonl").exists());
    store.commit(state(2), &notices(2, 1)).unwrap();
    assert_eq!(numbers(&newest(dir.path()).unwrap()), [3]);
}

#[test]
fn a_history_that_cannot_be_written_is_written_later() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(dir.path()).unwrap();
    store.break_history(true);
    assert!(store.commit(state(5), &notices(0, 2)).is_err());
    assert!(store.commit(state(6), &notices(2, 1)).is_err());
    store.break_history(false);
    store.commit(state(7), &notices(3, 1)).unwrap();
    assert_eq!(numbers(&newest(dir.path()).unwrap()), [1, 2, 3, 4]);
    drop(store);
    let (_, loaded) = Store::open(dir.path()).unwrap();
    assert_eq!(loaded.state.unwrap().next_sequence, 7);
}

#[test]
fn what_waits_for_a_history_that_cannot_be_written_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(dir.path()).unwrap();
    store.break_history(true);
    assert!(store.commit(state(1), &notices(0, 5_000)).is_err());
    assert_eq!(store.unwritten.len(), UNWRITTEN_COUNT_MAX);
    assert_eq!(store.unwritten.last().unwrap().notice, 5_000, "the oldest go");
}

#[test]
fn silences_end_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let one = |code, until_ns| Silence { code, until_ns, user: 7 };
    assert_eq!(silences(dir.path()), []);
    silence(dir.path(), one(Code::LinkDown, 100), 1).unwrap();
    silence(dir.path(), one(Code::BookBad, 50), 1).unwrap();
    assert_eq!(silences(dir.path()).len(), 2);
    silence(dir.path(), one(Code::DiskLow, 200), 60).unwrap();
    let codes: Vec<Code> = silences(dir.path()).iter().map(|silence| silence.code).collect();
    assert_eq!(codes, [Code::LinkDown, Code::DiskLow]);
    // An end that is over ends one.
    silence(dir.path(), one(Code::LinkDown, 0), 60).unwrap();
    assert_eq!(silences(dir.path()).len(), 1);
    fs::write(dir.path().join(SILENCE_FILE), "{").unwrap();
    assert_eq!(silences(dir.path()), []);
}
