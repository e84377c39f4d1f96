//! `tickwheel backtest`: the whole pipeline over a capture, deterministic, leaving a journal.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use binance::{Capture, Decoder, LineError, refusal_name};
use clap::Args;
use config::Config;
use engine::clock::Clock;
use engine::event::{Mode, market, session as events};
use engine::instrument::Venue;
use engine::pipeline::Pipeline;
use serde_json::json;

use crate::report::{Progress, SessionReport, count};
use crate::simulation::Simulation;
use crate::{exit, session};

/// Arguments of `tickwheel backtest`.
#[derive(Args, Debug)]
pub(crate) struct BacktestArgs {
    /// Wire format of the capture: `binance-spot` or `binance-usdm`.
    #[arg(long)]
    venue: String,
    /// Capture: lines `<receive time in ns> <frame>`, plain or gzip.
    #[arg(long, value_name = "FILE")]
    capture: PathBuf,
    /// Directory for the journal; must be empty or new.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Configuration instead of the built-in profile of the venue.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Seed of the paper venue instead of the configured one.
    #[arg(long)]
    seed: Option<u64>,
    /// Print one JSON object at the end.
    #[arg(long)]
    json: bool,
}

/// Input that was put aside, by reason.
#[derive(Debug, Default)]
struct Quarantine {
    file: Option<std::fs::File>,
    path: PathBuf,
    reasons: Vec<Reason>,
    count: u64,
}

/// One reason for putting input aside.
#[derive(Debug)]
struct Reason {
    name: &'static str,
    count: u64,
    first_line: u64,
    first_error: String,
}

/// Bytes of a refused line that are kept.
const KEPT_SIZE_BYTES_MAX: usize = 65_536;

impl Quarantine {
    fn put(
        &mut self,
        line: u64,
        reason: &'static str,
        text: &str,
        raw: &[u8],
    ) -> anyhow::Result<()> {
        self.count += 1;
        match self.reasons.iter_mut().find(|known| known.name == reason) {
            Some(known) => known.count += 1,
            None => self.reasons.push(Reason {
                name: reason,
                count: 1,
                first_line: line,
                first_error: text.to_string(),
            }),
        }
        if self.file.is_none() {
            let file = std::fs::File::create(&self.path)
                .with_context(|| format!("create {}", self.path.display()))?;
            self.file = Some(file);
        }
        let kept = String::from_utf8_lossy(&raw[..raw.len().min(KEPT_SIZE_BYTES_MAX)]);
        let entry = json!({"line": line, "reason": reason, "error": text, "frame": kept});
        if let Some(file) = &mut self.file {
            writeln!(file, "{entry}").with_context(|| format!("write {}", self.path.display()))?;
        }
        Ok(())
    }
}

/// Counts of one run.
#[derive(Debug, Default)]
struct Tally {
    frames: u64,
    other_frames: u64,
    raised: u64,
    wall_ns: u64,
}

/// Runs the command.
pub(crate) fn run(args: &BacktestArgs) -> anyhow::Result<ExitCode> {
    let Some(venue @ (Venue::BinanceSpot | Venue::BinanceUsdm)) = Venue::from_name(&args.venue)
    else {
        return Err(anyhow!("--venue {}: must be binance-spot or binance-usdm", args.venue));
    };
    let profile = if venue == Venue::BinanceSpot { "backtest-spot" } else { "backtest-usdm" };
    let (mut config, origin) = session::read_config(args.config.as_deref(), profile)?;
    if let Some(seed) = args.seed {
        config.paper.seed = seed;
    }
    // Nothing of a backtest is worth a signature, and its journal must not say that it has one.
    config.audit = None;
    let mode = config.mode(&origin)?;
    if mode == Mode::Live {
        return Err(anyhow!("{origin}: engine.mode is live; a backtest cannot be"));
    }
    if session::existing_journal_dir(&args.out).is_ok() {
        return Err(anyhow!(
            "--out {}: holds a journal already; take a new directory",
            args.out.display()
        ));
    }
    let mut capture = Capture::open(&args.capture)?;
    let (simulation, quarantine, tally) = play(args, &config, &origin, venue, &mut capture)?;
    finish(args, simulation, &quarantine, &tally)
}

