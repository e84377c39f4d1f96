//! The writer: appends records to the mapped segment. One a directory, owned by one thread.

use std::fs;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use bytemuck::Zeroable;
use thiserror::Error;

use crate::case::Case;
use crate::chain::{ChainWriter, flag_of, read_chain};
use crate::files::{
    Context, FileError, Lock, list, remove_temporaries, sync_dir, system_words, try_lock,
};
use crate::helper::{Helper, Stop};
use crate::layout::{
    BLOCK_RECORDS_MAX, CAPACITY_RECORDS_MAX, CAPACITY_RECORDS_MIN, Identity, TEXT_SIZE_BYTES,
};
use crate::options::{Options, header_of};
use crate::record::Record;
use crate::recovery::{Recovery, survey};
use crate::segment::{Segment, Slot};
use crate::status::{HelperState, Shared, Status, Watch};

/// Records in a page.
const PAGE_RECORDS: u64 = 64;
/// How long a dropped writer waits for its helper: a thousand looks of a millisecond.
const DROP_WAIT_TURNS_MAX: u32 = 1000;

/// Why a record was not appended. None of them has changed the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// The next segment cannot be made (disk full, read-only, quota). The helper tries on; so may the caller.
    #[error("the next segment cannot be made: {}", system_words(*errno))]
    Full {
        /// The operating system's error number.
        errno: i32,
    },
    /// The next segment is still being made. The caller may try again.
    #[error("next segment is late")]
    NextSegmentLate,
    /// A sync failed: what is on disk after `synced` is unknown. Latched; stop, and recover in a new process.
    #[error("sync failed: {}", system_words(*errno))]
    Faulted {
        /// The operating system's error number.
        errno: i32,
    },
    /// The helper thread died and no segment is left. Latched.
    #[error("helper thread is dead")]
    HelperDead,
    /// The record's sequence is not the next one.
    #[error("sequence {found} is not the next one, {expected}")]
    SequenceBreak {
        /// The next sequence.
        expected: u64,
        /// The record's.
        found: u64,
    },
}

/// Why a writer could not be made.
#[derive(Debug, Error)]
pub enum WriterError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another writer is at work.
    #[error("journal {} has a writer already", .0.display())]
    Locked(PathBuf),
    /// `create` on a directory that holds a journal, or remains of one.
    #[error("directory {} is not empty: {case}", dir.display())]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
        /// What is in it.
        case: Case,
    },
    /// `open` with a refused recovery.
    #[error("journal {} cannot be continued: {case}", dir.display())]
    Refused {
        /// The directory.
        dir: PathBuf,
        /// What is in it.
        case: Case,
    },
    /// The journal changed between recovery and `open`, or the recovery is that of another directory.
    #[error("journal {} changed since it was recovered, at sequence {sequence}", dir.display())]
    Changed {
        /// The directory.
        dir: PathBuf,
        /// Where.
        sequence: u64,
    },
    /// An option is out of its range.
    #[error("option {name} is out of its range")]
    Option {
        /// The option.
        name: &'static str,
    },
}

/// Why a close is not clean. The records are as safe as `status` said.
#[derive(Debug, Error)]
pub enum CloseError {
    /// The last sync or the chain's end could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A sync had failed before.
    #[error("sync failed: {}", system_words(*errno))]
    Faulted {
        /// The operating system's error number.
        errno: i32,
    },
    /// The helper thread had died.
    #[error("helper thread is dead")]
    HelperDead,
}

/// Appends records. See the crate for the invariants.
#[derive(Debug)]
pub struct Writer {
    cursor: Slot,
    /// Places left in the current segment.
    left: u64,
    next_sequence: u64,
    shared: Arc<Shared>,
    segment: Arc<Segment>,
    prepared: Receiver<Arc<Segment>>,
    roll_spins_max: u32,
    roll_yields_max: u32,
    helper: Option<JoinHandle<Result<(), FileError>>>,
    dir: PathBuf,
    identity: Identity,
}

