//! Cost of decoding, wire to events: the scanner and the tape of ours, `serde_json` with typed borrowed
//! structs, and a trusting scanner; below them two floors.
//!
//! All give the same events, which is checked before anything is timed. The trusting scanner knows the
//! order of the fields and checks hardly more; it is a rival of the kind people write by hand.
//! `serde_json` is told the kind of each frame beforehand, which the others must find out.
//!
//! `cargo bench -p benches --bench decode`, or with `-- WORD` only the sets that have the word in
//! their name.

#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a report of averages for people; no number of it goes anywhere"
)]

#[path = "decode/rivals.rs"]
mod rivals;
#[path = "decode/sets.rs"]
mod sets;

use std::hint::black_box;

use binance::Decoder;
use engine::event::Event;
use engine::instrument::{Instrument, InstrumentTable};
use engine::money::Money;
use quanta::{Clock, Instant};

use rivals::{Serde, Trusting};
use sets::{Set, Shape};

const ROUND_COUNT: usize = 40;

/// Decimal places of a set.
#[derive(Clone, Copy, Debug)]
struct Places {
    price: u8,
    quantity: u8,
}

/// A way to decode a frame into a run of events.
trait Way {
    fn decode<'a>(&'a mut self, frame: &'a mut [u8]) -> anyhow::Result<&'a [Event]>;
}

struct Ours(Decoder);

impl Ours {
    fn new(set: &Set) -> anyhow::Result<Ours> {
        let table = InstrumentTable::new(vec![Instrument {
            venue: set.venue,
            symbol: set.symbol.to_string(),
            price_scale: set.places.price,
            quantity_scale: set.places.quantity,
            tick: 1,
            lot: 1,
            notional_min: Money::ZERO,
            maker_fee_e8: 0,
            taker_fee_e8: 0,
            multiplier: 1,
        }])?;
        Ok(Ours(Decoder::new(set.venue, &table)))
    }
}

impl Way for Ours {
    fn decode<'a>(&'a mut self, frame: &'a mut [u8]) -> anyhow::Result<&'a [Event]> {
        Ok(self.0.decode_events(frame, 0)?.1)
    }
}

/// Floor: the frame is copied, once.
struct Copying(Vec<u8>);

impl Way for Copying {
    fn decode<'a>(&'a mut self, frame: &'a mut [u8]) -> anyhow::Result<&'a [Event]> {
        self.0.clear();
        self.0.extend_from_slice(frame);
        black_box(&self.0);
        Ok(&[])
    }
}

/// Floor: the frame is proved to be UTF-8, which JSON must be.
struct Validating;

impl Way for Validating {
    fn decode<'a>(&'a mut self, frame: &'a mut [u8]) -> anyhow::Result<&'a [Event]> {
        black_box(std::str::from_utf8(frame)?);
        Ok(&[])
    }
}

/// Floor of the percentiles: nothing between the two readings of the clock.
struct Nothing;

impl Way for Nothing {
    fn decode<'a>(&'a mut self, _: &'a mut [u8]) -> anyhow::Result<&'a [Event]> {
        Ok(&[])
    }
}

/// Events of all frames.
fn answer(way: &mut dyn Way, frames: &[Vec<u8>]) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    for frame in frames {
        let run = way.decode(&mut frame.clone())?.to_vec();
        events.extend(run.into_iter().map(|event| Event { source: 0, ..event }));
    }
    Ok(events)
}

/// What a way costs on a set.
struct Cost {
    /// For all frames together, fastest round.
    total_ns: f64,
    /// p50, p99, p99.9 of one frame, the clock's cost included, in the round with the lowest p99.
    percentiles_ns: [u64; 3],
}

fn measure(way: &mut impl Way, frames: &[Vec<u8>], round_count: usize) -> anyhow::Result<Cost> {
    let clock = Clock::new();
    let mut cost = Cost { total_ns: f64::MAX, percentiles_ns: [u64::MAX; 3] };
    let mut times_ns = Vec::with_capacity(frames.len());
    for _ in 0..round_count {
        // Decoding may overwrite its frame.
        let mut copies = frames.to_vec();
        let begin = Instant::now();
        for frame in &mut copies {
            black_box(way.decode(frame)?);
        }
        cost.total_ns = cost.total_ns.min(begin.elapsed().as_nanos() as f64);
        let mut copies = frames.to_vec();
        times_ns.clear();
        for frame in &mut copies {
            let begin = clock.raw();
            black_box(way.decode(frame)?);
            times_ns.push(clock.delta_as_nanos(begin, clock.raw()));
        }
        times_ns.sort_unstable();
        let at = |per_mille: usize| {
            times_ns[(times_ns.len() * per_mille / 1_000).min(times_ns.len() - 1)]
        };
        let percentiles_ns = [at(500), at(990), at(999)];
        if percentiles_ns[1] < cost.percentiles_ns[1] {
            cost.percentiles_ns = percentiles_ns;
        }
    }
    Ok(cost)
}

fn report(set: &Set, round_count: usize) -> anyhow::Result<()> {
    let frames = &set.frames;
    let mut ours = Ours::new(set)?;
    let mut tape = Ours(Ours::new(set)?.0.with_tape_only());
    let mut serde = Serde::new(set);
    let mut trusting = Trusting::new(set);
    let wanted = answer(&mut ours, frames)?;
    anyhow::ensure!(answer(&mut tape, frames)? == wanted, "{}: the tape differs", set.name);
    anyhow::ensure!(answer(&mut serde, frames)? == wanted, "{}: serde_json differs", set.name);
    anyhow::ensure!(answer(&mut trusting, frames)? == wanted, "{}: the scanner differs", set.name);
    let has_levels = matches!(set.shape, Shape::Depth | Shape::Snapshot);
    let unit_count = if has_levels { wanted.len() - frames.len() } else { frames.len() };
    let size_bytes: usize = frames.iter().map(Vec::len).sum();
    println!(
        "{}: {} frames of {} bytes, {unit_count} {}; {} by the tape",
        set.name,
        frames.len(),
        size_bytes / frames.len(),
        if has_levels { "levels" } else { "units" },
        ours.0.tape_count(),
    );
    let nothing = measure(&mut Nothing, frames, round_count)?;
    let floor = measure(&mut Copying(Vec::with_capacity(1 << 20)), frames, round_count)?;
    let rows = [
        ("clock", nothing),
        ("floor: validate", measure(&mut Validating, frames, round_count)?),
        ("ours", measure(&mut ours, frames, round_count)?),
        ("simd-json tape", measure(&mut tape, frames, round_count)?),
        ("serde_json typed", measure(&mut serde, frames, round_count)?),
        ("trusting scanner", measure(&mut trusting, frames, round_count)?),
    ];
    let floor_ns = floor.total_ns;
    for (name, cost) in std::iter::once(("floor: copy", floor)).chain(rows) {
        let [p50, p99, p999] = cost.percentiles_ns;
        println!(
            "  {name:18}{:8.1} ns a {}{:7.1} x copy   frame p50 {p50:6} p99 {p99:6} p99.9 {p999:6}",
            cost.total_ns / unit_count as f64,
            if has_levels { "level" } else { "frame" },
            cost.total_ns / floor_ns,
        );
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let is_measuring = std::env::args().any(|argument| argument == "--bench");
    let word = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let round_count = if is_measuring { ROUND_COUNT } else { 1 };
    for set in sets::all()? {
        if word.as_ref().is_none_or(|word| set.name.contains(word.as_str())) {
            report(&set, round_count)?;
        }
    }
    Ok(())
}
