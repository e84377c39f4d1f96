//! Market data of all connections becomes one row per symbol: duplicates are dropped, what comes too early
//! waits for what another connection may still bring, what is missing is told.
//!
//! **Invariant:** what is published of a symbol never goes back in update ids, trade ids or quote ids while
//! its stream is up.

use engine::event::market::{self, DepthIds};
use engine::event::{Event, Kind};

use super::FeedSink;
use super::config::{FeedPolicy, Stream};
use super::gate::{self, why};
use super::state::State;
use super::symbol::Held;
use super::sync::{Fetch, Judged, SnapshotRuling, SyncState};

/// Snapshots in a row that do not reach the updates that wait, after which these are thrown away.
const TOO_OLD_COUNT_MAX: u32 = 6;

/// How a frame came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) line: usize,
    pub(super) receive_ns: u64,
    /// What the venue says when it happened, ns.
    pub(super) event_ns: Option<u64>,
}

impl State {
    /// The events of one frame of market data.
    pub(super) fn market(&mut self, at: Arrival, events: &[Event], sink: &mut impl FeedSink) {
        let Some(first) = events.first() else { return };
        let Some(place) = self.place_of(first.instrument) else { return };
        let stream = match first.kind {
            Kind::DEPTH if !first.has(engine::event::flags::SNAPSHOT) => Stream::Depth,
            Kind::TRADE => Stream::Trade,
            Kind::QUOTE => Stream::Quote,
            _ => return self.refuse(at.line, why::UNEXPECTED),
        };
        if let Err(code) = self.pass_gate(at, place, stream, events) {
            return self.refuse(at.line, code);
        }
        match stream {
            Stream::Depth => self.depth(at, place, events, sink),
            Stream::Trade | Stream::Quote => self.tick(at, place, stream, events, sink),
        }
        if let Fetch::Due { at_ns } = self.symbols[place].sync.fetch() {
            self.wake_at(at_ns);
        }
    }

    /// Counts a frame that is put aside.
    pub(super) fn refuse(&mut self, line: usize, code: u16) {
        let source = self.leg_of(line).source;
        self.sources[source].counts.refused_count += 1;
        self.refused.refuse(code, self.frame_count);
        self.wake_at(0);
    }

    fn pass_gate(
        &mut self,
        at: Arrival,
        place: usize,
        stream: Stream,
        events: &[Event],
    ) -> Result<(), u16> {
        let source = self.leg_of(at.line).source;
        let seen = &mut self.lines[at.line].seen[place][stream.place()];
        if let Some(event_ns) = at.event_ns {
            self.gate.check_time(seen, event_ns, at.receive_ns)?;
            seen.event_ns = event_ns.max(seen.event_ns);
            let source = &mut self.sources[source];
            source.counts.delay.observe(at.receive_ns, event_ns);
            let late_ns_max = self.config.late_ns_max;
            let is_late = late_ns_max != 0 && event_ns.saturating_add(late_ns_max) < at.receive_ns;
            let was_late = self.config.late_count_max <= source.late_count;
            source.late_count = if is_late { source.late_count.saturating_add(1) } else { 0 };
            if was_late != (self.config.late_count_max <= source.late_count) {
                self.wake_ns = 0;
            }
        }
        let seen = &mut self.lines[at.line].seen[place][stream.place()];
        seen.heard_ns = at.receive_ns;
        seen.mute_count = 0;
        // A source that is not believed must not move the price that the believed one is held against.
        if !self.is_believed(at.line) {
            return Ok(());
        }
        let symbol = &self.symbols[place];
        let known = match stream {
            Stream::Depth => symbol.sync.last_id().cast_unsigned(),
            Stream::Trade => symbol.trade_id,
            Stream::Quote => symbol.quote_id,
        };
        self.gate.check_id(place, stream, known, events[0].id)?;
        self.gate.check_prices(place, events)
    }

