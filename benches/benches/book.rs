//! Cost of one level in the fast book and in the obvious one, on real depth where it is at hand.
//!
//! `cargo bench --bench book` measures; `cargo test --benches` runs one round and checks the answers.

#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a report of averages for people; no number of it goes anywhere"
)]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use binance::{Capture, Decoder, FrameKind};
use engine::book::{Book, DirectBook, NaiveBook};
use engine::event::{Event, Kind, Side, flags};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::Money;
use hdrhistogram::Histogram;
use quanta::Instant;

const ROUND_COUNT: usize = 15;

/// The real capture beside the checkout or above it, else the small made-up one.
fn capture(venue: Venue) -> (&'static str, PathBuf) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (real, small) = match venue {
        Venue::BinanceUsdm => ("usdm_btcusdt_20240808.gz", "usdm_small.capture"),
        Venue::BinanceSpot | Venue::Synthetic => ("spot_btcusdt_20240808.gz", "spot_small.capture"),
    };
    here.ancestors()
        .map(|folder| folder.join("shared/data/binance").join(real))
        .find(|path| path.exists())
        .map_or_else(
            || ("TESTUSDT", here.join("../adapters/binance/testdata").join(small)),
            |path| ("BTCUSDT", path),
        )
}

/// Every depth run of the capture from its snapshot on.
fn depth_events(venue: Venue) -> anyhow::Result<Vec<Event>> {
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
    let mut events = Vec::new();
    while let Some(line) = capture.next() {
        let line = line?;
        let (kind, run) = decoder.decode_events(line.frame, line.receive_ns)?;
        let is_update = kind == FrameKind::Depth && !events.is_empty();
        if kind == FrameKind::Snapshot || is_update {
            events.extend_from_slice(run);
        }
    }
    Ok(events)
}

#[inline]
fn apply(book: &mut impl Book, event: &Event) {
    if event.kind == Kind::LEVEL {
        book.set(event.side(), event.price, event.quantity).expect("real depth fits");
    } else if event.has(flags::SNAPSHOT) {
        book.clear();
    }
}

/// Nanoseconds a level of the fastest round, reading the best prices after each update.
fn measure(book: &mut impl Book, events: &[Event], round_count: usize) -> f64 {
    let level_count = events.iter().filter(|event| event.kind == Kind::LEVEL).count();
    let mut best = f64::MAX;
    for _ in 0..round_count {
        let begin = Instant::now();
        for event in events {
            apply(book, event);
            if event.is_last() {
                black_box((book.best(Side::Buy), book.best(Side::Sell)));
            }
        }
        black_box(book.digest());
        best = best.min(begin.elapsed().as_nanos() as f64 / level_count as f64);
    }
    best
}

/// Distribution of single `set` calls, clock included (about 10 to 25 ns).
fn distribution(events: &[Event]) -> anyhow::Result<Histogram<u64>> {
    let mut histogram = Histogram::new(3)?;
    let mut book = DirectBook::new();
    for round in 0..4 {
        for event in events {
            let begin = Instant::now();
            apply(&mut book, event);
            let spent = begin.elapsed();
            // The first round warms the memory of the book.
            if 0 < round && event.kind == Kind::LEVEL {
                histogram.record(u64::try_from(spent.as_nanos())?)?;
            }
        }
    }
    Ok(histogram)
}

/// The dearest calls we can think of: a side that is nearly full, a touch that jumps to and fro, so that
/// whole words of levels cross the edges, and the worst levels of all, before which all others move.
fn worst_case() -> anyhow::Result<Histogram<u64>> {
    let mut histogram = Histogram::new(3)?;
    let mut book = DirectBook::new();
    let levels_max = i64::try_from(engine::book::direct::LEVELS_MAX)?;
    for index in 0..levels_max - 64 {
        book.set(Side::Buy, 10_000_000 + index, 1).expect("room is left");
    }
    for _ in 0..2_000 {
        for quantity in [1, 0] {
            let begin = Instant::now();
            book.set(Side::Buy, 20_000_000, quantity).expect("room is left");
            histogram.record(u64::try_from(begin.elapsed().as_nanos())?)?;
            for price in 0..40 {
                let begin = Instant::now();
                book.set(Side::Buy, price, quantity).expect("room is left");
                histogram.record(u64::try_from(begin.elapsed().as_nanos())?)?;
            }
        }
    }
    Ok(histogram)
}

fn report(name: &str, histogram: &Histogram<u64>) {
    println!(
        "{name}: p50 {} ns, p99 {} ns, p99.9 {} ns, p99.99 {} ns, max {} ns",
        histogram.value_at_quantile(0.5),
        histogram.value_at_quantile(0.99),
        histogram.value_at_quantile(0.999),
        histogram.value_at_quantile(0.9999),
        histogram.max()
    );
}

fn main() -> anyhow::Result<()> {
    let is_measuring = std::env::args().any(|argument| argument == "--bench");
    let round_count = if is_measuring { ROUND_COUNT } else { 1 };
    for venue in [Venue::BinanceSpot, Venue::BinanceUsdm] {
        let events = depth_events(venue)?;
        let (mut direct, mut naive) = (DirectBook::new(), NaiveBook::new());
        for event in &events {
            apply(&mut direct, event);
            apply(&mut naive, event);
        }
        anyhow::ensure!(direct.digest() == naive.digest(), "the books differ");
        let direct_ns = measure(&mut direct, &events, round_count);
        let naive_ns = measure(&mut naive, &events, round_count);
        println!(
            "{}: {} events, digest {:016x}: direct {direct_ns:.1} ns a level, naive {naive_ns:.1} ns, \
             ratio {:.1}",
            venue.name(),
            events.len(),
            direct.digest(),
            naive_ns / direct_ns
        );
        report("  single set, with clock", &distribution(&events)?);
    }
    report("full side, touch jumping, with clock", &worst_case()?);
    Ok(())
}