impl Writer {
    /// Makes a new journal in an empty or absent directory.
    pub fn create(dir: &Path, options: Options) -> Result<Self, WriterError> {
        check_options(&options)?;
        fs::create_dir_all(dir).context("create", dir)?;
        let lock = lock(dir)?;
        let found = survey(dir, false);
        if found.case != Case::EmptyDirectory {
            return Err(WriterError::NotEmpty { dir: dir.to_path_buf(), case: found.case });
        }
        remove_temporaries(dir)?;
        let identity = Identity {
            journal_id: options.journal_id,
            segment_records: options.segment_records,
            block_records: options.block_records,
        };
        // The chain first: a segment without a chain would be damage.
        let chain = ChainWriter::create(dir, identity, options.durability)?;
        let segment = first_segment(dir, identity, 1, &options)?;
        Self::start(Start { dir, options, identity, chain, segment, last_sequence: 0, lock })
    }

    /// Continues a journal after its last good record. An empty directory becomes a new journal.
    pub fn open(dir: &Path, options: Options, recovery: &Recovery) -> Result<Self, WriterError> {
        check_options(&options)?;
        if recovery.case.is_refused() || recovery.live {
            return Err(WriterError::Refused { dir: dir.to_path_buf(), case: recovery.case });
        }
        let Some(identity) = recovery.identity else {
            return Self::create(dir, options);
        };
        let lock = lock(dir)?;
        check_unchanged(dir, recovery)?;
        remove_temporaries(dir)?;
        let last_sequence = recovery.last_sequence;
        let current = identity.segment_of(last_sequence + 1);
        remove_blank_segments(dir, identity, last_sequence)?;
        sync_segments(recovery, current)?;
        let mut chain = ChainWriter::open(dir, identity, &recovery.chain)?;
        let known = recovery
            .segments
            .iter()
            .find(|info| info.header.segment_index == current)
            .filter(|info| info.header.first_sequence <= last_sequence);
        let segment = match known {
            Some(info) => Segment::open(&info.path, &info.header)?,
            None => first_segment(dir, identity, current, &options)?,
        };
        chain.append(recovery.chain.last_sequence, flag_of(options.durability))?;
        chain.sync()?;
        Self::start(Start { dir, options, identity, chain, segment, last_sequence, lock })
    }

    fn start(start: Start<'_>) -> Result<Self, WriterError> {
        let Start { dir, options, identity, chain, segment, last_sequence, lock } = start;
        let shared = Arc::new(Shared::default());
        let segment = Arc::new(segment);
        shared.writer.0.appended.store(last_sequence, Ordering::Release);
        shared.writer.0.current_segment.store(segment.index, Ordering::Release);
        shared.helper.0.synced.store(last_sequence, Ordering::Release);
        shared.helper.0.chained.store(chain.last_sequence(), Ordering::Release);
        shared.set_helper_state(HelperState::Running);
        let (sender, prepared) = sync_channel(options.prepared_ahead);
        let (roll_spins_max, roll_yields_max) = (options.roll_spins_max, options.roll_yields_max);
        let helper = Helper::new(
            dir,
            options,
            Arc::clone(&shared),
            sender,
            (Arc::clone(&segment), chain),
            lock,
        );
        let helper = std::thread::Builder::new()
            .name("tw-journal".to_owned())
            .spawn(move || helper.run())
            .context("start the helper of", dir)?;
        segment.touch(last_sequence + 1, last_sequence + 1 + 16 * PAGE_RECORDS);
        Ok(Self {
            cursor: Slot(segment.slot(last_sequence + 1)),
            left: segment.last_sequence - last_sequence,
            next_sequence: last_sequence + 1,
            shared,
            segment,
            prepared,
            roll_spins_max,
            roll_yields_max,
            helper: Some(helper),
            dir: dir.to_path_buf(),
            identity,
        })
    }

