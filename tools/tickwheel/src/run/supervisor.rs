//! The supervisor: starts the threads, gives the clock, watches heartbeats, ends the session.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use engine::border::{InboundProducer, OutboundConsumer};
use engine::clock::Clock;
use engine::event::{CommandCode, Event, TripReason, session as events};
use engine::money::Money;
use engine::pipeline::Pipeline;
use engine::pipeline::core_thread::{BEAT_AGE_NS_MAX, Core, CoreEnd, Ending};
use engine::stats::{
    CounterId, Heartbeat, HopId, RunState, Snapshot, StatsHandle, StatsReader, ThreadState,
};
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use super::beside::{Beside, Job};
use super::guarded::GuardProcess;
use super::snapshots::Snapshots;
use super::world::{Control, Start, Worker, World};
use crate::report::{self, SessionReport, count};
use crate::{exit, session};

/// Pause of the supervisor between two looks.
const PAUSE: Duration = Duration::from_millis(5);
/// Time between two summary lines.
const SUMMARY_INTERVAL_NS: u64 = 1_000_000_000;
/// How long an orderly end may wait for cancels to be confirmed.
const CANCEL_WAIT_NS_MAX: u64 = 3_000_000_000;
/// How long the core may take to end its session.
const END_WAIT_NS_MAX: u64 = 10_000_000_000;
/// `source` of events of the supervisor.
const SUPERVISOR_SOURCE: u16 = 0;
/// Number of the journal helper in `THREAD_DEAD` commands.
const THREAD_JOURNAL: u32 = 2;
/// Kind in the error log of the stats file.
const ERROR_GUARD: u32 = 3;
/// Number of the local venue in `THREAD_DEAD` commands.
const THREAD_VENUE: u32 = 5;

/// Counters at the start of the session, so that a report tells the session and not the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Baseline {
    inbound: u64,
    orders: u64,
    fills: u64,
}

impl Baseline {
    pub(crate) fn of(pipeline: &Pipeline) -> Baseline {
        let counters = pipeline.oms().counters();
        Baseline {
            inbound: pipeline.inbound_count(),
            orders: counters.orders,
            fills: counters.fills,
        }
    }
}

/// What the supervisor is told.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) duration_ns: Option<u64>,
    pub(crate) clock_interval_ns: u64,
    pub(crate) json: bool,
    /// The operator takes the venue's side where balances differ.
    pub(crate) accept_balances: bool,
    /// The operator lifts a halt of an earlier session.
    pub(crate) resume: bool,
    pub(crate) journal_dir: PathBuf,
    pub(crate) baseline: Baseline,
    /// Number of the session.
    pub(crate) session: u64,
    /// The journal's helper thread, to be watched.
    pub(crate) journal: journal::Watch,
}

/// What the supervisor starts and watches.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) core: Core,
    pub(crate) world: World,
    pub(crate) requests: OutboundConsumer,
    pub(crate) producer: InboundProducer,
    pub(crate) snapshots: Snapshots,
    pub(crate) guard: Option<GuardProcess>,
    /// Threads beside the engine.
    pub(crate) beside: Vec<Job>,
}

/// A running session.
#[derive(Debug)]
pub(crate) struct Supervisor {
    plan: Plan,
    core: JoinHandle<CoreEnd>,
    workers: Vec<Worker>,
    control: Arc<Control>,
    abandon: Arc<AtomicBool>,
    producer: InboundProducer,
    snapshots: Snapshots,
    guard: Option<GuardProcess>,
    beside: Beside,
    clock: Clock,
    stats: StatsHandle,
    reader: StatsReader,
    signal: Arc<AtomicBool>,
    /// SIGUSR1 came: kill, and go on.
    kill_signal: Arc<AtomicBool>,
    start_ns: u64,
    summary: Summary,
    snapshot_lost: bool,
    /// It was said that balances differ, or they were accepted.
    told_balances: bool,
    neighbours: Neighbours,
}

/// Threads that do not beat themselves: their turns are watched and their beats written for them.
#[derive(Debug)]
struct Neighbours {
    journal: Option<Heartbeat>,
    journal_turns: u64,
    snapshot: Option<Heartbeat>,
    snapshot_turns: u64,
}

/// Numbers of the last summary line, for rates.
#[derive(Debug, Default)]
struct Summary {
    at_ns: u64,
    events: u64,
    on_terminal: bool,
}

