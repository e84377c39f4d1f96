//! Events on their way to the engine: none is ever dropped, when the ring is full they wait.

use std::collections::VecDeque;

use engine::event::{Event, flags};

/// Where events go. Implemented by the inbound ring.
pub trait Sink {
    /// Takes a run of events, all or none.
    fn offer(&mut self, run: &[Event]) -> bool;
}

/// Longest run that is offered at once; longer ones (balances of many instruments) go in pieces.
pub const RUN_COUNT_MAX: usize = 32;

/// Events in the order in which they were told.
#[derive(Debug)]
pub struct Outbox {
    source: u16,
    events: VecDeque<Event>,
    run: Vec<Event>,
    /// From here on the sockets are left alone until the engine has caught up.
    high_count: usize,
}

impl Outbox {
    /// An empty one; `source` is the producer number.
    pub fn new(source: u16, high_count: usize) -> Outbox {
        Outbox {
            source,
            events: VecDeque::new(),
            run: Vec::with_capacity(RUN_COUNT_MAX),
            high_count,
        }
    }

    /// Adds an event.
    pub fn push(&mut self, mut event: Event, now_ns: u64) {
        event.source = self.source;
        event.time_ns = now_ns;
        self.events.push_back(event);
    }

    /// Offers what waits; false when the sink had no room for all of it.
    pub fn flush(&mut self, sink: &mut impl Sink) -> bool {
        while !self.events.is_empty() {
            self.run.clear();
            for event in self.events.iter().take(RUN_COUNT_MAX) {
                self.run.push(*event);
                if event.has(flags::LAST) {
                    break;
                }
            }
            if !sink.offer(&self.run) {
                return false;
            }
            self.events.drain(..self.run.len());
        }
        true
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.events.len()
    }

    /// Whether so many wait that nothing more should be heard.
    pub fn is_high(&self) -> bool {
        self.high_count <= self.events.len()
    }
}