fn play(
    args: &BacktestArgs,
    config: &Config,
    origin: &str,
    venue: Venue,
    capture: &mut Capture,
) -> anyhow::Result<(Simulation, Quarantine, Tally)> {
    let clock = Clock::new();
    let start_raw = clock.raw();
    let journal_dir = args.out.join("journal");
    std::fs::create_dir_all(&journal_dir)
        .with_context(|| format!("create {}", journal_dir.display()))?;
    let mut quarantine =
        Quarantine { path: args.out.join("quarantine.jsonl"), ..Quarantine::default() };
    let mut tally = Tally::default();
    let mut bar = Progress::bytes(!args.json, capture.progress().total_bytes);
    let mut simulation: Option<Simulation> = None;
    let table = config.instruments(origin)?;
    let mut decoder = Decoder::new(venue, &table).with_source(1);
    let mut raw = Vec::new();
    loop {
        let line = match capture.next() {
            None => break,
            Some(Ok(line)) => line,
            Some(Err(error)) => {
                put_line_error(&mut quarantine, simulation.as_mut(), &error)?;
                continue;
            }
        };
        let (number, time_ns) = (line.number, line.receive_ns);
        tally.raised += u64::from(0 < line.raised_ns);
        raw.clear();
        raw.extend_from_slice(line.frame);
        let simulation = match &mut simulation {
            Some(simulation) => simulation,
            None => simulation.insert(begin(args, config, origin, &journal_dir, time_ns)?),
        };
        simulation.pass_time(time_ns).map_err(|fault| fault_at(fault, simulation, number))?;
        match decoder.decode_events(line.frame, time_ns) {
            Ok((_, frame_events)) => {
                tally.frames += 1;
                tally.other_frames += u64::from(frame_events.is_empty());
                for event in frame_events {
                    simulation
                        .market(event)
                        .map_err(|fault| fault_at(fault, simulation, number))?;
                }
            }
            Err(error) => {
                quarantine.put(number, refusal_name(error.code()), &error.to_string(), &raw)?;
                let mark = market::quarantine(error.code(), number, 1).at(time_ns);
                simulation.apply(&mark).map_err(|fault| fault_at(fault, simulation, number))?;
            }
        }
        if number.is_multiple_of(256) {
            bar.set(capture.progress().consumed_bytes);
        }
    }
    bar.finish();
    let Some(mut simulation) = simulation else {
        let first = quarantine.reasons.first().map_or_else(String::new, |reason| {
            format!(" ({} lines are {}: {})", reason.count, reason.name, reason.first_error)
        });
        let path = args.capture.display();
        return Err(
            session::Coded::new(exit::DAMAGED, format!("{path}: holds no frame{first}")).into()
        );
    };
    let end = events::session_end(1).at(simulation.pipeline.time_ns());
    simulation.apply(&end).map_err(|fault| fault_at(fault, &simulation, 0))?;
    tally.wall_ns = clock.elapsed_ns(start_raw, clock.raw());
    Ok((simulation, quarantine, tally))
}

fn fault_at(fault: engine::pipeline::Fault, simulation: &Simulation, line: u64) -> anyhow::Error {
    session::fault_error(fault, &simulation.recorder).context(format!("capture line {line}"))
}

fn put_line_error(
    quarantine: &mut Quarantine,
    simulation: Option<&mut Simulation>,
    error: &LineError,
) -> anyhow::Result<()> {
    quarantine.put(error.line(), refusal_name(error.code()), &error.to_string(), &[])?;
    if let Some(simulation) = simulation {
        let time_ns = simulation.pipeline.time_ns();
        let mark = market::quarantine(error.code(), error.line(), 1).at(time_ns);
        simulation.apply(&mark).map_err(|fault| fault_at(fault, simulation, error.line()))?;
    }
    Ok(())
}

