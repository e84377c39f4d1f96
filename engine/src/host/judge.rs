//! Turns facts into findings. Pure: text in, finding out, so that every host can be a fixture.

use std::path::Path;

use super::facts::{HostFacts, Space};
use crate::stats::FILE_BYTES;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Good to know when reading figures.
    Note,
    /// Costs latency or safety.
    Warn,
    /// The engine should not trade like this.
    Bad,
}

impl Level {
    /// Stable name for machines and operators.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// One finding about the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable name for machines.
    pub id: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do; empty when nothing needs to be done.
    pub action: String,
}

const MEBIBYTE: u64 = 1 << 20;
const GIBIBYTE: u64 = 1 << 30;
/// Two journal segments of the largest size, the stats file and the snapshots fit in this.
const MEMLOCK_BYTES_MIN: u64 = 512 * MEBIBYTE;
/// A day of one busy venue at 64 bytes a record takes some 10 GiB.
const DISK_FREE_BYTES_WARN: u64 = 20 * GIBIBYTE;
/// Less than this is gone within the hour.
const DISK_FREE_BYTES_BAD: u64 = 2 * GIBIBYTE;

/// All findings, in a fixed order.
pub fn judge(facts: &HostFacts) -> Vec<Finding> {
    vec![
        processors(facts.processor_count),
        quota(facts.processor_quota.as_deref(), facts.processor_count),
        isolated(facts.isolated.as_deref()),
        smt(facts.smt_active.as_deref()),
        governor(facts.governor.as_deref()),
        clock_source(facts.clock_source.as_deref()),
        load(facts.load.as_deref(), facts.processor_count),
        huge_pages(facts.huge_pages.as_deref()),
        memlock(facts.memlock_bytes),
        swap(facts.swaps.as_deref()),
        shared_memory(facts.shared_memory),
        disk_free(facts.data_space, &facts.data_dir),
        file_system(facts.mounts.as_deref(), &facts.data_dir),
        data_dir(facts.is_data_writable, facts.data_space, &facts.data_dir),
        hypervisor(facts.processors.as_deref(), facts.vendor.as_deref()),
        kernel(facts.kernel.as_deref()),
    ]
}

/// The worst level among findings.
pub fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

/// Bytes with a binary unit and one decimal place, rounded down.
pub fn bytes_text(bytes: u64) -> String {
    for (unit, name) in [(1 << 40, "TiB"), (GIBIBYTE, "GiB"), (MEBIBYTE, "MiB"), (1 << 10, "KiB")] {
        if unit <= bytes {
            let tenths = bytes % unit * 10 / unit;
            return format!("{}.{tenths} {name}", bytes / unit);
        }
    }
    format!("{bytes} B")
}

struct Rule {
    id: &'static str,
    why: &'static str,
}

impl Rule {
    fn say(&self, level: Level, found: impl Into<String>, action: impl Into<String>) -> Finding {
        Finding { id: self.id, level, found: found.into(), why: self.why, action: action.into() }
    }

    fn unknown(&self) -> Finding {
        self.say(Level::Note, "unknown on this system", "")
    }
}

pub(super) fn processors(count: usize) -> Finding {
    let rule = Rule {
        id: "processors",
        why: "the core thread spins on a processor of its own, the adapters need others",
    };
    let found = if count == 1 { "1 processor".into() } else { format!("{count} processors") };
    match count {
        0 | 1 => rule.say(
            Level::Bad,
            found,
            "use a machine with 4 or more; until then the idle policy must be `park`",
        ),
        2 | 3 => rule.say(
            Level::Warn,
            found,
            "use 4 or more, or the idle policy `yield`: I/O and journal threads share what is left",
        ),
        _ => rule.say(Level::Ok, found, ""),
    }
}

