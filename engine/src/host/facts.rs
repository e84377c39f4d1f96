//! Collects what the host says about itself. No judgement here: see `host/judge.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, StatVfsMountFlags};
use rustix::process::Resource;

/// What was read. Texts are as the kernel gives them; `None` where there is no such file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Processors that this process may use.
    pub processor_count: usize,
    /// `/sys/fs/cgroup/cpu.max`.
    pub processor_quota: Option<String>,
    /// `/sys/devices/system/cpu/isolated`.
    pub isolated: Option<String>,
    /// `/sys/devices/system/cpu/smt/active`.
    pub smt_active: Option<String>,
    /// `/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor`.
    pub governor: Option<String>,
    /// `/sys/devices/system/clocksource/clocksource0/current_clocksource`.
    pub clock_source: Option<String>,
    /// `/sys/kernel/mm/transparent_hugepage/enabled`.
    pub huge_pages: Option<String>,
    /// Limit of locked memory in bytes, `None` for unlimited.
    pub memlock_bytes: Option<u64>,
    /// `/proc/swaps`.
    pub swaps: Option<String>,
    /// Space in `/dev/shm`.
    pub shared_memory: Option<Space>,
    /// The data directory, or its nearest parent that exists.
    pub data_dir: PathBuf,
    /// Space in the data directory.
    pub data_space: Option<Space>,
    /// Whether this user may write there.
    pub is_data_writable: bool,
    /// `/proc/self/mountinfo`.
    pub mounts: Option<String>,
    /// `/proc/cpuinfo`.
    pub processors: Option<String>,
    /// `/sys/class/dmi/id/sys_vendor`.
    pub vendor: Option<String>,
    /// `/proc/sys/kernel/osrelease`.
    pub kernel: Option<String>,
    /// `/proc/loadavg`.
    pub load: Option<String>,
}

/// Space of a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total_bytes: u64,
    /// What this user may still use.
    pub free_bytes: u64,
    /// Whether it is mounted read-only.
    pub is_read_only: bool,
}

impl HostFacts {
    /// Reads everything. What cannot be read is left out, and judged as unknown.
    pub fn collect(data_dir: &Path) -> Self {
        let data_dir = nearest_existing(data_dir);
        let count = std::thread::available_parallelism();
        Self {
            processor_count: count.map_or(1, std::num::NonZero::get),
            processor_quota: read("/sys/fs/cgroup/cpu.max"),
            isolated: read("/sys/devices/system/cpu/isolated"),
            smt_active: read("/sys/devices/system/cpu/smt/active"),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            clock_source: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            huge_pages: read("/sys/kernel/mm/transparent_hugepage/enabled"),
            memlock_bytes: rustix::process::getrlimit(Resource::Memlock).current,
            swaps: read("/proc/swaps"),
            shared_memory: space(Path::new("/dev/shm")),
            data_space: space(&data_dir),
            is_data_writable: rustix::fs::access(&data_dir, Access::WRITE_OK).is_ok(),
            mounts: read("/proc/self/mountinfo"),
            processors: read("/proc/cpuinfo"),
            vendor: read("/sys/class/dmi/id/sys_vendor"),
            kernel: read("/proc/sys/kernel/osrelease"),
            load: read("/proc/loadavg"),
            data_dir,
        }
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn space(path: &Path) -> Option<Space> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(Space {
        total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        is_read_only: stat.f_flag.contains(StatVfsMountFlags::RDONLY),
    })
}

/// The directory itself, or the parent in which it would be made; without links.
fn nearest_existing(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = absolute.ancestors().find(|parent| parent.exists());
    let existing = existing.unwrap_or(Path::new("/"));
    existing.canonicalize().unwrap_or_else(|_| existing.to_owned())
}
