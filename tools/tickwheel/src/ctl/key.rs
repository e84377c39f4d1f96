//! Keys of operators: a random token in a file that only its owner can read; the configuration has its hash.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use operator::roster::{hash_of_key, hash_text};
use serde_json::json;

use crate::exit;

/// Bytes of a key: as many as its hash.
const KEY_SIZE_BYTES: usize = 32;
/// Longest key file.
const FILE_SIZE_BYTES_MAX: u64 = 4096;
/// Bits of a mode that let others in.
const OTHERS: u32 = 0o077;

/// The key in a file; refused when others can read it.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let file = std::fs::File::open(path)
        .with_context(|| format!("open the key file {}", path.display()))?;
    let about = file.metadata().with_context(|| format!("look at {}", path.display()))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        let path = path.display();
        return Err(anyhow!(
            "key file {path} has mode {mode:03o}: others can read it; chmod 600 {path}"
        ));
    }
    let mut text = String::new();
    file.take(FILE_SIZE_BYTES_MAX)
        .read_to_string(&mut text)
        .with_context(|| format!("read the key file {}", path.display()))?;
    let key = text.trim().to_string();
    if key.is_empty() {
        return Err(anyhow!("key file {} is empty", path.display()));
    }
    Ok(key)
}

/// Makes a key; prints the line that makes it known.
pub(super) fn run(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let mut bytes = [0; KEY_SIZE_BYTES];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("read /dev/urandom")?;
    // The key is the text: as hard to guess as the bytes.
    let key = hash_text(&bytes);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("make the key file {}", path.display()))?;
    writeln!(file, "{key}").and_then(|()| file.sync_all()).context("write the key")?;
    let hash = hash_text(&hash_of_key(&key));
    if json {
        println!("{}", json!({ "file": path.display().to_string(), "key_hash": hash }));
    } else {
        println!("{} holds the key; keep it from everybody else.", path.display());
        println!("Into the operator's section of the configuration:\n\nkey_hash = \"{hash}\"");
    }
    Ok(ExitCode::from(exit::GOOD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_its_owner_and_its_file_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ann.key");
        run(&path, true).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let key = read(&path).unwrap();
        assert_eq!(key.len(), 2 * KEY_SIZE_BYTES);
        assert!(run(&path, true).is_err(), "it is there");
        assert_eq!(read(&path).unwrap(), key);
        let other = dir.path().join("bob.key");
        run(&other, true).unwrap();
        assert_ne!(read(&other).unwrap(), key, "two keys differ");
    }

    #[test]
    fn a_key_that_others_can_read_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "key").unwrap();
        for mode in [0o644, 0o640, 0o604, 0o660] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&path).unwrap(), "key");
        std::fs::write(&path, "\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("empty"));
    }
}
