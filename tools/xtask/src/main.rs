//! The gate: `cargo xtask ci` runs every check that a change must pass, and nothing else does.
//! Beside it: `cargo xtask clients`, the proof by strangers, which needs Python, and `cargo xtask controls`, the tests that
//! a review of controls asks for, with their results in a file.
//!
//! ```text
//!   cargo xtask ci                     all steps, stops at the first that fails
//!   cargo xtask ci --only fmt,clippy   these steps
//!   cargo xtask ci --skip test         all but these
//!   cargo xtask ci --full              also the tests at release speed with every assertion on
//!   cargo xtask ci --keep-going        does not stop at a failure
//!   cargo xtask ci --list              the steps
//!   cargo xtask secrets                looks for keys and passwords in the tree (--history: in all of git)
//!   cargo xtask controls               the tests that prove controls, results in target/controls.jsonl
//!   cargo xtask mutants [FILE..]       changes of risk and control that no test notices (needs cargo-mutants)
//!   cargo xtask coverage               lines and branches of risk and control that their tests do not reach (needs cargo-llvm-cov)
//!   cargo xtask clients                other people's clients against the local venue
//! ```
//!
//! **Invariant:** the gate installs nothing and needs nothing but cargo, rustfmt and clippy. A tool that
//! is not there is named, and its step counts as skipped, never as passed.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]
#![expect(clippy::print_stderr, reason = "a program for the terminal")]

mod clients;
mod controls;
mod coverage;
mod mutants;
mod options;
mod run;
mod secrets;
mod steps;

use std::process::ExitCode;

use options::Command;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match options::parse(&arguments) {
        Ok(Command::Help) => {
            println!("{}", options::HELP);
            ExitCode::SUCCESS
        }
        Ok(Command::List) => {
            for step in steps::STEPS {
                println!("{:<16} {}", step.name, step.what);
            }
            ExitCode::SUCCESS
        }
        Ok(Command::Ci(selection)) => run::run(&selection),
        Ok(Command::Secrets(words)) => secrets::run(&words).unwrap_or_else(|wrong| {
            eprintln!("secrets: {wrong:#}");
            ExitCode::from(2)
        }),
        Ok(Command::Controls(words)) => controls::run(&words).unwrap_or_else(|wrong| {
            eprintln!("controls: {wrong:#}");
            ExitCode::from(2)
        }),
        Ok(Command::Mutants(files)) => mutants::run(&files).unwrap_or_else(|wrong| {
            eprintln!("mutants: {wrong:#}");
            ExitCode::from(2)
        }),
        Ok(Command::Coverage(words)) => coverage::run(&words).unwrap_or_else(|wrong| {
            eprintln!("coverage: {wrong:#}");
            ExitCode::from(2)
        }),
        Ok(Command::Clients(words)) => clients::run(&words).unwrap_or_else(|wrong| {
            eprintln!("clients: {wrong:#}");
            ExitCode::from(2)
        }),
        Err(wrong) => {
            eprintln!("{wrong:#}\n\n{}", options::HELP);
            ExitCode::from(2)
        }
    }
}
