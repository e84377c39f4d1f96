//! Depth events a second on one thread, on real captures where they are at hand: bare, journaled, replayed.
//!
//! `cargo bench -p benches --bench depth_replay`. The floor reads each event and stores it into a ring slot. The
//! figure to beat is hftbacktest's 6 to 11 M depth events a second, without a journal.

#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a report of averages for people; no number of it goes anywhere"
)]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use benches::{desk, is_measuring, rig};
use binance::{Capture, Decoder, FrameKind};
use engine::event::{Event, FeedCode, Kind, market};
use engine::gateway::NoOutlet;
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::Money;
use engine::pipeline::recorder::MemoryRecorder;
use engine::pipeline::replay::Replay;
use engine::pipeline::{Edges, NoProbe, NoRecorder, Pipeline, Recorder};
use engine::ring::Ring;
use quanta::Clock;

/// The real capture beside the checkout or above it, else the small made-up one.
fn capture(venue: Venue) -> (&'static str, PathBuf) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (real, small) = match venue {
        Venue::BinanceUsdm => ("usdm_btcusdt_20240808.gz", "usdm_small.capture"),
        Venue::BinanceSpot | Venue::Synthetic => ("spot_btcusdt_20240808.gz", "spot_small.capture"),
    };
    here.ancestors()
        .map(|folder| folder.join("shared/data/binance").join(real))
        .find(|path| is_measuring() && path.exists())
        .map_or_else(
            || ("TESTUSDT", here.join("../adapters/binance/testdata").join(small)),
            |path| ("BTCUSDT", path),
        )
}

struct Session {
    table: InstrumentTable,
    opening: Vec<Event>,
    depth: Vec<Event>,
}

/// Manifest, connection, and every depth run of the capture from its snapshot on.
fn session(venue: Venue) -> anyhow::Result<Session> {
    let (symbol, path) = capture(venue);
    let is_futures = venue == Venue::BinanceUsdm;
    let table = InstrumentTable::new(vec![Instrument {
        venue,
        symbol: symbol.to_string(),
        price_scale: if is_futures { 1 } else { 2 },
        quantity_scale: if is_futures { 3 } else { 8 },
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }])?;
    let mut decoder = Decoder::new(venue, &table);
    let mut capture = Capture::open(path)?;
    let mut depth = Vec::new();
    while let Some(line) = capture.next() {
        let line = line?;
        let (kind, run) = decoder.decode_events(line.frame, line.receive_ns)?;
        if kind == FrameKind::Snapshot || (kind == FrameKind::Depth && !depth.is_empty()) {
            depth.extend_from_slice(run);
        }
    }
    let start_ns = depth.first().map_or(0, |event: &Event| event.time_ns);
    let mut opening = desk::manifest_of(table.clone()).to_events();
    opening.push(market::feed(0, FeedCode::Connected, 0));
    for event in &mut opening {
        event.time_ns = start_ns;
    }
    Ok(Session { table, opening, depth })
}

/// Counts of the clock for the depth events, and the state at the end.
fn whole(session: &Session, recorder: &mut impl Recorder) -> anyhow::Result<(u64, u64)> {
    let clock = Clock::new();
    let mut pipeline = desk::watching_pipeline(session.table.clone());
    let mut edges = Edges { recorder, outlet: &mut NoOutlet, probe: &mut NoProbe };
    for event in &session.opening {
        pipeline.apply(event, &mut edges)?;
    }
    let start = clock.raw();
    for event in &session.depth {
        pipeline.apply(event, &mut edges)?;
    }
    Ok((clock.raw() - start, pipeline.state_hash()))
}

fn replayed(session: &Session, hash: u64) -> anyhow::Result<u64> {
    let clock = Clock::new();
    let mut recorder = MemoryRecorder::default();
    whole(session, &mut recorder)?;
    let mut build = |_: &_| Ok(desk::watching_pipeline(session.table.clone()));
    let mut replay = Replay::new();
    let start = clock.raw();
    for event in &recorder.events {
        replay.step(event, &mut build)?;
    }
    let elapsed = clock.raw() - start;
    anyhow::ensure!(replay.pipeline().map(Pipeline::state_hash) == Some(hash), "another state");
    Ok(elapsed)
}

fn floor(session: &Session) -> u64 {
    let clock = Clock::new();
    let mut ring = Ring::new(engine::ring::RING_SLOT_COUNT, 0);
    let start = clock.raw();
    for event in &session.depth {
        black_box(ring.begin(*event));
    }
    clock.raw() - start
}

fn main() -> anyhow::Result<()> {
    let rounds = if is_measuring() { 9 } else { 1 };
    for venue in [Venue::BinanceSpot, Venue::BinanceUsdm] {
        let session = session(venue)?;
        let levels = session.depth.iter().filter(|event| event.kind == Kind::LEVEL).count();
        let (_, hash) = whole(&session, &mut NoRecorder)?;
        println!(
            "{}: {} depth events, {levels} of them levels, state hash {hash:016x}",
            venue.name(),
            session.depth.len()
        );
        let mut best = [u64::MAX; 4];
        for _ in 0..rounds {
            let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
            let mut recorder = rig::journal(dir.path(), u64::try_from(session.depth.len())? * 2)?;
            let (bare, bare_hash) = whole(&session, &mut NoRecorder)?;
            let (journaled, journaled_hash) = whole(&session, &mut recorder)?;
            anyhow::ensure!(bare_hash == hash && journaled_hash == hash, "another state");
            let measured = [floor(&session), bare, journaled, replayed(&session, hash)?];
            for (best, measured) in best.iter_mut().zip(measured) {
                *best = (*best).min(measured);
            }
        }
        let clock = Clock::new();
        let floor_ns = clock.delta_as_nanos(0, best[0]) as f64 / session.depth.len() as f64;
        for (name, counts) in ["floor", "bare", "journaled", "replayed"].iter().zip(best) {
            let ns = clock.delta_as_nanos(0, counts) as f64 / session.depth.len() as f64;
            println!(
                "{name:>12} {ns:6.1} ns an event  {:6.2} M/s  {:5.2} x floor",
                1_000.0 / ns,
                ns / floor_ns
            );
        }
    }
    Ok(())
}
