//! `tickwheel controls`: every control that a regulator or this project asks for, what keeps it, and the evidence.
//!
//! ```text
//!   catalogue (data) + configuration + results of the tests + evidence of drills --> report (text, JSON, Markdown)
//!   cargo xtask controls --tests of the catalogue--> target/controls.jsonl --> report --results FILE
//! ```

mod after;
mod catalogue;
mod evidence;
mod pre_trade;
mod render;
mod results;
#[cfg(test)]
mod tests;
mod values;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use engine::clock::Clock;

use crate::{compose, exit, session, stat};

use catalogue::{Control, Owner};
use evidence::Drill;
use results::{Outcome, Results};

/// Arguments of `tickwheel controls`.
#[derive(Args, Debug)]
pub(crate) struct ControlsArgs {
    #[command(subcommand)]
    command: ControlsCommand,
}

#[derive(Debug, Subcommand)]
enum ControlsCommand {
    /// Every control: rule, code, present configuration, tests with their last result, drills.
    Report(ReportArgs),
    /// The tests of the catalogue, one a line: package, target, name, place. For `cargo xtask controls`.
    Tests,
}

#[derive(Args, Debug)]
struct ReportArgs {
    /// Configuration whose values are shown; default: the profile.
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    config: Option<PathBuf>,
    /// Built-in profile.
    #[arg(long, default_value = "paper")]
    profile: String,
    /// Data directory with the evidence of drills; default: a directory under the user's state directory.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// What `cargo xtask controls` wrote; without it no test has a result.
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Only this control, by its number.
    #[arg(long, value_name = "NUMBER")]
    control: Option<u8>,
    /// Print one JSON object.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print Markdown.
    #[arg(long)]
    markdown: bool,
}

/// What is known of one control.
#[derive(Debug)]
struct Row {
    control: &'static Control,
    /// Key and present value.
    values: Vec<(&'static str, String)>,
    /// Test and its last outcome.
    tests: Vec<(&'static str, Outcome)>,
    /// The last drill of each kind; `None`: never performed.
    drills: Vec<(&'static str, Option<Drill>)>,
}

/// What the evidence of a control comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Every test of it passed.
    Proven,
    /// A test has no result.
    Unproven,
    /// A test or the last drill failed.
    Failed,
    /// Not the engine's to prove.
    Firm,
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Verdict::Proven => "proven",
            Verdict::Unproven => "unproven",
            Verdict::Failed => "failed",
            Verdict::Firm => "firm",
        }
    }
}

impl Row {
    fn verdict(&self) -> Verdict {
        let failed_test = self.tests.iter().any(|(_, outcome)| outcome.has_failed());
        let failed_drill = self.drills.iter().flat_map(|(_, drill)| drill).any(|d| !d.passed);
        if failed_test || failed_drill {
            return Verdict::Failed;
        }
        if self.control.owner == Owner::Firm {
            return Verdict::Firm;
        }
        let is_whole = self.tests.iter().all(|(_, outcome)| outcome.has_passed());
        if is_whole { Verdict::Proven } else { Verdict::Unproven }
    }
}

/// Everything that a report says.
#[derive(Debug)]
struct Report {
    build: String,
    origin: String,
    config_hash: String,
    time: String,
    /// Where results came from.
    results: Option<String>,
    rows: Vec<Row>,
}

impl Report {
    fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.verdict() == verdict).count()
    }
}

/// Runs the command.
pub(crate) fn run(args: &ControlsArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        ControlsCommand::Report(args) => report(args),
        ControlsCommand::Tests => {
            for test in catalogue::tests() {
                let place = results::Place::of(test)
                    .with_context(|| format!("{test}: in no package that is known"))?;
                println!("{}\t{}\t{}\t{test}", place.package, place.target, place.name);
            }
            Ok(ExitCode::from(exit::GOOD))
        }
    }
}

fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let (config, origin) = session::read_config(args.config.as_deref(), &args.profile)?;
    let settings = serde_json::to_value(&config).context("the configuration as JSON")?;
    let dir = args.data_dir.clone().unwrap_or_else(stat::default_data_dir);
    let drills = evidence::read(&dir);
    let results = args.results.as_deref().map(Results::read).transpose()?.unwrap_or_default();
    let controls =
        catalogue::all().filter(|control| args.control.is_none_or(|n| n == control.number));
    let rows: Vec<Row> =
        controls.map(|control| row(control, &settings, &results, &drills)).collect();
    if rows.is_empty() {
        anyhow::bail!("there is no such control: they are numbered from 1 to 36");
    }
    let report = Report {
        build: compose::VERSION_TEXT.to_string(),
        origin,
        config_hash: crate::evidence::config_hash(&config),
        time: evidence::date(Clock::new().now_ns()),
        results: args.results.as_ref().map(|path| path.display().to_string()),
        rows,
    };
    if args.json {
        println!("{:#}", render::json(&report));
    } else if args.markdown {
        print!("{}", render::markdown(&report));
    } else {
        print!("{}", render::text(&report));
    }
    let code = if report.count(Verdict::Failed) == 0 { exit::GOOD } else { exit::NO };
    Ok(ExitCode::from(code))
}

fn row(
    control: &'static Control,
    settings: &serde_json::Value,
    results: &Results,
    drills: &[Drill],
) -> Row {
    let newest = |kind: &str| drills.iter().rfind(|drill| drill.kind == kind).cloned();
    Row {
        control,
        values: control.keys.iter().map(|key| (*key, values::present(settings, key))).collect(),
        tests: control.tests.iter().map(|test| (*test, results.of(test))).collect(),
        drills: control.drills.iter().map(|kind| (*kind, newest(kind))).collect(),
    }
}
