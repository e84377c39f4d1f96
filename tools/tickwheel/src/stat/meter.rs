//! Rates and recent latencies: what changed between readings.

use std::collections::VecDeque;

use engine::stats::{CounterId, Counts, HopId, Snapshot};

/// Readings over which a rate is taken: a second at four readings a second.
const RATE_READINGS: usize = 5;
/// Points of the sparkline that are kept: more than the widest terminal shows.
const HISTORY_MAX: usize = 400;
/// Readings over which recent latencies are taken: ten seconds.
const RECENT_READINGS: usize = 41;

/// Remembers as many readings as its answers need.
#[derive(Debug, Default)]
pub(super) struct Meter {
    counters: VecDeque<(u64, Vec<u64>)>,
    hops: VecDeque<Vec<Counts>>,
    history: VecDeque<u64>,
}

impl Meter {
    /// Takes one reading.
    pub(super) fn push(&mut self, snapshot: &Snapshot, now_ns: u64) {
        let values: Vec<u64> = snapshot.counters.iter().map(|row| row.value).collect();
        if let Some((before_ns, before)) = self.counters.back() {
            let id = CounterId::InboundConsumed as usize;
            let rate = per_second(before, &values, id, now_ns.saturating_sub(*before_ns));
            self.history.push_back(rate);
        }
        self.counters.push_back((now_ns, values));
        self.hops.push_back(snapshot.hops.iter().map(|row| row.counts.clone()).collect());
        keep(&mut self.counters, RATE_READINGS);
        keep(&mut self.hops, RECENT_READINGS);
        keep(&mut self.history, HISTORY_MAX);
    }

    /// Growth of a counter a second, over the last second.
    pub(super) fn rate(&self, id: CounterId) -> u64 {
        match (self.counters.front(), self.counters.back()) {
            (Some((start_ns, before)), Some((end_ns, after))) => {
                per_second(before, after, id as usize, end_ns.saturating_sub(*start_ns))
            }
            (None, _) | (_, None) => 0,
        }
    }

    /// Rates of inbound events, the newest last.
    pub(super) fn history(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.history.iter().copied()
    }

    /// Latencies of the last ten seconds.
    pub(super) fn recent(&self, hop: HopId) -> Option<Counts> {
        let before = self.hops.front()?.get(hop as usize)?;
        Some(self.hops.back()?.get(hop as usize)?.since(before))
    }
}

fn keep<T>(items: &mut VecDeque<T>, count_max: usize) {
    while count_max < items.len() {
        items.pop_front();
    }
}

fn per_second(before: &[u64], after: &[u64], index: usize, passed_ns: u64) -> u64 {
    let (Some(before), Some(after)) = (before.get(index), after.get(index)) else { return 0 };
    let grown = u128::from(after.saturating_sub(*before)) * 1_000_000_000;
    let rate = grown.checked_div(u128::from(passed_ns)).unwrap_or(0);
    u64::try_from(rate).unwrap_or(u64::MAX)
}
