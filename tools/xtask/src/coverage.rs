//! `cargo xtask coverage`: lines and branches of risk and control that no test of theirs reaches.
//!
//! ```text
//!   cargo llvm-cov (tests of risk and control) --> target/coverage.lcov --> table, what is not reached
//! ```
//! What may stay unreached in risk stands in `coverage-allowed.txt` with its reason; anything else is a failure.

mod allowed;
mod report;

use std::fs;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use anyhow::{Context, ensure};

use crate::clients::{root, target};
use crate::run::cargo;

use allowed::Allowed;
use report::{Source, Spot};

/// What to do where the tool is not installed; the gate installs nothing.
const ADVICE: &str = "cargo-llvm-cov is not installed: `cargo install cargo-llvm-cov --locked` and \
                      `rustup component add llvm-tools`";

/// The tests whose reach is measured: those of the two modules.
const FILTERS: [&str; 2] = ["risk::", "control::"];

/// The part of which everything must be reached.
const JUDGED: &str = "engine/src/risk";

/// Measures, tells, and fails when something of risk is not reached.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    ensure!(arguments.is_empty(), "usage: cargo xtask coverage");
    let is_there = cargo().args(["llvm-cov", "--version"]).stderr(Stdio::null()).output();
    if !is_there.is_ok_and(|output| output.status.success()) {
        println!("{ADVICE}");
        return Ok(ExitCode::FAILURE);
    }
    let root = root()?;
    let out = target(&root).join("coverage.lcov");
    let mut command = cargo();
    // Branches are measured by a compiler option that stable toolchains have, but hide.
    command.env("RUSTC_BOOTSTRAP", "1");
    command.args(["llvm-cov", "--package", "engine", "--lib", "--branch", "--lcov"]);
    command.arg("--output-path").arg(&out).arg("--").args(FILTERS);
    let status = command.status().context("cargo llvm-cov")?;
    ensure!(status.success(), "cargo llvm-cov: {status}");
    let told = fs::read_to_string(&out).with_context(|| out.display().to_string())?;
    let list = root.join("tools/xtask/coverage-allowed.txt");
    let list = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let sources = report::parse(&told, &|path| read(&root, path))?;
    ensure!(!sources.is_empty(), "{} has no file of risk or control", out.display());
    Ok(tell(&sources, &Allowed::parse(&list)?))
}

fn read(root: &Path, path: &str) -> anyhow::Result<String> {
    fs::read_to_string(root.join(path)).with_context(|| path.to_string())
}

/// Prints the table and every place that is not reached.
fn tell(sources: &[Source], allowed: &Allowed) -> ExitCode {
    println!("{:<40} {:>11} {:>11}", "file", "lines", "branches");
    let count = |reached: usize, of: usize| format!("{reached}/{of}");
    for source in sources {
        let (lines, branches) = (source.lines(), source.branches());
        println!(
            "{:<40} {:>11} {:>11}",
            source.path,
            count(lines.0, lines.1),
            count(branches.0, branches.1)
        );
    }
    let mut missed_count = 0;
    for source in sources {
        for spot in source.missed() {
            let is_allowed = allowed.takes(&source.path, spot);
            let is_judged = source.path.starts_with(JUDGED) && !is_allowed;
            missed_count += usize::from(is_judged);
            let Spot { line, what, text } = spot;
            let mark = if is_allowed { "allowed: " } else { "" };
            println!("{mark}{}:{line}: {what}: {text}", source.path);
        }
    }
    // A list that keeps what is gone would let it come back without a word.
    let idle = allowed.idle(sources);
    for row in &idle {
        println!("allowed, but not in the code: {row}");
    }
    println!("{missed_count} places of {JUDGED} are not reached");
    if missed_count == 0 && idle.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
