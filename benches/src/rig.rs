//! The rig: a producer thread that sends by plan, a core thread that runs the engine or nothing.
//!
//! ```text
//!   producer --planned send times--> [ inbound ring ] --> core thread: pipeline + journal --> [ outbound ring ] --+
//!      ^                                                                                                          |
//!      +------------------------------------ drains it, as an adapter would --------------------------------------+
//! ```
//! **Invariant:** a latency starts at the *planned* send time, whether or not the producer was late or the
//! ring was full. That is what keeps coordinated omission out.

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::border::{
    self, InboundConsumer, InboundProducer, OutboundConsumer, OutboundProducer, Polled,
    RUN_COUNT_MAX,
};
use engine::event::Event;
use engine::gateway::{NoOutlet, Outlet};
use engine::host::ThreadProbe;
use engine::idle::{IdlePolicy, Idler};
use engine::pipeline::recorder::JournalRecorder;
use engine::pipeline::{Edges, NoProbe, Pipeline};
use quanta::Clock;

use crate::workload::Plan;
use crate::{desk, host};

/// Slots of the inbound ring, as in the product's profiles.
const INBOUND_SLOTS: usize = 65_536;
/// Slots of the outbound ring.
const OUTBOUND_SLOTS: usize = 4_096;
/// Most events of one poll, as in the core thread of the product.
const BATCH_MAX: u64 = 256;
/// The first events of a run warm caches and pages; they are played and not sampled.
pub const WARM_UP_COUNT: usize = 16_384;
/// Time between the moment when both threads are ready and the first planned send.
const LEAD_NS: u64 = 2_000_000;
/// A run is given up when nothing arrives for so long.
const PATIENCE_NS: u64 = 20_000_000_000;

/// When each event is to be sent. Fixed-point clock counts, 16 bits of fraction.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    interval_fp: u64,
}

impl Pace {
    /// `rate` events a second on `clock`; 0 for as fast as the ring takes them.
    pub fn new(clock: &Clock, rate: u64) -> Pace {
        if rate == 0 {
            return Pace { interval_fp: 0 };
        }
        let ns_per_2_32 = u128::from(clock.delta_as_nanos(0, 1 << 32).max(1));
        let counts_per_second = (1_000_000_000_u128 << 32) / ns_per_2_32;
        let interval = (counts_per_second << 16) / u128::from(rate);
        Pace { interval_fp: u64::try_from(interval).unwrap_or(u64::MAX) }
    }

    #[inline]
    fn planned(self, start: u64, index: u64) -> u64 {
        start + ((self.interval_fp * index) >> 16)
    }
}

/// How a run is made.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Events a second; 0 for closed loop.
    pub rate: u64,
    /// How many of the plan's events.
    pub count: usize,
    /// Cores of producer and core thread.
    pub pinned: Option<(usize, usize)>,
    /// Whether latencies are taken (each costs a clock reading).
    pub sampled: bool,
}

/// What a run gave.
#[derive(Debug, Default)]
pub struct Outcome {
    /// By sampled event: counts from planned send to processed.
    pub processed: Vec<u32>,
    /// Of events that led to an order: counts from planned send to outbound publish.
    pub ordered: Vec<u32>,
    /// Counts from planned send to processed of the same events (for the floor: by index).
    pub order_indices: Vec<u32>,
    /// Counts from the first planned send to the last event processed.
    pub elapsed: u64,
    /// Orders that the producer saw leave.
    pub order_count: u64,
    /// Times that the kernel took the core from one of the two threads during the run.
    pub preempted_count: u64,
    /// Times that the inbound ring was full.
    pub full_count: u64,
    /// State hash at the end; 0 for the empty pipeline.
    pub state_hash: u64,
}

/// What runs on the core thread.
trait Work: Send {
    fn handle(&mut self, event: &Event) -> anyhow::Result<()>;
    /// When the last outbound event left since the last call, 0 for none.
    fn released(&mut self) -> u64;
    fn state_hash(&self) -> u64;
}

struct Nothing(u64);

impl Work for Nothing {
    #[inline]
    fn handle(&mut self, event: &Event) -> anyhow::Result<()> {
        // Reading both ends brings the line over, as any pipeline must.
        self.0 = self.0.wrapping_add(event.time_ns ^ event.id);
        Ok(())
    }

    #[inline]
    fn released(&mut self) -> u64 {
        0
    }

    fn state_hash(&self) -> u64 {
        std::hint::black_box(self.0);
        0
    }
}

struct Engine {
    pipeline: Pipeline,
    recorder: JournalRecorder,
    outlet: Stamped,
}

/// The outbound ring, and when it last took something.
struct Stamped {
    ring: OutboundProducer,
    clock: Clock,
    at: u64,
}

impl Outlet for Stamped {
    #[inline]
    fn offer(&mut self, event: &Event) -> bool {
        let taken = self.ring.offer(event);
        if taken {
            self.at = self.clock.raw();
        }
        taken
    }
}

