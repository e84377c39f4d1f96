//! `session.json`: what an engine leaves in its data directory so that a guard can cancel for it.
//!
//! It names files of keys and never holds one.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "session.json";
/// Version of the file.
pub const VERSION: u32 = 1;
/// Longest file that is read.
const SIZE_BYTES_MAX: u64 = 1 << 20;

/// How a guard behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Habits {
    /// Silence of the core after which the engine counts as stuck.
    pub dead_ns_max: u64,
    /// Whether others trade on the account.
    pub shared_account: bool,
    /// How long it looks again after the death.
    pub settle_ns: u64,
    /// Longest wait for an answer.
    pub request_ns_max: u64,
    /// How old a request may be when it reaches the venue, ms.
    pub recv_window_ms: u64,
    /// Wait before a new try.
    pub retry_ns: u64,
    /// How long it tries before it calls for a person.
    pub give_up_ns: u64,
}

/// Where the orders of an engine are, and how to reach them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// [`VERSION`].
    pub version: u32,
    /// Number of the engine: the first byte of its order ids.
    pub engine: u8,
    /// Name of the instance.
    pub name: String,
    /// Mode of the session.
    pub mode: String,
    /// Name of the network, such as `local`.
    pub network: String,
    /// Address of the venue's REST interface.
    pub rest_url: String,
    /// PEM file of the authority of the venue's certificate.
    pub ca_file: Option<String>,
    /// File with the key, or its name where it is elsewhere; `None` in dry-run without one: then there is nothing to
    /// cancel.
    pub key_file: Option<String>,
    /// What a name needs to be read: the configuration's `[secrets]` as JSON, which holds names only.
    #[serde(default)]
    pub secrets: Option<String>,
    /// Symbols that the engine trades.
    pub symbols: Vec<String>,
    /// When the engine wrote this, ns since the epoch.
    pub time_ns: u64,
    /// How the guard is to behave.
    pub habits: Habits,
}

/// Why there is no session to guard.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The file cannot be read or written.
    #[error("session file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not what an engine writes.
    #[error("session file {path}: {detail}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
}

impl Session {
    /// Reads the file of a data directory; `None` when no engine has run there.
    pub fn read(dir: &Path) -> Result<Option<Session>, SessionError> {
        let path = dir.join(FILE_NAME);
        let bytes = match bounded(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SessionError::Io { path, source }),
        };
        Session::parse(&bytes).map(Some).map_err(|detail| SessionError::Malformed { path, detail })
    }

    /// Reads bytes; an error in words.
    pub fn parse(bytes: &[u8]) -> Result<Session, String> {
        let session: Session = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if session.version != VERSION {
            return Err(format!("version {}, this program reads {VERSION}", session.version));
        }
        Ok(session)
    }

    /// Writes the file, whole or not at all.
    pub fn write(&self, dir: &Path) -> Result<(), SessionError> {
        let path = dir.join(FILE_NAME);
        let text = serde_json::to_string_pretty(self).map_err(|error| SessionError::Malformed {
            path: path.clone(),
            detail: error.to_string(),
        })?;
        replace(&path, text.as_bytes()).map_err(|source| SessionError::Io { path, source })
    }
}

/// Reads a file that should be small.
pub(crate) fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(SIZE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Puts a file in place of another in one step, so that a reader sees the old one or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(bytes)?;
    drop(file);
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session as an engine writes it.
    pub(crate) fn example() -> Session {
        Session {
            version: VERSION,
            engine: 3,
            name: "paper".to_string(),
            mode: "paper".to_string(),
            network: "url".to_string(),
            rest_url: "http://127.0.0.1:1".to_string(),
            ca_file: None,
            key_file: Some("key.toml".to_string()),
            secrets: None,
            symbols: vec!["BTCUSDT".to_string()],
            time_ns: 7,
            habits: Habits {
                dead_ns_max: 300_000_000,
                shared_account: true,
                settle_ns: 1_000_000_000,
                request_ns_max: 1_000_000_000,
                recv_window_ms: 1_000,
                retry_ns: 50_000_000,
                give_up_ns: 60_000_000_000,
            },
        }
    }

    #[test]
    fn a_session_comes_back_from_its_file_and_damage_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Session::read(dir.path()).unwrap(), None);
        let session = example();
        session.write(dir.path()).unwrap();
        assert_eq!(Session::read(dir.path()).unwrap().as_ref(), Some(&session));
        let text = serde_json::to_vec(&session).unwrap();
        for length in 0..text.len() {
            assert!(Session::parse(&text[..length]).is_err(), "cut after {length} bytes");
        }
        let foreign = Session { version: 2, ..session };
        foreign.write(dir.path()).unwrap();
        let error = Session::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
    }
}
