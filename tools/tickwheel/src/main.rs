//! The `tickwheel` binary: composition root and all operator commands.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod alarms_command;
mod alarms_setup;
mod audit_command;
mod backtest;
mod completions;
mod compose;
mod controls;
mod ctl;
mod doctor;
mod drill;
mod evidence;
mod explain;
mod guard_command;
mod journal_command;
mod preflight;
mod record;
mod replay;
mod report;
mod run;
mod secrets;
mod secrets_command;
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
    /// Watch an engine and cancel its orders at the venue when it is dead or stuck.
    Guard(guard_command::GuardArgs),
    /// Drill the kill switch or the guard against a local venue, and keep the evidence.
    Drill(drill::DrillArgs),
    /// Whether this build may trade real money with a configuration now, line by line.
    Preflight(preflight::PreflightArgs),
    /// Show what an engine does, or did before it died.
    Stat(stat::StatArgs),
    /// Show alarms, try their channels, silence them, tell them from a process of its own.
    Alarms(alarms_command::AlarmsArgs),
    /// Give commands to a running engine: status, kill, limits, orders.
    Ctl(ctl::CtlArgs),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
    /// Check the secrets of a configuration, write templates of key files.
    Secrets(secrets_command::SecretsArgs),
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
        .with_max_level(log_level())
        .without_time()
        .with_target(false)
        .init();
    // Keys are in memory from here on.
    if let Err(error) = secret::harden::forbid_core_dumps() {
        eprintln!("tickwheel: {error}; a crash may leave keys on the disk");
    }
    let outcome = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Backtest(args) => backtest::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Journal(args) => journal_command::run(&args),
        Command::Controls(args) => controls::run(&args),
        Command::Audit(args) => audit_command::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Venue(args) => venue_command::run(&args),
        Command::Guard(args) => guard_command::run(&args),
        Command::Drill(args) => drill::run(&args),
        Command::Preflight(args) => preflight::run(&args),
        Command::Stat(args) => stat::run(&args),
        Command::Alarms(args) => alarms_command::run(&args),
        Command::Ctl(args) => ctl::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Secrets(args) => secrets_command::run(&args),
        Command::Doctor(args) => doctor::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("tickwheel: {}", chain(&error));
        ExitCode::from(session::exit_code_of(&error))
    })
}

/// How much the edges tell: `TICKWHEEL_LOG=debug` and the like; warnings without it.
fn log_level() -> tracing_subscriber::filter::LevelFilter {
    let wanted = std::env::var("TICKWHEEL_LOG").ok();
    let level = wanted.and_then(|level| level.parse().ok());
    level.unwrap_or(tracing_subscriber::filter::LevelFilter::WARN)
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
