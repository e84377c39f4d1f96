//! The long run: `cargo run --release -p simulator --bin fault-runs -- --runs 10000 --seed 1 --jobs 8 --report FILE`.
//!
//! Each run is an engine, a venue and random faults between them over real sockets, from one seed. Nothing
//! stops it; what failed is listed in the end, and `--seed S --runs 1` does it again.

#![expect(clippy::print_stdout, reason = "a program that tells how far it is")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::clock::Clock;
use simulator::wire_rig::check::Summary;
use simulator::wire_rig::runs::{Report, fault_run, plan_of};

/// Between two lines of progress, runs.
const PROGRESS_INTERVAL: u64 = 250;
const NS_PER_S: u64 = 1_000_000_000;
const USAGE: &str = "fault-runs [--runs N] [--seed S] [--jobs N] [--report FILE] [--plan]";

#[derive(Debug)]
struct Options {
    runs: u64,
    seed: u64,
    jobs: u64,
    report: Option<String>,
    shows_plan: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options { runs: 100, seed: 1, jobs: 4, report: None, shows_plan: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--plan" {
            options.shows_plan = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word}: a value is missing\n{USAGE}"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value}: not a number"));
        match word.as_str() {
            "--runs" => options.runs = number()?,
            "--seed" => options.seed = number()?,
            "--jobs" => options.jobs = number()?.clamp(1, 256),
            "--report" => options.report = Some(value),
            _ => return Err(format!("{word}: unknown\n{USAGE}")),
        }
    }
    Ok(options)
}

/// What all runs came to.
#[derive(Debug, Default)]
struct Totals {
    done: u64,
    sums: Summary,
    struck: BTreeMap<&'static str, u64>,
    failures: Vec<(u64, String)>,
}

impl Totals {
    fn add(&mut self, seed: u64, outcome: Result<Report, String>) {
        self.done += 1;
        let report = match outcome {
            Ok(report) => report,
            Err(why) => {
                println!("FAILED {why}");
                self.failures.push((seed, why.lines().next().unwrap_or("").to_string()));
                return;
            }
        };
        let (sums, one) = (&mut self.sums, &report.summary);
        sums.order_count += one.order_count;
        sums.fill_count += one.fill_count;
        sums.unknown_count += one.unknown_count;
        sums.rejected_count += one.rejected_count;
        sums.refused_count += one.refused_count;
        sums.replaced_count += one.replaced_count;
        sums.fault_count += one.fault_count;
        sums.difference_count += one.difference_count;
        sums.session_count += one.session_count;
        for (what, count) in report.struck {
            *self.struck.entry(what).or_default() += count;
        }
    }
}

fn said_by(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string());
    text.unwrap_or_else(|_| "unknown".to_string())
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{count} cores of {}", model.unwrap_or("an unknown processor"))
}

fn document(options: &Options, totals: &Totals, (commit, took_ns): (String, u64)) -> String {
    let sums = &totals.sums;
    let mut text = String::from("# Seeded fault runs over real sockets\n\n");
    let first = options.seed;
    let last = options.seed + options.runs.saturating_sub(1);
    let rows = [
        ("commit", commit),
        ("machine", machine()),
        (
            "command",
            format!("fault-runs --runs {} --seed {first} --jobs {}", options.runs, options.jobs),
        ),
        ("runs", format!("{} (seeds {first} to {last})", totals.done)),
        ("time", format!("{} s", took_ns.div_euclid(NS_PER_S))),
        ("runs that failed", totals.failures.len().to_string()),
        ("orders", sums.order_count.to_string()),
        ("executions", sums.fill_count.to_string()),
        ("generations replaced", sums.replaced_count.to_string()),
        ("orders refused by the venue or never sent", sums.rejected_count.to_string()),
        ("intents refused by the risk gate", sums.refused_count.to_string()),
        ("outcomes unknown, all settled", sums.unknown_count.to_string()),
        ("differences found and healed by pulls", sums.difference_count.to_string()),
        ("faults at the venue's door", sums.fault_count.to_string()),
        ("sessions of engines", sums.session_count.to_string()),
    ];
    text.push_str("| what | how much |\n|---|---|\n");
    for (what, how_much) in rows {
        writeln!(text, "| {what} | {how_much} |").expect("writing to a string cannot fail");
    }
    text.push_str(
        "\nIn every run that did not fail: lost 0, doubled 0; books, orders, executions, ",
    );
    text.push_str(
        "positions and balances of engine and venue are equal; the journal replays to the same hash.\n",
    );
    text.push_str("\n| fault | struck |\n|---|---|\n");
    for (what, count) in &totals.struck {
        writeln!(text, "| {what} | {count} |").expect("writing to a string cannot fail");
    }
    for (seed, why) in &totals.failures {
        writeln!(text, "\nFailed: seed {seed}: {why}").expect("writing to a string cannot fail");
    }
    text
}

fn work(options: &Options, next: &AtomicU64, totals: &Mutex<Totals>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if options.runs <= number {
            return;
        }
        let seed = options.seed + number;
        let outcome = fault_run(seed);
        let mut totals = totals.lock().expect("nobody panics with it");
        totals.add(seed, outcome);
        if totals.done.is_multiple_of(PROGRESS_INTERVAL) {
            println!("{} of {} runs, {} failed", totals.done, options.runs, totals.failures.len());
        }
    }
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(why) => {
            println!("{why}");
            return ExitCode::from(2);
        }
    };
    if options.shows_plan {
        println!("{}", plan_of(options.seed));
    }
    // Before the runs: while they go on somebody may commit.
    let commit = said_by("git", &["describe", "--always", "--dirty", "--abbrev=12"]);
    let clock = Clock::new();
    let start_ns = clock.now_ns();
    let (next, totals) = (AtomicU64::new(0), Mutex::new(Totals::default()));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| work(&options, &next, &totals));
        }
    });
    let totals = totals.into_inner().expect("nobody panics with it");
    let text = document(&options, &totals, (commit, clock.now_ns() - start_ns));
    println!("{text}");
    if let Some(path) = &options.report
        && let Err(error) = std::fs::write(path, &text)
    {
        println!("{path}: {error}");
        return ExitCode::from(2);
    }
    if totals.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