/// Starts the session at the time of the first frame.
fn begin(
    args: &BacktestArgs,
    config: &Config,
    origin: &str,
    journal_dir: &Path,
    time_ns: u64,
) -> anyhow::Result<Simulation> {
    let mode = config.mode(origin)?;
    let name = args.capture.file_name().map(|name| name.to_string_lossy().into_owned());
    let input = format!("capture {}", name.unwrap_or_default());
    let wanted = session::Wanted { config, origin, mode, input: &input, now_ns: time_ns };
    let mut opened = session::open(journal_dir, &wanted)?;
    let venue = crate::run::paper_venue(config, origin, mode)?;
    opened.start(time_ns, &mut crate::simulation::Outbox::default())?;
    let interval_ns = u64::from(config.engine.clock_interval_ms) * 1_000_000;
    Ok(Simulation::new(opened.pipeline, opened.recorder, venue, interval_ns))
}

fn finish(
    args: &BacktestArgs,
    simulation: Simulation,
    quarantine: &Quarantine,
    tally: &Tally,
) -> anyhow::Result<ExitCode> {
    let Simulation { pipeline, recorder, .. } = simulation;
    let status = recorder.into_writer().close().context("close the journal")?;
    let reasons: Vec<_> = quarantine
        .reasons
        .iter()
        .map(|reason| {
            json!({"reason": reason.name, "count": reason.count, "first_line": reason.first_line,
                   "first_error": reason.first_error})
        })
        .collect();
    let report = SessionReport {
        events: pipeline.inbound_count(),
        events_total: pipeline.inbound_count(),
        orders: pipeline.oms().counters().orders,
        fills: pipeline.oms().counters().fills,
        records: status.appended,
        state_hash: pipeline.state_hash(),
        journal: args.out.join("journal").display().to_string(),
        journal_state: "closed, on disk".to_string(),
        wall_ns: tally.wall_ns,
        more: json!({
            "frames": tally.frames,
            "frames_without_market_data": tally.other_frames,
            "quarantined": quarantine.count,
            "quarantine": reasons,
            "books": books_json(&pipeline),
        }),
    };
    if args.json {
        println!("{}", report.to_json(&pipeline));
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "frames   {} ({} without market data)",
        count(tally.frames),
        count(tally.other_frames)
    );
    for (_, counters, symbol) in books(&pipeline) {
        println!(
            "book     {symbol}: {} updates, {} snapshots, {} gaps",
            count(counters.applied_count),
            count(counters.snapshot_count),
            count(counters.gap_count)
        );
    }
    for reason in &quarantine.reasons {
        println!(
            "aside    {} lines {}, the first is line {}: {}",
            count(reason.count),
            reason.name,
            reason.first_line,
            reason.first_error
        );
    }
    if 0 < quarantine.count {
        println!("         kept in {}", quarantine.path.display());
    }
    if 0 < tally.raised {
        println!(
            "times    {} lines went back in time and were raised to the line before",
            count(tally.raised)
        );
    }
    report.print(&pipeline);
    Ok(ExitCode::SUCCESS)
}

fn books(pipeline: &Pipeline) -> impl Iterator<Item = (u16, engine::feed::FeedCounters, &str)> {
    pipeline
        .instruments()
        .iter()
        .zip(pipeline.feed().counters())
        .map(|((index, instrument), counters)| (index, *counters, instrument.symbol.as_str()))
}

fn books_json(pipeline: &Pipeline) -> Vec<serde_json::Value> {
    books(pipeline)
        .map(|(_, counters, symbol)| {
            json!({"instrument": symbol, "updates": counters.applied_count,
                   "snapshots": counters.snapshot_count, "gaps": counters.gap_count,
                   "old": counters.old_count})
        })
        .collect()
}
