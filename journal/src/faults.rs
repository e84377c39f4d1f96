//! Faults that a test can switch on in a running writer: a full disk, a failing sync, a dying helper.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

/// Switches for tests and drills. All off by default; nothing in the append path reads them.
#[derive(Debug)]
pub struct Faults {
    quota_bytes: AtomicU64,
    sync_errno: AtomicI32,
    helper_dies: AtomicBool,
    helper_stalls: AtomicBool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            quota_bytes: AtomicU64::new(u64::MAX),
            sync_errno: AtomicI32::new(0),
            helper_dies: AtomicBool::new(false),
            helper_stalls: AtomicBool::new(false),
        }
    }
}

impl Faults {
    /// New segments fail with ENOSPC when all segments together would exceed this.
    pub fn set_quota_bytes(&self, bytes: u64) {
        self.quota_bytes.store(bytes, Ordering::Release);
    }

    /// Each sync fails with this error number; 0 switches off.
    pub fn set_sync_errno(&self, errno: i32) {
        self.sync_errno.store(errno, Ordering::Release);
    }

    /// The helper thread panics at its next turn.
    pub fn kill_helper(&self) {
        self.helper_dies.store(true, Ordering::Release);
    }

    /// The helper turns (heartbeat included) but prepares, syncs and chains nothing while set.
    pub fn set_helper_stalls(&self, stalls: bool) {
        self.helper_stalls.store(stalls, Ordering::Release);
    }

    pub(crate) fn check_quota(&self, bytes_after: u64) -> io::Result<()> {
        if self.quota_bytes.load(Ordering::Acquire) < bytes_after {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()));
        }
        Ok(())
    }

    pub(crate) fn check_sync(&self) -> io::Result<()> {
        match self.sync_errno.load(Ordering::Acquire) {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    pub(crate) fn helper_dies(&self) -> bool {
        self.helper_dies.load(Ordering::Acquire)
    }

    pub(crate) fn helper_stalls(&self) -> bool {
        self.helper_stalls.load(Ordering::Acquire)
    }
}
