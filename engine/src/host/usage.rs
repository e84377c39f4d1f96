//! What the kernel did to a thread: page faults and lost processors, to explain a stall.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::stats::Stall;

/// Counters of one thread since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadUsage {
    /// Page faults without a disk.
    pub minor_faults: u64,
    /// Page faults with a disk.
    pub major_faults: u64,
    /// Times the kernel took the processor away.
    pub switches_involuntary: u64,
}

/// The two files of a thread, kept open: reading costs two system calls and no allocation.
#[derive(Debug)]
pub struct ThreadProbe {
    stat: File,
    status: File,
}

/// Both files are far shorter: 400 bytes and 1,500.
const FILE_BYTES_MAX: usize = 4096;

impl ThreadProbe {
    /// Opens the files of the calling thread. Any thread may read from them later.
    pub fn this_thread() -> io::Result<Self> {
        Ok(Self {
            stat: File::open("/proc/thread-self/stat")?,
            status: File::open("/proc/thread-self/status")?,
        })
    }

    /// Reads the counters. Some 10 us: not for every event, but for a stall, and once a second.
    pub fn read(&self) -> io::Result<ThreadUsage> {
        let mut bytes = [0; FILE_BYTES_MAX];
        let mut usage = ThreadUsage::default();
        let length = self.stat.read_at(&mut bytes, 0)?;
        let stat = str::from_utf8(&bytes[..length]).unwrap_or("");
        (usage.minor_faults, usage.major_faults) = parse_stat(stat).unwrap_or((0, 0));
        let length = self.status.read_at(&mut bytes, 0)?;
        let status = str::from_utf8(&bytes[..length]).unwrap_or("");
        usage.switches_involuntary = parse_status(status).unwrap_or(0);
        Ok(usage)
    }
}

impl ThreadUsage {
    /// What happened since an earlier reading, written into a stall.
    pub fn explain(&self, earlier: &Self, stall: &mut Stall) {
        stall.minor_faults = self.minor_faults.saturating_sub(earlier.minor_faults);
        stall.major_faults = self.major_faults.saturating_sub(earlier.major_faults);
        stall.switches_involuntary =
            self.switches_involuntary.saturating_sub(earlier.switches_involuntary);
        *stall = stall.judged();
    }
}

/// Fields 10 and 12, counted after the command, which may hold anything.
pub(super) fn parse_stat(stat: &str) -> Option<(u64, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(7);
    let minor = fields.next()?.parse().ok()?;
    let major = fields.nth(1)?.parse().ok()?;
    Some((minor, major))
}

pub(super) fn parse_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("nonvoluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}
