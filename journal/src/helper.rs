//! The helper thread: prepares segments, syncs, chains, looks at the disk, and shows that it lives.
//!
//! **Invariant:** the writer never waits for the helper but at the end of a segment, and there with a bound.
//!
//! **Invariant:** after a failed sync nothing is synced, chained or marked any more: the kernel may have dropped
//! the dirty pages, and a second try that succeeds would say nothing about them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use crate::chain::{ChainWriter, FLAG_CLOSED};
use crate::files::{Context, FileError, Lock, sync_dir};
use crate::layout::Identity;
use crate::options::{Options, header_of};
use crate::segment::Segment;
use crate::status::{Durability, HelperState, Shared};

/// Pause between turns under `Process`: short against a segment (70 ms at 15 M records/s), long for the host.
const PAUSE_PROCESS: Duration = Duration::from_millis(2);
/// Pause between turns under `Power` when nothing waits; a sync takes longer.
const PAUSE_POWER: Duration = Duration::from_micros(200);
/// Turns between two syncs under `Process`: about a second.
const SYNC_TURNS: u64 = 500;
/// Turns after which a segment that could not be made is tried again: about a tenth of a second.
const RETRY_TURNS: u64 = 50;
/// Blocks hashed in a turn: 16 MiB with blocks of 4,096, about 10 ms, so that the other duties are not late.
const CHAIN_BLOCKS_PER_TURN_MAX: u32 = 64;
/// Places kept touched before the writer: 4 MiB, twice what it can fill between two turns.
const TOUCH_AHEAD_RECORDS: u64 = 1 << 16;

/// What the writer wants of the helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Go on.
    Run,
    /// Sync, end the chain, end.
    Close,
    /// End at once.
    Abandon,
}

impl Stop {
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::Run => 0,
            Self::Close => 1,
            Self::Abandon => 2,
        }
    }

    fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Run,
            1 => Self::Close,
            _ => Self::Abandon,
        }
    }
}

/// Says how the thread ended, whatever ends it.
struct EndGuard {
    shared: Arc<Shared>,
    state: HelperState,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.shared.set_helper_state(self.state);
    }
}

/// The helper's state.
#[derive(Debug)]
pub(crate) struct Helper {
    dir: PathBuf,
    options: Options,
    identity: Identity,
    shared: Arc<Shared>,
    sender: SyncSender<Arc<Segment>>,
    /// Segments that are prepared, written, or not yet synced and left.
    active: Vec<Arc<Segment>>,
    chain: ChainWriter,
    /// Index of the last segment made.
    made: u64,
    synced: u64,
    mark: u64,
    touched: u64,
    turn: u64,
    sync_turn: u64,
    retry_turn: u64,
    _lock: Lock,
}

impl Helper {
    pub(crate) fn new(
        dir: &Path,
        options: Options,
        shared: Arc<Shared>,
        sender: SyncSender<Arc<Segment>>,
        (segment, chain): (Arc<Segment>, ChainWriter),
        lock: Lock,
    ) -> Self {
        let synced = shared.helper.0.synced.load(Ordering::Acquire);
        let helper = Self {
            dir: dir.to_path_buf(),
            options,
            identity: chain.identity(),
            shared,
            sender,
            made: segment.index,
            active: vec![segment],
            chain,
            synced,
            // Not yet written for this session: the first idle turn does.
            mark: u64::MAX,
            touched: 0,
            turn: 0,
            sync_turn: 0,
            retry_turn: 0,
            _lock: lock,
        };
        helper.count_segments();
        helper.look_at_disk();
        helper
    }

    /// The thread.
    pub(crate) fn run(mut self) -> Result<(), FileError> {
        let mut guard = EndGuard { shared: Arc::clone(&self.shared), state: HelperState::Dead };
        let ended = self.turns();
        guard.state = HelperState::Stopped;
        ended
    }

