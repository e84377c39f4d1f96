//! The canonical workload: the whole engine, journaled, open loop, at a ladder of rates to saturation.
//!
//! `cargo bench -p benches --bench tick_to_order [-- --quick] [-- --json FILE] [-- --reports DIR]`.
//! `cargo test --benches` plays a few thousand events and checks the answers.

#![expect(clippy::print_stdout, reason = "a bench tells people what it measured")]

use std::path::{Path, PathBuf};

use benches::host::Machine;
use benches::latency::{self, Percentiles, Taken};
use benches::report::{Figures, Report, Row, duration, millions};
use benches::rig::{self, Outcome, Setting, WARM_UP_COUNT};
use benches::workload::{Direct, Plan};
use benches::{argument, desk, is_measuring};
use engine::event::{Event, Kind};
use engine::gateway::NoOutlet;
use engine::pipeline::follower::Follower;
use engine::pipeline::replay::Replay;
use engine::pipeline::{Edges, NoProbe, NoRecorder, Recorder, recovery};
use quanta::Clock;

const SEED: u64 = 20_240_808;
const RATES: [u64; 11] = [
    100_000, 250_000, 500_000, 1_000_000, 2_000_000, 4_000_000, 6_000_000, 8_000_000, 11_000_000,
    15_000_000, 20_000_000,
];

/// A rung is repeated until so many repetitions were not preempted, within the extent's bound.
const CALM_COUNT: usize = 4;
/// Repetitions of the other figures.
const RATE_REPETITIONS: usize = 5;

/// How much is run.
struct Extent {
    name: &'static str,
    rates: Vec<u64>,
    /// Longest time of one repetition of a rung, ms.
    rung_ms: u64,
    /// Most events of one repetition.
    count_max: usize,
    repetitions: usize,
    recovery_records: u64,
    recovery_repetitions: usize,
    snapshot_interval: u64,
    append_count: usize,
}

impl Extent {
    fn chosen() -> Extent {
        if !is_measuring() {
            return Extent {
                name: "test",
                rates: vec![1_000_000],
                rung_ms: 4,
                count_max: 4_000,
                repetitions: 1,
                recovery_records: 20_000,
                recovery_repetitions: 1,
                snapshot_interval: 8_000,
                append_count: 4_096,
            };
        }
        let is_quick = std::env::args().any(|argument| argument == "--quick");
        let full = Extent {
            name: "full",
            rates: RATES.to_vec(),
            rung_ms: 250,
            count_max: 2_000_000,
            repetitions: 16,
            recovery_records: 10_000_000,
            recovery_repetitions: 3,
            snapshot_interval: 2_000_000,
            append_count: 2_000_000,
        };
        if !is_quick {
            return full;
        }
        Extent {
            name: "quick",
            rates: vec![100_000, 1_000_000, 4_000_000],
            rung_ms: 100,
            count_max: 500_000,
            repetitions: 8,
            recovery_repetitions: 1,
            append_count: 500_000,
            ..full
        }
    }

    fn count(&self, rate: u64) -> usize {
        let count = rate * self.rung_ms / 1_000;
        usize::try_from(count).map_or(self.count_max, |count| count.min(self.count_max))
    }
}

struct Bench {
    extent: Extent,
    plan: Plan,
    clock: Clock,
    wall: engine::clock::Clock,
    machine: Machine,
    scratch: PathBuf,
    taken: Vec<Taken>,
}

fn main() -> anyhow::Result<()> {
    let extent = Extent::chosen();
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let may_pin = is_measuring() && !std::env::args().any(|argument| argument == "--no-pin");
    let machine = Machine::collect(&scratch, may_pin);
    let mut counts: Vec<usize> = extent.rates.iter().map(|rate| extent.count(*rate)).collect();
    counts.push(extent.count_max);
    let plan = Plan::new(SEED, &counts)?;
    let clock = Clock::new();
    let wall = engine::clock::Clock::new();
    let mut bench = Bench { extent, plan, clock, wall, machine, scratch, taken: Vec::new() };
    bench.check_answers()?;
    let rows = bench.ladder()?;
    let mut figures = Figures::default();
    bench.rates(&mut figures)?;
    bench.recovery(&mut figures)?;
    bench.append(&mut figures)?;
    bench.finish(rows, figures)
}

impl Bench {
    fn dir(&self) -> anyhow::Result<tempfile::TempDir> {
        Ok(tempfile::tempdir_in(&self.scratch)?)
    }

    fn ns(&self, counts: u64) -> u64 {
        self.clock.delta_as_nanos(0, counts).max(1)
    }

    fn per_second(&self, count: usize, counts: u64) -> anyhow::Result<u64> {
        let events = u128::try_from(count)?;
        Ok(u64::try_from(events * 1_000_000_000 / u128::from(self.ns(counts)))?)
    }

