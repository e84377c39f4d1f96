//! Which process an engine is, in a way that survives the reuse of process ids.

use std::fs;
use std::path::Path;

/// A process: its id alone may belong to another process tomorrow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessId {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot, 0 when unknown.
    pub start_ticks: u64,
    /// Inode of the process-id namespace, 0 when unknown.
    pub namespace: u64,
}

impl ProcessId {
    /// This process.
    pub fn this() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            start_ticks: start_ticks_of(pid).unwrap_or(0),
            namespace: own_namespace().unwrap_or(0),
        }
    }

    /// Whether the process is still there; `None` when that cannot be known from here, because it
    /// lives in another namespace (another container).
    pub fn exists(&self) -> Option<bool> {
        if self.namespace == 0 || own_namespace() != Some(self.namespace) {
            return None;
        }
        if !Path::new("/proc").join(self.pid.to_string()).exists() {
            return Some(false);
        }
        let is_same = match start_ticks_of(self.pid) {
            Some(ticks) => self.start_ticks == 0 || ticks == self.start_ticks,
            None => false,
        };
        Some(is_same)
    }
}

fn own_namespace() -> Option<u64> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    parse_namespace(link.to_str()?)
}

fn start_ticks_of(pid: u32) -> Option<u64> {
    parse_start_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// `pid:[4026531836]`.
pub(super) fn parse_namespace(link: &str) -> Option<u64> {
    link.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// Field 22 of `/proc/PID/stat`. Field 2 is the command in brackets and may hold anything, even
/// brackets and blanks, so counting starts after its last bracket. A zombie counts as gone.
pub(super) fn parse_start_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}