    fn turns(&mut self) -> Result<(), FileError> {
        let pause = match self.options.durability {
            Durability::Process => PAUSE_PROCESS,
            Durability::Power => PAUSE_POWER,
        };
        loop {
            let stop = self.stop();
            self.turn += 1;
            self.shared.helper.0.heartbeat.store(self.turn, Ordering::Release);
            assert!(!self.options.faults.helper_dies(), "the helper dies, as a test asked");
            match stop {
                Stop::Run => {}
                Stop::Close => return self.finish(),
                Stop::Abandon => return Ok(()),
            }
            let busy = !self.options.faults.helper_stalls() && self.duties();
            if !busy {
                std::thread::park_timeout(pause);
            }
        }
    }

    /// One turn; true when there is more to do at once.
    fn duties(&mut self) -> bool {
        while self.is_segment_wanted() && self.prepare() {}
        let synced = self.sync_if_due();
        let chained = self.chain_some();
        self.release();
        self.touch_ahead();
        if self.turn.is_multiple_of(SYNC_TURNS) {
            self.look_at_disk();
        }
        synced || chained
    }

    fn note_failure(&self, error: &FileError) {
        let line = &self.shared.helper.0;
        line.errno.store(error.errno(), Ordering::Relaxed);
        line.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn count_segments(&self) {
        let line = &self.shared.helper.0;
        line.segments.store(self.made, Ordering::Relaxed);
        line.bytes.store(self.made * self.identity.segment_bytes(), Ordering::Relaxed);
    }

    fn look_at_disk(&self) {
        if let Ok(disk) = rustix::fs::statvfs(&self.dir) {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            self.shared.helper.0.free_bytes.store(free, Ordering::Relaxed);
        }
    }

    fn stop(&self) -> Stop {
        Stop::from_code(self.shared.fault.0.stop.load(Ordering::Acquire))
    }

    /// True when fewer segments than wanted are ready and it is time to make one.
    fn is_segment_wanted(&self) -> bool {
        if self.stop() != Stop::Run {
            return false;
        }
        let current = self.shared.writer.0.current_segment.load(Ordering::Acquire);
        let wanted = crate::layout::to_u64(self.options.prepared_ahead);
        self.made - current < wanted && self.retry_turn <= self.turn
    }

    /// Makes the next segment; false when that failed.
    fn prepare(&mut self) -> bool {
        let index = self.made + 1;
        let made = self
            .options
            .faults
            .check_quota(index * self.identity.segment_bytes())
            .context("allocate", &self.dir)
            .and_then(|()| {
                let header = header_of(self.identity, index, &self.options);
                Segment::prepare(&self.dir, &header, self.options.durability)
            });
        match made {
            Ok(segment) => {
                let segment = Arc::new(segment);
                self.made = index;
                self.active.push(Arc::clone(&segment));
                self.shared.helper.0.prepare_errno.store(0, Ordering::Relaxed);
                self.count_segments();
                self.look_at_disk();
                // The channel holds as many as are wanted; a writer that is gone needs none.
                drop(self.sender.try_send(segment));
                true
            }
            Err(error) => {
                self.note_failure(&error);
                self.shared.helper.0.prepare_errno.store(error.errno(), Ordering::Relaxed);
                self.retry_turn = self.turn + RETRY_TURNS;
                false
            }
        }
    }

    fn is_faulted(&self) -> bool {
        self.shared.fault.0.sync_errno.load(Ordering::Relaxed) != 0
    }

    /// Syncs when the durability level wants it; true when more was appended meanwhile and must go on.
    fn sync_if_due(&mut self) -> bool {
        if self.is_faulted() {
            return false;
        }
        let appended = self.shared.writer.0.appended.load(Ordering::Acquire);
        let due = match self.options.durability {
            Durability::Power => true,
            Durability::Process => {
                self.sync_turn + SYNC_TURNS <= self.turn
                    || self.identity.segment_records <= appended - self.synced
            }
        };
        if !due {
            return false;
        }
        self.sync_turn = self.turn;
        if self.sync_or_latch(appended).is_err() {
            return false;
        }
        self.options.durability == Durability::Power
            && self.synced < self.shared.writer.0.appended.load(Ordering::Acquire)
    }

    /// Syncs; a failure is final.
    fn sync_or_latch(&mut self, through: u64) -> Result<(), FileError> {
        let result = self.sync(through);
        if let Err(error) = &result {
            self.note_failure(error);
            self.shared.fault.0.sync_errno.store(error.errno().max(1), Ordering::Release);
        }
        result
    }

    fn sync(&mut self, through: u64) -> Result<(), FileError> {
        if self.synced < through {
            let synced = self.synced;
            let is_due = |segment: &&Arc<Segment>| {
                segment.first_sequence <= through && synced < segment.last_sequence
            };
            for segment in self.active.iter().filter(is_due) {
                // The mark of the last sync rides along with this one.
                segment.write_mark(synced)?;
                self.options.faults.check_sync().context("sync", &segment.path)?;
                segment.flush(through)?;
            }
            self.mark = synced;
            self.synced = through;
            self.shared.helper.0.synced.store(through, Ordering::Release);
        }
        let appended = self.shared.writer.0.appended.load(Ordering::Acquire);
        if appended == through && self.mark != through {
            let holder = self.active.iter().find(|segment| through <= segment.last_sequence);
            if let Some(segment) = holder {
                segment.write_mark(through)?;
                self.options.faults.check_sync().context("sync", &segment.path)?;
                segment.flush_header()?;
            }
            self.mark = through;
        }
        Ok(())
    }

    /// Continues the hash chain over what is synced; true when there is more.
    fn chain_some(&mut self) -> bool {
        if self.is_faulted() {
            return false;
        }
        for _ in 0..CHAIN_BLOCKS_PER_TURN_MAX {
            if self.is_segment_wanted() || self.stop() != Stop::Run {
                // The writer waits, for a segment or for the end; the chain can wait.
                return true;
            }
            match self.chain.advance(self.synced) {
                Ok(true) => self.publish_chained(),
                Ok(false) => return false,
                Err(error) => {
                    // Not fatal: the records are safe, the chain is made up later or at the next start.
                    self.note_failure(&error);
                    return false;
                }
            }
        }
        true
    }

    fn publish_chained(&self) {
        self.shared.helper.0.chained.store(self.chain.last_sequence(), Ordering::Release);
    }

    /// Lets go of segments that the writer has left and the disk has.
    fn release(&mut self) {
        let current = self.shared.writer.0.current_segment.load(Ordering::Acquire);
        let synced = self.synced;
        self.active.retain(|segment| current <= segment.index || synced < segment.last_sequence);
    }

    /// Keeps the pages before the writer writable: the kernel's own write-back takes that right away.
    fn touch_ahead(&mut self) {
        let appended = self.shared.writer.0.appended.load(Ordering::Acquire);
        let to = appended + 1 + TOUCH_AHEAD_RECORDS;
        // In steps of a quarter, so that a slow market costs no call a turn.
        if to < self.touched + TOUCH_AHEAD_RECORDS / 4 {
            return;
        }
        let from = self.touched.max(appended + 1);
        for segment in &self.active {
            segment.touch(from, to);
        }
        self.touched = to;
    }

    /// The clean end.
    fn finish(&mut self) -> Result<(), FileError> {
        if self.is_faulted() {
            let errno = self.shared.fault.0.sync_errno.load(Ordering::Relaxed);
            let source = std::io::Error::from_raw_os_error(errno);
            return Err(FileError { operation: "sync", path: self.dir.clone(), source });
        }
        let appended = self.shared.writer.0.appended.load(Ordering::Acquire);
        self.sync_or_latch(appended)?;
        while self.chain.advance(appended)? {}
        self.chain.append(appended, FLAG_CLOSED)?;
        self.chain.sync()?;
        self.publish_chained();
        let current = self.shared.writer.0.current_segment.load(Ordering::Acquire);
        // From the last one down: killed in between, no segment is missing between others.
        for segment in self.active.iter().rev().filter(|segment| current < segment.index) {
            fs::remove_file(&segment.path).context("remove", &segment.path)?;
        }
        self.made = current;
        self.count_segments();
        sync_dir(&self.dir)
    }
}