    /// A trade or a quote.
    fn tick(
        &mut self,
        at: Arrival,
        place: usize,
        stream: Stream,
        events: &[Event],
        sink: &mut impl FeedSink,
    ) {
        let source = self.leg_of(at.line).source;
        if !self.is_believed(at.line) {
            self.sources[source].counts.standby_count += 1;
            return;
        }
        let symbol = &mut self.symbols[place];
        if !symbol.is_up {
            return;
        }
        let id = events[0].id;
        let known = match stream {
            Stream::Trade => &mut symbol.trade_id,
            Stream::Quote | Stream::Depth => &mut symbol.quote_id,
        };
        if id <= *known {
            symbol.counts.duplicate_count += 1;
            self.sources[source].counts.duplicate_count += 1;
            return;
        }
        let before = std::mem::replace(known, id);
        if stream == Stream::Trade {
            symbol.counts.trade_count += 1;
            if before != 0 {
                symbol.counts.trade_missing_count += id - before - 1;
            }
        } else {
            symbol.counts.quote_count += 1;
        }
        self.sources[source].counts.first_count += 1;
        symbol.publish(events, at.receive_ns, self.config.producer, sink);
    }

    /// A change of a book.
    fn depth(&mut self, at: Arrival, place: usize, events: &[Event], sink: &mut impl FeedSink) {
        let ids = market::depth_ids(&events[0]);
        let source = self.leg_of(at.line).source;
        self.lines[at.line].seen[place][Stream::Depth.place()].last_id = ids.last;
        if !self.is_believed(at.line) {
            self.sources[source].counts.standby_count += 1;
            return;
        }
        match self.symbols[place].sync.judge(&ids) {
            Judged::Unwanted => return,
            Judged::Old => {
                self.symbols[place].counts.duplicate_count += 1;
                self.sources[source].counts.duplicate_count += 1;
            }
            Judged::Next => {
                self.sources[source].counts.first_count += 1;
                self.publish_update(place, ids, events, at.receive_ns, sink);
            }
            Judged::Overlap if self.may_still_come(place, &ids) => {}
            Judged::Ahead if self.may_still_come(place, &ids) => {
                let deadline_ns = at.receive_ns.saturating_add(self.config.hold_ns_max);
                let held = Held { ids, deadline_ns, events: events.to_vec() };
                if !self.symbols[place].hold(held, self.config.hold_count_max) {
                    // No room: what it waits for will not come any more in time.
                    self.give_up(place, at.receive_ns, sink);
                    return self.depth_again(place, ids, events, at.receive_ns, sink);
                }
                self.wake_at(deadline_ns);
            }
            Judged::Overlap | Judged::Ahead => {
                self.publish_gap(place, ids, events, at.receive_ns, sink);
            }
        }
        self.settle_held(place, at.receive_ns, sink);
    }

    /// An update for which there was no room to wait, after the room was made.
    fn depth_again(
        &mut self,
        place: usize,
        ids: DepthIds,
        events: &[Event],
        now_ns: u64,
        sink: &mut impl FeedSink,
    ) {
        match self.symbols[place].sync.judge(&ids) {
            Judged::Unwanted | Judged::Old | Judged::Overlap => {}
            Judged::Next => self.publish_update(place, ids, events, now_ns, sink),
            Judged::Ahead => self.publish_gap(place, ids, events, now_ns, sink),
        }
    }

    /// Whether another believed connection may bring what is missing before an update: it has not come so
    /// far itself.
    fn may_still_come(&self, place: usize, ids: &DepthIds) -> bool {
        (0..self.lines.len()).any(|line| {
            self.lines[line].is_ready()
                && self.is_believed(line)
                && self.covers(line, place, Stream::Depth)
                && self.lines[line].seen[place][Stream::Depth.place()].last_id < ids.first
        })
    }

