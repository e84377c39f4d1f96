//! `cargo xtask mutants`: changes of the code of risk and control that no test notices.
//!
//! Settings, and the reasons of what is left out, stand in `.cargo/mutants.toml`.

use std::process::ExitCode;

use anyhow::Context;

use crate::run::cargo;

/// What to do where the tool is not installed; the gate installs nothing.
const ADVICE: &str = "cargo-mutants is not installed: `cargo install cargo-mutants --locked`";

/// The tests that judge a mutant: those of the two modules.
const FILTERS: [&str; 2] = ["risk::", "control::"];

/// What is mutated when nothing is named. Not in the settings, which would add it to what is named.
const FILES: [&str; 4] = [
    "engine/src/risk.rs",
    "engine/src/risk/**/*.rs",
    "engine/src/control.rs",
    "engine/src/control/**/*.rs",
];

/// Mutates the files that `arguments` name, all of both modules without any.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let is_there = cargo().args(["mutants", "--version"]).output();
    if !is_there.is_ok_and(|output| output.status.success()) {
        println!("{ADVICE}");
        return Ok(ExitCode::FAILURE);
    }
    let mut command = cargo();
    command.args(["mutants", "--package", "engine", "--jobs", "1", "--no-shuffle"]);
    let all = FILES.map(str::to_string);
    for file in if arguments.is_empty() { &all[..] } else { arguments } {
        command.args(["--file", file]);
    }
    // Nothing but the unit tests is built for a mutant.
    command.args(["--cargo-arg=--lib", "--", "--"]).args(FILTERS);
    let status = command.status().context("cargo mutants")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
