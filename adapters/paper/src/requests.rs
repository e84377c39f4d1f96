//! Requests on their way to the venue, and the orders that are over but still known.

use std::collections::{BTreeMap, VecDeque};

use engine::event::{Event, ReportCode};

use crate::config::PaperConfig;
use crate::random::SplitMix;

/// A request and when it reaches the venue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) event: Event,
    pub(crate) arrival_ns: u64,
}

/// Requests in the order in which they were sent, which is the order in which they arrive.
#[derive(Debug)]
pub(crate) struct Requests {
    latency_ns: u64,
    jitter_ns: u64,
    jitter: SplitMix,
    queue: VecDeque<Request>,
    count_max: usize,
    last_arrival_ns: u64,
}

impl Requests {
    pub(crate) fn new(config: &PaperConfig) -> Requests {
        Requests {
            latency_ns: config.latency_out_ns,
            jitter_ns: config.latency_jitter_ns,
            jitter: SplitMix::new(config.seed ^ 0x6f75_7462_6f75_6e64),
            queue: VecDeque::new(),
            // A new order, a replace, a cancel and a query for each; twice, for repeats.
            count_max: config.orders_max.saturating_mul(8),
            last_arrival_ns: 0,
        }
    }

    /// Sends a request; false when too many are on their way.
    pub(crate) fn send(&mut self, event: &Event, time_ns: u64) -> bool {
        if self.queue.len() == self.count_max {
            return false;
        }
        let delay_ns = self.latency_ns + self.jitter.up_to(self.jitter_ns);
        self.last_arrival_ns = self.last_arrival_ns.max(time_ns.saturating_add(delay_ns));
        self.queue.push_back(Request { event: *event, arrival_ns: self.last_arrival_ns });
        true
    }

    /// The first request that need not wait for its instrument, and its place. `wait_until` says until
    /// when the requests of an instrument wait.
    pub(crate) fn first(&self, wait_until: impl Fn(u16) -> Option<u64>) -> Option<(usize, u64)> {
        let mut first: Option<(usize, u64)> = None;
        for (place, request) in self.queue.iter().enumerate() {
            let until_ns = wait_until(request.event.instrument);
            let due_ns = request.arrival_ns.max(until_ns.unwrap_or(0));
            if first.is_none_or(|(_, first_ns)| due_ns < first_ns) {
                first = Some((place, due_ns));
            }
            if until_ns.is_none() {
                break; // Whatever follows arrives later.
            }
        }
        first
    }

    pub(crate) fn remove(&mut self, place: usize) -> Option<Request> {
        self.queue.remove(place)
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

/// How an order ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) code: ReportCode,
    pub(crate) venue_code: u32,
    pub(crate) price: i64,
    pub(crate) filled: i64,
}

/// The orders that ended last, so that a query or a repeated id finds them.
#[derive(Debug)]
pub(crate) struct Memory {
    ended: BTreeMap<u64, Ended>,
    ids: VecDeque<u64>,
    count_max: usize,
}

impl Memory {
    pub(crate) fn new(config: &PaperConfig) -> Memory {
        let count_max = config.orders_max.max(1024);
        Memory { ended: BTreeMap::new(), ids: VecDeque::new(), count_max }
    }

    pub(crate) fn remember(&mut self, id: u64, ended: Ended) {
        if self.ended.insert(id, ended).is_none() {
            self.ids.push_back(id);
        }
        if self.count_max < self.ids.len()
            && let Some(oldest) = self.ids.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }

    pub(crate) fn find(&self, id: u64) -> Option<&Ended> {
        self.ended.get(&id)
    }
}
