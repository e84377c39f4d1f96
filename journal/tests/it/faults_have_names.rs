//! Full disk, failing sync, dead helper, second writer, read-only media: each is a state with a name.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use journal::{
    AppendError, Case, CloseError, HelperState, Options, Reader, RecoverError, Writer, WriterError,
    inspect, recover, verify,
};

use super::support::{append, assert_holds, closed, image, record, scratch, small, wait_until};

const NO_SPACE: i32 = 28;
const IO: i32 = 5;
const READ_ONLY: i32 = 30;

fn impatient() -> Options {
    Options { roll_spins_max: 10, roll_yields_max: 10, prepared_ahead: 1, ..small() }
}

/// Appends until an error other than lateness.
fn append_until_error(writer: &mut Writer) -> AppendError {
    loop {
        let next = record(writer.next_sequence());
        match writer.append(&next) {
            Ok(()) | Err(AppendError::NextSegmentLate) => {}
            Err(error) => return error,
        }
    }
}

#[test]
fn a_full_disk_stops_appends_by_name_and_loses_nothing() {
    let dir = scratch();
    let options = impatient();
    let faults = options.faults.clone();
    faults.set_quota_bytes(3 * 8192);
    let mut writer = Writer::create(dir.path(), options).unwrap();
    assert_eq!(append_until_error(&mut writer), AppendError::Full { errno: NO_SPACE });
    assert_eq!(writer.appended(), 3 * 64);
    let status = writer.status();
    assert_eq!((status.prepare_errno, status.helper_errno), (NO_SPACE, NO_SPACE));
    assert_eq!((status.segments, status.bytes, status.faulted), (3, 3 * 8192, false));
    // Space is made, the helper tries again by itself, and the same writer goes on.
    faults.set_quota_bytes(u64::MAX);
    wait_until("the next segment", || writer.status().prepare_errno == 0);
    append(&mut writer, 10);
    writer.close().unwrap();
    assert_holds(dir.path(), 3 * 64 + 10);
}

#[test]
fn a_journal_that_ends_with_a_full_disk_is_closed_and_continued() {
    let dir = scratch();
    let options = impatient();
    options.faults.set_quota_bytes(2 * 8192);
    let mut writer = Writer::create(dir.path(), options.clone()).unwrap();
    assert_eq!(append_until_error(&mut writer), AppendError::Full { errno: NO_SPACE });
    writer.close().unwrap();
    let recovery = recover(dir.path()).unwrap();
    assert_eq!((recovery.case, recovery.last_sequence), (Case::CleanEnd, 128));
    match Writer::open(dir.path(), options, &recovery) {
        Err(WriterError::File(error)) => assert_eq!(error.errno(), NO_SPACE),
        other => panic!("{other:?}"),
    }
    let mut writer = Writer::open(dir.path(), small(), &recovery).unwrap();
    append(&mut writer, 1);
    writer.close().unwrap();
    assert_holds(dir.path(), 129);
}

#[test]
fn a_failed_sync_is_latched_and_never_tried_again() {
    let dir = scratch();
    let options = Options { durability: journal::Durability::Power, ..small() };
    let faults = options.faults.clone();
    let mut writer = Writer::create(dir.path(), options).unwrap();
    append(&mut writer, 10);
    wait_until("sync", || writer.synced() == 10);
    faults.set_sync_errno(IO);
    append(&mut writer, 1);
    wait_until("the fault", || writer.status().faulted);
    faults.set_sync_errno(0);
    let next = record(writer.next_sequence());
    assert_eq!(writer.append(&next), Err(AppendError::Faulted { errno: IO }));
    let beat = writer.status().helper_heartbeat;
    wait_until("turns", || beat + 100 < writer.status().helper_heartbeat);
    assert_eq!(writer.synced(), 10);
    assert!(matches!(writer.close(), Err(CloseError::Faulted { errno: IO })));
    let recovery = recover(dir.path()).unwrap();
    assert_eq!(recovery.case, Case::UncleanEnd);
    assert!(10 <= recovery.last_sequence);
}

#[test]
fn a_dead_helper_is_named() {
    let dir = scratch();
    let options = impatient();
    let faults = options.faults.clone();
    let mut writer = Writer::create(dir.path(), options).unwrap();
    assert_eq!(writer.status().helper, HelperState::Running);
    faults.kill_helper();
    wait_until("death", || writer.status().helper == HelperState::Dead);
    // What is prepared can still be written; then there is an end with a name, and no hang.
    assert_eq!(append_until_error(&mut writer), AppendError::HelperDead);
    let appended = writer.appended();
    assert!(64 <= appended);
    assert!(matches!(writer.close(), Err(CloseError::HelperDead)));
    let recovery = recover(dir.path()).unwrap();
    assert_eq!((recovery.case, recovery.last_sequence), (Case::UncleanEnd, appended));
}

#[test]
fn a_late_segment_is_named_after_a_bounded_wait_and_can_be_tried_again() {
    let dir = scratch();
    let options = impatient();
    let faults = options.faults.clone();
    faults.set_helper_stalls(true);
    let mut writer = Writer::create(dir.path(), options).unwrap();
    append(&mut writer, 64);
    for _ in 0..3 {
        assert_eq!(writer.append(&record(65)), Err(AppendError::NextSegmentLate));
    }
    faults.set_helper_stalls(false);
    append(&mut writer, 10);
    writer.close().unwrap();
    assert_holds(dir.path(), 74);
}

