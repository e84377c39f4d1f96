//! Evidence: what was tried, approved or waived, as JSON files in `evidence/` of a data directory.
//!
//! Files are only added. What a preflight believes of them is bound to the build (hash of the binary) and to the
//! configuration (hash of its text), so that evidence of another build is none.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::compose;

/// Name of the directory.
pub(crate) const DIR_NAME: &str = "evidence";
/// Largest file that is read.
const SIZE_BYTES_MAX: u64 = 1 << 20;
/// Most files of a kind that are read, the newest ones.
const FILE_COUNT_MAX: usize = 1_000;

/// Which build this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Build {
    /// Version of the engine.
    pub(crate) version: String,
    /// Commit.
    pub(crate) commit: String,
    /// BLAKE3 of the binary.
    pub(crate) binary: String,
}

impl Build {
    /// The running binary.
    pub(crate) fn this() -> anyhow::Result<Build> {
        let path = std::env::current_exe().context("find the own binary")?;
        let hash = config::hash_file(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(Build {
            version: compose::VERSION.to_string(),
            commit: compose::COMMIT.to_string(),
            binary: hex(&hash),
        })
    }
}

/// Hash of a configuration.
pub(crate) fn config_hash(config: &config::Config) -> String {
    hex(&config::hash(&config.to_toml()))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
        text
    })
}

/// What a drill came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Drill {
    /// `kill-drill` or `guard-drill`.
    pub(crate) kind: String,
    pub(crate) build: Build,
    pub(crate) config_hash: String,
    /// ns since the epoch.
    pub(crate) time_ns: u64,
    pub(crate) passed: bool,
    /// What was measured.
    pub(crate) figures: serde_json::Value,
    /// Why it did not pass.
    pub(crate) failures: Vec<String>,
}

/// Adds a file; its path.
pub(crate) fn write(
    dir: &Path,
    kind: &str,
    time_ns: u64,
    value: &impl Serialize,
) -> anyhow::Result<PathBuf> {
    let folder = dir.join(DIR_NAME);
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let path = folder.join(format!("{kind}-{time_ns:020}.json"));
    let mut text = serde_json::to_string_pretty(value).context("evidence as JSON")?;
    text.push('\n');
    let write = || -> std::io::Result<()> {
        use std::io::Write as _;
        // Nothing that is there is ever replaced.
        let mut file = std::fs::File::create_new(&path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// Every piece of evidence of a kind that can be read, oldest first. Files that cannot are passed over: they are no
/// evidence.
pub(crate) fn read<T: DeserializeOwned>(dir: &Path, kind: &str) -> Vec<T> {
    use std::io::Read as _;
    let prefix = format!("{kind}-");
    let Ok(entries) = std::fs::read_dir(dir.join(DIR_NAME)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.strip_prefix(&prefix)
                .and_then(|rest| rest.strip_suffix(".json"))
                .is_some_and(|time| time.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .collect();
    paths.sort();
    let skipped = paths.len().saturating_sub(FILE_COUNT_MAX);
    let text_of = |path: &PathBuf| {
        let mut text = String::new();
        let file = std::fs::File::open(path).ok()?;
        file.take(SIZE_BYTES_MAX).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    };
    paths.iter().skip(skipped).filter_map(text_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_comes_back_in_the_order_of_its_times_and_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read::<Drill>(dir.path(), "kill-drill").is_empty());
        let drill = |time_ns| Drill {
            kind: "kill-drill".to_string(),
            build: Build {
                version: "1".to_string(),
                commit: "c".to_string(),
                binary: hex(&[0, 255, 16]),
            },
            config_hash: hex(&[1]),
            time_ns,
            passed: true,
            figures: serde_json::json!({ "elapsed_us": 7 }),
            failures: Vec::new(),
        };
        for time_ns in [1_000, 5, 70] {
            write(dir.path(), "kill-drill", time_ns, &drill(time_ns)).unwrap();
        }
        write(dir.path(), "kill-drill-of-others", 9, &drill(9)).unwrap();
        std::fs::write(dir.path().join("evidence/kill-drill-8.json"), "{").unwrap();
        let times: Vec<u64> =
            read::<Drill>(dir.path(), "kill-drill").iter().map(|drill| drill.time_ns).collect();
        assert_eq!(times, [5, 70, 1_000]);
        assert_eq!(drill(1).build.binary, "00ff10");
        assert!(write(dir.path(), "kill-drill", 5, &drill(5)).is_err());
    }
}
