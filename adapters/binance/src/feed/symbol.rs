//! One symbol: its book's synchronisation, the updates that wait, and what the core has not been told yet.

use std::collections::VecDeque;

use engine::event::market::{self, DepthIds};
use engine::event::{Event, FeedCode, Kind, flags};
use engine::instrument::InstrumentIndex;

use super::FeedSink;
use super::sync::BookSync;

/// An update that waits for an earlier one.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) ids: DepthIds,
    pub(super) deadline_ns: u64,
    pub(super) events: Vec<Event>,
}

/// Counters of one symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SymbolCounts {
    /// Depth updates published, snapshots not counted.
    pub update_count: u64,
    /// Snapshots published.
    pub snapshot_count: u64,
    /// Snapshots that were too old, failed or were refused.
    pub snapshot_retry_count: u64,
    /// Times an update was missing.
    pub gap_count: u64,
    /// Updates that waited for an earlier one.
    pub held_count: u64,
    /// Trades published, and trades whose ids never came.
    pub trade_count: u64,
    /// See there.
    pub trade_missing_count: u64,
    /// Quotes published.
    pub quote_count: u64,
    /// Messages of any stream that another connection had brought before.
    pub duplicate_count: u64,
    /// Events for which the border ring had no room.
    pub lost_count: u64,
}

/// State of one symbol.
#[derive(Debug)]
pub(super) struct Symbol {
    pub(super) instrument: InstrumentIndex,
    pub(super) name: String,
    pub(super) sync: BookSync,
    pub(super) is_up: bool,
    /// Sorted by final id.
    pub(super) held: VecDeque<Held>,
    pub(super) trade_id: u64,
    pub(super) quote_id: u64,
    pub(super) counts: SymbolCounts,
    /// State of the stream that the core must be told before anything else of this symbol.
    owed: Option<FeedCode>,
    /// Events that the core must be told it has lost.
    owed_lost: u32,
}

impl Symbol {
    pub(super) fn new(instrument: InstrumentIndex, name: &str, sync: BookSync) -> Symbol {
        Symbol {
            instrument,
            name: name.to_string(),
            sync,
            is_up: false,
            held: VecDeque::new(),
            trade_id: 0,
            quote_id: 0,
            counts: SymbolCounts::default(),
            owed: None,
            owed_lost: 0,
        }
    }

    /// The core must be told. The newest state stands for those before it, because nothing of the symbol
    /// is published between them.
    pub(super) fn owe(&mut self, code: FeedCode) {
        match (code, self.owed) {
            // After these the book is not believed anyhow.
            (FeedCode::Mute, Some(FeedCode::Connected | FeedCode::Disconnected)) => {}
            (FeedCode::Mute, Some(FeedCode::Mute | FeedCode::Dropped) | None) => {
                self.owed = Some(FeedCode::Mute);
            }
            (FeedCode::Connected | FeedCode::Disconnected, _) => self.owed = Some(code),
            (FeedCode::Dropped, _) => self.owed_lost = self.owed_lost.saturating_add(1),
        }
    }

    /// Whether something is owed.
    pub(super) fn owes(&self) -> bool {
        self.owed.is_some() || self.owed_lost != 0
    }

    /// Tells what is owed. False when there was no room for all of it.
    pub(super) fn tell(&mut self, now_ns: u64, producer: u16, sink: &mut impl FeedSink) -> bool {
        if self.owed_lost != 0 {
            let mut event =
                market::feed(self.instrument, FeedCode::Dropped, self.owed_lost).at(now_ns);
            event.source = producer;
            if !sink.control(&event) {
                return false;
            }
            self.owed_lost = 0;
        }
        if let Some(code) = self.owed {
            let mut event = market::feed(self.instrument, code, 0).at(now_ns);
            event.source = producer;
            if !sink.control(&event) {
                return false;
            }
            self.owed = None;
        }
        true
    }

    /// Publishes a run of events behind what is owed. What finds no room is lost: the core is told
    /// so, and the book must be made anew.
    pub(super) fn publish(
        &mut self,
        events: &[Event],
        now_ns: u64,
        producer: u16,
        sink: &mut impl FeedSink,
    ) -> bool {
        let last_id = match events.first() {
            Some(first) if first.kind == Kind::DEPTH && !first.has(flags::SNAPSHOT) => {
                market::depth_ids(first).last
            }
            Some(_) | None => 0,
        };
        if self.owes() && !self.tell(now_ns, producer, sink) {
            let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
            self.owed_lost = self.owed_lost.saturating_add(count);
            self.counts.lost_count += u64::from(count);
            self.sync.lost(last_id, now_ns);
            return false;
        }
        // The border marks what it drops by itself.
        let published_count = sink.market(events);
        if published_count < events.len() {
            let lost_count = events.len() - published_count;
            self.counts.lost_count += u64::try_from(lost_count).unwrap_or(u64::MAX);
            self.sync.lost(last_id, now_ns);
            return false;
        }
        true
    }

    /// Puts an update where it belongs by its id. False when there is no room, or it is there already.
    pub(super) fn hold(&mut self, held: Held, count_max: usize) -> bool {
        let place = self.held.partition_point(|other| other.ids.last < held.ids.last);
        if self.held.get(place).is_some_and(|other| other.ids == held.ids) {
            self.counts.duplicate_count += 1;
            return true;
        }
        if count_max <= self.held.len() {
            return false;
        }
        self.counts.held_count += 1;
        self.held.insert(place, held);
        true
    }
}
