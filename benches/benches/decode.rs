//! Cost of decoding: ours (simd-json) against `serde_json` and against a trusting scanner.
//!
//! All three give the same events, which is checked before anything is timed. The scanner knows the
//! order of the fields and checks nothing else; it is the lower bound, not a candidate.

#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a report of averages for people; no number of it goes anywhere"
)]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use binance::decode::parse_decimal;
use binance::{Capture, Decoder};
use engine::event::market::{self, DepthIds};
use engine::event::{Event, Side, flags};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::{Money, parse_scaled};
use quanta::Instant;
use serde_json::Value;

const PRICE_SCALE: u8 = 2;
const QUANTITY_SCALE: u8 = 8;
const ROUND_COUNT: usize = 25;

fn capture() -> (&'static str, PathBuf) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .map(|folder| folder.join("shared/data/binance/spot_btcusdt_20240808.gz"))
        .find(|path| path.exists())
        .map_or_else(
            || ("TESTUSDT", here.join("../adapters/binance/testdata/spot_small.capture")),
            |path| ("BTCUSDT", path),
        )
}

/// Frames of one kind, with a count of what is told per frame.
fn frames(mark: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut capture = Capture::open(capture().1)?;
    let mut frames = Vec::new();
    while let Some(line) = capture.next() {
        let frame = line?.frame;
        if frame.windows(mark.len()).take(200).any(|part| part == mark.as_bytes()) {
            frames.push(frame.to_vec());
        }
    }
    Ok(frames)
}

/// A way to decode a frame.
trait Way {
    fn decode(&mut self, frame: &mut [u8], events: &mut Vec<Event>) -> anyhow::Result<()>;
}

struct Ours(Decoder);

impl Way for Ours {
    fn decode(&mut self, frame: &mut [u8], events: &mut Vec<Event>) -> anyhow::Result<()> {
        self.0.decode(frame, 0, &mut |event| events.push(event))?;
        Ok(())
    }
}

/// Through `serde_json::Value`, the way it is mostly done.
struct Serde;

impl Serde {
    fn amount(value: &Value, scale: u8) -> anyhow::Result<i64> {
        Ok(parse_scaled(value.as_str().context("text")?.as_bytes(), scale)?)
    }
}

impl Way for Serde {
    fn decode(&mut self, frame: &mut [u8], events: &mut Vec<Event>) -> anyhow::Result<()> {
        let root: Value = serde_json::from_slice(frame)?;
        let data = &root["data"];
        let number = |name: &str| data[name].as_i64().context("number");
        match data["e"].as_str() {
            Some("trade") => {
                let is_sell = data["m"].as_bool().context("m")?;
                let price = Serde::amount(&data["p"], PRICE_SCALE)?;
                let quantity = Serde::amount(&data["q"], QUANTITY_SCALE)?;
                let side = if is_sell { Side::Sell } else { Side::Buy };
                events.push(market::trade(0, side, price, quantity, number("t")?.cast_unsigned()));
            }
            Some("depthUpdate") => {
                let ids = DepthIds {
                    first: number("U")?,
                    last: number("u")?,
                    previous: DepthIds::NO_PREVIOUS,
                };
                let header = events.len();
                events.push(market::depth(0, ids, 0, false));
                for (side, list) in [(Side::Buy, "b"), (Side::Sell, "a")] {
                    for level in data[list].as_array().context("list")? {
                        let price = Serde::amount(&level[0], PRICE_SCALE)?;
                        let quantity = Serde::amount(&level[1], QUANTITY_SCALE)?;
                        events.push(market::level(0, side, price, quantity, false));
                    }
                }
                finish_depth(events, header)?;
            }
            Some(_) | None => anyhow::bail!("neither trade nor depth"),
        }
        Ok(())
    }
}

fn finish_depth(events: &mut [Event], header: usize) -> anyhow::Result<()> {
    // The header was made without knowing its levels, as if it were alone.
    events[header].flags &= !flags::LAST;
    events[header].tag = u32::try_from(events.len() - header - 1)?;
    events.last_mut().context("header")?.flags |= flags::LAST;
    Ok(())
}

/// Byte by byte, trusting the order of the fields.
struct Scanner;

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// Goes behind the next `mark`.
    fn skip_to(&mut self, mark: &[u8]) -> anyhow::Result<()> {
        let at = self.0.windows(mark.len()).position(|part| part == mark).context("mark")?;
        self.0 = &self.0[at + mark.len()..];
        Ok(())
    }

    /// What stands before the next quote; goes behind the quote.
    fn until_quote(&mut self) -> anyhow::Result<&'a [u8]> {
        let at = self.0.iter().position(|byte| *byte == b'"').context("quote")?;
        let text = &self.0[..at];
        self.0 = &self.0[at + 1..];
        Ok(text)
    }

    fn number(&mut self) -> anyhow::Result<i64> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = parse_scaled(&self.0[..length], 0)?;
        self.0 = &self.0[length..];
        Ok(number)
    }

    fn levels(&mut self, side: Side, events: &mut Vec<Event>) -> anyhow::Result<()> {
        while self.0.first() != Some(&b']') {
            self.0 = &self.0[usize::from(self.0.first() == Some(&b',')) + 2..];
            let price = parse_decimal(self.until_quote()?, PRICE_SCALE)?;
            self.0 = &self.0[2..];
            let quantity = parse_decimal(self.until_quote()?, QUANTITY_SCALE)?;
            self.0 = &self.0[1..];
            events.push(market::level(0, side, price, quantity, false));
        }
        Ok(())
    }
}