impl Work for Engine {
    #[inline]
    fn handle(&mut self, event: &Event) -> anyhow::Result<()> {
        let mut edges =
            Edges { recorder: &mut self.recorder, outlet: &mut self.outlet, probe: &mut NoProbe };
        self.pipeline
            .apply(event, &mut edges)
            .map_err(|fault| anyhow::anyhow!("{fault}: {:?}", self.recorder.error()))
    }

    #[inline]
    fn released(&mut self) -> u64 {
        std::mem::take(&mut self.outlet.at)
    }

    fn state_hash(&self) -> u64 {
        self.pipeline.state_hash()
    }
}

/// Journal options of a bench: segments for `record_count` records are made before the first event, so that
/// their preparation (disk) is not measured. Level `process`.
pub fn journal_options(record_count: u64) -> journal::Options {
    let options = journal::Options::default();
    let segments = usize::try_from(record_count / options.segment_records + 2).unwrap_or(64);
    journal::Options { prepared_ahead: segments.clamp(2, 64), ..options }
}

/// A journal in `dir` whose segments are ready.
pub fn journal(dir: &Path, record_count: u64) -> anyhow::Result<JournalRecorder> {
    let options = journal_options(record_count);
    let wanted = u64::try_from(options.prepared_ahead)? + 1;
    let durability = options.durability;
    let writer = journal::Writer::create(dir, options)?;
    let clock = Clock::new();
    let start = clock.raw();
    while writer.status().segments < wanted {
        anyhow::ensure!(
            clock.delta_as_nanos(start, clock.raw()) < PATIENCE_NS,
            "the journal did not prepare {wanted} segments"
        );
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    Ok(JournalRecorder::new(writer, durability))
}

/// Plays `plan` through the whole engine, journaled in `dir`, and checks the answer: state hash and number
/// of orders must be those of the direct run. The journal is closed in order.
pub fn play(plan: &Plan, setting: &Setting, dir: &Path) -> anyhow::Result<Outcome> {
    let expected = plan.mark(setting.count);
    let mut recorder = journal(dir, expected.record_count)?;
    let mut pipeline = desk::pipeline();
    for event in &plan.opening {
        let mut edges =
            Edges { recorder: &mut recorder, outlet: &mut NoOutlet, probe: &mut NoProbe };
        pipeline.apply(event, &mut edges)?;
    }
    let (ring, consumer, _) = border::outbound(OUTBOUND_SLOTS);
    let outlet = Stamped { ring, clock: Clock::new(), at: 0 };
    let work = Engine { pipeline, recorder, outlet };
    let (outcome, work) = run(plan, setting, work, consumer)?;
    work.recorder.into_writer().close()?;
    anyhow::ensure!(
        outcome.state_hash == expected.state_hash && outcome.order_count == expected.order_count,
        "the answer is wrong: state hash {:016x} and {} orders, expected {expected:x?}",
        outcome.state_hash,
        outcome.order_count
    );
    Ok(outcome)
}

/// The floor: the same threads, rings and plan; the core thread reads each event and does nothing.
pub fn play_empty(plan: &Plan, setting: &Setting) -> anyhow::Result<Outcome> {
    let (_ring, consumer, _) = border::outbound(OUTBOUND_SLOTS);
    Ok(run(plan, setting, Nothing(0), consumer)?.0)
}

struct Start {
    ready: Barrier,
    at: AtomicU64,
}

fn run<W: Work>(
    plan: &Plan,
    setting: &Setting,
    work: W,
    outbound: OutboundConsumer,
) -> anyhow::Result<(Outcome, W)> {
    let idler = Idler::new(IdlePolicy::Spin);
    let (producer, consumer, _) =
        border::inbound(INBOUND_SLOTS, usize::from(desk::INSTRUMENT_COUNT), idler.waker());
    let events = &plan.events[..setting.count];
    let start = Start { ready: Barrier::new(2), at: AtomicU64::new(0) };
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(events, setting, &start, producer, outbound));
        let core = scope.spawn(|| receive(setting, &start, consumer, work));
        let core = core.join().map_err(|_| anyhow::anyhow!("the core thread panicked"))?;
        let (order_count, full_count, preempted_count) =
            sender.join().map_err(|_| anyhow::anyhow!("the producer panicked"))?;
        let (mut outcome, work) = core?;
        outcome.preempted_count += preempted_count;
        outcome.order_count = order_count;
        outcome.full_count = full_count;
        Ok((outcome, work))
    })
}

