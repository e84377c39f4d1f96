//! `guard.json`: the guard's own heartbeat, and the lock that makes it the only one of its data directory.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use engine::stats::ProcessId;
use serde::{Deserialize, Serialize};

use crate::session::{bounded, replace};
use crate::watch::EngineId;

/// Name of the heartbeat file in the data directory.
pub const FILE_NAME: &str = "guard.json";
/// Name of the lock file.
pub const LOCK_NAME: &str = "guard.lock";
/// Time between two beats.
pub const INTERVAL_NS: u64 = 250_000_000;
/// A guard whose last beat is older does not guard.
pub const AGE_NS_MAX: u64 = 3_000_000_000;

/// What a guard does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// No engine has run here yet, or the last one ended in order or was dealt with.
    Idle,
    /// An engine works.
    Watching,
    /// It is cancelling.
    Acting,
}

/// The heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Process id of the guard.
    pub pid: u32,
    /// Start time of its process.
    pub start_ticks: u64,
    /// Its process-id namespace.
    pub namespace: u64,
    /// Time of this beat, ns since the epoch.
    pub time_ns: u64,
    /// What it does.
    pub phase: Phase,
    /// The engine that it watches, or dealt with last.
    pub engine: Option<EngineId>,
    /// Whether its connection to the venue is open.
    pub venue_open: bool,
    /// Whether it has a key.
    pub can_sign: bool,
    /// What is wrong, in words.
    pub trouble: Option<String>,
}

impl Beat {
    /// Reads the heartbeat of a data directory; `None` when there is none that can be read.
    pub fn read(dir: &Path) -> Option<Beat> {
        serde_json::from_slice(&bounded(&dir.join(FILE_NAME)).ok()?).ok()
    }

    /// Writes it.
    pub fn write(&self, dir: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec(self).map_err(std::io::Error::other)?;
        replace(&dir.join(FILE_NAME), &text)
    }

    /// Whether the guard is there: its process exists and its beat is young.
    pub fn is_alive(&self, now_ns: u64) -> bool {
        let process =
            ProcessId { pid: self.pid, start_ticks: self.start_ticks, namespace: self.namespace };
        let is_there = process.exists().unwrap_or(true);
        is_there && now_ns.saturating_sub(self.time_ns) <= AGE_NS_MAX
    }
}

/// Why this process is not the guard.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another one is.
    #[error("another guard watches this directory: {path} is locked")]
    Taken {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be made.
    #[error("lock file {path}: {source}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Held by the one guard of a data directory; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock.
    pub fn take(dir: &Path) -> Result<Lock, LockError> {
        let path = dir.join(LOCK_NAME);
        let opened = std::fs::create_dir_all(dir)
            .and_then(|()| File::options().create(true).append(true).open(&path));
        let file = match opened {
            Ok(file) => file,
            Err(source) => return Err(LockError::Io { path, source }),
        };
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Taken { path }),
            Err(TryLockError::Error(source)) => Err(LockError::Io { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_guard_of_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        let error = Lock::take(dir.path()).unwrap_err();
        assert!(matches!(error, LockError::Taken { .. }), "{error}");
        drop(first);
        Lock::take(dir.path()).unwrap();
    }

    #[test]
    fn a_beat_lives_as_long_as_its_process_and_its_age_allow() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Beat::read(dir.path()), None);
        let ProcessId { pid, start_ticks, namespace } = ProcessId::this();
        let beat = Beat {
            pid,
            start_ticks,
            namespace,
            time_ns: 1_000,
            phase: Phase::Watching,
            engine: Some(EngineId { pid: 1, start_ticks: 2, start_ns: 3 }),
            venue_open: true,
            can_sign: true,
            trouble: None,
        };
        beat.write(dir.path()).unwrap();
        assert_eq!(Beat::read(dir.path()).as_ref(), Some(&beat));
        assert!(beat.is_alive(1_000 + AGE_NS_MAX));
        assert!(!beat.is_alive(1_001 + AGE_NS_MAX));
        if namespace != 0 && start_ticks != 0 {
            let reused = Beat { start_ticks: start_ticks + 1, ..beat };
            assert!(!reused.is_alive(1_000));
        }
    }
}
