//! The `tickwheel` binary: composition root and all operator commands.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod audit_command;
mod backtest;
mod compose;
mod controls;
mod doctor;
mod explain;
mod journal_command;
mod record;
mod replay;
mod report;
mod run;
mod session;
mod simulation;
mod stat;
mod venue_command;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit codes, the same for every command.
mod exit {
    /// Done, and the answer is yes.
    pub(crate) const GOOD: u8 = 0;
    /// Done, and the answer is no.
    pub(crate) const NO: u8 = 1;
    /// Wrong use: arguments, configuration, files that are not there.
    pub(crate) const USAGE: u8 = 2;
    /// Damaged data.
    pub(crate) const DAMAGED: u8 = 3;
}

/// A low-latency in-process trading engine.
///
/// Exit codes: 0 good, 1 the answer is no, 2 wrong use, 3 damaged data.
#[derive(Debug, Parser)]
#[command(name = "tickwheel", version = compose::VERSION_TEXT, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the engine; without arguments the built-in paper profile.
    Run(run::RunArgs),
    /// Run the whole pipeline over a capture and leave a journal.
    Backtest(backtest::BacktestArgs),
    /// Run a journal's inputs again and compare every decision.
    Replay(replay::ReplayArgs),
    /// Look at, check and repair journals.
    Journal(journal_command::JournalArgs),
    /// Every control that regulators ask for: what keeps it, how it is configured, how it was tested.
    Controls(controls::ControlsArgs),
    /// Verify what was signed, export decisions with their reasons.
    Audit(audit_command::AuditArgs),
    /// Record raw frames of a WebSocket into a capture.
    Record(record::RecordArgs),
    /// Run a local exchange that speaks Binance Spot, for trading without money.
    Venue(venue_command::VenueArgs),
    /// Show what an engine does, or did before it died.
    Stat(stat::StatArgs),
    /// Check whether this host is fit for low latency.
    Doctor(doctor::DoctorArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { exit::GOOD };
            // Where even that cannot be printed there is nobody to tell.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    // Diagnostics of the edges, such as a stats file that found no shared memory. Standard output is the
    // command's own.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .without_time()
        .with_target(false)
        .init();
    let outcome = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Backtest(args) => backtest::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Journal(args) => journal_command::run(&args),
        Command::Controls(args) => controls::run(&args),
        Command::Audit(args) => audit_command::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Venue(args) => venue_command::run(&args),
        Command::Stat(args) => stat::run(&args),
        Command::Doctor(args) => doctor::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("tickwheel: {}", chain(&error));
        ExitCode::from(session::exit_code_of(&error))
    })
}

/// An error with its causes. Causes that the text before has already told are left out: some libraries
/// put them into their own message.
fn chain(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        if text.is_empty() {
            cause
        } else if text.contains(&cause) {
            text
        } else {
            format!("{text}: {cause}")
        }
    })
}
