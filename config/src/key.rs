//! Key files: an API key with its secret, in a file that only its owner can read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Bits of a mode that let others in.
const OTHERS: u32 = 0o077;

/// A key as it is in its file. Never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The public part.
    pub api_key: String,
    /// Secret of an HMAC key.
    pub secret: Option<String>,
    /// Ed25519 private key, PKCS#8 PEM.
    pub private_key: Option<String>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

/// Why a key file cannot be used. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("key file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others than its owner can read or write it.
    #[error("key file {path} has mode {mode:03o}: others can read it; chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Permission bits.
        mode: u32,
    },
    /// It is not TOML with the keys of [`Key`], or has both or none of the two secrets.
    #[error("key file {path}: must have api_key, and either secret or private_key, as TOML texts")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

impl Key {
    /// Reads a key file; refuses one that others can read.
    pub fn read(path: &Path) -> Result<Key, KeyError> {
        let failed = |source| KeyError::Read { path: path.to_path_buf(), source };
        let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(KeyError::Open { path: path.to_path_buf(), mode });
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        // What toml says of a broken file quotes it.
        let malformed = || KeyError::Malformed { path: path.to_path_buf() };
        let key: Key = toml::from_str(&text).map_err(|_| malformed())?;
        if key.api_key.is_empty() || key.secret.is_some() == key.private_key.is_some() {
            return Err(malformed());
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "canary-secret";

    #[track_caller]
    fn check(name: &str, text: &str, mode: u32, words: &[&str]) {
        let directory = std::env::temp_dir().join(format!("tickwheel-key-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let told = match Key::read(&path) {
            Ok(key) => format!("read {key:?}"),
            Err(error) => error.to_string(),
        };
        std::fs::remove_file(&path).unwrap();
        for word in words {
            assert!(told.contains(word), "\"{word}\" is not in: {told}");
        }
        assert!(!told.contains(SECRET), "{told}");
    }

    #[test]
    fn a_key_is_read_from_a_private_file_and_never_printed() {
        let good = format!("api_key = \"k\"\nsecret = \"{SECRET}\"\n");
        check("good.toml", &good, 0o600, &["read Key"]);
        check("open.toml", &good, 0o640, &["640", "chmod 600", "open.toml"]);
        check("world.toml", &good, 0o604, &["604"]);
        let both = format!("{good}private_key = \"x\"\n");
        check("both.toml", &both, 0o600, &["either secret or private_key"]);
        check("none.toml", "api_key = \"k\"\n", 0o600, &["either"]);
        check("broken.toml", &format!("secret = {SECRET}"), 0o600, &["broken.toml", "api_key"]);
        let missing = Key::read(Path::new("no-such-file.toml")).unwrap_err().to_string();
        assert!(missing.contains("no-such-file.toml"), "{missing}");
    }
}
