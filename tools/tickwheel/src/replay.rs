//! `tickwheel replay`: the inputs of a journal again, every decision compared.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use engine::clock::Clock;
use engine::event::Event;
use engine::pipeline::replay::{Divergence, Replay, ReplayError};
use serde_json::json;

use crate::report::{self, count};
use crate::{compose, exit, explain, session};

/// Arguments of `tickwheel replay`.
#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// Data directory or journal directory.
    dir: PathBuf,
    /// Stop after this sequence.
    #[arg(long, value_name = "SEQ")]
    until: Option<u64>,
    /// Tell the life of the order that this record belongs to.
    #[arg(long, value_name = "SEQ")]
    explain: Option<u64>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Outcome of a replay.
struct Outcome {
    events: u64,
    records: u64,
    compared: u64,
    last_sequence: u64,
    divergence: Option<Divergence>,
    beyond: usize,
    state_hash: u64,
    wall_ns: u64,
    case: &'static str,
}

/// Runs the command. 0 when every decision is the same, 1 at the first that differs, 3 when the journal is damaged.
pub(crate) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let dir = session::existing_journal_dir(&args.dir)?;
    let reader = journal::Reader::open(&dir)?;
    if let Some(sequence) = args.explain {
        return explain::run(&reader, sequence, args.json);
    }
    let case = reader.recovery().case;
    let outcome = replay(&reader, args.until.unwrap_or(u64::MAX), !args.json)?;
    if args.json {
        println!("{}", to_json(&outcome));
    } else {
        print(&outcome);
    }
    if case.is_refused() {
        if !args.json {
            let place = reader.recovery().finding.as_ref().map(ToString::to_string);
            println!(
                "the journal is damaged ({}): {}; replayed what is good before it",
                case.name(),
                place.unwrap_or_default()
            );
        }
        return Ok(ExitCode::from(exit::DAMAGED));
    }
    let code = if outcome.divergence.is_some() { exit::NO } else { exit::GOOD };
    Ok(ExitCode::from(code))
}

fn replay(reader: &journal::Reader, until: u64, progress: bool) -> anyhow::Result<Outcome> {
    let clock = Clock::new();
    let mut build = compose::pipeline;
    let mut replay = Replay::new();
    let mut bar = report::Progress::records(progress, reader.last_sequence().min(until));
    let (mut records, mut last_sequence, mut divergence) = (0, 0, None);
    let start_raw = clock.raw();
    'segments: for segment in reader.segments() {
        let events: &[Event] = bytemuck::cast_slice(segment);
        for batch in events.chunks(65_536) {
            for event in batch {
                if until < event.sequence {
                    break 'segments;
                }
                match replay.step(event, &mut build) {
                    Ok(()) => {}
                    Err(ReplayError::Diverged(found)) => {
                        divergence = Some(*found);
                        break 'segments;
                    }
                    Err(error) => return Err(error.into()),
                }
                records += 1;
                last_sequence = event.sequence;
            }
            bar.set(last_sequence);
        }
    }
    let wall_ns = clock.elapsed_ns(start_raw, clock.raw());
    bar.finish();
    let compared = replay.compared_count();
    let finished = replay.finish();
    let pipeline = finished.pipeline.as_ref();
    Ok(Outcome {
        events: pipeline.map_or(0, engine::pipeline::Pipeline::inbound_count),
        records,
        compared,
        last_sequence,
        divergence,
        beyond: finished.beyond.len(),
        state_hash: pipeline.map_or(0, engine::pipeline::Pipeline::state_hash),
        wall_ns,
        case: reader.recovery().case.name(),
    })
}

fn to_json(outcome: &Outcome) -> serde_json::Value {
    let divergence = outcome.divergence.as_ref().map(|divergence| {
        json!({
            "sequence": divergence.sequence,
            "recorded": divergence.recorded.map(|event| explain::words(&event)),
            "decided": divergence.decided.map(|event| explain::words(&event)),
        })
    });
    json!({
        "events": outcome.events,
        "records": outcome.records,
        "decisions_compared": outcome.compared,
        "first_divergence": divergence,
        "state_hash": report::hash_text(outcome.state_hash),
        "events_per_second": report::rate(outcome.events, outcome.wall_ns),
        "records_per_second": report::rate(outcome.records, outcome.wall_ns),
        "last_sequence": outcome.last_sequence,
        "decisions_beyond_the_end": outcome.beyond,
        "case": outcome.case,
    })
}

fn print(outcome: &Outcome) {
    println!("events             {:>14}", count(outcome.events));
    println!("decisions compared {:>14}", count(outcome.compared));
    println!("last record        {:>14}", count(outcome.last_sequence));
    println!("state hash       {}", report::hash_text(outcome.state_hash));
    let per_second = report::rate(outcome.events, outcome.wall_ns);
    println!(
        "rate               {:>14} events/s ({})",
        count(per_second),
        report::duration_text(outcome.wall_ns)
    );
    println!("journal            {:>14}", outcome.case);
    if 0 < outcome.beyond {
        println!(
            "the last cascade was cut off: {} decisions follow that were never recorded (and never sent)",
            outcome.beyond
        );
    }
    match &outcome.divergence {
        None => println!("every decision is the same"),
        Some(divergence) => print_divergence(divergence),
    }
}

fn print_divergence(divergence: &Divergence) {
    println!("\nDIFFERS from record {} on", divergence.sequence);
    let side = |event: Option<Event>, nothing: &str| {
        event.map_or_else(|| nothing.to_string(), |event| explain::words(&event))
    };
    println!("  recorded: {}", side(divergence.recorded, "nothing"));
    println!("  decided : {}", side(divergence.decided, "nothing"));
    if let (Some(recorded), Some(decided)) = (divergence.recorded, divergence.decided) {
        for (name, recorded, decided) in explain::differences(&recorded, &decided) {
            println!("  {name}: recorded {recorded}, decided {decided}");
        }
    }
}