impl Supervisor {
    /// Starts the core thread and those that bring it the world.
    pub(crate) fn start(plan: Plan, parts: Parts, clock: Clock) -> anyhow::Result<Supervisor> {
        let Parts { core, world, requests, producer, snapshots, guard, beside } = parts;
        let signal = Arc::new(AtomicBool::new(false));
        for number in [SIGINT, SIGTERM, SIGHUP] {
            // The second signal of a kind ends the process at once: an operator can always leave.
            signal_hook::flag::register_conditional_default(number, Arc::clone(&signal))
                .context("watch signals")?;
            signal_hook::flag::register(number, Arc::clone(&signal)).context("watch signals")?;
        }
        let kill_signal = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGUSR1, Arc::clone(&kill_signal))
            .context("watch the kill signal")?;
        let start_ns = clock.now_ns();
        let stats = core.stats.handle();
        core.stats.set_state(RunState::Running, start_ns);
        let reader = StatsReader::open(core.stats.path()).context("read the own stats file")?;
        let abandon = Arc::clone(&core.abandon);
        let core = std::thread::Builder::new()
            .name("tw-core".to_string())
            .spawn(move || core.run())
            .context("start the core thread")?;
        let control = Arc::new(Control::default());
        let workers = world.start(Start {
            control: &control,
            requests,
            producer: &producer,
            clock: &clock,
            stats: &stats,
        })?;
        let beside = Beside::start(beside, &clock, &stats)?;
        let register = |name| stats.register_thread(name, BEAT_AGE_NS_MAX, None, start_ns);
        let neighbours = Neighbours {
            journal: register("journal"),
            journal_turns: 0,
            snapshot: register("snapshot"),
            snapshot_turns: 0,
        };
        let summary =
            Summary { at_ns: start_ns, events: 0, on_terminal: std::io::stderr().is_terminal() };
        Ok(Supervisor {
            plan,
            core,
            workers,
            control,
            abandon,
            producer,
            snapshots,
            guard,
            beside,
            clock,
            stats,
            reader,
            signal,
            kill_signal,
            start_ns,
            summary,
            snapshot_lost: false,
            told_balances: false,
            neighbours,
        })
    }

    /// Watches until the session ends, then ends it in order.
    pub(crate) fn watch(mut self) -> anyhow::Result<ExitCode> {
        let heartbeat =
            self.stats.register_thread("supervisor", BEAT_AGE_NS_MAX, None, self.start_ns);
        if self.plan.resume {
            let resume = events::command(CommandCode::Resume, 0);
            self.insist(supervisor_event(resume, self.start_ns));
        }
        let mut clock_ns = self.start_ns;
        let mut discipline_ns = self.start_ns;
        let mut failure = None;
        loop {
            let now_ns = self.clock.now_ns();
            if let Some(heartbeat) = &heartbeat {
                heartbeat.beat(now_ns);
            }
            if clock_ns + self.plan.clock_interval_ns <= now_ns {
                clock_ns = now_ns;
                // A full ring means that the core has events, so time does not stand still for it.
                let _full = self.producer.publish(&supervisor_event(events::clock(), now_ns));
            }
            if discipline_ns + 1_000_000_000 <= now_ns {
                discipline_ns = now_ns;
                self.clock.discipline();
            }
            if self.summary.at_ns + SUMMARY_INTERVAL_NS <= now_ns {
                self.summarise(now_ns);
            }
            self.beat_neighbours(now_ns);
            if self.kill_signal.swap(false, Ordering::AcqRel) {
                self.kill_by_signal(now_ns);
            }
            if let Some(dead) = self.find_dead() {
                failure = Some(dead);
                break;
            }
            let over = self.plan.duration_ns.is_some_and(|ns| ns <= now_ns - self.start_ns);
            if over || self.signal.load(Ordering::Acquire) {
                break;
            }
            std::thread::park_timeout(PAUSE);
        }
        let ours = [&heartbeat, &self.neighbours.journal, &self.neighbours.snapshot];
        for heartbeat in ours.into_iter().flatten() {
            if heartbeat.state() == ThreadState::Alive {
                heartbeat.set_state(ThreadState::Stopped, self.clock.now_ns());
            }
        }
        self.end(failure)
    }

    /// A kill does not end the run: what is open is cancelled and closed, and somebody looks at it.
    fn kill_by_signal(&mut self, now_ns: u64) {
        let mut kill = events::command(CommandCode::Kill, 0);
        kill.price = i64::from(TripReason::Signal.code());
        kill.quantity = 1;
        let mut run = events::supervisor_text("kill", "SIGUSR1");
        run.push(supervisor_event(kill, now_ns));
        let run: Vec<Event> = run.into_iter().map(|event| event.at(now_ns)).collect();
        // Where there is no room for words, the kill goes alone.
        let is_heard =
            self.producer.publish_run(&run).is_ok() || self.insist(supervisor_event(kill, now_ns));
        let what = if is_heard { "everything is killed" } else { "the core does not hear it" };
        self.stats.error(4, now_ns, format_args!("SIGUSR1: {what}"));
        eprintln!("\nSIGUSR1: {what} (docs/runbooks/kill.md)");
    }

    fn beat_neighbours(&mut self, now_ns: u64) {
        let journal_turns = self.plan.journal.status().helper_heartbeat;
        let snapshot_turns = self.snapshots.shared.turns.load(Ordering::Relaxed);
        let saved = self.snapshots.shared.saved_sequence.load(Ordering::Relaxed);
        self.stats.set(CounterId::SnapshotSequence, saved);
        let neighbours = &mut self.neighbours;
        if journal_turns != neighbours.journal_turns
            && let Some(heartbeat) = &neighbours.journal
        {
            heartbeat.beat(now_ns);
        }
        if snapshot_turns != neighbours.snapshot_turns
            && let Some(heartbeat) = &neighbours.snapshot
        {
            heartbeat.beat(now_ns);
        }
        neighbours.journal_turns = journal_turns;
        neighbours.snapshot_turns = snapshot_turns;
    }

    /// The name of a thread that ended though it should run.
    fn find_dead(&mut self) -> Option<String> {
        if self.core.is_finished() {
            return Some("the core thread ended".to_string());
        }
        let dead = self.workers.iter().find(|worker| worker.thread.is_finished());
        if let Some((name, number)) = dead.map(|worker| (worker.name, worker.number)) {
            self.tell_dead(number);
            return Some(format!(
                "the {name} thread is dead: trading is halted, orders are cancelled"
            ));
        }
        if let Some(lost) = self.workers.iter_mut().find_map(Worker::lost_child) {
            self.tell_dead(THREAD_VENUE);
            return Some(lost);
        }
        self.tell_lost_guard();
        if self.plan.journal.status().helper == journal::HelperState::Dead {
            self.tell_dead(THREAD_JOURNAL);
            return Some(
                "the journal's helper thread is dead: nothing is synced any more".to_string(),
            );
        }
        self.tell_lost_snapshots();
        if let Some(dead) = self.beside.find_dead() {
            return Some(dead);
        }
        let snapshot = self.reader.snapshot().ok()?;
        self.watch_balances(&snapshot);
        let now_ns = self.clock.now_ns();
        for thread in &snapshot.threads {
            let age_ns = now_ns.saturating_sub(thread.last_beat_ns);
            if thread.state == ThreadState::Alive && 5 * BEAT_AGE_NS_MAX < age_ns {
                match thread.name.as_str() {
                    "journal" => self.tell_dead(THREAD_JOURNAL),
                    // Late snapshots cost time at the next start, not now.
                    "snapshot" => continue,
                    name if self.beside.goes_on_without(name) => continue,
                    name => {
                        let stalled = self.workers.iter().find(|worker| worker.name == name);
                        if let Some(number) = stalled.map(|worker| worker.number) {
                            self.tell_dead(number);
                        }
                    }
                }
                return Some(format!(
                    "thread {} has not moved for {}",
                    thread.name,
                    report::duration_text(age_ns)
                ));
            }
        }
        None
    }

    /// Says once that the guard is gone. Trading without one is the operator's decision, not a surprise.
    fn tell_lost_guard(&mut self) {
        let Some(lost) = self.guard.as_mut().and_then(GuardProcess::lost) else { return };
        self.guard = None;
        let now_ns = self.clock.now_ns();
        let text = format!("{lost}: nobody guards this engine; start `tickwheel guard`");
        self.stats.error(ERROR_GUARD, now_ns, format_args!("{text}"));
        eprintln!("\n{text}");
    }

    /// Says once that the snapshot thread is gone. The engine goes on: the next start replays more.
    fn tell_lost_snapshots(&mut self) {
        if !self.snapshots.has_ended() || self.snapshot_lost {
            return;
        }
        self.snapshot_lost = true;
        let now_ns = self.clock.now_ns();
        if let Some(heartbeat) = &self.neighbours.snapshot {
            heartbeat.set_state(ThreadState::Dead, now_ns);
        }
        let text = "the snapshot thread ended; the engine goes on";
        self.stats.error(1, now_ns, format_args!("{text}"));
        eprintln!("\nthe snapshot thread ended: no more snapshots, the engine goes on");
    }

    /// Says once that balances differ, or takes the venue's side if the operator said so at the start.
    fn watch_balances(&mut self, snapshot: &Snapshot) {
        let count = snapshot.counter(CounterId::BalancesDiffering);
        if count == 0 || self.told_balances {
            return;
        }
        self.told_balances = true;
        let now_ns = self.clock.now_ns();
        if self.plan.accept_balances {
            let command = events::command(CommandCode::AcceptBalances, 0);
            self.insist(supervisor_event(command, now_ns));
            eprintln!("\n{count} balances differ from the venue's: its side was accepted");
            return;
        }
        self.stats.error(3, now_ns, format_args!("{count} balances differ from the venue's"));
        eprintln!(
            "\n{count} balances differ from the venue's: new orders are locked (docs/runbooks/reconcile-mismatch.md; \
             with a reason that you know, start again with --accept-balances)"
        );
    }

    fn tell_dead(&mut self, thread: u32) {
        let now_ns = self.clock.now_ns();
        let event = supervisor_event(events::command(CommandCode::ThreadDead, thread), now_ns);
        // When the ring is full the core is stalled too, and the failure that ends the run says so.
        let _full = self.producer.publish(&event);
    }

    /// One line about how it goes: overwritten on a terminal, every ten seconds elsewhere.
    fn summarise(&mut self, now_ns: u64) {
        let Ok(snapshot) = self.reader.snapshot() else { return };
        let events = snapshot.counter(CounterId::InboundConsumed);
        let rate =
            report::rate(events.saturating_sub(self.summary.events), now_ns - self.summary.at_ns);
        let seconds = (now_ns - self.start_ns) / 1_000_000_000;
        self.summary.at_ns = now_ns;
        self.summary.events = events;
        if self.plan.json || (!self.summary.on_terminal && !seconds.is_multiple_of(10)) {
            return;
        }
        let line = summary_line(&snapshot, seconds, rate);
        let mut out = std::io::stderr().lock();
        let written = if self.summary.on_terminal {
            write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush())
        } else {
            writeln!(out, "{line}")
        };
        // Where nobody can read the line, the engine still runs.
        drop(written);
    }

    fn wait_for(&self, ns_max: u64, done: impl Fn(&Supervisor) -> bool) -> bool {
        let start_ns = self.clock.now_ns();
        while self.clock.now_ns() - start_ns < ns_max {
            if done(self) || self.core.is_finished() {
                return true;
            }
            std::thread::park_timeout(PAUSE);
        }
        false
    }

    /// Publishes an event that must not be lost, for a bounded time.
    fn insist(&mut self, event: Event) -> bool {
        let start_ns = self.clock.now_ns();
        while self.producer.publish(&event.at(self.clock.now_ns())).is_err() {
            if self.core.is_finished() || END_WAIT_NS_MAX < self.clock.now_ns() - start_ns {
                return false;
            }
            std::thread::park_timeout(PAUSE);
        }
        true
    }

    fn end(mut self, mut failure: Option<String>) -> anyhow::Result<ExitCode> {
        if self.summary.on_terminal && !self.plan.json {
            eprintln!();
        }
        // 1. The market falls silent, strategies are told to stop, their orders are cancelled.
        self.control.quiet.store(true, Ordering::Release);
        let mut cancelled = true;
        if !self.core.is_finished() {
            self.insist(supervisor_event(events::command(CommandCode::Stop, 0), 0));
            cancelled = self.wait_for(CANCEL_WAIT_NS_MAX, |s| s.open_orders() == Some(0));
        }
        // 2. The session ends; the core thread with it.
        self.insist(supervisor_event(events::session_end(self.plan.session), 0));
        if !self.wait_for(END_WAIT_NS_MAX, |s| s.core.is_finished()) {
            self.abandon.store(true, Ordering::Release);
            if !self.wait_for(END_WAIT_NS_MAX, |s| s.core.is_finished()) {
                return Err(anyhow!(
                    "the core thread does not end; the journal is whole, recovery will do the rest"
                ));
            }
        }
        self.control.stop.store(true, Ordering::Release);
        let is_orderly = failure.is_none() && cancelled;
        if let Some(guard) = self.guard.take().filter(|_| is_orderly) {
            // Before the venue: the guard holds it open.
            guard.dismiss();
        }
        let end = self.core.join().map_err(|_| anyhow!("the core thread died outside its loop"))?;
        for worker in self.workers {
            if let Err(text) = worker.join() {
                failure.get_or_insert(text);
            }
        }
        if let Some(text) = ending_text(&end) {
            failure = Some(text);
        }
        if !cancelled && failure.is_none() {
            eprintln!(
                "some cancels were not confirmed in time; the next start asks for those orders"
            );
        }
        let followers = (self.snapshots, self.beside);
        finish(&self.plan, end, followers, &self.clock, (self.start_ns, &self.reader), failure)
    }

    fn open_orders(&self) -> Option<u64> {
        self.reader.snapshot().ok().map(|snapshot| snapshot.counter(CounterId::OrdersOpen))
    }
}

