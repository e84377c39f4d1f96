//! `tickwheel ctl`: commands of an operator to a running engine.
//!
//! Everything that changes something needs `--reason`, and what cannot be undone asks for a word. Exit codes: 0 done,
//! 1 refused or not possible, 2 wrong use or no engine, 4 waits for a second person, 5 not permitted.

mod ask;
mod confirm;
mod flag;
mod key;
mod offline;
mod show;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use operator::{Arguments, Outcome, Verb};

use crate::{exit, report};

use ask::Asking;

/// The engine accepted it, and waits for another operator's `confirm`.
const WAITS: u8 = 4;
/// The operator's role does not cover it, or nobody was recognised.
const NOT_PERMITTED: u8 = 5;

/// Arguments of `tickwheel ctl`.
#[derive(Args, Debug)]
pub(crate) struct CtlArgs {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Ctl,
}

/// What every command of an operator takes.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// Data directory of the engine; default: a directory under the user's state directory.
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Who you are, where several operators share a user.
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) operator: Option<String>,
    /// File with your key, readable by its owner alone.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) key_file: Option<PathBuf>,
    /// Why; needed for everything that changes something, and journaled.
    #[arg(long, value_name = "TEXT", global = true)]
    pub(crate) reason: Option<String>,
    /// Do not ask back.
    #[arg(long, global = true)]
    pub(crate) yes: bool,
    /// Print one JSON object.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How long to wait for the engine, such as 5s; default 10s, of kill and flatten 60s.
    #[arg(long, value_name = "TIME", value_parser = report::parse_duration, global = true)]
    pub(crate) wait: Option<u64>,
}

#[derive(Subcommand, Debug)]
enum Ctl {
    /// What the engine is doing; of a dead one, what it did.
    Status,
    /// Block, cancel all orders, close all positions, and stay so until rearm.
    Kill {
        #[command(flatten)]
        scope: ScopeArg,
        /// Cancel, but leave the positions.
        #[arg(long)]
        no_flatten: bool,
        /// Set the kill flag in shared memory: for an engine that does not answer. It has no scope.
        #[arg(long, conflicts_with = "no_flatten")]
        flag: bool,
    },
    /// Trip a breaker to SAFE: only orders that reduce a position pass.
    Trip {
        #[command(flatten)]
        scope: ScopeArg,
    },
    /// Approve that a tripped scope recovers, once it is clear.
    Approve {
        #[command(flatten)]
        scope: ScopeArg,
        /// Number of the trip; default: the present one.
        #[arg(long, value_name = "NUMBER")]
        trip: Option<u64>,
    },
    /// Lift a kill.
    Rearm {
        #[command(flatten)]
        scope: ScopeArg,
        /// Number of the kill's trip; default: the present one.
        #[arg(long, value_name = "NUMBER")]
        trip: Option<u64>,
        /// Equity begins a new peak: the drawdown counts from now.
        #[arg(long)]
        new_peak: bool,
    },
    /// No new orders, and working ones are cancelled, until resume.
    Pause {
        #[command(flatten)]
        scope: ScopeArg,
    },
    /// End a pause; where nothing is paused, lift a halt of the gate.
    Resume {
        #[command(flatten)]
        scope: ScopeArg,
        /// Lift the halt of the gate, whatever is paused.
        #[arg(long)]
        halt: bool,
    },
    /// Let a strategy trade.
    Enable {
        /// Its name.
        strategy: String,
    },
    /// Switch a strategy off and cancel its orders.
    Disable {
        /// Its name.
        strategy: String,
    },
    /// Limits: show them, or change one.
    Limits {
        #[command(subcommand)]
        command: LimitsCommand,
    },
    /// Close positions; nothing is latched.
    Flatten {
        #[command(flatten)]
        scope: ScopeArg,
    },
    /// Cancel an order, or all of them.
    Cancel {
        /// Order id of 16 hexadecimal digits.
        #[arg(required_unless_present = "all")]
        order: Option<String>,
        /// Every working order.
        #[arg(long, conflicts_with = "order")]
        all: bool,
    },
    /// A manual order. It is judged by the same risk gate.
    Order(OrderArgs),
    /// Explain a refusal, or tell the life of an order.
    Why {
        /// Order id, `#SEQUENCE` of a record, or `last` for the last refusal.
        what: String,
    },
    /// Switches: strategies, breakers by scope, locks, commands that wait, alarms.
    Flags,
    /// Confirm another operator's command.
    Confirm {
        /// Number of the command.
        command: u64,
    },
    /// Reset the dead-man timer.
    Alive,
    /// Acknowledge an alarm.
    Ack {
        /// Number of the alarm.
        alarm: u64,
    },
    /// Take the venue's side where balances differ for a reason that you know.
    AcceptBalances {
        /// Only of this venue.
        #[arg(long, value_name = "NAME")]
        venue: Option<String>,
    },
    /// Make a key for an operator; prints the line for the configuration.
    Key {
        /// File to be made.
        file: PathBuf,
    },
}