    /// Appends the next record: seals it, copies it, then stores its commit word with release.
    ///
    /// `record.sequence` must be [`Writer::next_sequence`]; `record.check` is not looked at.
    #[inline]
    pub fn append(&mut self, record: &Record) -> Result<(), AppendError> {
        let sequence = self.next_sequence;
        if record.sequence != sequence {
            return Err(AppendError::SequenceBreak { expected: sequence, found: record.sequence });
        }
        let sync_errno = self.shared.fault.0.sync_errno.load(Ordering::Relaxed);
        if sync_errno != 0 {
            return Err(AppendError::Faulted { errno: sync_errno });
        }
        if self.left == 0 {
            self.roll()?;
        }
        self.cursor.store_record(&record.sealed_words());
        self.cursor.advance();
        self.left -= 1;
        self.next_sequence = sequence + 1;
        self.shared.writer.0.appended.store(sequence, Ordering::Release);
        // Page faults are the whole tail of a mapped journal: the page after the one that the next record
        // starts is touched now, when this record is already done.
        if self.cursor.is_at_page_start() && PAGE_RECORDS < self.left {
            self.cursor.touch_next_page();
        }
        Ok(())
    }

    /// Takes the next prepared segment; waits a bounded time for a late one.
    #[cold]
    #[inline(never)]
    fn roll(&mut self) -> Result<(), AppendError> {
        let mut turn = 0_u32;
        loop {
            match self.prepared.try_recv() {
                Ok(segment) => {
                    assert!(segment.first_sequence == self.next_sequence);
                    self.cursor = Slot(segment.slot(self.next_sequence));
                    self.left = segment.last_sequence + 1 - self.next_sequence;
                    let index = segment.index;
                    // The helper still holds the old one, so nothing is unmapped here.
                    self.segment = segment;
                    self.shared.writer.0.current_segment.store(index, Ordering::Release);
                    return Ok(());
                }
                Err(TryRecvError::Disconnected) => return Err(AppendError::HelperDead),
                Err(TryRecvError::Empty) => {}
            }
            let errno = self.shared.helper.0.prepare_errno.load(Ordering::Relaxed);
            if errno != 0 {
                return Err(AppendError::Full { errno });
            }
            if turn < self.roll_spins_max {
                std::hint::spin_loop();
            } else if turn < self.roll_spins_max.saturating_add(self.roll_yields_max) {
                if turn == self.roll_spins_max {
                    self.wake_helper();
                }
                std::thread::yield_now();
            } else {
                return Err(AppendError::NextSegmentLate);
            }
            turn += 1;
        }
    }

    fn wake_helper(&self) {
        if let Some(helper) = &self.helper {
            helper.thread().unpark();
        }
    }

    /// Sequence that the next record must carry.
    #[inline]
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Sequence of the last record appended.
    #[inline]
    pub fn appended(&self) -> u64 {
        self.next_sequence - 1
    }

    /// Sequence through which the disk has confirmed.
    #[inline]
    pub fn synced(&self) -> u64 {
        self.shared.helper.0.synced.load(Ordering::Acquire)
    }