    /// The right answer, before any time is taken: `rig::play` fails on a wrong one.
    fn check_answers(&self) -> anyhow::Result<()> {
        let count = self.extent.count_max;
        let dir = self.dir()?;
        let setting = Setting { rate: 0, count, pinned: self.machine.pinned, sampled: false };
        rig::play(&self.plan, &setting, dir.path())?;
        let mark = self.plan.mark(count);
        println!(
            "workload: {count} events, {} records, {} orders, state hash {:016x}; the run across threads \
             agrees",
            mark.record_count, mark.order_count, mark.state_hash
        );
        Ok(())
    }

    fn ladder(&mut self) -> anyhow::Result<Vec<Row>> {
        println!(
            "{:>9} {:>9} | {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} | floor {:>9} {:>9}",
            "rate/s", "reached", "p50", "p90", "p99", "p99.9", "p99.99", "max", "p50", "p99"
        );
        let (mut rows, mut behind) = (Vec::new(), 0);
        for rate in self.extent.rates.clone() {
            let row = self.rung(rate)?;
            let p = row.order;
            let [p50, p90, p99, p999, p9999, max, f50, f99] =
                [p.p50, p.p90, p.p99, p.p999, p.p9999, p.max, row.floor.p50, row.floor.p99]
                    .map(duration);
            println!(
                "{:>9} {:>9} | {p50:>9} {p90:>9} {p99:>9} {p999:>9} {p9999:>9} {max:>9} | \
                 {f50:>15} {f99:>9}",
                millions(rate),
                millions(row.reached)
            );
            rows.push(row);
            behind = if row.is_saturated() { behind + 1 } else { 0 };
            if behind == 2 {
                break;
            }
        }
        Ok(rows)
    }

    /// One rate: the best of some repetitions, engine and floor in turn.
    fn rung(&mut self, rate: u64) -> anyhow::Result<Row> {
        let count = self.extent.count(rate);
        let setting = Setting { rate, count, pinned: self.machine.pinned, sampled: true };
        let mut best: Option<(Row, Taken, Taken)> = None;
        let (mut worst_p99, mut calm, mut repetitions) = (0, 0, 0);
        // On a machine with other work, until some repetitions were left alone.
        while calm < CALM_COUNT && repetitions < self.extent.repetitions {
            repetitions += 1;
            let dir = self.dir()?;
            let start_ns = self.wall.now_ns();
            let engine = rig::play(&self.plan, &setting, dir.path())?;
            let empty = rig::play_empty(&self.plan, &setting)?;
            let order = latency::histogram(&self.clock, orders(&engine, count));
            let all =
                latency::histogram(&self.clock, engine.processed[warm_up(count)..].iter().copied());
            let floor = latency::histogram(&self.clock, floor(&engine, &empty, count));
            let row = Row {
                rate,
                reached: self.per_second(count, engine.elapsed)?,
                order: Percentiles::of(&order),
                all: Percentiles::of(&all),
                floor: Percentiles::of(&floor),
                worst_p99: 0,
                preempted: engine.preempted_count,
                repetitions,
            };
            worst_p99 = worst_p99.max(row.order.p99);
            calm += usize::from(row.preempted + empty.preempted_count == 0);
            let floor_best = best.as_ref().map(|(row, _, taken)| (row.floor, taken));
            let keeps_floor = floor_best.as_ref().is_some_and(|(p, _)| p.p99 <= row.floor.p99);
            let take = |what: &str, histogram| Taken {
                tag: format!("{what}-{rate}"),
                start_ns,
                duration_ns: self.ns(engine.elapsed),
                histogram,
            };
            let floor = take("floor", floor);
            best = match best {
                Some((old, order, floor_old)) if old.order.p99 <= row.order.p99 => {
                    let (p, floor) =
                        if keeps_floor { (old.floor, floor_old) } else { (row.floor, floor) };
                    Some((Row { floor: p, ..old }, order, floor))
                }
                Some((old, _, floor_old)) if keeps_floor => {
                    Some((Row { floor: old.floor, ..row }, take("order", order), floor_old))
                }
                _ => Some((row, take("order", order), floor)),
            };
        }
        let (row, order, floor) = best.expect("there is at least one repetition");
        self.taken.extend([order, floor]);
        Ok(Row { worst_p99, repetitions, ..row })
    }

