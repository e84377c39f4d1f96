//! Cost of a whole event on one thread: floor, feed alone, bare pipeline, journaled, replayed; and by stage.
//!
//! `cargo bench -p benches --bench event [-- --only NAME] [-- --rounds N]`. Best of the rounds, ratios to the
//! floor, which reads each event and stores it into a ring slot.

#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a report of averages for people; no number of it goes anywhere"
)]

use std::hint::black_box;
use std::path::Path;

use benches::workload::{Outbox, Plan};
use benches::{argument, desk, is_measuring, rig};
use engine::event::{Event, Kind, flags};
use engine::feed::{Feed, FeedConfig};
use engine::gateway::NoOutlet;
use engine::market::Market;
use engine::pipeline::replay::Replay;
use engine::pipeline::{Edges, Hop, NoProbe, NoRecorder, Probe, Recorder};
use engine::ring::{Emitter, Ring};
use quanta::Clock;

const SEED: u64 = 20_240_808;

struct Bench {
    plan: Plan,
    count: usize,
    clock: Clock,
    rounds: usize,
    only: Option<String>,
    floor_ns: f64,
}

fn main() -> anyhow::Result<()> {
    let count = if is_measuring() { 1_000_000 } else { 4_000 };
    let rounds = argument("--rounds").map_or(Ok(9), |text| text.parse())?;
    let mut bench = Bench {
        plan: Plan::new(SEED, &[count])?,
        count,
        clock: Clock::new(),
        rounds: if is_measuring() { rounds } else { 1 },
        only: argument("--only"),
        floor_ns: 1.0,
    };
    let mark = bench.plan.mark(count);
    println!("{count} events, {} records, {} orders", mark.record_count, mark.order_count);
    bench.floor_ns = bench.line("floor", |bench| Ok(bench.floor()))?.unwrap_or(1.0);
    bench.line("feed", |bench| Ok(bench.feed()))?;
    bench.line("bare", |bench| bench.whole(&mut NoRecorder))?;
    bench.line("journaled", Bench::journaled)?;
    bench.line("replayed", Bench::replayed)?;
    if bench.only.as_deref().is_none_or(|only| only == "stages") {
        bench.stages()?;
    }
    Ok(())
}

impl Bench {
    /// Runs `work` some times; prints and returns the best, ns an inbound event.
    fn line(
        &self,
        name: &str,
        work: impl Fn(&Bench) -> anyhow::Result<u64>,
    ) -> anyhow::Result<Option<f64>> {
        if self.only.as_deref().is_some_and(|only| only != name) {
            return Ok(None);
        }
        let mut best = u64::MAX;
        for _ in 0..self.rounds {
            best = best.min(work(self)?);
        }
        let ns = self.clock.delta_as_nanos(0, best) as f64 / self.count as f64;
        println!(
            "{name:>10} {ns:6.1} ns an event, {:6.2} M/s, {:5.2} x floor",
            1_000.0 / ns,
            ns / if name == "floor" { ns } else { self.floor_ns }
        );
        Ok(Some(ns))
    }

    fn floor(&self) -> u64 {
        let mut ring = Ring::new(engine::ring::RING_SLOT_COUNT, 0);
        let start = self.clock.raw();
        for event in &self.plan.events {
            black_box(ring.begin(*event));
        }
        self.clock.raw() - start
    }

    fn feed(&self) -> u64 {
        let table = desk::instruments();
        let (mut feed, mut market) =
            (Feed::new(FeedConfig::default(), &table), Market::new(table.count()));
        let mut ring = Ring::new(engine::ring::RING_SLOT_COUNT, 0);
        let mut apply = |event: &Event| {
            if Feed::INTEREST.contains(event.kind) {
                feed.apply(event, &mut market, &mut Emitter::new(&mut ring, event));
            }
        };
        self.plan.opening.iter().for_each(&mut apply);
        let start = self.clock.raw();
        self.plan.events.iter().for_each(&mut apply);
        self.clock.raw() - start
    }

    fn whole(&self, recorder: &mut impl Recorder) -> anyhow::Result<u64> {
        let mut pipeline = desk::pipeline();
        let mut edges = Edges { recorder, outlet: &mut NoOutlet, probe: &mut NoProbe };
        for event in &self.plan.opening {
            pipeline.apply(event, &mut edges)?;
        }
        let start = self.clock.raw();
        for event in &self.plan.events {
            pipeline.apply(event, &mut edges)?;
        }
        let elapsed = self.clock.raw() - start;
        anyhow::ensure!(pipeline.state_hash() == self.plan.mark(self.count).state_hash);
        Ok(elapsed)
    }

