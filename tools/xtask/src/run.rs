//! Runs the chosen steps and says how each went.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::options::Selection;
use crate::steps::{STEPS, Step};

/// How a step went.
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
    /// A step before it has failed.
    NotReached,
}

/// Runs the steps of `selection`.
pub(crate) fn run(selection: &Selection) -> ExitCode {
    let begin = now();
    let mut rows: Vec<(&Step, Outcome, Duration)> = Vec::new();
    let mut failed = false;
    for step in STEPS.iter().filter(|step| selection.takes(step)) {
        if failed && !selection.keep_going {
            rows.push((step, Outcome::NotReached, Duration::ZERO));
            continue;
        }
        let begin = now();
        let outcome = run_step(step);
        failed |= matches!(outcome, Outcome::Failed(_));
        rows.push((step, outcome, begin.elapsed()));
    }
    println!("\n== summary");
    for (step, outcome, took) in &rows {
        let (word, detail) = match outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed(why) => ("FAILED", why.as_str()),
            Outcome::Skipped(why) => ("skipped", why.as_str()),
            Outcome::NotReached => ("not run", "a step before it failed"),
        };
        println!("{:<16} {word:<8} {:>8}  {detail}", step.name, seconds(*took));
    }
    let verdict = if failed { "FAILED" } else { "passed" };
    println!("{:<16} {verdict:<8} {:>8}", "gate", seconds(begin.elapsed()));
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run_step(step: &Step) -> Outcome {
    println!("\n== {}: {}", step.name, step.what);
    if let Some((tool, how)) = step.needs
        && !is_installed(tool)
    {
        let why = format!("cargo-{tool} is not installed ({how})");
        println!("skipped: {why}");
        return Outcome::Skipped(why);
    }
    println!("$ cargo {}", step.cargo.join(" "));
    let status = cargo()
        .args(step.cargo)
        .envs(step.environment.iter().copied())
        .status()
        .context("cargo could not be started");
    match status {
        Ok(status) if status.success() => Outcome::Passed,
        Ok(status) => Outcome::Failed(status.to_string()),
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

/// The cargo that runs us, in the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    if let Some(own) = std::env::var_os("CARGO_MANIFEST_DIR") {
        command.current_dir(PathBuf::from(own).join("../.."));
    }
    command
}

fn is_installed(tool: &str) -> bool {
    let silent =
        cargo().args([tool, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    silent.is_ok_and(|status| status.success())
}

#[expect(clippy::disallowed_methods, reason = "the gate says how long its steps take")]
fn now() -> Instant {
    Instant::now()
}

fn seconds(took: Duration) -> String {
    format!("{}.{} s", took.as_secs(), took.subsec_millis() / 100)
}
