//! What machine this is, for the head of a report, and which cores a bench may take.

use std::path::Path;
use std::process::Command;

use engine::clock::Clock;
use engine::host::{Finding, HostFacts, judge};

/// The machine and the build.
#[derive(Debug)]
pub struct Machine {
    /// Name of the host.
    pub name: String,
    /// Date, `2026-01-31`.
    pub date: String,
    /// Time since the epoch, ns.
    pub now_ns: u64,
    /// Facts of `tickwheel doctor`.
    pub facts: HostFacts,
    /// Its findings.
    pub findings: Vec<Finding>,
    /// Of `/proc/cmdline`, what bears on latency; the rest is the machine's private matter.
    pub command_line: String,
    /// Model of the processor.
    pub processor: String,
    /// Commit that was built, with `+` when the tree had changes.
    pub commit: String,
    /// Cores of producer and core thread, when two were free at the start.
    pub pinned: Option<(usize, usize)>,
}

impl Machine {
    /// Looks around. `dir` is where journals will be written.
    pub fn collect(dir: &Path, may_pin: bool) -> Machine {
        let facts = HostFacts::collect(dir);
        let now_ns = Clock::new().now_ns();
        let processor = facts
            .processors
            .as_deref()
            .and_then(|text| text.lines().find_map(|line| line.strip_prefix("model name")))
            .map_or("unknown", |text| text.trim_start_matches([' ', '\t', ':']));
        Machine {
            name: read("/proc/sys/kernel/hostname"),
            date: date(now_ns),
            now_ns,
            findings: judge(&facts),
            command_line: telling(&read("/proc/cmdline")),
            processor: processor.to_string(),
            commit: commit(),
            pinned: if may_pin && is_quiet(&facts) { free_cores() } else { None },
            facts,
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).map_or_else(|_| "unknown".to_string(), |text| text.trim().into())
}

/// Kernel arguments that change latencies, by the beginning of their names.
const TELLING: [&str; 20] = [
    "isolcpus",
    "nohz",
    "rcu_nocb",
    "mitigations",
    "intel_idle",
    "processor.max_cstate",
    "idle",
    "cpuidle",
    "haltpoll",
    "hugepages",
    "default_hugepagesz",
    "transparent_hugepage",
    "tsc",
    "clocksource",
    "nosmt",
    "irqaffinity",
    "intel_pstate",
    "preempt",
    "skew_tick",
    "nowatchdog",
];

/// What of a kernel command line bears on latency.
fn telling(command_line: &str) -> String {
    let kept: Vec<&str> = command_line
        .split_whitespace()
        .take_while(|word| *word != "--")
        .filter(|word| TELLING.iter().any(|name| word.starts_with(name)))
        .collect();
    if kept.is_empty() { "nothing that bears on latency".to_string() } else { kept.join(" ") }
}

/// Whether less than half of the processors were busy during the last minute: pinned beside other work, a
/// thread waits for its own core while another one is free.
fn is_quiet(facts: &HostFacts) -> bool {
    let whole = facts.load.as_deref().and_then(|text| text.split('.').next()?.trim().parse().ok());
    whole.is_some_and(|load: usize| load < facts.processor_count.div_ceil(2))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn commit() -> String {
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_string();
    };
    let is_clean =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| s.is_empty());
    if is_clean { commit } else { format!("{commit}+") }
}

/// Civil date of a time since the epoch (days to year, month and day, after Howard Hinnant).
fn date(now_ns: u64) -> String {
    let days = now_ns / 86_400_000_000_000 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// By core: jiffies idle and in all.
fn loads() -> Vec<(u64, u64)> {
    let text = read("/proc/stat");
    text.lines()
        .filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "))
        .map(|line| {
            let numbers: Vec<u64> =
                line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
            (numbers.get(3).copied().unwrap_or(0), numbers.iter().sum())
        })
        .collect()
}

/// Two cores that idled for most of a fifth of a second; the highest, because interrupts like the lowest.
fn free_cores() -> Option<(usize, usize)> {
    let before = loads();
    let clock = Clock::new();
    let start = clock.raw();
    while clock.elapsed_ns(start, clock.raw()) < 200_000_000 {
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    let after = loads();
    let ids = core_affinity::get_core_ids()?;
    let free: Vec<usize> = ids
        .iter()
        .map(|id| id.id)
        .filter(|id| match (before.get(*id), after.get(*id)) {
            (Some(before), Some(after)) => (after.1 - before.1) * 3 <= (after.0 - before.0) * 4,
            _ => false,
        })
        .collect();
    match free[..] {
        [.., producer, core] => Some((producer, core)),
        _ => None,
    }
}

/// Pins the calling thread. Returns whether it worked.
pub fn pin(core: Option<usize>) -> bool {
    core.is_some_and(|id| core_affinity::set_for_current(core_affinity::CoreId { id }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_bears_on_latency_is_told_of_the_kernel() {
        let line = "quiet isolcpus=2,3 root=LABEL=x nohz_full=2,3 panic=1 -- --port 1 idle=poll";
        assert_eq!(telling(line), "isolcpus=2,3 nohz_full=2,3");
        assert_eq!(telling("quiet"), "nothing that bears on latency");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let day = 86_400_000_000_000;
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(19_782 * day), "2024-02-29");
        assert_eq!(date(20_454 * day + 5), "2026-01-01");
    }
}