/// `max 100000` or `50000 100000`: microseconds of processor time in a period.
pub(super) fn quota(text: Option<&str>, count: usize) -> Finding {
    let rule = Rule {
        id: "processor_quota",
        why: "a spinning thread uses up a quota, and then the kernel stops it for milliseconds",
    };
    let Some(text) = text else { return rule.say(Level::Ok, "none", "") };
    let mut fields = text.split_ascii_whitespace();
    let (Some(quota), Some(period)) = (fields.next(), fields.next()) else {
        return rule.unknown();
    };
    if quota == "max" {
        return rule.say(Level::Ok, "none", "");
    }
    let (Ok(quota), Ok(period)) = (quota.parse::<u64>(), period.parse::<u64>()) else {
        return rule.unknown();
    };
    let whole = period.saturating_mul(u64::try_from(count).unwrap_or(u64::MAX));
    let found = format!("{quota} of {period} us for {count} processors");
    if whole <= quota {
        return rule.say(Level::Ok, found, "");
    }
    rule.say(
        Level::Warn,
        found,
        "remove the limit (`CPUQuota=` of the service, `--cpus` of docker)",
    )
}

pub(super) fn isolated(text: Option<&str>) -> Finding {
    let rule = Rule {
        id: "isolated_processors",
        why: "on a shared processor the kernel runs other threads in the middle of an event",
    };
    let Some(list) = text.map(str::trim) else { return rule.unknown() };
    if list.is_empty() {
        return rule.say(
            Level::Warn,
            "none",
            "boot with `isolcpus=managed_irq,domain,N nohz_full=N rcu_nocbs=N` and pin the core to N",
        );
    }
    rule.say(Level::Ok, format!("{list}; pin the core to one of them"), "")
}

pub(super) fn smt(text: Option<&str>) -> Finding {
    let rule = Rule {
        id: "hyper_threads",
        why: "two threads of one physical core share its caches and its time",
    };
    match text.map(str::trim) {
        Some("0") => rule.say(Level::Ok, "off", ""),
        Some("1") => rule.say(
            Level::Note,
            "on",
            "leave the sibling of the core's processor idle, or switch SMT off in the firmware",
        ),
        Some(_) | None => rule.unknown(),
    }
}

pub(super) fn governor(text: Option<&str>) -> Finding {
    let rule = Rule {
        id: "governor",
        why: "a processor that slows down when idle needs microseconds to wake up",
    };
    match text.map(str::trim) {
        Some("performance") => rule.say(Level::Ok, "performance", ""),
        Some(other) => rule.say(Level::Warn, other, "run `cpupower frequency-set -g performance`"),
        None => rule.say(Level::Note, "not visible here, the hypervisor decides", ""),
    }
}

pub(super) fn clock_source(text: Option<&str>) -> Finding {
    let rule = Rule {
        id: "clock_source",
        why: "every time stamp reads it: 20 ns with the TSC, a microsecond and a trap without",
    };
    match text.map(str::trim) {
        Some("tsc") => rule.say(Level::Ok, "tsc", ""),
        Some(source @ ("kvm-clock" | "hyperv_clocksource_tsc_page" | "arch_sys_counter")) => {
            rule.say(Level::Note, source, "boot with `clocksource=tsc tsc=reliable` if the host allows")
        }
        Some(source) => rule.say(
            Level::Bad,
            source,
            "boot with `clocksource=tsc tsc=reliable`; see `dmesg | grep -i tsc` for why it was left",
        ),
        None => rule.unknown(),
    }
}

/// `0.52 0.58 0.59 1/467 12345`, in hundredths because floats are not needed for this.
pub(super) fn load(text: Option<&str>, count: usize) -> Finding {
    let rule =
        Rule { id: "load", why: "who shares the processors now will share them with the engine" };
    let hundredths = text
        .and_then(|text| text.split_ascii_whitespace().next())
        .and_then(|first| first.split_once('.'))
        .filter(|(_, fraction)| fraction.len() == 2)
        .and_then(|(whole, fraction)| {
            let whole: usize = whole.parse().ok()?;
            whole.checked_mul(100)?.checked_add(fraction.parse().ok()?)
        });
    let Some(hundredths) = hundredths else { return rule.unknown() };
    let found = format!("{}.{:02} on {count} processors", hundredths / 100, hundredths % 100);
    if count.saturating_mul(100) <= hundredths {
        return rule.say(Level::Warn, found, "find out with `top` what runs, and stop or move it");
    }
    if count.saturating_mul(50) <= hundredths {
        return rule.say(Level::Note, found, "");
    }
    rule.say(Level::Ok, found, "")
}