    fn rates(&self, figures: &mut Figures) -> anyhow::Result<()> {
        let count = self.extent.count_max;
        let setting = Setting { rate: 0, count, pinned: self.machine.pinned, sampled: false };
        for _ in 0..self.extent.repetitions.min(RATE_REPETITIONS) {
            let dir = self.dir()?;
            let engine = rig::play(&self.plan, &setting, dir.path())?;
            let empty = rig::play_empty(&self.plan, &setting)?;
            figures.saturation = figures.saturation.max(self.per_second(count, engine.elapsed)?);
            figures.saturation_floor =
                figures.saturation_floor.max(self.per_second(count, empty.elapsed)?);
            self.replay(dir.path(), figures)?;
            let mark = self.plan.mark(count);
            let bare = self.direct(&mut NoRecorder)?;
            figures.direct_bare = figures.direct_bare.max(bare);
            let dir = self.dir()?;
            let mut recorder = rig::journal(dir.path(), mark.record_count)?;
            figures.direct = figures.direct.max(self.direct(&mut recorder)?);
        }
        println!(
            "saturation {}/s (floor {}/s), one thread {}/s journaled, {}/s bare, replay {}/s",
            millions(figures.saturation),
            millions(figures.saturation_floor),
            millions(figures.direct),
            millions(figures.direct_bare),
            millions(figures.replay)
        );
        Ok(())
    }

    /// Events a second of the engine on this thread, without border rings.
    fn direct(&self, recorder: &mut impl Recorder) -> anyhow::Result<u64> {
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
        anyhow::ensure!(pipeline.state_hash() == self.plan.mark(self.extent.count_max).state_hash);
        self.per_second(self.plan.events.len(), elapsed)
    }

    fn replay(&self, dir: &Path, figures: &mut Figures) -> anyhow::Result<()> {
        let reader = journal::Reader::open(dir)?;
        let mut build = |_: &_| Ok(desk::pipeline());
        let mut replay = Replay::new();
        let start = self.clock.raw();
        for segment in reader.segments() {
            let events: &[Event] = bytemuck::cast_slice(segment);
            for event in events {
                replay.step(event, &mut build)?;
            }
        }
        let elapsed = self.clock.raw() - start;
        let mark = self.plan.mark(self.extent.count_max);
        let pipeline = replay.pipeline().expect("a session has started");
        anyhow::ensure!(
            pipeline.state_hash() == mark.state_hash,
            "the replay ended in another state"
        );
        anyhow::ensure!(replay.is_between_cascades());
        let inbound = usize::try_from(pipeline.inbound_count())?;
        figures.replay = figures.replay.max(self.per_second(inbound, elapsed)?);
        figures.replay_compared = replay.compared_count();
        Ok(())
    }

    fn recovery(&self, figures: &mut Figures) -> anyhow::Result<()> {
        let dir = self.dir()?;
        let wanted = self.extent.recovery_records;
        let mut direct = Direct::new(SEED);
        let mut recorder = rig::journal(dir.path(), wanted)?;
        for event in direct.market.opening() {
            direct.apply(&event, &mut recorder)?;
        }
        while direct.pipeline.head() < wanted {
            let event = direct.market.next_event();
            direct.apply(&event, &mut recorder)?;
        }
        // Dropped, not closed: as after a kill.
        drop(recorder);
        let hash = direct.pipeline.state_hash();
        let mut build = |_: &_| Ok(desk::pipeline());
        let mut timed = |figure: &mut u64| -> anyhow::Result<u64> {
            *figure = u64::MAX;
            let mut replayed = 0;
            for _ in 0..self.extent.recovery_repetitions {
                let start = self.clock.raw();
                let recovered = recovery::inspect(dir.path(), &mut build)?;
                *figure = (*figure).min(self.ns(self.clock.raw() - start));
                let pipeline = recovered.finished.pipeline.as_ref().expect("a session has started");
                anyhow::ensure!(pipeline.state_hash() == hash, "recovered another state");
                replayed = recovered.replayed_count;
            }
            Ok(replayed)
        };
        timed(&mut figures.recovery_bare_ns)?;
        let interval = self.extent.snapshot_interval;
        let mut build = |_: &_| Ok(desk::pipeline());
        let mut follower = Follower::open(dir.path(), Replay::new(), 0, interval, 3)?;
        while 0 < follower.poll(&mut build)? {}
        figures.recovery_tail = timed(&mut figures.recovery_ns)?;
        figures.recovery_records = direct.pipeline.head();
        anyhow::ensure!(figures.recovery_tail < figures.recovery_records, "no snapshot was used");
        figures.recovery_scan_ns = u64::MAX;
        for _ in 0..self.extent.recovery_repetitions {
            let start = self.clock.raw();
            anyhow::ensure!(journal::inspect(dir.path()).last_sequence == figures.recovery_records);
            figures.recovery_scan_ns =
                figures.recovery_scan_ns.min(self.ns(self.clock.raw() - start));
        }
        println!(
            "recovery of {} records: {} with {} replayed, {} without a snapshot, reading alone {}",
            figures.recovery_records,
            duration(figures.recovery_ns),
            figures.recovery_tail,
            duration(figures.recovery_bare_ns),
            duration(figures.recovery_scan_ns)
        );
        Ok(())
    }