    /// The live counters.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// A reader of the live counters for other threads.
    pub fn watch(&self) -> Watch {
        Watch { shared: Arc::clone(&self.shared) }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What all segments of this journal share.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Syncs everything, ends the chain with the mark of a close, and joins the helper.
    pub fn close(mut self) -> Result<Status, CloseError> {
        let helper = self.helper.take().expect("the helper is joined once");
        self.shared.fault.0.stop.store(Stop::Close.code(), Ordering::Release);
        helper.thread().unpark();
        let ended = helper.join();
        let errno = self.shared.fault.0.sync_errno.load(Ordering::Acquire);
        match ended {
            Ok(Ok(())) => Ok(self.status()),
            Ok(Err(_)) if errno != 0 => Err(CloseError::Faulted { errno }),
            Ok(Err(error)) => Err(CloseError::File(error)),
            Err(_) => Err(CloseError::HelperDead),
        }
    }
}

impl Drop for Writer {
    /// Leaves the journal as a crash would. The helper owns the lock: the next writer waits for its end.
    fn drop(&mut self) {
        let Some(helper) = self.helper.take() else { return };
        self.shared.fault.0.stop.store(Stop::Abandon.code(), Ordering::Release);
        helper.thread().unpark();
        for _ in 0..DROP_WAIT_TURNS_MAX {
            if helper.is_finished() {
                drop(helper.join());
                return;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

struct Start<'a> {
    dir: &'a Path,
    options: Options,
    identity: Identity,
    chain: ChainWriter,
    segment: Segment,
    last_sequence: u64,
    lock: Lock,
}

fn lock(dir: &Path) -> Result<Lock, WriterError> {
    try_lock(dir)?.ok_or_else(|| WriterError::Locked(dir.to_path_buf()))
}

fn check_options(options: &Options) -> Result<(), WriterError> {
    let segment_range = CAPACITY_RECORDS_MIN..=CAPACITY_RECORDS_MAX;
    let checks = [
        (
            options.segment_records.is_power_of_two()
                && segment_range.contains(&options.segment_records),
            "segment_records",
        ),
        (
            options.block_records.is_power_of_two()
                && options.block_records <= BLOCK_RECORDS_MAX
                && u64::from(options.block_records) <= options.segment_records,
            "block_records",
        ),
        ((1..=64).contains(&options.prepared_ahead), "prepared_ahead"),
        (options.engine_version.len() <= TEXT_SIZE_BYTES, "engine_version"),
        (options.git_commit.len() <= TEXT_SIZE_BYTES, "git_commit"),
    ];
    match checks.iter().find(|(good, _)| !good) {
        Some((_, name)) => Err(WriterError::Option { name }),
        None => Ok(()),
    }
}

fn first_segment(
    dir: &Path,
    identity: Identity,
    index: u64,
    options: &Options,
) -> Result<Segment, FileError> {
    options.faults.check_quota(index * identity.segment_bytes()).context("allocate", dir)?;
    Segment::prepare(dir, &header_of(identity, index, options), options.durability)
}

/// The places around the last record and the chain must be as recovery left them.
fn check_unchanged(dir: &Path, recovery: &Recovery) -> Result<(), WriterError> {
    let changed = |sequence| WriterError::Changed { dir: dir.to_path_buf(), sequence };
    if recovery.dir != dir {
        return Err(changed(0));
    }
    let chain = read_chain(dir, |_| Ok(()))?;
    if chain.fault.is_some() || chain.torn || chain.good_bytes() != recovery.chain.good_bytes() {
        return Err(changed(chain.last_sequence));
    }
    let last = recovery.last_sequence;
    if 0 < last && !read_place(recovery, last)?.is_some_and(|record| record.is_good(last)) {
        return Err(changed(last));
    }
    if read_place(recovery, last + 1)?.is_some_and(|record| !record.is_blank()) {
        return Err(changed(last + 1));
    }
    Ok(())
}

fn read_place(recovery: &Recovery, sequence: u64) -> Result<Option<Record>, FileError> {
    let (path, offset) = recovery.place(sequence);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FileError { operation: "open", path, source }),
    };
    let mut record = Record::zeroed();
    file.read_exact_at(bytemuck::bytes_of_mut(&mut record), offset).context("read", &path)?;
    Ok(Some(record))
}

/// Removes segments that were made ahead and never used: their headers tell of another session.
fn remove_blank_segments(
    dir: &Path,
    identity: Identity,
    last_sequence: u64,
) -> Result<(), FileError> {
    // From the last one down: killed in between, no segment is missing between others.
    for (index, path) in list(dir)?.segments.iter().rev() {
        if last_sequence < identity.first_sequence_of(*index) {
            fs::remove_file(path).context("remove", path)?;
        }
    }
    sync_dir(dir)
}

/// Syncs what the last session appended and did not live to sync.
fn sync_segments(recovery: &Recovery, current: u64) -> Result<(), FileError> {
    for info in &recovery.segments {
        let index = info.header.segment_index;
        let capacity = info.header.identity.segment_records;
        if index <= current && recovery.mark < info.header.first_sequence + capacity - 1 {
            match File::open(&info.path) {
                Ok(file) => file.sync_all().context("sync", &info.path)?,
                // It was blank and is removed.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => {
                    let path = info.path.clone();
                    return Err(FileError { operation: "open", path, source });
                }
            }
        }
    }
    Ok(())
}
