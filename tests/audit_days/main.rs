//! Days of synthetic sessions, signed, verified and exported: `cargo run -p simulator --bin audit-days -- --dir DIR`.
//!
//! Every day is a session of the real pipeline on the generated market, in simulated time, written to one journal; a
//! real keeper signs it. Then the journal is verified against its anchor and exported, and how long that took is told.

#![expect(clippy::print_stdout, reason = "a program that tells what it measured")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use audit::{Anchor, ExportOptions, Format, Keeper, KeeperSettings, SigningKey, VerifyOptions};
use config::Config;
use engine::clock::Clock;
use engine::pipeline::recorder::JournalRecorder;
use engine::pipeline::{Pipeline, Recorder as _, replay};
use simulator::world::{Nobody, WorldSettings};
use simulator::{Desk, World};

const NS_PER_S: u64 = 1_000_000_000;
const NS_PER_HOUR: u64 = 3_600 * NS_PER_S;
/// Inbound events between two polls of the keeper.
const EVENTS_PER_POLL: u64 = 2_000;
const USAGE: &str = "audit-days --dir DIR [--days N] [--hours N] [--speed PERCENT] [--only-read]";

#[derive(Debug)]
struct Options {
    dir: PathBuf,
    days: u64,
    hours: u64,
    speed: u32,
    only_read: bool,
}

fn options() -> Result<Options, String> {
    let mut options =
        Options { dir: PathBuf::new(), days: 30, hours: 8, speed: 5, only_read: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--only-read" {
            options.only_read = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word}: a value is missing\n{USAGE}"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value}: not a number"));
        match word.as_str() {
            "--dir" => options.dir = PathBuf::from(&value),
            "--days" => options.days = number()?,
            "--hours" => options.hours = number()?.clamp(1, 24),
            "--speed" => options.speed = u32::try_from(number()?).unwrap_or(100),
            _ => return Err(format!("{word}: unknown\n{USAGE}")),
        }
    }
    if options.dir.as_os_str().is_empty() {
        return Err(USAGE.to_string());
    }
    Ok(options)
}

fn desk(options: &Options, day: u64) -> Desk {
    let mut config = simulator::compose::lively(4_000 + day);
    config.market.speed_percent = options.speed;
    config.engine.state_hash_interval = 65_536;
    config.journal.segment_mib = 64;
    // Breakers would end the trading of an unlucky month in its first minutes; what is wanted here is much to tell.
    (config.control, config.monitor) = (None, None);
    config.audit = Some(config::audit::AuditSection::default());
    Desk::new(Config::parse(&config.to_toml(), "audit-days").expect("values within their ranges"))
}

fn keeper(options: &Options, now_ns: u64) -> Keeper {
    let dir = &options.dir;
    let mut settings = KeeperSettings::of(&dir.join("journal"), &dir.join("audit"));
    settings.anchors = vec![Anchor::File(dir.join("anchor.jsonl"))];
    Keeper::open(settings, now_ns).expect("a journal that can be signed")
}

/// One session; the pipeline that it ends with.
fn day(options: &Options, day: u64, before: Option<&Pipeline>) -> Pipeline {
    let journal_dir = options.dir.join("journal");
    let desk = desk(options, day);
    let mut pipeline = desk.pipeline();
    if let Some(before) = before {
        replay::take_over(before, &mut pipeline).expect("the same instruments and strategies");
    }
    let journal_options = journal::Options {
        segment_records: 1 << 20,
        journal_id: *b"audit-days-journ",
        created_ns: pipeline.time_ns(),
        engine_version: "audit-days".to_string(),
        roll_yields_max: u32::MAX,
        ..journal::Options::default()
    };
    let recovery = journal::inspect(&journal_dir);
    let recovery = if recovery.last_sequence == 0 {
        recovery
    } else {
        journal::recover(&journal_dir).expect("a journal that was closed")
    };
    let writer = journal::Writer::open(&journal_dir, journal_options, &recovery)
        .expect("room for the journal");
    let recorder = JournalRecorder::new(writer, journal::Durability::Process);
    let mut world = World::new(&desk, pipeline, recorder, WorldSettings::default());
    let start_ns = world.time_ns();
    let mut keeper = keeper(options, start_ns);
    world.start(&desk, day, &mut Nobody).expect("a sound engine");
    while world.time_ns() < start_ns + options.hours * NS_PER_HOUR {
        world.run(EVENTS_PER_POLL, &mut Nobody).expect("a sound engine");
        keeper.poll(world.time_ns()).expect("a chain that grows");
    }
    world.end(day, &mut Nobody).expect("a sound engine");
    let World { pipeline, recorder, .. } = world;
    assert!(0 < recorder.durable());
    recorder.inner.into_writer().close().expect("a close");
    keeper.finish(pipeline.time_ns()).expect("a last checkpoint");
    pipeline
}

