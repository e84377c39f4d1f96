//! Real captures through the machine: one connection, and two of which one lags.

use std::path::{Path, PathBuf};

use engine::instrument::Venue;

use super::super::config::{FeedLinkConfig, FeedPolicy, GateConfig};
use super::super::machine::Machine;
use super::super::state::Command;
use super::super::sync::SyncState;
use super::super::testing::Collected;
use super::rig::config;
use crate::Capture;

/// Frames by which the second connection lags; it leaves out every hundredth.
const LAG_COUNT: usize = 40;

fn reference(name: &str) -> Option<PathBuf> {
    let ways = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
    ways.map(|folder| folder.join("shared/data/binance").join(name)).find(|path| path.exists())
}

/// Everything of a capture: receive time and frame.
fn read(path: &Path) -> Vec<(u64, Vec<u8>)> {
    let mut capture = Capture::open(path).unwrap();
    let mut frames = Vec::new();
    while let Some(line) = capture.next() {
        let line = line.unwrap();
        frames.push((line.receive_ns, line.frame.to_vec()));
    }
    frames
}

fn is_snapshot(frame: &[u8]) -> bool {
    frame.starts_with(b"{\"lastUpdateId\"")
}

/// Lets the machine's commands come true.
fn run_commands(machine: &mut Machine, sink: &mut Collected, now_ns: u64) -> Option<u64> {
    let mut asked = None;
    machine.state.on_time(now_ns, sink);
    while let Some(command) = machine.next_command() {
        match command {
            Command::Open(line) => machine.state.opened(line, now_ns),
            Command::Send { line, text } => {
                let id = text.rsplit_once("\"id\":").unwrap().1.trim_end_matches('}');
                let answer = format!("{{\"result\":null,\"id\":{id}}}");
                machine.frame(line, answer.as_bytes(), true, now_ns, sink);
            }
            Command::Fetch { token, .. } => asked = Some(token),
            Command::Reopen(_) | Command::Close(_) => panic!("{command:?}"),
        }
    }
    asked
}

#[track_caller]
fn check(venue: Venue, name: &str, scales: (u8, u8), policy: FeedPolicy) {
    let Some(path) = reference(name) else {
        println!("skipped: the reference data of {name} is not here");
        return;
    };
    let frames = read(&path);
    let config = FeedLinkConfig { gate: GateConfig::default(), ..config(venue, policy) };
    let instrument = engine::instrument::Instrument {
        price_scale: scales.0,
        quantity_scale: scales.1,
        ..super::rig::table(venue).get(0).unwrap().clone()
    };
    let table = engine::instrument::InstrumentTable::new(vec![instrument]).unwrap();
    let mut machine = Machine::new(&config, &table).unwrap();
    let mut sink = Collected::default();
    machine.state.start();
    let snapshot = frames.iter().find(|(_, frame)| is_snapshot(frame)).unwrap();
    let first_ns = frames[0].0;
    let mut token = run_commands(&mut machine, &mut sink, first_ns);
    for (place, (receive_ns, frame)) in frames.iter().enumerate() {
        if is_snapshot(frame) {
            let body = &snapshot.1;
            let token = token.take().expect("it is asked for with the first update");
            machine.snapshot(token, body, *receive_ns, &mut sink);
        } else {
            machine.frame(0, frame, true, *receive_ns, &mut sink);
        }
        if policy == FeedPolicy::BetterOfAll
            && let Some(late) = place.checked_sub(LAG_COUNT)
            && late % 100 != 0
            && !is_snapshot(&frames[late].1)
        {
            machine.frame(2, &frames[late].1, true, *receive_ns, &mut sink);
        }
        token = run_commands(&mut machine, &mut sink, *receive_ns).or(token);
        sink.events.clear();
    }
    let status = machine.status();
    let symbol = status.symbols[0];
    assert_eq!(status.refused, [], "{status:?}");
    assert_eq!(symbol.sync, SyncState::Live);
    assert_eq!((symbol.counts.gap_count, symbol.counts.trade_missing_count), (0, 0));
    assert_eq!((symbol.counts.snapshot_count, symbol.counts.snapshot_retry_count), (1, 0));
    assert!(1_000 < symbol.counts.update_count);
    assert_eq!(policy == FeedPolicy::BetterOfAll, 1_000 < symbol.counts.duplicate_count);
}

#[test]
fn a_real_spot_capture_is_one_live_book_without_a_refusal() {
    check(Venue::BinanceSpot, "spot_btcusdt_20240808.gz", (2, 8), FeedPolicy::PrimaryOnly);
}

#[test]
fn a_real_futures_capture_is_one_live_book_without_a_refusal() {
    check(Venue::BinanceUsdm, "usdm_btcusdt_20240808.gz", (1, 3), FeedPolicy::PrimaryOnly);
}

#[test]
fn a_real_capture_by_two_connections_of_which_one_lags_is_the_same_book() {
    check(Venue::BinanceSpot, "spot_btcusdt_20240808.gz", (2, 8), FeedPolicy::BetterOfAll);
    check(Venue::BinanceUsdm, "usdm_btcusdt_20240808.gz", (1, 3), FeedPolicy::BetterOfAll);
}
