//! What keeps secrets of a running process out of files and out of other processes.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Why a process cannot be hardened.
#[derive(Debug, thiserror::Error)]
#[error("cannot switch off core dumps: {what}: {source}")]
pub struct HardenError {
    /// Which call.
    pub what: &'static str,
    /// What the system says.
    pub source: rustix::io::Errno,
}

/// No core file is written, and no other process of the same user can read the memory or the environment
/// of this one. The limit is inherited by children, the other is not: each program says it for itself.
pub fn forbid_core_dumps() -> Result<(), HardenError> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)
        .map_err(|source| HardenError { what: "RLIMIT_CORE", source })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|source| HardenError { what: "PR_SET_DUMPABLE", source })
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn a_hardened_process_leaves_no_core() {
        forbid_core_dumps().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        forbid_core_dumps().unwrap();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let words: Vec<&str> = core.split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"], "{core}");
    }
}
