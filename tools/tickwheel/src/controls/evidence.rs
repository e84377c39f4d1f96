//! Drills that were performed: JSON files in `evidence/` of a data directory.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// Largest file that is read.
const SIZE_BYTES_MAX: u64 = 1 << 20;
/// Most files that are read, the newest ones.
const FILE_COUNT_MAX: usize = 10_000;

/// What a drill came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drill {
    /// Such as `kill-drill`.
    pub(super) kind: String,
    /// Version and commit of the build that was drilled.
    pub(super) build: String,
    /// Date and time, UTC.
    pub(super) time: String,
    /// Whether it passed.
    pub(super) passed: bool,
    time_ns: u64,
}

#[derive(Debug, Deserialize)]
struct File {
    kind: String,
    build: Value,
    time_ns: u64,
    passed: bool,
}

/// Every drill of a data directory, oldest first. What is no drill is passed over: it is no evidence of one.
pub(super) fn read(dir: &Path) -> Vec<Drill> {
    let Ok(entries) = std::fs::read_dir(dir.join("evidence")) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    let skipped = paths.len().saturating_sub(FILE_COUNT_MAX);
    let mut drills: Vec<Drill> =
        paths.iter().skip(skipped).filter_map(|path| drill(path)).collect();
    drills.sort_by_key(|drill| drill.time_ns);
    drills
}

fn drill(path: &Path) -> Option<Drill> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(SIZE_BYTES_MAX).read_to_string(&mut text).ok()?;
    let file: File = serde_json::from_str(&text).ok()?;
    let word = |name: &str| file.build.get(name).and_then(Value::as_str).unwrap_or("?");
    Some(Drill {
        build: match file.build.as_str() {
            Some(text) => text.to_string(),
            None => format!("{} ({})", word("version"), word("commit")),
        },
        kind: file.kind,
        time: date(file.time_ns),
        passed: file.passed,
        time_ns: file.time_ns,
    })
}

/// `2026-11-26T02:09:35Z` of ns since the epoch.
pub(super) fn date(time_ns: u64) -> String {
    let text = audit::format_time(time_ns);
    let whole = text.split('.').next().unwrap_or(&text);
    format!("{whole}Z")
}
