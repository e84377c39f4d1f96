//! `tickwheel drill`: exercises against a local venue in a scratch directory, with evidence of how they went.
//!
//! No drill touches the configured venue, its keys or the journal of the data directory.

mod guarding;
mod killing;
mod scene;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use engine::clock::Clock;
use serde_json::{Value, json};

use crate::evidence::{self, Build, Drill};
use crate::{exit, session, stat};

use scene::Scene;

/// Arguments of `tickwheel drill`.
#[derive(Args, Debug)]
pub(crate) struct DrillArgs {
    #[command(subcommand)]
    drill: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// Kill an engine with its kill switch: cancelled, flat, latched, and still killed after a restart.
    Kill(DrillOptions),
    /// Kill engines with kill -9, so that the guard must cancel; how long it takes.
    Guard(GuardOptions),
}

/// Options of every drill.
#[derive(Args, Debug)]
struct DrillOptions {
    /// Configuration whose limits and instruments are drilled; default: the profile.
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    config: Option<PathBuf>,
    /// Built-in profile.
    #[arg(long, default_value = "paper")]
    profile: String,
    /// Where the evidence is written; default: a directory under the user's state directory.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Seed of the local venue.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Keep the scratch directory.
    #[arg(long)]
    keep: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct GuardOptions {
    #[command(flatten)]
    options: DrillOptions,
    /// Engines to kill.
    #[arg(long, value_name = "COUNT", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    cycles: u32,
}

/// What a drill found.
#[derive(Debug, Default)]
struct Findings {
    figures: Value,
    failures: Vec<String>,
}

impl Findings {
    /// Notes a failure unless `holds`.
    fn check(&mut self, holds: bool, failure: impl FnOnce() -> String) {
        if !holds {
            self.failures.push(failure());
        }
    }
}

/// Does the drill and writes its evidence. Ends with 1 when it did not pass.
pub(crate) fn run(args: &DrillArgs) -> anyhow::Result<ExitCode> {
    let (kind, options) = match &args.drill {
        Which::Kill(options) => ("kill-drill", options),
        Which::Guard(GuardOptions { options, .. }) => ("guard-drill", options),
    };
    let (config, origin) = session::read_config(options.config.as_deref(), &options.profile)?;
    let clock = Clock::new();
    let time_ns = clock.now_ns();
    let open = |number: u32| -> anyhow::Result<Scene> {
        let seed = options.seed.wrapping_add(u64::from(number));
        let mut scene = Scene::open(&config, &origin, seed, &clock)?;
        if options.keep {
            eprintln!("scratch directory: {}", scene.keep().display());
        }
        Ok(scene)
    };
    let mut scene = open(0)?;
    let outcome = match &args.drill {
        Which::Kill(_) => killing::drill(&mut scene, &clock),
        Which::Guard(GuardOptions { cycles, .. }) => guarding::drill(scene, &open, *cycles, &clock),
    };
    // A drill that could not be finished is one that was not passed.
    let findings = outcome.unwrap_or_else(|error| Findings {
        figures: json!({}),
        failures: vec![crate::chain(&error)],
    });
    let drill = Drill {
        kind: kind.to_string(),
        build: Build::this()?,
        config_hash: evidence::config_hash(&config),
        time_ns,
        passed: findings.failures.is_empty(),
        figures: findings.figures,
        failures: findings.failures,
    };
    let dir = options.data_dir.clone().unwrap_or_else(stat::default_data_dir);
    let path = evidence::write(&dir, kind, time_ns, &drill).context("keep the evidence")?;
    print(options.json, &drill, &path)?;
    Ok(ExitCode::from(if drill.passed { exit::GOOD } else { exit::NO }))
}

fn print(as_json: bool, drill: &Drill, path: &std::path::Path) -> anyhow::Result<()> {
    if as_json {
        let mut value = serde_json::to_value(drill)?;
        value["evidence"] = json!(path.display().to_string());
        println!("{value:#}");
        return Ok(());
    }
    println!("{}: {}", drill.kind, if drill.passed { "passed" } else { "FAILED" });
    if let Some(figures) = drill.figures.as_object() {
        for (name, value) in figures {
            println!("  {name:<24} {value}");
        }
    }
    for failure in &drill.failures {
        println!("  failed: {failure}");
    }
    println!("evidence: {}", path.display());
    Ok(())
}
