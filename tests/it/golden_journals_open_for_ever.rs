//! Journals of earlier versions open, verify and replay without divergence, for ever. See tests/golden/README.md.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use config::schema::StrategySection;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use journal::Durability;
use serde_json::{Value, json};
use simulator::binary::{Running, command};
use simulator::bookkeeper::Bookkeeper;
use simulator::world::{Nobody, WorldSettings};
use simulator::{Desk, World, compose, scratch};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Unpacks one golden journal; returns what is expected of it.
fn unpack(from: &Path, to: &Path) -> Value {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut bytes = Vec::new();
            GzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_end(&mut bytes).unwrap();
            std::fs::write(to.join(path.file_stem().unwrap()), bytes).unwrap();
        }
    }
    serde_json::from_str(&std::fs::read_to_string(from.join("expected.json")).unwrap()).unwrap()
}

fn ask(words: &[&str], dir: &Path) -> Value {
    let mut command = command(words);
    command.arg("--json").arg(dir);
    Running::start(&mut command).end().expect(0).json()
}

#[track_caller]
fn check(name: &str) {
    let directory = scratch::directory();
    let dir = directory.path().join("journal");
    let expected = unpack(&golden().join(name), &dir);
    let verify = ask(&["journal", "verify"], &dir);
    assert_eq!(verify["ok"], true, "{verify}");
    assert_eq!(verify["records"], expected["records"]);
    assert_eq!(verify["case"], expected["case"]);
    let replay = ask(&["replay"], &dir);
    assert_eq!(replay["first_divergence"], Value::Null);
    for key in ["events", "decisions_compared", "state_hash"] {
        assert_eq!(replay[key], expected[key], "{key}");
    }
    // And it goes on: a journal is recovered and continued by today's engine.
    let recovered = journal::recover(&dir).unwrap();
    assert_eq!(recovered.case.name(), expected["case"]);
    let books = Bookkeeper::of(&scratch::events_of(&dir));
    assert_eq!(expected["fills"], books.fill_count);
}

#[test]
fn every_golden_journal_replays_without_divergence() {
    bless();
    let mut count = 0;
    for entry in std::fs::read_dir(golden()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            println!("{}", entry.file_name().display());
            check(entry.file_name().to_str().unwrap());
            count += 1;
        }
    }
    assert!(2 <= count, "golden journals are missing");
}

/// Writes today's golden journals when `BLESS` names a folder for them, such as `v0.1`.
fn bless() {
    let Ok(name) = std::env::var("BLESS") else { return };
    for (suffix, is_closed) in [("closed", true), ("killed", false)] {
        write(&golden().join(format!("{name}-{suffix}")), is_closed);
    }
}

fn write(to: &Path, is_closed: bool) {
    assert!(!to.exists(), "{}: a golden journal is never written over", to.display());
    let desk = Desk::new(busy(2_026));
    let directory = scratch::directory();
    let recorder = scratch::recorder(directory.path(), scratch::options(1024, Durability::Process));
    let mut world = World::new(&desk, desk.pipeline(), recorder, WorldSettings::default());
    for session in [1, 2] {
        world.start(&desk, session, &mut Nobody).unwrap();
        world.run(2_500, &mut Nobody).unwrap();
        if is_closed {
            world.end(session, &mut Nobody).unwrap();
        }
    }
    let state_hash = format!("{:016x}", world.pipeline.state_hash());
    let events = world.pipeline.inbound_count();
    let fills = world.pipeline.oms().counters().fills;
    assert!(4 < fills, "{fills} fills");
    for (source, (name, _, _)) in world.pipeline.host().strategies().enumerate() {
        let traded = world.pipeline.oms().orders().any(|o| usize::from(o.source) == source);
        assert!(traded, "{name} did not trade");
    }
    if is_closed {
        world.recorder.inner.into_writer().close().unwrap();
    } else {
        drop(world.recorder); // As after kill -9: no closing entry in the chain.
    }
    let verify = journal::verify(directory.path()).unwrap();
    let replayed = scratch::replay(&scratch::events_of(directory.path()), &desk).unwrap();
    let expected = json!({"records": verify.records, "case": verify.case.name(), "events": events,
        "decisions_compared": replayed.compared_count, "state_hash": state_hash, "fills": fills});
    std::fs::create_dir_all(to).unwrap();
    std::fs::write(to.join("expected.json"), format!("{expected:#}\n")).unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "twj" || extension == "twc") {
            let name = format!("{}.gz", path.file_name().unwrap().to_str().unwrap());
            let file = std::fs::File::create(to.join(name)).unwrap();
            let mut encoder = GzEncoder::new(file, Compression::best());
            encoder.write_all(&std::fs::read(&path).unwrap()).unwrap();
            encoder.finish().unwrap();
        }
    }
}

/// A desk on a small fast market, so that few records hold many decisions.
fn busy(seed: u64) -> config::Config {
    let mut config = compose::lively(seed);
    for section in &mut config.market.instrument {
        section.levels = 12;
        section.orders_per_second = 60;
        section.trades_per_second = 12;
    }
    for section in &mut config.strategy {
        if let StrategySection::Momentum(momentum) = section {
            momentum.entry_ticks = config::Number(1.into());
            momentum.imbalance_percent_min = Some(-100);
        }
    }
    config
}
