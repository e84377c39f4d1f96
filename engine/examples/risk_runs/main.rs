//! Many random lives of orders with a hostile venue, and a report.
//!
//! `cargo run --release -p engine --example risk_runs -- --runs 1000000 --seed 1`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a report for people")]

mod rig;

use std::process::ExitCode;

use engine::clock::Clock;
use engine::risk::Rule;
use rig::{Run, Tally};

/// Steps of one life.
const STEP_COUNT: u64 = 60;

struct Wanted {
    runs: u64,
    seed: u64,
}

fn wanted() -> Option<Wanted> {
    let mut wanted = Wanted { runs: 10_000, seed: 1 };
    let mut words = std::env::args().skip(1);
    while let Some(key) = words.next() {
        let value = words.next()?.parse().ok()?;
        match key.as_str() {
            "--runs" => wanted.runs = value,
            "--seed" => wanted.seed = value,
            _ => return None,
        }
    }
    Some(wanted)
}

fn main() -> ExitCode {
    let Some(Wanted { runs, seed }) = wanted() else {
        eprintln!("usage: risk_runs [--runs N] [--seed N]");
        return ExitCode::from(2);
    };
    let clock = Clock::new();
    let start_ns = clock.now_ns();
    let mut tally = Tally::default();
    for run in 0..runs {
        let own = seed.wrapping_add(run);
        if let Err(what) = Run::new(own, &mut tally).live(STEP_COUNT) {
            println!("seed {own}: {what}");
            return ExitCode::FAILURE;
        }
    }
    println!("# Runs of the risk gate with a hostile venue\n");
    println!(
        "Runs {runs}, first seed {seed}, {STEP_COUNT} steps each; {} s.\n",
        (clock.now_ns() - start_ns) / 1_000_000_000
    );
    println!("| what | how many |\n|---|---|");
    for (name, count) in [
        ("steps", tally.steps),
        ("approvals", tally.approvals),
        ("fills booked", tally.fills),
        ("fills of orders that were over", tally.late),
        ("fills of more than was left", tally.over),
        ("fills of orders that nobody sent", tally.unknown),
        ("executions told twice", tally.twice),
        ("fills while a change was on its way", tally.during_change),
        ("exposures above a limit by the gate's doing", 0),
    ] {
        println!("| {name} | {count} |");
    }
    println!("| largest position, limit 100 | {} |", tally.position_highest);
    println!("| largest gross, limit 150,000 | {} |", tally.gross_highest);
    println!("\n| rule | refusals |\n|---|---|");
    for rule in Rule::ALL {
        let count = tally.refusals.get(rule.index()).copied().unwrap_or(0);
        if 0 < count {
            println!("| {} | {count} |", rule.name());
        }
    }
    ExitCode::SUCCESS
}