fn supervisor_event(event: Event, now_ns: u64) -> Event {
    Event { source: SUPERVISOR_SOURCE, ..event.at(now_ns) }
}

fn ending_text(end: &CoreEnd) -> Option<String> {
    match &end.ending {
        Ending::Session => None,
        Ending::Fault(fault) => Some(format!("{:#}", session::fault_error(*fault, &end.recorder))),
        Ending::Panic { after_sequence, message } => Some(format!(
            "the core panicked after record {after_sequence}: {message}; outbound is closed"
        )),
        Ending::Abandoned => Some("the core was abandoned before its session ended".to_string()),
    }
}

/// Closes journal, snapshots and stats, and tells what was done.
fn finish(
    plan: &Plan,
    end: CoreEnd,
    (snapshots, beside): (Snapshots, Beside),
    clock: &Clock,
    (start_ns, reader): (u64, &StatsReader),
    failure: Option<String>,
) -> anyhow::Result<ExitCode> {
    let CoreEnd { pipeline, recorder, stats, .. } = end;
    let wall_ns = clock.now_ns() - start_ns;
    let appended = recorder.writer().appended();
    let (journal_state, journal_failure) = if failure.is_none() {
        match recorder.into_writer().close() {
            Ok(_) => ("closed, on disk".to_string(), None),
            Err(error) => ("not closed".to_string(), Some(format!("close the journal: {error}"))),
        }
    } else {
        drop(recorder);
        ("left as after a crash; the next start recovers".to_string(), None)
    };
    let snapshot_sequence = match snapshots.finish() {
        Ok(sequence) => sequence,
        Err(error) => {
            eprintln!("snapshots: {error}");
            0
        }
    };
    for fault in beside.finish() {
        eprintln!("{fault}");
    }
    let failure = failure.or(journal_failure);
    let state = if failure.is_none() { RunState::Stopped } else { RunState::Failed };
    stats.set_state(state, clock.now_ns());
    if let Err(error) = stats.settle() {
        eprintln!("the stats file stays in shared memory: {error}");
    }
    let counters = pipeline.oms().counters();
    let numbers = reader.snapshot().ok();
    let report = SessionReport {
        events: pipeline.inbound_count() - plan.baseline.inbound,
        events_total: pipeline.inbound_count(),
        orders: counters.orders - plan.baseline.orders,
        fills: counters.fills - plan.baseline.fills,
        records: appended,
        state_hash: pipeline.state_hash(),
        journal: plan.journal_dir.display().to_string(),
        journal_state,
        wall_ns,
        more: json!({
            "snapshot_sequence": snapshot_sequence,
            "failure": failure,
            "latency": numbers.as_ref().map(report::latency_json),
        }),
    };
    if plan.json {
        println!("{}", report.to_json(&pipeline));
    } else {
        report.print(&pipeline);
        if let Some(numbers) = &numbers {
            report::print_latency(numbers);
        }
    }
    match failure {
        None => Ok(ExitCode::SUCCESS),
        Some(text) => Err(session::Coded::new(exit::NO, text).into()),
    }
}

