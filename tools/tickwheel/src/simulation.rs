//! The simulated outside of a backtest: capture in, paper venue beside it, one thread, event time.

use std::collections::VecDeque;

use engine::event::{Event, session};
use engine::gateway::Outlet;
use engine::pipeline::recorder::JournalRecorder;
use engine::pipeline::{Edges, Fault, NoProbe, Pipeline};
use paper::PaperVenue;

/// Outbound events on their way to the paper venue.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    events: VecDeque<Event>,
}

impl Outlet for Outbox {
    fn offer(&mut self, event: &Event) -> bool {
        self.events.push_back(*event);
        true
    }
}

/// An engine, its paper venue and the clock that drives both.
#[derive(Debug)]
pub(crate) struct Simulation {
    pub(crate) pipeline: Pipeline,
    pub(crate) recorder: JournalRecorder,
    venue: PaperVenue,
    outbox: Outbox,
    reports: Vec<Event>,
    next_clock_ns: u64,
    clock_interval_ns: u64,
}

impl Simulation {
    pub(crate) fn new(
        pipeline: Pipeline,
        recorder: JournalRecorder,
        venue: PaperVenue,
        clock_interval_ns: u64,
    ) -> Simulation {
        let outbox = Outbox::default();
        let reports = Vec::new();
        Simulation {
            pipeline,
            recorder,
            venue,
            outbox,
            reports,
            next_clock_ns: 0,
            clock_interval_ns,
        }
    }

    /// Applies one event that only the engine hears.
    pub(crate) fn apply(&mut self, event: &Event) -> Result<(), Fault> {
        let mut edges =
            Edges { recorder: &mut self.recorder, outlet: &mut self.outbox, probe: &mut NoProbe };
        self.pipeline.apply(event, &mut edges)?;
        while let Some(request) = self.outbox.events.pop_front() {
            self.venue.on_request(&request, event.time_ns);
        }
        Ok(())
    }

    /// Lets time pass up to `time_ns`: clock events and reports of the venue, each at its time.
    pub(crate) fn pass_time(&mut self, time_ns: u64) -> Result<(), Fault> {
        if self.next_clock_ns == 0 {
            self.next_clock_ns = time_ns + self.clock_interval_ns;
        }
        loop {
            let due_ns = self.venue.next_due_ns().unwrap_or(u64::MAX);
            if time_ns < due_ns.min(self.next_clock_ns) {
                return Ok(());
            }
            if due_ns <= self.next_clock_ns {
                let reports = &mut self.reports;
                self.venue.advance(due_ns, &mut |report| reports.push(report));
                for report in std::mem::take(&mut self.reports) {
                    self.apply(&report)?;
                }
            } else {
                let clock = session::clock().at(self.next_clock_ns);
                self.next_clock_ns += self.clock_interval_ns;
                self.apply(&clock)?;
            }
        }
    }

    /// A market event: the venue sees it, then the engine.
    pub(crate) fn market(&mut self, event: &Event) -> Result<(), Fault> {
        self.venue.on_market(event);
        self.apply(event)
    }
}
