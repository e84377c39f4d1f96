//! `tickwheel journal`: info, dump, verify, repair, diff, book.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use engine::book::row::{BOOK_ROW_HEADER, BookRowContext, book_row};
use engine::event::{Event, Kind};
use engine::feed::{Feed, FeedConfig};
use engine::market::Market;
use engine::pipeline::recovery;
use engine::ring::{Emitter, Ring};
use serde_json::json;

use crate::explain::{self, Names};
use crate::report::count;
use crate::{audit_command, exit, session};

/// Arguments of `tickwheel journal`.
#[derive(Args, Debug)]
pub(crate) struct JournalArgs {
    #[command(subcommand)]
    command: JournalCommand,
}

#[derive(Subcommand, Debug)]
enum JournalCommand {
    /// What is in a journal: sessions, segments, builds, state.
    Info {
        /// Data directory or journal directory.
        dir: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print records in words.
    Dump {
        /// Data directory or journal directory.
        dir: PathBuf,
        /// First sequence.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Last sequence.
        #[arg(long)]
        to: Option<u64>,
        /// Only records of this kind (as printed, such as `fill`); may be repeated.
        #[arg(long)]
        kind: Vec<String>,
        /// Print JSON Lines with every field.
        #[arg(long)]
        json: bool,
    },
    /// Check every record and the hash chain. Changes nothing.
    Verify {
        /// Data directory or journal directory.
        dir: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show how a damaged journal could be mended; do it only with --yes.
    Repair {
        /// Data directory or journal directory.
        dir: PathBuf,
        /// Keep records up to this sequence; default: all good ones before the damage.
        #[arg(long, value_name = "SEQ")]
        keep_through: Option<u64>,
        /// Do what is shown. Removed bytes are kept under `quarantine/`.
        #[arg(long)]
        yes: bool,
        /// Why, for the signed statement of a journal that is signed.
        #[arg(long)]
        reason: Option<String>,
        /// Who; default: the user's name in the environment.
        #[arg(long)]
        actor: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Find the first record in which two journals differ.
    Diff {
        /// First journal.
        left: PathBuf,
        /// Second journal.
        right: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Rebuild a book from the inputs and print its best prices.
    Book {
        /// Data directory or journal directory.
        dir: PathBuf,
        /// Symbol.
        #[arg(long)]
        instrument: String,
        /// Print a row after so many depth updates.
        #[arg(long, default_value_t = 100)]
        every: u64,
        /// Print JSON Lines.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub(crate) fn run(args: &JournalArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        JournalCommand::Info { dir, json } => info(dir, *json),
        JournalCommand::Dump { dir, from, to, kind, json } => {
            dump(dir, *from, to.unwrap_or(u64::MAX), kind, *json)
        }
        JournalCommand::Verify { dir, json } => verify(dir, *json),
        JournalCommand::Repair { dir, keep_through, yes, reason, actor, json } => {
            let why = (actor.as_deref(), reason.as_deref());
            repair(dir, *keep_through, yes.then_some(why), *json)
        }
        JournalCommand::Diff { left, right, json } => diff(left, right, *json),
        JournalCommand::Book { dir, instrument, every, json } => {
            book(dir, instrument, *every, *json)
        }
    }
}

fn open(dir: &Path) -> anyhow::Result<journal::Reader> {
    let dir = session::existing_journal_dir(dir)?;
    Ok(journal::Reader::open(&dir)?)
}

fn events(reader: &journal::Reader, from: u64) -> impl Iterator<Item = &Event> {
    reader.records_from(from).map(bytemuck::cast_ref)
}

/// Sessions: number, first sequence, time, mode.
fn sessions(reader: &journal::Reader) -> Vec<&Event> {
    events(reader, 1).filter(|event| event.kind == Kind::SESSION_START).collect()
}

fn info(dir: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let reader = open(dir)?;
    let found = reader.recovery();
    let sessions = sessions(&reader);
    let segments: Vec<_> = found
        .segments
        .iter()
        .map(|segment| {
            json!({
                "file": segment.path.file_name().map(|name| name.to_string_lossy().into_owned()),
                "first_sequence": segment.header.first_sequence,
                "created_ns": segment.header.created_ns,
                "engine_version": segment.header.engine_version,
                "commit": segment.header.git_commit,
                "config_hash": hex(&segment.header.config_hash),
            })
        })
        .collect();
    if as_json {
        let starts: Vec<_> = sessions
            .iter()
            .map(|e| json!({"session": e.id, "sequence": e.sequence, "time_ns": e.time_ns, "mode": mode(e)}))
            .collect();
        println!(
            "{}",
            json!({"case": found.case.name(), "records": reader.last_sequence(), "synced": found.mark,
                   "live": found.live, "sessions": starts, "segments": segments})
        );
        return Ok(code_of(found));
    }
    println!("journal   {}", found.dir.display());
    println!("state     {}{}", found.case.name(), if found.live { ", being written" } else { "" });
    println!("records   {}, on disk up to {}", count(reader.last_sequence()), count(found.mark));
    if let Some(place) = &found.finding {
        println!("finding   {place}");
    }
    for start in &sessions {
        println!(
            "session   {} ({}) from record {}, time {}",
            start.id,
            mode(start),
            start.sequence,
            start.time_ns
        );
    }
    for segment in &found.segments {
        println!(
            "segment   {} from record {}, tickwheel {} {}, configuration {}",
            segment.path.file_name().unwrap_or_default().to_string_lossy(),
            segment.header.first_sequence,
            segment.header.engine_version,
            segment.header.git_commit,
            &hex(&segment.header.config_hash)[..16],
        );
    }
    Ok(code_of(found))
}

fn mode(start: &Event) -> &'static str {
    engine::event::Mode::from_code(start.code).map_or("unknown", engine::event::Mode::name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn code_of(found: &journal::Recovery) -> ExitCode {
    ExitCode::from(if found.case.is_refused() { exit::DAMAGED } else { exit::GOOD })
}

fn dump(
    dir: &Path,
    from: u64,
    to: u64,
    kinds: &[String],
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let wanted: Vec<Kind> = kinds
        .iter()
        .map(|name| {
            Kind::from_name(name).ok_or_else(|| anyhow!("--kind {name}: no such kind of record"))
        })
        .collect::<anyhow::Result<_>>()?;
    let reader = open(dir)?;
    let names = Names::of(&reader);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for event in events(&reader, from.max(1)).take_while(|event| event.sequence <= to) {
        if !wanted.is_empty() && !wanted.contains(&event.kind) {
            continue;
        }
        let written = if as_json {
            writeln!(out, "{}", fields(event))
        } else {
            writeln!(out, "{}", names.line(event))
        };
        if written.is_err() {
            return Ok(ExitCode::SUCCESS); // Nobody reads any more, as with `| head`.
        }
    }
    drop(out.flush());
    Ok(code_of(reader.recovery()))
}

fn fields(event: &Event) -> serde_json::Value {
    json!({"sequence": event.sequence, "cause": event.cause, "time_ns": event.time_ns,
           "kind": event.kind.name(), "flags": event.flags, "instrument": event.instrument,
           "source": event.source, "code": event.code, "price": event.price,
           "quantity": event.quantity, "id": event.id, "tag": event.tag})
}

fn verify(dir: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let dir = session::existing_journal_dir(dir)?;
    let report = journal::verify(&dir)?;
    if as_json {
        let damage: Vec<_> = report
            .damage
            .iter()
            .map(|d| {
                json!({"file": d.path.display().to_string(), "segment": d.segment, "offset": d.offset,
                       "sequence": d.sequence, "what": d.what.to_string()})
            })
            .collect();
        println!(
            "{}",
            json!({"ok": report.ok, "records": report.records, "case": report.case.name(),
                   "damage": damage, "chained": report.chained, "chain_ok": report.chain_ok})
        );
    } else {
        println!("records   {}", count(report.records));
        println!("case      {}", report.case.name());
        println!(
            "chain     {} up to record {}",
            if report.chain_ok { "good" } else { "BROKEN" },
            count(report.chained)
        );
        for damage in &report.damage {
            println!(
                "damage    {} offset {} (record {}): {}",
                damage.path.display(),
                damage.offset,
                damage.sequence,
                damage.what
            );
        }
        println!("{}", if report.ok { "good" } else { "NOT GOOD" });
    }
    Ok(ExitCode::from(if report.ok { exit::GOOD } else { exit::DAMAGED }))
}

fn repair(
    dir: &Path,
    keep_through: Option<u64>,
    order: Option<(Option<&str>, Option<&str>)>,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let data_dir = dir;
    let dir = session::existing_journal_dir(dir)?;
    let plan = journal::propose_repair(&dir, keep_through)?;
    let yes = order.is_some();
    let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
    if !as_json {
        println!("case      {}", plan.case.name());
        println!(
            "keep      records up to {}; {} good ones after it go",
            count(plan.keep_through),
            count(plan.good_records_lost)
        );
        for step in &steps {
            println!("step      {step}");
        }
        if steps.is_empty() {
            println!("nothing to do");
        } else if !yes {
            println!("nothing was changed; --yes does it");
        }
    }
    let mut quarantined = Vec::new();
    let mut signed = None;
    if let Some(why) = order.filter(|_| !steps.is_empty()) {
        let report = journal::repair(&plan)?;
        quarantined = report.quarantined.iter().map(|path| path.display().to_string()).collect();
        signed = audit_command::after_repair(data_dir, why)?;
        if !as_json {
            println!("done      now {}", report.recovery.case.name());
            for path in &quarantined {
                println!("kept      {path}");
            }
            if let Some(signed) = &signed {
                println!("audit     {signed}");
            }
        }
    }
    if as_json {
        println!(
            "{}",
            json!({"case": plan.case.name(), "keep_through": plan.keep_through,
                   "good_records_lost": plan.good_records_lost, "steps": steps, "done": yes,
                   "quarantined": quarantined, "audit": signed})
        );
    }
    let code = if yes || steps.is_empty() { exit::GOOD } else { exit::NO };
    Ok(ExitCode::from(code))
}

fn diff(left: &Path, right: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let (left, right) = (open(left)?, open(right)?);
    let first = first_difference(&left, &right);
    let shorter = left.last_sequence().min(right.last_sequence());
    let longer = left.last_sequence().max(right.last_sequence());
    let side = |reader: &journal::Reader, sequence: u64| {
        reader.get(sequence).map(|record| explain::words(bytemuck::cast_ref(record)))
    };
    let same = first.is_none() && shorter == longer;
    if as_json {
        let sides = first.map(|sequence| {
            json!({"sequence": sequence, "left": side(&left, sequence), "right": side(&right, sequence)})
        });
        println!(
            "{}",
            json!({"same": same, "first_difference": sides, "left_records": left.last_sequence(),
                   "right_records": right.last_sequence()})
        );
    } else if let Some(sequence) = first {
        println!("the journals differ from record {sequence} on");
        println!("  left : {}", side(&left, sequence).unwrap_or_default());
        println!("  right: {}", side(&right, sequence).unwrap_or_default());
    } else if same {
        println!("the same {} records", count(shorter));
    } else {
        println!("the same {} records; one journal goes on to {}", count(shorter), count(longer));
    }
    Ok(ExitCode::from(if same { exit::GOOD } else { exit::NO }))
}

/// Bisects by the recorded state hashes first: where two hashes are the same, everything before is.
fn first_difference(left: &journal::Reader, right: &journal::Reader) -> Option<u64> {
    let hashes = |reader: &journal::Reader| -> Vec<(u64, i64)> {
        events(reader, 1)
            .filter(|event| event.kind == Kind::STATE_HASH)
            .map(|event| (event.sequence, event.price))
            .collect()
    };
    let (left_hashes, right_hashes) = (hashes(left), hashes(right));
    let same_count = left_hashes.iter().zip(&right_hashes).collect::<Vec<_>>();
    let same_count = same_count.partition_point(|(left, right)| left == right);
    let from =
        same_count.checked_sub(1).and_then(|index| left_hashes.get(index)).map_or(1, |h| h.0);
    events(left, from)
        .zip(events(right, from))
        .find(|(left, right)| !left.says_the_same_as(right))
        .map(|(left, _)| left.sequence)
}

fn book(dir: &Path, symbol: &str, every: u64, as_json: bool) -> anyhow::Result<ExitCode> {
    if every == 0 {
        return Err(anyhow!("--every 0: must be at least 1"));
    }
    let reader = open(dir)?;
    let first = sessions(&reader).first().map(|event| event.sequence);
    let manifest = first
        .map(|_| recovery::manifest_at(&reader, 1))
        .ok_or_else(|| anyhow!("{}: no session has started in this journal", dir.display()))??;
    let table = manifest.instruments;
    let index = table.find(symbol).ok_or_else(|| {
        let known: Vec<&str> = table.iter().map(|(_, i)| i.symbol.as_str()).collect();
        anyhow!("--instrument {symbol}: not in this journal; there are {}", known.join(", "))
    })?;
    let instrument = table.get(index).context("found in the table")?.clone();
    let config = FeedConfig { stale_ns_max: u64::MAX, buffer_event_count_max: 1 << 20 };
    let mut feed = Feed::new(config, &table);
    let mut market = Market::new(table.count());
    let mut ring = Ring::new(64, 0);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if !as_json {
        writeln!(out, "{BOOK_ROW_HEADER}")?;
    }
    let mut broken_pipe = false;
    for event in events(&reader, 1) {
        if event.instrument != index && event.kind != Kind::SESSION_START
            || !event.kind.is_inbound()
        {
            continue;
        }
        ring.begin(*event);
        let mut emitter = Emitter::new(&mut ring, event);
        feed.apply_observed(event, &mut market, &mut emitter, &mut |applied, entry| {
            if !applied.count.is_multiple_of(every) || broken_pipe {
                return;
            }
            let context = BookRowContext {
                applied_count: applied.count,
                receive_ns: applied.time_ns,
                update_id: applied.last_id,
                price_scale: instrument.price_scale,
                quantity_scale: instrument.quantity_scale,
            };
            let row = book_row(&entry.book, &context);
            let line = if as_json { row_json(&row) } else { row };
            broken_pipe = writeln!(out, "{line}").is_err();
        });
    }
    drop(out.flush());
    Ok(code_of(reader.recovery()))
}

fn row_json(row: &str) -> String {
    let pairs = BOOK_ROW_HEADER.split(',').zip(row.split(','));
    let object: serde_json::Map<String, serde_json::Value> =
        pairs.map(|(key, value)| (key.to_string(), json!(value))).collect();
    serde_json::Value::Object(object).to_string()
}