fn summary_line(snapshot: &Snapshot, seconds: u64, rate: u64) -> String {
    let money = |id| Money::from_event(snapshot.counter_signed(id));
    let net = money(CounterId::PnlRealised)
        .plus(money(CounterId::PnlUnrealised))
        .minus(money(CounterId::Fees));
    let p99 = snapshot.hop(HopId::TickToOrder).filter(|counts| 0 < counts.count()).map_or_else(
        || "-".to_string(),
        |counts| report::duration_text(counts.value_at_ppm(990_000)),
    );
    let lag = snapshot
        .counter(CounterId::JournalAppended)
        .saturating_sub(snapshot.counter(CounterId::JournalSynced));
    format!(
        "{:>5} s  {} events ({}/s)  {} orders, {} fills, {} open  net {}  tick to order p99 {p99}  {} unsynced{}",
        seconds,
        count(snapshot.counter(CounterId::InboundConsumed)),
        count(rate),
        count(snapshot.counter(CounterId::OrdersSent)),
        count(snapshot.counter(CounterId::Fills)),
        snapshot.counter(CounterId::OrdersOpen),
        report::money_text(net),
        count(lag),
        if 0 < snapshot.counter(CounterId::VenuesLocked) { "  VENUE LOCKED" } else { "" },
    )
}