#[derive(Args, Debug)]
struct ScopeArg {
    /// `all`, `venue:NAME`, `strategy:NAME` or `instrument:SYMBOL`.
    #[arg(default_value = "all", value_name = "SCOPE")]
    scope: String,
}

#[derive(Subcommand, Debug)]
enum LimitsCommand {
    /// Every limit: what it is now, how much of it is used, its soft limit, what is configured, and the compiled ceiling.
    Show,
    /// Change a limit. No command lifts it above what is configured.
    Set {
        /// Its key, as `ctl limits show` names it.
        limit: String,
        /// Its new value, a decimal in the unit that `ctl limits show` names.
        value: String,
        /// Of which instrument.
        #[arg(long, value_name = "SYMBOL")]
        instrument: Option<String>,
        /// Of which strategy.
        #[arg(long, value_name = "NAME", conflicts_with = "instrument")]
        strategy: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Side {
    Buy,
    Sell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Lasting {
    /// Until cancelled.
    Gtc,
    /// What does not trade at once expires.
    Ioc,
    /// All at once or nothing.
    Fok,
}

#[derive(Args, Debug)]
struct OrderArgs {
    #[arg(value_enum)]
    side: Side,
    /// How much.
    quantity: String,
    /// Symbol.
    instrument: String,
    /// Limit price.
    price: String,
    /// How long it lives.
    #[arg(long, value_enum, default_value = "gtc")]
    time_in_force: Lasting,
    /// Reject it if it would trade at once.
    #[arg(long)]
    post_only: bool,
    /// It may only bring a position nearer to zero.
    #[arg(long)]
    reduce_only: bool,
    /// The strategy whose position it changes; default: the operators' own.
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &CtlArgs) -> anyhow::Result<ExitCode> {
    let common = &args.common;
    match &args.command {
        Ctl::Status => ask::status(common),
        Ctl::Flags => ask::show(common, Verb::Flags, show::flags),
        Ctl::Limits { command: LimitsCommand::Show } => {
            ask::show(common, Verb::LimitsShow, show::limits)
        }
        Ctl::Why { what } => why::run(common, what),
        Ctl::Key { file } => key::run(file, common.json),
        Ctl::Kill { flag: true, scope, .. } => flag::run(common, &scope.scope),
        command @ (Ctl::Kill { .. }
        | Ctl::Trip { .. }
        | Ctl::Approve { .. }
        | Ctl::Rearm { .. }
        | Ctl::Pause { .. }
        | Ctl::Resume { .. }
        | Ctl::Enable { .. }
        | Ctl::Disable { .. }
        | Ctl::Limits { .. }
        | Ctl::Flatten { .. }
        | Ctl::Cancel { .. }
        | Ctl::Order(_)
        | Ctl::Confirm { .. }
        | Ctl::Alive
        | Ctl::Ack { .. }
        | Ctl::AcceptBalances { .. }) => {
            let (verb, arguments) = request_of(command);
            ask::command(common, &Asking { verb, arguments })
        }
    }
}

/// The verb and arguments of a command that changes something.
fn request_of(command: &Ctl) -> (Verb, Arguments) {
    let none = Arguments::default;
    let of_scope = |scope: &ScopeArg| Arguments { scope: Some(scope.scope.clone()), ..none() };
    match command {
        Ctl::Kill { scope, no_flatten, .. } => {
            (Verb::Kill, Arguments { flatten: Some(!no_flatten), ..of_scope(scope) })
        }
        Ctl::Trip { scope } => (Verb::Trip, of_scope(scope)),
        Ctl::Approve { scope, trip } => {
            (Verb::Approve, Arguments { trip: *trip, ..of_scope(scope) })
        }
        Ctl::Rearm { scope, trip, new_peak } => {
            let new_peak = Some(*new_peak);
            (Verb::Rearm, Arguments { trip: *trip, new_peak, ..of_scope(scope) })
        }
        Ctl::Pause { scope } => (Verb::Pause, of_scope(scope)),
        Ctl::Resume { scope, halt } => {
            (Verb::Resume, Arguments { halt: Some(*halt), ..of_scope(scope) })
        }
        Ctl::Enable { strategy } => {
            (Verb::Enable, Arguments { strategy: Some(strategy.clone()), ..none() })
        }
        Ctl::Disable { strategy } => {
            (Verb::Disable, Arguments { strategy: Some(strategy.clone()), ..none() })
        }
        Ctl::Limits { command: LimitsCommand::Set { limit, value, instrument, strategy } } => {
            let arguments = Arguments {
                limit: Some(limit.clone()),
                value: Some(value.clone()),
                instrument: instrument.clone(),
                strategy: strategy.clone(),
                ..none()
            };
            (Verb::LimitsSet, arguments)
        }
        Ctl::Flatten { scope } => (Verb::Flatten, of_scope(scope)),
        Ctl::Cancel { order, .. } => (Verb::Cancel, Arguments { order: order.clone(), ..none() }),
        Ctl::Order(order) => (Verb::Order, order_arguments(order)),
        Ctl::Confirm { command } => {
            (Verb::Confirm, Arguments { command: Some(*command), ..none() })
        }
        Ctl::Ack { alarm } => (Verb::Acknowledge, Arguments { alarm: Some(*alarm), ..none() }),
        Ctl::AcceptBalances { venue } => {
            (Verb::AcceptBalances, Arguments { venue: venue.clone(), ..none() })
        }
        Ctl::Alive => (Verb::Alive, none()),
        Ctl::Status | Ctl::Flags | Ctl::Limits { .. } | Ctl::Why { .. } | Ctl::Key { .. } => {
            (Verb::Status, none())
        }
    }
}

fn order_arguments(order: &OrderArgs) -> Arguments {
    let side = match order.side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    };
    let lasting = match order.time_in_force {
        Lasting::Gtc => "gtc",
        Lasting::Ioc => "ioc",
        Lasting::Fok => "fok",
    };
    Arguments {
        instrument: Some(order.instrument.clone()),
        strategy: order.strategy.clone(),
        side: Some(side.to_string()),
        price: Some(order.price.clone()),
        quantity: Some(order.quantity.clone()),
        time_in_force: Some(lasting.to_string()),
        post_only: order.post_only.then_some(true),
        reduce_only: order.reduce_only.then_some(true),
        ..Arguments::default()
    }
}

/// The exit code of what became of a request.
fn code_of(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Done => exit::GOOD,
        Outcome::Refused | Outcome::Late | Outcome::Unanswered | Outcome::Progress => exit::NO,
        Outcome::Invalid => exit::USAGE,
        Outcome::NeedsConfirm => WAITS,
        Outcome::NotPermitted => NOT_PERMITTED,
    }
}