    fn publish_update(
        &mut self,
        place: usize,
        ids: DepthIds,
        events: &[Event],
        now_ns: u64,
        sink: &mut impl FeedSink,
    ) {
        let symbol = &mut self.symbols[place];
        if symbol.sync.is_full(events.len()) {
            // The engine's buffer would throw away its older half; it begins anew instead.
            symbol.owe(engine::event::FeedCode::Connected);
            symbol.sync.connected(now_ns);
        }
        if symbol.publish(events, now_ns, self.config.producer, sink) {
            symbol.counts.update_count += 1;
            symbol.sync.published(ids, events.len(), now_ns);
        }
    }

    /// Publishes an update although something before it is missing; the engine sees that by the ids.
    fn publish_gap(
        &mut self,
        place: usize,
        ids: DepthIds,
        events: &[Event],
        now_ns: u64,
        sink: &mut impl FeedSink,
    ) {
        let symbol = &mut self.symbols[place];
        symbol.counts.gap_count += 1;
        if self.config.policy != FeedPolicy::BetterOfAll {
            self.sources[self.active].counts.gap_count += 1;
        }
        if symbol.publish(events, now_ns, self.config.producer, sink) {
            symbol.counts.update_count += 1;
            symbol.sync.broken(ids, events.len(), now_ns);
        }
    }

    /// Publishes what waits as far as it follows, and gives up on what cannot come any more.
    pub(super) fn settle_held(&mut self, place: usize, now_ns: u64, sink: &mut impl FeedSink) {
        // Each turn takes one out or ends.
        while let Some(held) = self.symbols[place].held.pop_front() {
            match self.symbols[place].sync.judge(&held.ids) {
                Judged::Unwanted | Judged::Old | Judged::Overlap => {}
                Judged::Next => self.publish_update(place, held.ids, &held.events, now_ns, sink),
                Judged::Ahead => {
                    let is_over = held.deadline_ns <= now_ns;
                    if !is_over && self.may_still_come(place, &held.ids) {
                        self.wake_at(held.deadline_ns);
                        self.symbols[place].held.push_front(held);
                        return;
                    }
                    self.publish_gap(place, held.ids, &held.events, now_ns, sink);
                }
            }
        }
    }

    /// Publishes everything that waits.
    fn give_up(&mut self, place: usize, now_ns: u64, sink: &mut impl FeedSink) {
        for held in &mut self.symbols[place].held {
            held.deadline_ns = 0;
        }
        self.settle_held(place, now_ns, sink);
    }

    /// A snapshot that was asked for: header and levels.
    pub(super) fn snapshot(
        &mut self,
        place: usize,
        events: &[Event],
        now_ns: u64,
        sink: &mut impl FeedSink,
    ) {
        let symbol = &mut self.symbols[place];
        if let Err(code) = gate::check_snapshot(events) {
            symbol.counts.snapshot_retry_count += 1;
            symbol.sync.failed(now_ns);
            self.refused.refuse(code, self.frame_count);
            return self.wake_at(0);
        }
        let last_id = market::depth_ids(&events[0]).last;
        match symbol.sync.snapshot(last_id, now_ns) {
            SnapshotRuling::Take => {
                if symbol.publish(events, now_ns, self.config.producer, sink) {
                    symbol.counts.snapshot_count += 1;
                    symbol.sync.settled();
                }
            }
            SnapshotRuling::TooOld => {
                symbol.counts.snapshot_retry_count += 1;
                // Snapshots are behind for some retries at most; an update that lies about its ids would be
                // waited with for ever.
                if TOO_OLD_COUNT_MAX <= symbol.sync.retry_count() {
                    self.resync(place, now_ns);
                }
            }
            SnapshotRuling::Unwanted => {}
        }
        self.wake_at(0);
    }

    /// The core's book is not as good as ours: begins anew. For whoever sees both.
    pub(super) fn resync(&mut self, place: usize, now_ns: u64) {
        let symbol = &mut self.symbols[place];
        if symbol.sync.state() != SyncState::Down {
            symbol.held.clear();
            symbol.owe(engine::event::FeedCode::Connected);
            symbol.sync.connected(now_ns);
            self.wake_at(0);
        }
    }
}