/// `3.25 s`
fn seconds(ns: u64) -> String {
    format!("{}.{:02} s", ns / NS_PER_S, ns % NS_PER_S / 10_000_000)
}

/// Memory that is the program's own, now and at most, kB.
fn memory() -> (String, String) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).unwrap_or("?").to_string()
    };
    (line("RssAnon"), line("VmHWM"))
}

fn measure(options: &Options, clock: &Clock) {
    let (journal_dir, audit_dir) = (options.dir.join("journal"), options.dir.join("audit"));
    let start = clock.raw();
    let with = VerifyOptions {
        anchor: Some(options.dir.join("anchor.jsonl")),
        ..VerifyOptions::default()
    };
    let report = audit::verify(&journal_dir, &audit_dir, &with).expect("readable files");
    assert!(report.is_ok(), "{:#?}", report.damage);
    let took = clock.elapsed_ns(start, clock.raw());
    println!(
        "verify        {} records, {} chain entries, {} checkpoints, anchor {:?}: {}",
        report.records,
        report.chain_entries,
        report.checkpoints,
        report.anchor,
        seconds(took)
    );
    let reader = journal::Reader::open(&journal_dir).expect("a readable journal");
    let key = SigningKey::read(&audit_dir.join(audit::KEY_FILE)).expect("the key");
    for (name, format) in [("jsonl", Format::Jsonl), ("csv", Format::Csv), ("both", Format::Both)] {
        let out = options.dir.join(format!("export-{name}"));
        drop(std::fs::remove_dir_all(&out));
        export(&reader, &journal_dir, (&out, format, &key), clock);
        let start = clock.raw();
        let checked = audit::verify_export(&out, None).expect("a readable export");
        assert!(checked.damage.is_empty() && checked.complete, "{:#?}", checked.damage);
        let took = clock.elapsed_ns(start, clock.raw());
        println!("verify-export {} rows, {} files: {}", checked.rows, checked.files, seconds(took));
        // The next one needs the room.
        drop(std::fs::remove_dir_all(&out));
    }
}

fn export(
    reader: &journal::Reader,
    journal_dir: &Path,
    (out, format, key): (&Path, Format, &SigningKey),
    clock: &Clock,
) {
    let start = clock.raw();
    let options = ExportOptions {
        journal_dir,
        audit_dir: &journal_dir.parent().expect("it lies in the data directory").join("audit"),
        out,
        from: 1,
        to: u64::MAX,
        format,
        size_bytes_max: u64::MAX,
        key: Some(key),
        version: "audit-days",
        now_ns: clock.now_ns(),
    };
    let names = |text: &str| {
        let config = Config::parse(text, "journal").expect("the configuration of a session");
        config.strategy.iter().map(|strategy| strategy.name().to_string()).collect()
    };
    let done = audit::export(reader, &options, &names).expect("room for the export");
    let took = clock.elapsed_ns(start, clock.raw());
    let (anonymous, most) = memory();
    println!(
        "export {format:?}: {} sessions, rows {:?}, {} bytes: {}; memory of its own {anonymous} kB, with mapped files at most \
         {most} kB",
        done.sessions,
        done.rows,
        done.bytes,
        seconds(took)
    );
    let complete = &done.complete;
    println!(
        "complete      {} orders, {} without a decision, {} gaps",
        complete.orders, complete.orders_without_decision, complete.missing_sequences
    );
    assert!(complete.is_complete(), "{complete:?}");
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(text) => {
            println!("{text}");
            return ExitCode::from(2);
        }
    };
    let clock = Clock::new();
    let start = clock.raw();
    let mut pipeline = None;
    for number in 1..=options.days {
        if options.only_read {
            break;
        }
        pipeline = Some(day(&options, number, pipeline.as_ref()));
        let appended = journal::inspect(&options.dir.join("journal")).last_sequence;
        println!(
            "day {number}: {appended} records, {}",
            seconds(clock.elapsed_ns(start, clock.raw()))
        );
    }
    measure(&options, &clock);
    ExitCode::SUCCESS
}
