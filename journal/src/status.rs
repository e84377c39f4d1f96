//! Live counters of a writer, shared with its helper thread and with whoever watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

/// What an acknowledged record survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u32)]
pub enum Durability {
    /// Survives the end of the process by any means; synced about once a second.
    #[default]
    Process = 1,
    /// Survives power loss once `synced` has passed it; synced as fast as the disk can.
    Power = 2,
}

impl Durability {
    /// The level with this number.
    pub fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Process),
            2 => Some(Self::Power),
            _ => None,
        }
    }

    /// The number in files.
    pub fn code(self) -> u32 {
        match self {
            Self::Process => 1,
            Self::Power => 2,
        }
    }
}

/// Whether the helper thread does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum HelperState {
    /// It runs; watch the heartbeat for a stall.
    Running = 1,
    /// It ended because the writer was closed or dropped.
    Stopped = 2,
    /// It ended by itself: nothing syncs, nothing prepares. Stop trading.
    Dead = 3,
}

/// One reading of the counters. Each value is exact; together they may be a few records apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Sequence of the last record appended: survives the process.
    pub appended: u64,
    /// Sequence through which the disk has confirmed: survives power loss.
    pub synced: u64,
    /// Sequence through which the hash chain reaches.
    pub chained: u64,
    /// Segment files in the directory, prepared ones included.
    pub segments: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Bytes free in the file system, as of the helper's last look.
    pub free_bytes: u64,
    /// Operating system error number of the helper's last failure, 0 if it never failed.
    pub helper_errno: i32,
    /// Failures of the helper so far.
    pub helper_failures: u64,
    /// Rises with each turn of the helper, at least some hundred times a second when idle.
    pub helper_heartbeat: u64,
    /// Whether the helper does its work.
    pub helper: HelperState,
    /// Set when a sync failed: nothing after `synced` can be trusted on disk; latched.
    pub faulted: bool,
    /// Error number that keeps the next segment from being prepared (ENOSPC ...), 0 when it is ready or under way.
    pub prepare_errno: i32,
}

/// A cache line of its own, so that the two threads do not steal each other's.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Line<T>(pub(crate) T);

/// Written by the writer only.
#[derive(Debug, Default)]
pub(crate) struct WriterLine {
    pub(crate) appended: AtomicU64,
    pub(crate) current_segment: AtomicU64,
}

/// Written by the helper only.
#[derive(Debug, Default)]
pub(crate) struct HelperLine {
    pub(crate) synced: AtomicU64,
    pub(crate) chained: AtomicU64,
    pub(crate) segments: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) free_bytes: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) heartbeat: AtomicU64,
    pub(crate) errno: AtomicI32,
    pub(crate) prepare_errno: AtomicI32,
    pub(crate) state: AtomicU32,
}

/// Read on each append, written about never: apart from the lines that move.
#[derive(Debug, Default)]
pub(crate) struct FaultLine {
    /// Error number of the failed sync, 0 while all is well.
    pub(crate) sync_errno: AtomicI32,
    /// See [`crate::helper::Stop`].
    pub(crate) stop: AtomicU32,
}

/// What the writer and its helper share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) writer: Line<WriterLine>,
    pub(crate) helper: Line<HelperLine>,
    pub(crate) fault: Line<FaultLine>,
}

impl Shared {
    pub(crate) fn helper_state(&self) -> HelperState {
        match self.helper.0.state.load(Ordering::Acquire) {
            2 => HelperState::Stopped,
            3 => HelperState::Dead,
            _ => HelperState::Running,
        }
    }

    pub(crate) fn set_helper_state(&self, state: HelperState) {
        let code = match state {
            HelperState::Running => 1,
            HelperState::Stopped => 2,
            HelperState::Dead => 3,
        };
        self.helper.0.state.store(code, Ordering::Release);
    }

    pub(crate) fn status(&self) -> Status {
        let helper = &self.helper.0;
        // Read `synced` before `appended`, so that no reading shows more synced than appended.
        let chained = helper.chained.load(Ordering::Acquire);
        let synced = helper.synced.load(Ordering::Acquire);
        Status {
            appended: self.writer.0.appended.load(Ordering::Acquire),
            synced,
            chained,
            segments: helper.segments.load(Ordering::Relaxed),
            bytes: helper.bytes.load(Ordering::Relaxed),
            free_bytes: helper.free_bytes.load(Ordering::Relaxed),
            helper_errno: helper.errno.load(Ordering::Relaxed),
            helper_failures: helper.failures.load(Ordering::Relaxed),
            helper_heartbeat: helper.heartbeat.load(Ordering::Relaxed),
            helper: self.helper_state(),
            faulted: self.fault.0.sync_errno.load(Ordering::Acquire) != 0,
            prepare_errno: helper.prepare_errno.load(Ordering::Relaxed),
        }
    }
}

/// Reads a writer's counters from any thread.
#[derive(Clone, Debug)]
pub struct Watch {
    pub(crate) shared: Arc<Shared>,
}

impl Watch {
    /// All counters.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Sequence through which the disk has confirmed.
    #[inline]
    pub fn synced(&self) -> u64 {
        self.shared.helper.0.synced.load(Ordering::Acquire)
    }

    /// Sequence of the last record appended.
    #[inline]
    pub fn appended(&self) -> u64 {
        self.shared.writer.0.appended.load(Ordering::Acquire)
    }
}