/// The producer thread. Returns how many orders it saw, how often the ring was full, and how often the kernel
/// took the core away.
fn send(
    events: &[Event],
    setting: &Setting,
    start: &Start,
    mut producer: InboundProducer,
    mut outbound: OutboundConsumer,
) -> (u64, u64, u64) {
    host::pin(setting.pinned.map(|cores| cores.0));
    let clock = Clock::new();
    let pace = Pace::new(&clock, setting.rate);
    let usage = Usage::begin();
    let (mut orders, mut full) = (0, 0);
    let mut drain = |outbound: &mut OutboundConsumer| {
        outbound.poll(|_| orders += 1);
    };
    start.ready.wait();
    let lead = (LEAD_NS << 32) / clock.delta_as_nanos(0, 1 << 32).max(1);
    let at = clock.raw() + lead;
    start.at.store(at, Ordering::Release);
    while clock.raw() < at {
        std::hint::spin_loop();
    }
    let mut sent = 0;
    while sent < events.len() {
        // What is due by now goes as one run, as the events of one frame would.
        let mut due = RUN_COUNT_MAX.min(events.len() - sent);
        if setting.rate != 0 {
            let planned = |place: usize| pace.planned(at, u64::try_from(place).unwrap_or(u64::MAX));
            let mut now = clock.raw();
            while now < planned(sent) {
                drain(&mut outbound);
                std::hint::spin_loop();
                now = clock.raw();
            }
            due = (1..due).find(|count| now < planned(sent + count)).unwrap_or(due);
        }
        let run = &events[sent..sent + due];
        while producer.publish_run(run).is_err() {
            full += 1;
            drain(&mut outbound);
            if start.at.load(Ordering::Relaxed) == DONE {
                return (orders, full, usage.switches());
            }
            std::hint::spin_loop();
        }
        if sent / 256 != (sent + due) / 256 {
            drain(&mut outbound);
        }
        sent += due;
    }
    while start.at.load(Ordering::Acquire) != DONE {
        drain(&mut outbound);
        std::hint::spin_loop();
    }
    drain(&mut outbound);
    (orders, full, usage.switches())
}

/// Involuntary switches of this thread since the beginning.
struct Usage {
    probe: Option<ThreadProbe>,
    before: u64,
}

impl Usage {
    fn begin() -> Usage {
        let probe = ThreadProbe::this_thread().ok();
        let before = Usage::read(probe.as_ref());
        Usage { probe, before }
    }

    fn read(probe: Option<&ThreadProbe>) -> u64 {
        probe.and_then(|probe| probe.read().ok()).map_or(0, |usage| usage.switches_involuntary)
    }

    fn switches(&self) -> u64 {
        Usage::read(self.probe.as_ref()).saturating_sub(self.before)
    }
}

/// Stored in place of the start when the core is done.
const DONE: u64 = u64::MAX;

/// The core thread.
fn receive<W: Work>(
    setting: &Setting,
    start: &Start,
    mut consumer: InboundConsumer,
    mut work: W,
) -> anyhow::Result<(Outcome, W)> {
    host::pin(setting.pinned.map(|cores| cores.1));
    let clock = Clock::new();
    let pace = Pace::new(&clock, setting.rate);
    let count = u64::try_from(setting.count)?;
    let mut outcome = Outcome::default();
    if setting.sampled {
        // Written once, so that no page fault of the bench falls into the measurement.
        outcome.processed = vec![1; setting.count];
        outcome.ordered = vec![1; setting.count / 8];
        outcome.order_indices = vec![1; setting.count / 8];
        outcome.processed.clear();
        outcome.ordered.clear();
        outcome.order_indices.clear();
    }
    let usage = Usage::begin();
    start.ready.wait();
    let at = loop {
        match start.at.load(Ordering::Acquire) {
            0 => std::hint::spin_loop(),
            at => break at,
        }
    };
    let (mut index, mut failure, mut heard) = (0_u64, None, clock.raw());
    while index < count && failure.is_none() {
        let polled = consumer.poll(BATCH_MAX, |event| {
            if let Err(error) = work.handle(event) {
                failure = Some(error);
                return false;
            }
            if setting.sampled {
                sample(
                    &mut outcome,
                    index,
                    pace.planned(at, index),
                    (work.released(), clock.raw()),
                );
            }
            index += 1;
            true
        });
        match polled {
            Polled::Events(_) => heard = clock.raw(),
            Polled::Closed => break,
            Polled::Nothing => std::hint::spin_loop(),
        }
        if polled == Polled::Nothing && PATIENCE_NS < clock.delta_as_nanos(heard, clock.raw()) {
            break;
        }
    }
    outcome.elapsed = clock.raw().saturating_sub(at);
    outcome.preempted_count = usage.switches();
    start.at.store(DONE, Ordering::Release);
    match failure {
        Some(error) => Err(error),
        None if index < count => Err(anyhow::anyhow!("only {index} of {count} events arrived")),
        None => {
            outcome.state_hash = work.state_hash();
            Ok((outcome, work))
        }
    }
}

#[inline]
fn sample(outcome: &mut Outcome, index: u64, planned: u64, (left, done): (u64, u64)) {
    let Ok(small) = u32::try_from(index) else { return };
    let narrow = |counts: u64| u32::try_from(counts).unwrap_or(u32::MAX);
    outcome.processed.push(narrow(done.saturating_sub(planned)));
    if left != 0 {
        outcome.ordered.push(narrow(left.saturating_sub(planned)));
        outcome.order_indices.push(small);
    }
}
