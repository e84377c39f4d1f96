//! `tickwheel preflight`: whether this build may trade real money with this configuration now, line by line.
//!
//! ```text
//!   configuration, journal, evidence/, guard.json, the venue --> items --> pass | fail | waived, with evidence
//!                                                                  |
//!   `tickwheel run` with mode = "live" starts only when no item fails
//! ```
//! The words of the items, what each asks for and which can be waived: `docs/GOING_LIVE.md`.

mod history;
mod items;
mod kernel_clock;
mod permits;
mod questions;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use config::Config;
use engine::clock::Clock;
use serde_json::{Value, json};

use crate::{exit, run, session, stat};

use history::History;
pub(crate) use items::{Item, Verdict};

/// Arguments of `tickwheel preflight`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct PreflightArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    what: What,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Approve this build with this configuration.
    Approve(ApproveArgs),
    /// Waive one item for a time; not every item can be.
    Waive(WaiveArgs),
}

/// Which configuration and data directory.
#[derive(Args, Clone, Debug)]
pub(crate) struct What {
    /// Configuration file.
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    config: Option<PathBuf>,
    /// Built-in profile.
    #[arg(long, default_value = "live-first-day")]
    profile: String,
    /// Data directory of the engine; default: a directory under the user's state directory.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// As of `tickwheel run`.
    #[arg(long, value_name = "URL")]
    venue_url: Option<String>,
    /// As of `tickwheel run`.
    #[arg(long, value_name = "FILE", requires = "venue_url")]
    key_file: Option<String>,
}

#[derive(Args, Debug)]
struct ApproveArgs {
    #[command(flatten)]
    what: What,
    /// Who approves: the name of an [[operator]].
    #[arg(long, value_name = "NAME")]
    operator: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct WaiveArgs {
    #[command(flatten)]
    what: What,
    /// Which item.
    #[arg(long, value_name = "ITEM")]
    item: String,
    /// Who waives it: the name of an [[operator]].
    #[arg(long, value_name = "NAME")]
    operator: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// For how long.
    #[arg(long, value_name = "HOURS", default_value_t = 24,
          value_parser = clap::value_parser!(u32).range(1..=168))]
    hours: u32,
}

/// What a preflight looks at.
#[derive(Debug)]
struct Subject<'a> {
    config: &'a Config,
    origin: &'a str,
    dir: &'a Path,
    history: &'a History,
    now_ns: u64,
}

/// Every item, and the day of live trading.
#[derive(Debug)]
struct Flight {
    items: Vec<Item>,
    day: u32,
}

/// Runs the command. Ends with 1 when an item fails.
pub(crate) fn run(args: &PreflightArgs) -> anyhow::Result<ExitCode> {
    match &args.action {
        Some(Action::Approve(approve)) => approve_build(approve),
        Some(Action::Waive(waive)) => waive_item(waive),
        None => {
            let (config, origin, dir) = read(&args.what)?;
            let clock = Clock::new();
            let flight = look(&config, &origin, &dir, &clock)?;
            if args.json {
                println!("{:#}", to_json(&flight));
            } else {
                print!("{}", text(&flight));
            }
            Ok(ExitCode::from(if is_clear(&flight.items) { exit::GOOD } else { exit::NO }))
        }
    }
}

/// The gate of `tickwheel run` in live mode: an error that names what fails, or the configuration with the caps of the
/// day, and what was changed by them.
pub(crate) fn gate(
    config: &mut Config,
    origin: &str,
    dir: &Path,
    clock: &Clock,
) -> anyhow::Result<Vec<String>> {
    let flight = look(config, origin, dir, clock)?;
    eprint!("{}", text(&flight));
    if !is_clear(&flight.items) {
        let failed: Vec<&str> = flight
            .items
            .iter()
            .filter(|item| item.verdict == Verdict::Fail)
            .map(|item| item.name)
            .collect();
        let text = format!("live trading is refused: the preflight fails at {}", failed.join(", "));
        return Err(session::Coded::new(exit::NO, text).into());
    }
    let live = config.live.clone().context("live mode has [live]")?;
    let step = live.step(flight.day).context("a ramp has a step for every day")?;
    let mut told = vec![format!("day {} of live trading", flight.day)];
    told.extend(config.cap(step).map_err(|text| anyhow!(text))?);
    Ok(told)
}

