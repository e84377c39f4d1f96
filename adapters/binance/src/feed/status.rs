//! How the feed is, in numbers, for stats and logs.

use engine::instrument::InstrumentIndex;

use super::config::FeedPolicy;
use super::line::LineState;
use super::state::State;
use super::symbol::SymbolCounts;
use super::sync::SyncState;

/// One part in 64 of a new value goes into the mean.
const MEAN_SHIFT: u32 = 6;

/// Receipt minus event time. Means something only while both clocks agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// How many were measured.
    pub count: u64,
    /// The last, ns.
    pub last_ns: i64,
    /// The smallest, ns.
    pub min_ns: i64,
    /// The largest, ns.
    pub max_ns: i64,
    /// A mean that forgets, ns.
    pub mean_ns: i64,
}

impl Delay {
    pub(super) fn observe(&mut self, receive_ns: u64, event_ns: u64) {
        let delay_ns = receive_ns.cast_signed().saturating_sub(event_ns.cast_signed());
        let is_first = self.count == 0;
        self.count += 1;
        self.last_ns = delay_ns;
        self.min_ns = if is_first { delay_ns } else { self.min_ns.min(delay_ns) };
        self.max_ns = if is_first { delay_ns } else { self.max_ns.max(delay_ns) };
        let step_ns = delay_ns.saturating_sub(self.mean_ns) >> MEAN_SHIFT;
        self.mean_ns = if is_first { delay_ns } else { self.mean_ns.saturating_add(step_ns) };
    }
}

/// Counters of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Messages received, and their bytes.
    pub frame_count: u64,
    /// See there.
    pub byte_count: u64,
    /// When the last came, ns since the Unix epoch.
    pub heard_ns: u64,
    /// Market data that this source brought first.
    pub first_count: u64,
    /// Market data that another connection had brought before.
    pub duplicate_count: u64,
    /// Market data that came while another source was believed.
    pub standby_count: u64,
    /// Updates missing while this source was believed alone.
    pub gap_count: u64,
    /// Messages put aside.
    pub refused_count: u64,
    /// Connections opened.
    pub open_count: u64,
    /// Open connections that ended without our will.
    pub lost_count: u64,
    /// Streams found mute.
    pub mute_count: u64,
    /// Connections replaced by a successor that ran beside them.
    pub replace_count: u64,
    /// Subscriptions refused or not answered.
    pub subscribe_error_count: u64,
    /// Receipt minus event time.
    pub delay: Delay,
}

/// How a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Every connection that carries books is ready, and messages are not late.
    pub is_healthy: bool,
    /// What it says is published.
    pub is_believed: bool,
    /// Connections that are ready, and those that are wanted.
    pub ready_count: usize,
    /// See there.
    pub wanted_count: usize,
    /// Counters.
    pub counts: SourceCounts,
}

/// How a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SymbolStatus {
    /// Which.
    pub instrument: InstrumentIndex,
    /// Its book.
    pub sync: SyncState,
    /// Final id of the last update published.
    pub last_id: i64,
    /// Counters.
    pub counts: SymbolCounts,
}

/// How the feed is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedStatus {
    /// By source, the primary first.
    pub sources: Vec<SourceStatus>,
    /// By symbol.
    pub symbols: Vec<SymbolStatus>,
    /// Changes of the source that is believed.
    pub switch_count: u64,
    /// Changes of connections that the core was not told for want of room.
    pub change_lost_count: u64,
    /// Messages put aside, by reason (see [`crate::refusal_name`]).
    pub refused: Vec<(u16, u64)>,
    /// All of them.
    pub refused_count: u64,
}

impl FeedStatus {
    /// Symbols whose book is live.
    pub fn live_count(&self) -> usize {
        self.symbols.iter().filter(|symbol| symbol.sync == SyncState::Live).count()
    }
}

impl State {
    pub(super) fn status(&self) -> FeedStatus {
        let sources = (0..).zip(&self.sources).map(|(place, source)| {
            let lines = || {
                let own = move |line: &usize| self.leg_of(*line).source == place;
                (0..self.lines.len()).filter(own).map(|line| self.lines[line].state)
            };
            SourceStatus {
                name: source.name.clone(),
                is_healthy: source.is_healthy,
                is_believed: self.config.policy == FeedPolicy::BetterOfAll || place == self.active,
                ready_count: lines().filter(|state| *state == LineState::Ready).count(),
                wanted_count: lines().filter(|state| *state != LineState::Idle).count(),
                counts: source.counts,
            }
        });
        let symbols = self.symbols.iter().map(|symbol| SymbolStatus {
            instrument: symbol.instrument,
            sync: symbol.sync.state(),
            last_id: symbol.sync.last_id(),
            counts: symbol.counts,
        });
        FeedStatus {
            sources: sources.collect(),
            symbols: symbols.collect(),
            switch_count: self.switch_count,
            change_lost_count: self.change_lost_count,
            refused: self.refused.totals(),
            refused_count: self.refused.total(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_have_bounds_and_a_mean_that_follows() {
        let mut delay = Delay::default();
        delay.observe(1_000, 1_100);
        assert_eq!((delay.min_ns, delay.max_ns, delay.mean_ns), (-100, -100, -100));
        for _ in 0..1_000 {
            delay.observe(2_000, 1_000);
        }
        assert_eq!((delay.count, delay.min_ns, delay.max_ns), (1_001, -100, 1_000));
        assert!((900..=1_000).contains(&delay.mean_ns), "{delay:?}");
    }
}
