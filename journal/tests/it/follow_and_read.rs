//! Append, read, reopen, follow.

use journal::{Case, Reader, Tail, Writer, inspect, recover, verify};

use super::support::{append, closed, dropped, record, small};

#[track_caller]
fn check_content(dir: &std::path::Path, case: Case, count: u64) {
    let reader = Reader::open(dir).unwrap();
    assert_eq!(reader.recovery().case, case, "{:?}", reader.recovery().finding);
    assert_eq!(reader.last_sequence(), count);
    let mut next = 1;
    for slice in reader.segments() {
        for found in slice {
            assert_eq!(*found, record(next).sealed());
            next += 1;
        }
    }
    assert_eq!(next, count + 1);
    for sequence in [1, 2, 63, 64, 65, count / 2, count] {
        let found = reader.get(sequence).copied();
        let expected = (0 < sequence && sequence <= count).then(|| record(sequence).sealed());
        assert_eq!(found, expected);
        let rest = reader.records_from(sequence.max(1)).count();
        assert_eq!(u64::try_from(rest).unwrap(), (count + 1).saturating_sub(sequence.max(1)));
    }
    assert_eq!(reader.get(0), None);
    assert_eq!(reader.get(count + 1), None);
    let report = verify(dir).unwrap();
    assert!(report.ok, "{:?}", report.damage);
    assert!(report.chain_ok);
}

#[test]
fn what_was_appended_over_several_segments_is_read_back() {
    for count in [0, 1, 15, 16, 17, 63, 64, 65, 128, 300] {
        let dir = tempfile::tempdir().unwrap();
        closed(dir.path(), count);
        check_content(dir.path(), Case::CleanEnd, count);
        let dir = tempfile::tempdir().unwrap();
        dropped(dir.path(), count);
        check_content(dir.path(), Case::UncleanEnd, count);
    }
}

#[test]
fn a_journal_is_continued_after_its_last_record() {
    for closes in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let mut count = 0;
        for part in [0, 5, 59, 64, 1, 0, 200, 16] {
            let recovery = recover(dir.path()).unwrap();
            assert_eq!(recovery.last_sequence, count);
            let mut writer = Writer::open(dir.path(), small(), &recovery).unwrap();
            append(&mut writer, part);
            count += part;
            if closes {
                writer.close().unwrap();
            } else {
                drop(writer);
            }
            check_content(
                dir.path(),
                if closes { Case::CleanEnd } else { Case::UncleanEnd },
                count,
            );
        }
    }
}

#[test]
fn a_follower_sees_every_record_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), small()).unwrap();
    let mut tail = Tail::open(dir.path(), 1).unwrap();
    let mut late = Tail::open(dir.path(), 130).unwrap();
    assert!(tail.poll().unwrap().is_empty());
    let (mut seen, mut seen_late) = (0, 129);
    let take = |tail: &mut Tail, seen: &mut u64| loop {
        let batch = tail.poll().unwrap();
        if batch.is_empty() {
            break;
        }
        for found in batch {
            *seen += 1;
            assert_eq!(*found, record(*seen).sealed());
        }
    };
    for part in [1, 63, 1, 127, 64, 64, 3] {
        append(&mut writer, part);
        take(&mut tail, &mut seen);
        take(&mut late, &mut seen_late);
        assert_eq!(seen, writer.appended());
        assert_eq!(seen_late, writer.appended().max(129));
    }
    // At a segment's end the follower waits in a prepared file that the close removes.
    append(&mut writer, 384 - 323);
    take(&mut tail, &mut seen);
    assert_eq!(seen, 384);
    writer.close().unwrap();
    assert!(tail.poll().unwrap().is_empty());
    let recovery = recover(dir.path()).unwrap();
    let mut writer = Writer::open(dir.path(), small(), &recovery).unwrap();
    append(&mut writer, 10);
    take(&mut tail, &mut seen);
    assert_eq!(seen, 394);
}

#[test]
fn a_journal_at_work_is_inspected_without_disturbing_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), small()).unwrap();
    append(&mut writer, 100);
    let found = inspect(dir.path());
    assert!(found.live);
    assert_eq!((found.case, found.last_sequence), (Case::UncleanEnd, 100));
    append(&mut writer, 100);
    writer.close().unwrap();
    assert_eq!(inspect(dir.path()).case, Case::CleanEnd);
}

#[test]
fn writer_reader_and_follower_can_move_to_the_thread_that_uses_them() {
    fn is_send<T: Send>(_: &T) {}
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(dir.path(), small()).unwrap();
    append(&mut writer, 3);
    is_send(&writer);
    is_send(&Reader::open(dir.path()).unwrap());
    let mut tail = Tail::open(dir.path(), 1).unwrap();
    is_send(&tail);
    let watch = writer.watch();
    let seen = std::thread::spawn(move || (tail.poll().unwrap().len(), watch.appended()));
    assert_eq!(seen.join().unwrap(), (3, 3));
}