/// `always [madvise] never`.
pub(super) fn huge_pages(text: Option<&str>) -> Finding {
    let rule = Rule {
        id: "huge_pages",
        why: "with `always` the kernel stops threads to gather pages, at a time of its choosing",
    };
    let chosen =
        text.and_then(|text| text.split_once('[')).and_then(|(_, rest)| rest.split_once(']'));
    match chosen.map(|(chosen, _)| chosen) {
        Some("always") => rule.say(
            Level::Warn,
            "always",
            "run `echo madvise > /sys/kernel/mm/transparent_hugepage/enabled`",
        ),
        Some(chosen) => rule.say(Level::Ok, chosen, ""),
        None => rule.unknown(),
    }
}

pub(super) fn memlock(limit: Option<u64>) -> Finding {
    let rule = Rule {
        id: "memlock",
        why: "memory that may not be locked can be taken away and costs a page fault to come back",
    };
    match limit {
        None => rule.say(Level::Ok, "unlimited", ""),
        Some(bytes) if MEMLOCK_BYTES_MIN <= bytes => rule.say(Level::Ok, bytes_text(bytes), ""),
        Some(bytes) => rule.say(
            Level::Warn,
            bytes_text(bytes),
            "set `LimitMEMLOCK=infinity` in the service, or `memlock unlimited` in limits.conf",
        ),
    }
}

/// A heading, then a line a device.
pub(super) fn swap(text: Option<&str>) -> Finding {
    let rule = Rule {
        id: "swap",
        why: "a page of the engine that was swapped out takes milliseconds to come back",
    };
    let Some(text) = text else { return rule.say(Level::Ok, "off", "") };
    let devices: Vec<&str> =
        text.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().next()).collect();
    if devices.is_empty() {
        return rule.say(Level::Ok, "off", "");
    }
    rule.say(Level::Warn, devices.join(", "), "run `swapoff -a` and take it out of /etc/fstab")
}

pub(super) fn shared_memory(space: Option<Space>) -> Finding {
    let rule = Rule {
        id: "shared_memory",
        why: "the stats live there, where no disk can slow down the core",
    };
    let needed = u64::try_from(FILE_BYTES).unwrap_or(u64::MAX);
    match space {
        None => rule.say(
            Level::Warn,
            "/dev/shm is missing",
            "mount a tmpfs on /dev/shm; until then the stats are a plain file",
        ),
        Some(space) if space.free_bytes < needed => rule.say(
            Level::Warn,
            format!("/dev/shm has {} free", bytes_text(space.free_bytes)),
            format!(
                "make {} free there, or start the container with `--shm-size 256m`",
                bytes_text(needed)
            ),
        ),
        Some(space) => {
            let free = bytes_text(space.free_bytes);
            rule.say(Level::Ok, format!("{free} free in /dev/shm"), "")
        }
    }
}

pub(super) fn disk_free(space: Option<Space>, data_dir: &Path) -> Finding {
    let rule = Rule { id: "disk_free", why: "when the journal cannot grow, trading stops" };
    let Some(space) = space else { return rule.unknown() };
    let found =
        format!("{} of {} free", bytes_text(space.free_bytes), bytes_text(space.total_bytes));
    let action = || format!("make room in {}, or move the data directory", data_dir.display());
    if space.free_bytes < DISK_FREE_BYTES_BAD {
        return rule.say(Level::Bad, found, action());
    }
    if space.free_bytes < DISK_FREE_BYTES_WARN {
        return rule.say(Level::Warn, found, action());
    }
    rule.say(Level::Ok, found, "")
}