impl Way for Scanner {
    fn decode(&mut self, frame: &mut [u8], events: &mut Vec<Event>) -> anyhow::Result<()> {
        let mut cursor = Cursor(frame);
        cursor.skip_to(b"\"e\":\"")?;
        if cursor.until_quote()? == b"trade" {
            cursor.skip_to(b"\"t\":")?;
            let id = cursor.number()?.cast_unsigned();
            cursor.skip_to(b"\"p\":\"")?;
            let price = parse_decimal(cursor.until_quote()?, PRICE_SCALE)?;
            cursor.skip_to(b"\"q\":\"")?;
            let quantity = parse_decimal(cursor.until_quote()?, QUANTITY_SCALE)?;
            cursor.skip_to(b"\"m\":")?;
            let side = if cursor.0.first() == Some(&b't') { Side::Sell } else { Side::Buy };
            events.push(market::trade(0, side, price, quantity, id));
            return Ok(());
        }
        cursor.skip_to(b"\"U\":")?;
        let first = cursor.number()?;
        cursor.skip_to(b"\"u\":")?;
        let ids = DepthIds { first, last: cursor.number()?, previous: DepthIds::NO_PREVIOUS };
        let header = events.len();
        events.push(market::depth(0, ids, 0, false));
        cursor.skip_to(b"\"b\":[")?;
        cursor.levels(Side::Buy, events)?;
        cursor.skip_to(b"\"a\":[")?;
        cursor.levels(Side::Sell, events)?;
        finish_depth(events, header)
    }
}

/// Events of all frames.
fn answer(way: &mut impl Way, frames: &[Vec<u8>]) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    for frame in frames {
        let mut run = Vec::new();
        way.decode(&mut frame.clone(), &mut run)?;
        events.extend(run.into_iter().map(|event| Event { source: 0, ..event }));
    }
    Ok(events)
}

/// Nanoseconds for all frames, fastest round.
fn measure(way: &mut impl Way, frames: &[Vec<u8>], round_count: usize) -> anyhow::Result<f64> {
    let mut best = f64::MAX;
    let mut events = Vec::with_capacity(1 << 15);
    for _ in 0..round_count {
        let mut copies = frames.to_vec();
        let begin = Instant::now();
        for frame in &mut copies {
            events.clear();
            way.decode(frame, &mut events)?;
            black_box(&events);
        }
        best = best.min(begin.elapsed().as_nanos() as f64);
    }
    Ok(best)
}

fn main() -> anyhow::Result<()> {
    let is_measuring = std::env::args().any(|argument| argument == "--bench");
    let round_count = if is_measuring { ROUND_COUNT } else { 1 };
    let table = InstrumentTable::new(vec![Instrument {
        venue: Venue::BinanceSpot,
        symbol: capture().0.to_string(),
        price_scale: PRICE_SCALE,
        quantity_scale: QUANTITY_SCALE,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }])?;
    let mut ours = Ours(Decoder::new(Venue::BinanceSpot, &table));
    for (what, mark) in [("trade", "\"e\":\"trade\""), ("depth", "\"e\":\"depthUpdate\"")] {
        let frames = frames(mark)?;
        let wanted = answer(&mut ours, &frames)?;
        anyhow::ensure!(answer(&mut Serde, &frames)? == wanted, "serde_json differs");
        anyhow::ensure!(answer(&mut Scanner, &frames)? == wanted, "the scanner differs");
        let levels = wanted.len() - frames.len();
        let (unit, unit_count) =
            if levels == 0 { ("frame", frames.len()) } else { ("level", levels) };
        let size_bytes: usize = frames.iter().map(Vec::len).sum();
        let per_unit = |ns: f64| ns / unit_count as f64;
        let simd_ns = per_unit(measure(&mut ours, &frames, round_count)?);
        let serde_ns = per_unit(measure(&mut Serde, &frames, round_count)?);
        let scanner_ns = per_unit(measure(&mut Scanner, &frames, round_count)?);
        println!(
            "{what}: {} frames, {levels} levels, {size_bytes} bytes; ns a {unit}: ours {simd_ns:.1}, \
             serde_json {serde_ns:.1} ({:.1} x), trusting scanner {scanner_ns:.1} ({:.2} x)",
            frames.len(),
            serde_ns / simd_ns,
            scanner_ns / simd_ns
        );
    }
    Ok(())
}
