//! Captures through both ways of the decoder, the scanner and the tape: the same events, hardly one by the tape.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "everything in here is a test")]

use std::path::{Path, PathBuf};

use binance::{Capture, Decoder};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::Money;

fn decoder(venue: Venue, symbol: &str) -> Decoder {
    let (price_scale, quantity_scale) = if venue == Venue::BinanceUsdm { (1, 3) } else { (2, 8) };
    let table = InstrumentTable::new(vec![Instrument {
        venue,
        symbol: symbol.to_string(),
        price_scale,
        quantity_scale,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }])
    .unwrap();
    Decoder::new(venue, &table).with_source(1)
}

/// Counts of frames, of those that took the tape, and of events.
#[track_caller]
fn check(venue: Venue, symbol: &str, capture: &Path) -> (u64, u64, usize) {
    let mut capture = Capture::open(capture).unwrap();
    let mut fast = decoder(venue, symbol);
    let mut slow = decoder(venue, symbol).with_tape_only();
    let (mut frame_count, mut event_count) = (0, 0);
    while let Some(line) = capture.next() {
        let line = line.unwrap();
        let mut copy = line.frame.to_vec();
        let scanned = fast.decode_events(line.frame, line.receive_ns).unwrap();
        assert_eq!(line.frame, copy, "line {}: the scanner changed the frame", line.number);
        let taped = slow.decode_events(&mut copy, line.receive_ns).unwrap();
        assert_eq!(scanned, taped, "line {}", line.number);
        frame_count += 1;
        event_count += taped.1.len();
    }
    assert_eq!(slow.tape_count(), frame_count);
    (frame_count, fast.tape_count(), event_count)
}

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

#[track_caller]
fn check_reference(venue: Venue, name: &str, wanted: (u64, u64, usize)) {
    let ways = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
    let path =
        ways.map(|folder| folder.join("shared/data/binance").join(name)).find(|path| path.exists());
    let Some(path) = path else {
        println!("skipped: the reference data {name} is not here");
        return;
    };
    assert_eq!(check(venue, "BTCUSDT", &path), wanted);
}

#[test]
fn small_captures_give_the_same_events_both_ways() {
    let spot = check(Venue::BinanceSpot, "TESTUSDT", &testdata("spot_small.capture"));
    assert_eq!(spot, (228, 0, 1_343));
    // Its trades say their origin last, as the venue does not.
    let usdm = check(Venue::BinanceUsdm, "TESTUSDT", &testdata("usdm_small.capture"));
    assert_eq!(usdm, (228, 9, 1_383));
}

#[test]
fn the_real_spot_capture_gives_the_same_events_both_ways() {
    check_reference(Venue::BinanceSpot, "spot_btcusdt_20240808.gz", (41_249, 0, 195_379));
}

#[test]
fn the_real_futures_capture_gives_the_same_events_both_ways() {
    check_reference(Venue::BinanceUsdm, "usdm_btcusdt_20240808.gz", (93_954, 0, 605_564));
}