pub(super) fn file_system(mounts: Option<&str>, data_dir: &Path) -> Finding {
    let rule = Rule {
        id: "file_system",
        why: "the journal is mapped, allocated ahead and flushed: not every file system can do that",
    };
    let Some(kind) = mounts.and_then(|mounts| file_system_of(mounts, data_dir)) else {
        return rule.unknown();
    };
    match kind {
        "ext4" | "xfs" => rule.say(Level::Ok, kind, ""),
        "tmpfs" | "ramfs" => rule.say(
            Level::Warn,
            kind,
            "gone after a restart of the machine: put the data directory on ext4 or xfs",
        ),
        "overlay" => rule.say(
            Level::Warn,
            kind,
            "gone with the container: mount a volume (ext4 or xfs) for the data directory",
        ),
        "nfs" | "nfs4" | "cifs" | "smb3" | "9p" | "virtiofs" | "ceph" | "fuse" => rule.say(
            Level::Bad,
            kind,
            "a network file system may stall or lose mapped pages: use a local disk",
        ),
        kind if kind.starts_with("fuse.") => {
            rule.say(Level::Bad, kind, "a file system in user space may stall: use a local disk")
        }
        "btrfs" | "zfs" | "bcachefs" => {
            rule.say(Level::Warn, kind, "copy-on-write undoes allocation ahead: use ext4 or xfs")
        }
        kind => rule.say(Level::Note, kind, "not tried by us: ext4 and xfs are"),
    }
}

/// The type of the deepest mount that holds a path. A later mount on the same point hides an
/// earlier one.
fn file_system_of<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        // 36 35 98:0 /root /mount/point options [tags] - type source options
        let Some((front, back)) = line.split_once(" - ") else { continue };
        let Some(point) = front.split(' ').nth(4) else { continue };
        let Some(kind) = back.split(' ').next() else { continue };
        let point = point.replace("\\040", " ");
        let depth = Path::new(&point).components().count();
        if path.starts_with(&point) && best.is_none_or(|(deepest, _)| deepest <= depth) {
            best = Some((depth, kind));
        }
    }
    best.map(|(_, kind)| kind)
}

pub(super) fn data_dir(is_writable: bool, space: Option<Space>, data_dir: &Path) -> Finding {
    let rule =
        Rule { id: "data_dir", why: "journal, snapshots and the link to the stats are made there" };
    let path = data_dir.display();
    if space.is_some_and(|space| space.is_read_only) {
        return rule.say(Level::Bad, format!("{path} is read-only"), "mount it writable");
    }
    if !is_writable {
        let action = format!("give this user the right to write in {path}");
        return rule.say(Level::Bad, format!("{path} may not be written"), action);
    }
    rule.say(Level::Ok, path.to_string(), "")
}

pub(super) fn hypervisor(processors: Option<&str>, vendor: Option<&str>) -> Finding {
    let rule = Rule {
        id: "hypervisor",
        why: "a virtual processor can be taken away by the host without a trace in the guest",
    };
    let Some(processors) = processors else { return rule.unknown() };
    let is_guest = processors
        .lines()
        .filter(|line| line.starts_with("flags"))
        .any(|line| line.split_ascii_whitespace().any(|flag| flag == "hypervisor"));
    if !is_guest {
        return rule.say(Level::Ok, "none", "");
    }
    let vendor = vendor.map(str::trim).filter(|vendor| !vendor.is_empty());
    rule.say(
        Level::Note,
        vendor.unwrap_or("yes, of unknown make"),
        "read latency figures from here as ratios, not as promises",
    )
}

/// `6.1.0-rt11`.
pub(super) fn kernel(text: Option<&str>) -> Finding {
    let rule = Rule {
        id: "kernel",
        why: "nohz_full, fallocate and the TSC watchdog have grown up over time",
    };
    let Some(release) = text.map(str::trim) else { return rule.unknown() };
    let major: Option<u32> = release.split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(0..5) => rule.say(Level::Warn, release, "use a kernel from 5.4 on"),
        Some(_) => rule.say(Level::Ok, release, ""),
        None => rule.unknown(),
    }
}