    fn append(&self, figures: &mut Figures) -> anyhow::Result<()> {
        let count = self.extent.append_count;
        let mut event = Event::new(Kind::LEVEL);
        let mut pages = Vec::new();
        let mut singles = vec![0_u32; count];
        let dir = self.dir()?;
        let mut recorder = rig::journal(dir.path(), u64::try_from(2 * count)?)?;
        for _ in 0..count / 64 {
            let start = self.clock.raw();
            for _ in 0..64 {
                event.sequence += 1;
                event.price = event.price.wrapping_add(7);
                anyhow::ensure!(recorder.record(&event), "{:?}", recorder.error());
            }
            pages.push(u32::try_from(self.clock.raw() - start)?);
        }
        for single in &mut singles {
            event.sequence += 1;
            let start = self.clock.raw();
            let taken = recorder.record(&event);
            *single = u32::try_from(self.clock.raw() - start).unwrap_or(u32::MAX);
            anyhow::ensure!(taken, "{:?}", recorder.error());
        }
        let nothing = (0..count).map(|_| {
            let start = self.clock.raw();
            u32::try_from(self.clock.raw() - start).unwrap_or(u32::MAX)
        });
        let clock_only = latency::histogram(&self.clock, nothing);
        let mut memory = vec![event; 1 << 16];
        let mut copies = Vec::new();
        for page in memory.chunks_mut(64) {
            let start = self.clock.raw();
            for slot in page {
                event.sequence += 1;
                *slot = std::hint::black_box(event);
            }
            copies.push(u32::try_from(self.clock.raw() - start)?);
        }
        std::hint::black_box(&memory);
        let in_tenths = |values: &[u32]| {
            let histogram = latency::histogram(&self.clock, values.iter().copied());
            histogram.value_at_quantile(0.5) * 10 / 64
        };
        figures.append_p50_tenths = in_tenths(&pages);
        figures.copy_p50_tenths = in_tenths(&copies);
        let singles = latency::histogram(&self.clock, singles.into_iter());
        figures.append_p9999 = singles.value_at_quantile(0.9999);
        figures.clock_p50 = clock_only.value_at_quantile(0.5);
        println!(
            "append p50 {}.{} ns (copy of 64 bytes {}.{} ns), p99.99 {} with {} ns of clock",
            figures.append_p50_tenths / 10,
            figures.append_p50_tenths % 10,
            figures.copy_p50_tenths / 10,
            figures.copy_p50_tenths % 10,
            duration(figures.append_p9999),
            figures.clock_p50
        );
        Ok(())
    }

    /// Writes the report, the histograms and the JSON.
    fn finish(self, rows: Vec<Row>, figures: Figures) -> anyhow::Result<()> {
        let default = if self.extent.name == "full" {
            Path::new(env!("CARGO_MANIFEST_DIR")).join("reports")
        } else {
            self.scratch.join("reports")
        };
        let reports = argument("--reports").map_or(default, PathBuf::from);
        std::fs::create_dir_all(&reports)?;
        let stem = format!("{}-{}", self.machine.date, self.machine.name);
        for taken in self.taken.iter().filter(|taken| taken.tag.starts_with("order")) {
            let path = reports.join(format!("{stem}-{}.hgrm", taken.tag));
            latency::write_hgrm(&path, &taken.histogram)?;
        }
        latency::write_hlog(&reports.join(format!("{stem}.hlog")), &self.taken)?;
        let report =
            Report { machine: self.machine, rows, figures, seed: SEED, extent: self.extent.name };
        let path = reports.join(format!("{stem}.md"));
        std::fs::write(&path, report.to_markdown())?;
        println!("report: {}", path.display());
        if let Some(path) = argument("--json") {
            std::fs::write(path, format!("{:#}\n", report.to_json()))?;
        }
        Ok(())
    }
}

/// Events that are played and not sampled; short runs of a test have none.
fn warm_up(count: usize) -> usize {
    if WARM_UP_COUNT * 2 < count { WARM_UP_COUNT } else { 0 }
}

/// Latencies of orders after the warm-up.
fn orders(outcome: &Outcome, count: usize) -> impl Iterator<Item = u32> {
    let cold = warm_up(count);
    outcome
        .order_indices
        .iter()
        .zip(&outcome.ordered)
        .filter(move |(index, _)| usize::try_from(**index).is_ok_and(|index| cold <= index))
        .map(|(_, counts)| *counts)
}

/// Latencies of the empty pipeline at the events that lead to an order.
fn floor(engine: &Outcome, empty: &Outcome, count: usize) -> impl Iterator<Item = u32> {
    let cold = warm_up(count);
    engine
        .order_indices
        .iter()
        .filter_map(move |index| usize::try_from(*index).ok().filter(|index| cold <= *index))
        .filter_map(|index| empty.processed.get(index).copied())
}
