//! `cargo xtask secrets`: looks for keys, tokens and passwords in the tree, and with `--history` in all of git.
//!
//! ```text
//!   cargo xtask secrets             every file that git tracks or would track
//!   cargo xtask secrets --history   also every version of every file, and every commit message
//!   cargo xtask secrets --staged    what the next commit would bring, for a pre-commit hook
//! ```
//! What is no secret though it looks like one stands in `secrets-allowed.txt` by its fingerprint, with the reason.
//!
//! **Invariant:** a finding is never printed whole: a log of the gate is public.

mod allowed;
mod git;
mod rules;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use allowed::Allowed;
use rules::Hit;

/// Files that are larger hold data, not sources.
const FILE_SIZE_BYTES_MAX: usize = 16 << 20;
/// Where the exceptions are, from the root.
const ALLOWED: &str = "tools/xtask/secrets-allowed.txt";
/// What of a finding is shown.
const SHOWN_SIZE_BYTES: usize = 4;

/// Something that looks like a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// A file, or a version of it.
    place: String,
    line: usize,
    hit: Hit,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hit { rule, text } = &self.hit;
        let shown: String = text.chars().take(SHOWN_SIZE_BYTES).collect();
        let mark = fingerprint(text);
        write!(f, "{}:{}: {rule}: {shown}... ({mark})", self.place, self.line)
    }
}

/// What stands for a secret in the list of exceptions: FNV-1a, 64 bits. It need not withstand anybody: it keeps the
/// list from being a finding itself.
fn fingerprint(text: &str) -> String {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// What is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Scope {
    history: bool,
    staged: bool,
}

/// Runs the scan. Ends with 1 when something was found.
pub(crate) fn run(words: &[String]) -> anyhow::Result<ExitCode> {
    let mut scope = Scope::default();
    for word in words {
        match word.as_str() {
            "--history" => scope.history = true,
            "--staged" => scope.staged = true,
            other => bail!("unknown argument: {other}"),
        }
    }
    let root = git::root()?;
    let list = std::fs::read_to_string(root.join(ALLOWED)).with_context(|| ALLOWED.to_string())?;
    let mut allowed = Allowed::parse(&list).with_context(|| ALLOWED.to_string())?;
    let (found, count) = scan(&root, scope)?;
    let found: Vec<Finding> = found.into_iter().filter(|one| !allowed.takes(one)).collect();
    for finding in &found {
        println!("{finding}");
    }
    let idle = if scope.staged { Vec::new() } else { allowed.idle() };
    for line in &idle {
        println!("{ALLOWED}: no longer needed: {line}");
    }
    println!(
        "{count} files and versions, {} findings, {} exceptions",
        found.len(),
        allowed.count()
    );
    if found.is_empty() && idle.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if !found.is_empty() {
        println!(
            "a secret that was ever committed is no secret: revoke it first (docs/runbooks/key-leaked.md). \
             Where it is none, add to {ALLOWED}: RULE FINGERPRINT PATH # reason"
        );
    }
    Ok(ExitCode::FAILURE)
}

fn scan(root: &Path, scope: Scope) -> anyhow::Result<(Vec<Finding>, usize)> {
    let mut found = Vec::new();
    let mut count = 0;
    let mut look = |place: &str, bytes: &[u8]| {
        count += 1;
        found.extend(look_at(place, bytes));
    };
    if scope.staged {
        git::each_staged(root, &mut look)?;
    } else {
        git::each_file(root, &mut look)?;
    }
    if scope.history {
        git::each_version(root, &mut look)?;
    }
    found.sort();
    found.dedup();
    Ok((found, count))
}

/// Findings of one file.
fn look_at(place: &str, bytes: &[u8]) -> Vec<Finding> {
    let finding = |line, hit| Finding { place: place.to_string(), line, hit };
    let mut found: Vec<Finding> =
        rules::name(place).map(|hit| finding(1, hit)).into_iter().collect();
    if bytes.len() <= FILE_SIZE_BYTES_MAX {
        // A text is looked at closely; of other bytes only what says by its beginning what it is.
        let is_text = !bytes.iter().take(8192).any(|byte| *byte == 0);
        let text = String::from_utf8_lossy(bytes);
        let hits = rules::hits(&text, is_text).into_iter();
        found.extend(hits.map(|(line, hit)| finding(line, hit)));
    }
    found
}

#[cfg(test)]
mod tests;