fn read(what: &What) -> anyhow::Result<(Config, String, PathBuf)> {
    let (mut config, origin) = session::read_config(what.config.as_deref(), &what.profile)?;
    if let Some(url) = &what.venue_url {
        run::point_at(&mut config, url, what.key_file.as_ref())?;
    }
    let config = Config::parse(&config.to_toml(), &origin)?;
    let dir = what.data_dir.clone().unwrap_or_else(stat::default_data_dir);
    Ok((config, origin, dir))
}

fn look(config: &Config, origin: &str, dir: &Path, clock: &Clock) -> anyhow::Result<Flight> {
    if config.live.is_none() {
        return Err(anyhow!("{origin}: has no [live]: see docs/GOING_LIVE.md"));
    }
    let history = History::read(&session::journal_dir(dir))?;
    let now_ns = clock.now_ns();
    let subject = Subject { config, origin, dir, history: &history, now_ns };
    let day = history.live_day(now_ns);
    let mut items = questions::ask(&subject, clock);
    items.extend(items::judge(&subject, day)?);
    permits::waive(&subject, &mut items)?;
    Ok(Flight { items, day })
}

fn is_clear(items: &[Item]) -> bool {
    items.iter().all(|item| item.verdict != Verdict::Fail)
}

fn text(flight: &Flight) -> String {
    let mut lines = vec![format!("preflight, day {} of live trading", flight.day)];
    lines.extend(flight.items.iter().map(|Item { name, verdict, evidence, .. }| {
        format!("  {:<6} {name:<11} {evidence}", verdict.name())
    }));
    let failed = flight.items.iter().filter(|item| item.verdict == Verdict::Fail).count();
    lines.push(match failed {
        0 => "clear for live trading".to_string(),
        count => format!("NOT clear: {count} of {} fail", flight.items.len()),
    });
    lines.push(String::new());
    lines.join("\n")
}

fn to_json(flight: &Flight) -> Value {
    let items: Vec<Value> = flight
        .items
        .iter()
        .map(|item| {
            json!({
                "item": item.name,
                "verdict": item.verdict.name(),
                "evidence": item.evidence,
                "waivable": item.waivable,
            })
        })
        .collect();
    json!({ "clear": is_clear(&flight.items), "live_day": flight.day, "items": items })
}

fn approve_build(args: &ApproveArgs) -> anyhow::Result<ExitCode> {
    let (config, origin, dir) = read(&args.what)?;
    let now_ns = Clock::new().now_ns();
    let by = permits::By { operator: &args.operator, reason: &args.reason };
    let path = permits::approve(&config, &origin, &dir, &by, now_ns)?;
    if args.json {
        println!("{:#}", json!({ "approved": true, "evidence": path.display().to_string() }));
    } else {
        println!("approved by {}: {}", args.operator, path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn waive_item(args: &WaiveArgs) -> anyhow::Result<ExitCode> {
    let (config, origin, dir) = read(&args.what)?;
    let now_ns = Clock::new().now_ns();
    let by = permits::By { operator: &args.operator, reason: &args.reason };
    let path =
        permits::write_waiver(&config, &origin, &dir, (&args.item, args.hours), &by, now_ns)?;
    let WaiveArgs { item, hours, operator, .. } = args;
    if args.json {
        println!("{:#}", json!({ "waived": item, "evidence": path.display().to_string() }));
    } else {
        println!("{item} waived for {hours} h by {operator}: {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
