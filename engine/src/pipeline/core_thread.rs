//! The core thread: pinned, polls the inbound ring, runs the pipeline, keeps its stats.
//!
//! It ends when a `SESSION_END` was applied, on a fault, when it is told to abandon, or by a panic.
//! A panic or a fault closes the outbound ring at once: the producer is dropped, so adapters see the
//! end and stop; what the journal has, stays.

mod gauges;
mod measure;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::border::{Depth, InboundConsumer, OutboundProducer, Polled};
use crate::clock::Clock;
use crate::event::{BreakerState, CommandCode, Event, Kind, TripReason, session};
use crate::idle::Idler;
use crate::pipeline::recorder::JournalRecorder;
use crate::pipeline::{Edges, Fault, Pipeline};
use crate::stats::{CounterId, Heartbeat, HopId, KillFlag, Stall, StatsWriter, ThreadState};

use gauges::Gauges;
use measure::{StatsProbe, Tally};

/// How the core thread runs.
#[derive(Clone, Copy, Debug)]
pub struct CoreSettings {
    /// Core to pin to; `None` leaves it to the kernel.
    pub pin: Option<usize>,
    /// Most events of one poll, so that a burst cannot keep the heartbeat waiting.
    pub batch_count_max: u64,
    /// Hops are measured on every so manyth event (power of two): a reading costs as much as a hop.
    pub sample_interval: u64,
    /// A turn longer than this is written to the stall log, ns.
    pub cycle_ns_max: u64,
}

impl Default for CoreSettings {
    fn default() -> CoreSettings {
        CoreSettings {
            pin: None,
            batch_count_max: 256,
            sample_interval: 64,
            cycle_ns_max: 1_000_000,
        }
    }
}

/// Time between two heartbeats of the core, and between two publications of its gauges.
const BEAT_INTERVAL_NS: u64 = 1_000_000;
/// A beat older than this means that the core is dead or stalled.
pub const BEAT_AGE_NS_MAX: u64 = 2_000_000_000;

/// Everything the core thread owns.
#[derive(Debug)]
pub struct Core {
    /// Stages and state.
    pub pipeline: Pipeline,
    /// The journal.
    pub recorder: JournalRecorder,
    /// What comes in.
    pub inbound: InboundConsumer,
    /// Depth of what comes in.
    pub inbound_depth: Depth,
    /// What goes out.
    pub outbound: OutboundProducer,
    /// Depth of what goes out.
    pub outbound_depth: Depth,
    /// Counters and histograms.
    pub stats: StatsWriter,
    /// For measuring.
    pub clock: Clock,
    /// What to do when there is nothing to do.
    pub idler: Idler,
    /// Settings.
    pub settings: CoreSettings,
    /// The flag that kills when everything but this thread is dead; `None` where no session directory is.
    pub kill_flag: Option<KillFlag>,
    /// Set by the supervisor when nobody can end the session in order.
    pub abandon: Arc<AtomicBool>,
}

/// Why the core thread ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `SESSION_END` was applied.
    Session,
    /// The pipeline stopped.
    Fault(Fault),
    /// A stage panicked; after which record, and what it said.
    Panic {
        /// The last recorded sequence.
        after_sequence: u64,
        /// The panic's message.
        message: String,
    },
    /// Told to abandon, or every producer is gone.
    Abandoned,
}

/// What the core thread gives back.
#[derive(Debug)]
pub struct CoreEnd {
    /// Why it ended.
    pub ending: Ending,
    /// Stages and state; after a panic only good for looking at counters.
    pub pipeline: Pipeline,
    /// The journal, to be closed.
    pub recorder: JournalRecorder,
    /// Stats, to be closed.
    pub stats: StatsWriter,
}