    fn journaled(&self) -> anyhow::Result<u64> {
        let dir = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
        let mut recorder = rig::journal(dir.path(), self.plan.mark(self.count).record_count)?;
        self.whole(&mut recorder)
    }

    fn replayed(&self) -> anyhow::Result<u64> {
        let mut recorder = engine::pipeline::recorder::MemoryRecorder::default();
        self.whole(&mut recorder)?;
        let mut build = |_: &_| Ok(desk::pipeline());
        let mut replay = Replay::new();
        let start = self.clock.raw();
        for event in &recorder.events {
            replay.step(event, &mut build)?;
        }
        let elapsed = self.clock.raw() - start;
        let hash = replay.pipeline().map(engine::pipeline::Pipeline::state_hash);
        anyhow::ensure!(hash == Some(self.plan.mark(self.count).state_hash));
        Ok(elapsed)
    }

    /// Time by stage, by a clock reading at each hop, less what the reading itself costs.
    fn stages(&self) -> anyhow::Result<()> {
        let mut reading = u64::MAX;
        for _ in 0..1_000 {
            let start = self.clock.raw();
            for _ in 0..100 {
                black_box(self.clock.raw());
            }
            reading = reading.min((self.clock.raw() - start) / 100);
        }
        let dir = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
        let mut recorder = rig::journal(dir.path(), self.plan.mark(self.count).record_count)?;
        let mut outbox = Outbox::default();
        let mut probe =
            Meter { clock: self.clock.clone(), last: 0, spent: [0; 6], released: false };
        let mut pipeline = desk::pipeline();
        // Kinds of cascades: inside a run, end of a run, other, with an order.
        let mut sums = [(0_u64, [0_u64; 6]); 4];
        for (index, event) in (0..).zip(self.plan.opening.iter().chain(&self.plan.events)) {
            probe.spent = [0; 6];
            probe.released = false;
            let mut edges =
                Edges { recorder: &mut recorder, outlet: &mut outbox, probe: &mut probe };
            pipeline.apply(event, &mut edges)?;
            outbox.events.clear();
            if index < 10_000 && is_measuring() {
                continue;
            }
            let class = match event.kind {
                _ if probe.released => 3,
                Kind::DEPTH | Kind::LEVEL if !event.has(flags::LAST) => 0,
                Kind::DEPTH | Kind::LEVEL => 1,
                _ => 2,
            };
            sums[class].0 += 1;
            for (sum, spent) in sums[class].1.iter_mut().zip(probe.spent) {
                *sum += spent.saturating_sub(reading);
            }
        }
        println!(
            "by stage, ns (one clock reading of {reading} counts taken off each; pipelining is lost by measuring):"
        );
        println!(
            "{:>16} {:>9} {:>7} {:>8} {:>6} {:>6} {:>7} {:>7}",
            "", "events", "feed", "strategy", "risk", "oms", "gateway", "journal"
        );
        for (name, (count, spent)) in
            ["inside a run", "end of a run", "other", "with an order"].iter().zip(sums)
        {
            let ns =
                spent.map(|sum| self.clock.delta_as_nanos(0, sum) as f64 / count.max(1) as f64);
            println!(
                "{name:>16} {count:>9} {:>7.1} {:>8.1} {:>6.1} {:>6.1} {:>7.1} {:>7.1}",
                ns[0], ns[1], ns[2], ns[3], ns[4], ns[5]
            );
        }
        Ok(())
    }
}

/// Adds up what each hop takes.
struct Meter {
    clock: Clock,
    last: u64,
    spent: [u64; 6],
    released: bool,
}

impl Probe for Meter {
    #[inline]
    fn begin(&mut self, _sequence: u64) {
        self.last = self.clock.raw();
    }

    #[inline]
    fn mark(&mut self, hop: Hop) {
        let now = self.clock.raw();
        self.spent[hop as usize] += now - self.last;
        self.last = now;
    }

    #[inline]
    fn released(&mut self, _time_ns: u64) {
        self.released = true;
    }

    #[inline]
    fn end(&mut self, _sequence: u64, _time_ns: u64) {}
}