#[test]
fn a_wrong_sequence_is_refused_and_changes_nothing() {
    let dir = scratch();
    let mut writer = Writer::create(dir.path(), small()).unwrap();
    for found in [0, 2, u64::MAX] {
        let error = AppendError::SequenceBreak { expected: 1, found };
        assert_eq!(writer.append(&record(found)), Err(error));
    }
    append(&mut writer, 2);
    writer.close().unwrap();
    assert_holds(dir.path(), 2);
}

#[test]
fn a_second_writer_is_refused_while_the_first_lives_and_only_then() {
    let dir = scratch();
    let mut writer = Writer::create(dir.path(), small()).unwrap();
    append(&mut writer, 5);
    assert!(matches!(Writer::create(dir.path(), small()), Err(WriterError::Locked(_))));
    assert!(matches!(recover(dir.path()), Err(RecoverError::Locked(_))));
    let mut seen = inspect(dir.path());
    seen.live = false;
    assert!(matches!(Writer::open(dir.path(), small(), &seen), Err(WriterError::Locked(_))));
    drop(writer);
    assert!(matches!(
        Writer::create(dir.path(), small()),
        Err(WriterError::NotEmpty { case: Case::UncleanEnd, .. })
    ));
    let recovery = recover(dir.path()).unwrap();
    // A recovery that is no longer true is refused.
    let mut writer = Writer::open(dir.path(), small(), &recovery).unwrap();
    append(&mut writer, 1);
    drop(writer);
    assert!(matches!(
        Writer::open(dir.path(), small(), &recovery),
        Err(WriterError::Changed { .. })
    ));
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let dir = scratch();
    for (options, expected) in [
        (Options { segment_records: 65, ..small() }, "segment_records"),
        (Options { segment_records: 32, ..small() }, "segment_records"),
        (Options { segment_records: 1 << 27, ..small() }, "segment_records"),
        (Options { block_records: 128, ..small() }, "block_records"),
        (Options { block_records: 0, ..small() }, "block_records"),
        (Options { prepared_ahead: 0, ..small() }, "prepared_ahead"),
        (Options { engine_version: "x".repeat(65), ..small() }, "engine_version"),
        (Options { git_commit: "x".repeat(65), ..small() }, "git_commit"),
    ] {
        match Writer::create(dir.path(), options) {
            Err(WriterError::Option { name }) => assert_eq!(name, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    assert_eq!(inspect(dir.path()).case, Case::EmptyDirectory);
}

#[test]
fn a_start_that_was_killed_before_its_first_segment_is_an_empty_directory() {
    let dir = scratch();
    closed(dir.path(), 0);
    std::fs::remove_file(dir.path().join("00000001.twj")).unwrap();
    std::fs::write(dir.path().join("00000001.twj.tmp"), [1; 5000]).unwrap();
    let recovery = recover(dir.path()).unwrap();
    assert_eq!(recovery.case, Case::EmptyDirectory);
    let mut writer = Writer::open(dir.path(), small(), &recovery).unwrap();
    append(&mut writer, 3);
    writer.close().unwrap();
    assert_holds(dir.path(), 3);
    assert!(!dir.path().join("00000001.twj.tmp").exists());
}

#[test]
fn reading_changes_nothing_and_needs_no_right_to_write() {
    let dir = scratch();
    closed(dir.path(), 100);
    let before = image(dir.path());
    let set_mode = |mode_dir: u32, mode_file: u32| {
        for name in before.keys() {
            let mode = std::fs::Permissions::from_mode(mode_file);
            std::fs::set_permissions(dir.path().join(name), mode).unwrap();
        }
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode_dir)).unwrap();
    };
    set_mode(0o555, 0o444);
    assert_holds(dir.path(), 100);
    assert!(verify(dir.path()).unwrap().ok);
    assert_eq!(inspect(dir.path()).case, Case::CleanEnd);
    assert_eq!(image(dir.path()), before);
    set_mode(0o755, 0o644);
}

/// A small file system of its own, where the user may mount one.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn new(path: &'a Path, options: &str) -> Option<Self> {
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path).output();
        done.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "unmounted");
    }
}

#[test]
fn a_really_full_and_a_really_read_only_disk_are_named() {
    let dir = scratch();
    let Some(mount) = Mount::new(dir.path(), "size=256k") else {
        println!("skipped: this user cannot mount a file system");
        return;
    };
    let mut writer = Writer::create(dir.path(), impatient()).unwrap();
    assert_eq!(append_until_error(&mut writer), AppendError::Full { errno: NO_SPACE });
    let appended = writer.appended();
    assert!(64 * 10 < appended);
    drop(writer);
    assert_holds(dir.path(), appended);
    let remount = |mode: &str| {
        let options = format!("remount,{mode}");
        let done = Command::new("mount").args(["-o", &options]).arg(dir.path()).status();
        assert!(done.unwrap().success());
    };
    remount("ro");
    assert_holds(dir.path(), appended);
    assert!(verify(dir.path()).unwrap().ok);
    assert_eq!(Reader::open(dir.path()).unwrap().recovery().case, Case::UncleanEnd);
    match recover(dir.path()) {
        Err(RecoverError::File(error)) => assert_eq!(error.errno(), READ_ONLY),
        other => panic!("{other:?}"),
    }
    remount("rw");
    recover(dir.path()).unwrap();
    drop(mount);
}