impl Core {
    /// Runs until the session ends. To be called on the thread that will be the core thread.
    pub fn run(mut self) -> CoreEnd {
        let pinned = self
            .settings
            .pin
            .filter(|id| core_affinity::set_for_current(core_affinity::CoreId { id: *id }));
        let now_ns = self.clock.now_ns();
        let heartbeat =
            self.stats.handle().register_thread("core", BEAT_AGE_NS_MAX, pinned, now_ns);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.turn_until_end(heartbeat.as_ref())));
        let ending = outcome.unwrap_or_else(|panic| Ending::Panic {
            after_sequence: self.recorder.writer().appended(),
            message: panic_message(panic.as_ref()),
        });
        if let Some(beat) = &heartbeat {
            let state = match ending {
                Ending::Panic { .. } => ThreadState::Dead,
                Ending::Session | Ending::Fault(_) | Ending::Abandoned => ThreadState::Stopped,
            };
            beat.set_state(state, self.clock.now_ns());
        }
        drop(self.outbound);
        CoreEnd { ending, pipeline: self.pipeline, recorder: self.recorder, stats: self.stats }
    }

    fn turn_until_end(&mut self, heartbeat: Option<&Heartbeat>) -> Ending {
        let mut gauges = Gauges::new(self);
        let mut tally = Tally::new(&self.pipeline);
        let mut beat_raw = self.clock.raw();
        let mut flag_seen = 0;
        // Made here: nothing is allocated once the session runs.
        let flag_run = flag_run();
        loop {
            let start_raw = self.clock.raw();
            let mut turn = self.turn(&mut tally, start_raw);
            if self.flag_word() != flag_seen && turn.ending.is_none() {
                turn.ending = self.obey_flag(&mut flag_seen, &flag_run, (&mut tally, start_raw));
            }
            let end_raw = self.clock.raw();
            if let Polled::Events(count) = turn.polled {
                self.stats.inc(CounterId::CyclesBusy);
                let turn_ns = self.clock.elapsed_ns(start_raw, end_raw);
                self.stats.record(HopId::Cycle, turn_ns);
                gauges.cycle(turn_ns);
                if self.settings.cycle_ns_max < turn_ns {
                    self.log_stall(turn_ns, count, &mut gauges);
                }
                self.idler.worked();
            }
            if BEAT_INTERVAL_NS <= self.clock.elapsed_ns(beat_raw, end_raw) {
                beat_raw = end_raw;
                let now_ns = self.clock.now_ns();
                if let Some(beat) = heartbeat {
                    beat.beat(now_ns);
                }
                self.publish(&mut gauges, &tally, now_ns);
                self.settle_flag(flag_seen);
            }
            let ending = turn.ending.or_else(|| match turn.polled {
                Polled::Closed => Some(Ending::Abandoned),
                Polled::Nothing if self.abandon.load(Ordering::Relaxed) => Some(Ending::Abandoned),
                Polled::Nothing | Polled::Events(_) => None,
            });
            if let Some(ending) = ending {
                self.publish(&mut gauges, &tally, self.clock.now_ns());
                return ending;
            }
            if turn.polled == Polled::Nothing {
                self.idler.idle();
            }
        }
    }

    /// One poll of the inbound ring, and another try at what waits to go out.
    #[inline]
    fn turn(&mut self, tally: &mut Tally, start_raw: u64) -> Turn {
        let mut ending = None;
        let (pipeline, stats, clock) = (&mut self.pipeline, &self.stats, &self.clock);
        let mut probe = StatsProbe::new(stats, clock, start_raw, self.settings.sample_interval);
        let mut tap = tally.tap(&mut self.recorder);
        let mut edges = Edges { recorder: &mut tap, outlet: &mut self.outbound, probe: &mut probe };
        let polled = self.inbound.poll(self.settings.batch_count_max, |event: &Event| {
            match pipeline.apply(event, &mut edges) {
                Ok(()) if event.kind == Kind::SESSION_END => ending = Some(Ending::Session),
                Ok(()) => {}
                Err(fault) => ending = Some(Ending::Fault(fault)),
            }
            ending.is_none()
        });
        if ending.is_none()
            && pipeline.gateway().has_pending()
            && let Err(fault) = pipeline.release_pending(&mut edges)
        {
            ending = Some(Ending::Fault(fault));
        }
        Turn { polled, ending }
    }

    #[inline]
    fn flag_word(&self) -> u64 {
        self.kill_flag.as_ref().map_or(0, KillFlag::word)
    }

    /// The kill flag changed: a word that was not there before kills, as an inbound event like any other.
    #[cold]
    fn obey_flag(
        &mut self,
        seen: &mut u64,
        run: &[Event],
        (tally, start_raw): (&mut Tally, u64),
    ) -> Option<Ending> {
        // Before the session begins there is nothing to kill and no session in the journal to put it in.
        if self.pipeline.oms().session() == 0 {
            return None;
        }
        *seen = self.flag_word();
        if *seen == 0 {
            return None;
        }
        let now_ns = self.clock.now_ns();
        let (pipeline, stats, clock) = (&mut self.pipeline, &self.stats, &self.clock);
        let mut probe = StatsProbe::new(stats, clock, start_raw, self.settings.sample_interval);
        let mut tap = tally.tap(&mut self.recorder);
        let mut edges = Edges { recorder: &mut tap, outlet: &mut self.outbound, probe: &mut probe };
        let mut applied = run.iter().map(|event| pipeline.apply(&event.at(now_ns), &mut edges));
        applied.find_map(Result::err).map(Ending::Fault)
    }

    /// A kill that was lifted takes the flag back, or the next start would begin killed.
    fn settle_flag(&self, seen: u64) {
        let is_killed = self.pipeline.control().state() == BreakerState::Killed;
        if let Some(flag) = &self.kill_flag
            && seen != 0
            && !is_killed
        {
            flag.clear(seen);
        }
    }

    fn log_stall(&mut self, turn_ns: u64, count: u64, gauges: &mut Gauges) {
        let mut stall = Stall {
            at_ns: self.clock.now_ns(),
            sequence: self.pipeline.head(),
            duration_ns: turn_ns,
            batch_count: count,
            ..Stall::default()
        };
        gauges.explain(&mut stall);
        self.stats.stall(&stall);
    }

    fn publish(&mut self, gauges: &mut Gauges, tally: &Tally, now_ns: u64) {
        tally.publish(&self.stats);
        gauges.publish(self, tally, now_ns);
    }
}

/// What the kill flag commands, after who says so and why: everything, positions as well.
fn flag_run() -> Vec<Event> {
    let mut run = session::supervisor_text("kill", "kill flag in shared memory");
    let mut kill = session::command(CommandCode::Kill, 0);
    kill.source = 0;
    kill.price = i64::from(TripReason::Flag.code());
    kill.quantity = 1;
    run.push(kill);
    run
}

struct Turn {
    polled: Polled,
    ending: Option<Ending>,
}

/// The text of a panic, as far as it has one.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_string())
}
