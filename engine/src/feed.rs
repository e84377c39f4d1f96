//! Stage 1, feed: checks sequence, keeps the books, judges quality and staleness.
//!
//! ```text
//!   inbound depth, level, trade, quote, feed, clock --> [ feed ] --book state--> strategy, risk
//!                                                          | writes
//!                                                          v
//!                                                       Market
//! ```
//!
//! **Invariant:** a book is live only after a snapshot and an unbroken row of updates since.
//!
//! **Invariant:** `top` never shows half an update.
//!
//! The life of a book:
//!
//! ```text
//!          snapshot            update missing, run torn, events dropped
//!  empty ------------> live ------------------------------------------> gap --snapshot--> live
//!   ^                  |  ^                                              ^
//!   |  session start   |  | uncrossed / heard again                      | (updates are buffered
//!   +--(any state)     v  |                                              |  until the snapshot)
//!                 crossed, stale            down <--disconnected-- any --+
//! ```

mod buffer;
pub mod sequence;
#[cfg(test)]
mod tests;

use crate::book::Book;
use crate::event::kind::KindSet;
use crate::event::{BookState, Event, FeedCode, Kind, Side, flags, market as depth};
use crate::instrument::{InstrumentIndex, InstrumentTable};
use crate::market::{InstrumentMarket, Market, Top};
use crate::ring::Emitter;
use crate::state::{LoadError, Loader, Saver, State, mix};

use buffer::Buffer;
use sequence::{Ruling, SequenceRule};

/// Why a book left the live state, in `tag` of `BOOK_STATE`. Never renumber.
pub mod why {
    /// A snapshot (and what was buffered) made it whole.
    pub const SNAPSHOT: u32 = 1;
    /// An update is missing: `price` is the id expected, `quantity` the one received.
    pub const MISSING_UPDATE: u32 = 2;
    /// A depth run ended without its last level.
    pub const TORN_RUN: u32 = 3;
    /// The producer dropped events because a ring was full.
    pub const DROPPED: u32 = 4;
    /// Nothing heard for longer than allowed.
    pub const SILENT: u32 = 5;
    /// Best bid at or above best ask.
    pub const CROSSED: u32 = 6;
    /// Heard again, or no longer crossed.
    pub const RECOVERED: u32 = 7;
    /// The stream is disconnected.
    pub const DISCONNECTED: u32 = 8;
    /// A session starts.
    pub const SESSION: u32 = 9;
    /// The book has no room for another level.
    pub const BOOK_FULL: u32 = 10;
    /// The snapshot is older than the first buffered update.
    pub const OLD_SNAPSHOT: u32 = 11;
    /// The stream is connected, a snapshot is awaited.
    pub const CONNECTED: u32 = 12;
    /// The stream is open but mute.
    pub const MUTE: u32 = 13;
}

/// Settings of the feed stage.
#[derive(Clone, Copy, Debug)]
pub struct FeedConfig {
    /// Silence after which a live book is stale, ns.
    pub stale_ns_max: u64,
    /// Depth events kept per instrument while a snapshot is awaited.
    pub buffer_event_count_max: usize,
}

impl Default for FeedConfig {
    fn default() -> FeedConfig {
        FeedConfig { stale_ns_max: 5_000_000_000, buffer_event_count_max: 16_384 }
    }
}

/// What the present depth run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// No run is open.
    None,
    /// Levels change the book.
    Apply,
    /// Levels fill the emptied book.
    Snapshot,
    /// Levels are kept until a snapshot comes.
    Buffer,
    /// Levels are of an update that is too old; they are dropped.
    Ignore,
}

/// Sequencing of one instrument.
#[derive(Debug)]
struct Stream {
    rule: SequenceRule,
    run: Run,
    /// Final id of the run in progress.
    run_id: i64,
    buffer: Buffer,
    /// Bid side of a quote whose ask has not come yet.
    quote_bid: Option<Event>,
}

/// Counters of one instrument, for reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedCounters {
    /// Depth updates applied (snapshots not counted).
    pub applied_count: u64,
    /// Snapshots applied.
    pub snapshot_count: u64,
    /// Times an update was missing, a run torn or events dropped.
    pub gap_count: u64,
    /// Updates that were older than the book.
    pub old_count: u64,
}

/// A depth update that was just applied, as told to [`Feed::apply_observed`].
#[derive(Clone, Copy, Debug)]
pub struct Applied {
    /// Instrument of the book.
    pub instrument: InstrumentIndex,
    /// How many updates were applied to this book, this one included.
    pub count: u64,
    /// When the update was received, ns.
    pub time_ns: u64,
    /// Final update id.
    pub last_id: i64,
}

/// The feed stage.
#[derive(Debug)]
pub struct Feed {
    config: FeedConfig,
    streams: Vec<Stream>,
    counters: Vec<FeedCounters>,
}

impl Feed {
    /// Kinds that the stage looks at.
    pub const INTEREST: KindSet = KindSet::of(&[
        Kind::DEPTH,
        Kind::LEVEL,
        Kind::TRADE,
        Kind::QUOTE,
        Kind::FEED,
        Kind::CLOCK,
        Kind::SESSION_START,
    ]);

    /// A stage that knows nothing yet.
    pub fn new(config: FeedConfig, instruments: &InstrumentTable) -> Feed {
        let stream = |venue| Stream {
            rule: SequenceRule::new(venue),
            run: Run::None,
            run_id: 0,
            buffer: Buffer::new(config.buffer_event_count_max),
            quote_bid: None,
        };
        Feed {
            config,
            streams: instruments.iter().map(|(_, i)| stream(i.venue)).collect(),
            counters: vec![FeedCounters::default(); instruments.count()],
        }
    }

    /// Counters by instrument.
    pub fn counters(&self) -> &[FeedCounters] {
        &self.counters
    }

    /// Hash of the sequencing state.
    pub fn digest(&self) -> u64 {
        self.streams.iter().fold(0, |hash, s| mix(hash, s.rule.last_id().cast_unsigned()))
    }

    /// Handles one event.
    #[inline]
    pub fn apply(&mut self, event: &Event, market: &mut Market, out: &mut Emitter<'_>) {
        self.apply_observed(event, market, out, &mut |_, _| {});
    }

    /// Handles one event and calls `observe` after each depth update that became part of a book.
    #[inline]
    pub fn apply_observed(
        &mut self,
        event: &Event,
        market: &mut Market,
        out: &mut Emitter<'_>,
        observe: &mut impl FnMut(&Applied, &InstrumentMarket),
    ) {
        match event.kind {
            Kind::CLOCK => return self.find_silent(event, market, out),
            Kind::SESSION_START => return self.forget(market, out),
            _ => {}
        }
        let index = usize::from(event.instrument);
        let (Some(stream), Some(counters), Some(entry)) = (
            self.streams.get_mut(index),
            self.counters.get_mut(index),
            market.get_mut(event.instrument),
        ) else {
            return;
        };
        let mut cx = Cx {
            instrument: event.instrument,
            time_ns: event.time_ns,
            stream,
            counters,
            entry,
            out,
        };
        match event.kind {
            Kind::LEVEL => cx.level(event, observe),
            Kind::DEPTH => cx.depth(event, observe),
            Kind::TRADE => cx.trade(event),
            Kind::QUOTE => cx.quote(event),
            Kind::FEED => cx.stream_state(event),
            _ => {}
        }
    }

    fn find_silent(&mut self, event: &Event, market: &mut Market, out: &mut Emitter<'_>) {
        let count = InstrumentIndex::try_from(self.streams.len()).unwrap_or(InstrumentIndex::MAX);
        for instrument in 0..count {
            let Some(entry) = market.get_mut(instrument) else { continue };
            let silent_ns = event.time_ns.saturating_sub(entry.heard_ns);
            if entry.state == BookState::Live && self.config.stale_ns_max < silent_ns {
                let measured = i64::try_from(silent_ns).unwrap_or(i64::MAX);
                let limit = i64::try_from(self.config.stale_ns_max).unwrap_or(i64::MAX);
                change_state(
                    entry,
                    instrument,
                    BookState::Stale,
                    [limit, measured],
                    why::SILENT,
                    out,
                );
            }
        }
    }

    fn forget(&mut self, market: &mut Market, out: &mut Emitter<'_>) {
        for (index, stream) in (0..).zip(&mut self.streams) {
            stream.rule.reset();
            stream.run = Run::None;
            stream.buffer.clear();
            stream.quote_bid = None;
            let Some(entry) = market.get_mut(index) else { continue };
            entry.book.clear();
            entry.updating = false;
            // The old prices stay for valuing positions; any new quote is newer.
            entry.top.update_id = 0;
            change_state(entry, index, BookState::Empty, [0, 0], why::SESSION, out);
        }
    }
}

/// Everything one event may touch.
struct Cx<'a, 'b, 'c> {
    instrument: InstrumentIndex,
    time_ns: u64,
    stream: &'a mut Stream,
    counters: &'a mut FeedCounters,
    entry: &'a mut InstrumentMarket,
    out: &'b mut Emitter<'c>,
}

impl Cx<'_, '_, '_> {
    #[inline]
    fn level(&mut self, event: &Event, observe: &mut impl FnMut(&Applied, &InstrumentMarket)) {
        match self.stream.run {
            Run::Apply | Run::Snapshot => {
                if self.set_level(event) && event.is_last() {
                    self.run_ended(observe);
                }
            }
            Run::Buffer => {
                self.stream.buffer.push(event);
                if event.is_last() {
                    self.stream.run = Run::None;
                }
            }
            Run::Ignore => {
                if event.is_last() {
                    self.stream.run = Run::None;
                }
            }
            // A level without a header: its run was torn before, which was told then.
            Run::None => {}
        }
    }

    fn depth(&mut self, event: &Event, observe: &mut impl FnMut(&Applied, &InstrumentMarket)) {
        if self.stream.run != Run::None {
            self.lose([0, 0], why::TORN_RUN);
        }
        self.stream.run_id = depth::depth_ids(event).last;
        self.stream.run = if event.has(flags::SNAPSHOT) {
            self.begin_snapshot(event)
        } else {
            self.begin_update(event)
        };
        if event.is_last() {
            match self.stream.run {
                Run::Apply | Run::Snapshot => self.run_ended(observe),
                Run::None | Run::Buffer | Run::Ignore => self.stream.run = Run::None,
            }
        }
    }

    fn begin_snapshot(&mut self, event: &Event) -> Run {
        let id = depth::depth_ids(event).last;
        if self.stream.rule.is_joined() && id < self.stream.rule.last_id() {
            // Older than what we have: taking it would turn the book back.
            self.counters.old_count += 1;
            return Run::Ignore;
        }
        self.entry.book.clear();
        self.entry.updating = true;
        Run::Snapshot
    }

    fn begin_update(&mut self, event: &Event) -> Run {
        let ids = depth::depth_ids(event);
        match self.stream.rule.judge(&ids) {
            Ruling::Apply => {
                self.entry.updating = true;
                Run::Apply
            }
            Ruling::Old => {
                self.counters.old_count += 1;
                Run::Ignore
            }
            Ruling::Missing { expected, received } => {
                let first = self.stream.rule.has_snapshot() && !self.stream.rule.is_joined();
                let reason = if first { why::OLD_SNAPSHOT } else { why::MISSING_UPDATE };
                self.lose([expected, received], reason);
                self.stream.buffer.push(event);
                Run::Buffer
            }
            Ruling::AwaitSnapshot => {
                self.stream.buffer.push(event);
                Run::Buffer
            }
        }
    }

    /// Puts a level into the book; on a full book the run is given up and false returned.
    #[inline]
    fn set_level(&mut self, event: &Event) -> bool {
        let sound = 0 <= event.price && 0 <= event.quantity;
        if sound && self.entry.book.set(event.side(), event.price, event.quantity).is_ok() {
            return true;
        }
        self.lose([event.price, event.quantity], why::BOOK_FULL);
        // What is left of the run belongs to a book that is no longer believed.
        self.stream.run = if event.is_last() { Run::None } else { Run::Ignore };
        false
    }

    fn run_ended(&mut self, observe: &mut impl FnMut(&Applied, &InstrumentMarket)) {
        let run = std::mem::replace(&mut self.stream.run, Run::None);
        self.entry.updating = false;
        if run == Run::Snapshot {
            self.stream.rule.snapshot(self.stream.run_id);
            self.counters.snapshot_count += 1;
            if !self.drain_buffer(observe) {
                return;
            }
        } else {
            self.stream.rule.applied(self.stream.run_id);
            self.applied(self.time_ns, self.stream.run_id, observe);
        }
        self.refresh_top();
        self.judge_quality(if run == Run::Snapshot { why::SNAPSHOT } else { why::RECOVERED });
    }

    /// Applies what was buffered since before the snapshot. False when the snapshot is too old.
    fn drain_buffer(&mut self, observe: &mut impl FnMut(&Applied, &InstrumentMarket)) -> bool {
        let mut run = Run::None;
        let mut header_ns = 0;
        for index in 0..self.stream.buffer.len() {
            let event = self.stream.buffer.get(index);
            if event.kind == Kind::DEPTH {
                let ids = depth::depth_ids(&event);
                self.stream.run_id = ids.last;
                header_ns = event.time_ns;
                run = match self.stream.rule.judge(&ids) {
                    Ruling::Apply => Run::Apply,
                    Ruling::Old => {
                        self.counters.old_count += 1;
                        Run::Ignore
                    }
                    Ruling::AwaitSnapshot => Run::Ignore,
                    Ruling::Missing { expected, received } => {
                        self.stream.buffer.remove_front(index);
                        self.lose([expected, received], why::OLD_SNAPSHOT);
                        return false;
                    }
                };
            } else if run == Run::Apply && !self.set_level(&event) {
                return false;
            }
            if event.is_last() && run == Run::Apply {
                self.stream.rule.applied(self.stream.run_id);
                self.applied(header_ns, self.stream.run_id, observe);
            }
        }
        self.stream.buffer.clear();
        true
    }

    fn applied(
        &mut self,
        time_ns: u64,
        last_id: i64,
        observe: &mut impl FnMut(&Applied, &InstrumentMarket),
    ) {
        self.counters.applied_count += 1;
        let count = self.counters.applied_count;
        observe(&Applied { instrument: self.instrument, count, time_ns, last_id }, self.entry);
    }

    fn refresh_top(&mut self) {
        self.entry.heard_ns = self.time_ns;
        let update_id = self.stream.rule.last_id().cast_unsigned();
        if update_id < self.entry.top.update_id {
            return; // A quote has told something newer.
        }
        let bid = self.entry.book.best(Side::Buy);
        let ask = self.entry.book.best(Side::Sell);
        self.entry.top = Top {
            bid_price: bid.map_or(0, |level| level.price),
            bid_quantity: bid.map_or(0, |level| level.quantity),
            ask_price: ask.map_or(0, |level| level.price),
            ask_quantity: ask.map_or(0, |level| level.quantity),
            update_id,
        };
    }

    fn judge_quality(&mut self, reason: u32) {
        let bid = self.entry.book.best(Side::Buy);
        let ask = self.entry.book.best(Side::Sell);
        if let (Some(bid), Some(ask)) = (bid, ask)
            && ask.price <= bid.price
        {
            self.change(BookState::Crossed, [ask.price, bid.price], why::CROSSED);
            return;
        }
        self.change(BookState::Live, [0, 0], reason);
    }

    fn trade(&mut self, event: &Event) {
        if event.price <= 0 || event.quantity <= 0 {
            return;
        }
        self.entry.trade_price = event.price;
        self.entry.trade_quantity = event.quantity;
        self.entry.trade_aggressor = event.side();
        self.heard_again();
    }

    fn quote(&mut self, event: &Event) {
        if event.side() == Side::Buy {
            self.stream.quote_bid = Some(*event);
            return;
        }
        let Some(bid) = self.stream.quote_bid.take() else { return };
        let whole = bid.id == event.id && bid.price < event.price;
        if !whole || event.id < self.entry.top.update_id {
            return;
        }
        self.entry.top = Top {
            bid_price: bid.price,
            bid_quantity: bid.quantity,
            ask_price: event.price,
            ask_quantity: event.quantity,
            update_id: event.id,
        };
        self.heard_again();
    }

    fn heard_again(&mut self) {
        self.entry.heard_ns = self.time_ns;
        if self.entry.state == BookState::Stale {
            self.change(BookState::Live, [0, 0], why::RECOVERED);
        }
    }

    fn stream_state(&mut self, event: &Event) {
        match FeedCode::from_code(event.code) {
            Some(FeedCode::Connected) => {
                self.stream.rule.reset();
                self.stream.run = Run::None;
                self.stream.buffer.clear();
                self.entry.updating = false;
                self.entry.top.update_id = 0;
                self.change(BookState::Empty, [0, 0], why::CONNECTED);
            }
            Some(FeedCode::Disconnected) => {
                self.break_off();
                self.change(BookState::Down, [0, 0], why::DISCONNECTED);
            }
            Some(FeedCode::Dropped) => self.lose([0, i64::from(event.tag)], why::DROPPED),
            Some(FeedCode::Mute) if self.entry.state == BookState::Live => {
                self.change(BookState::Stale, [0, 0], why::MUTE);
            }
            Some(FeedCode::Mute) | None => {}
        }
    }

    /// Something is missing: the book is not believed until the next snapshot.
    fn lose(&mut self, numbers: [i64; 2], reason: u32) {
        self.break_off();
        self.counters.gap_count += 1;
        self.change(BookState::Gap, numbers, reason);
    }

    fn break_off(&mut self) {
        if self.stream.run == Run::Buffer {
            // Half an update must not become part of a book when the snapshot comes.
            self.stream.buffer.drop_last_run();
        }
        self.stream.rule.reset();
        self.stream.run = Run::None;
        self.entry.updating = false;
    }

    fn change(&mut self, state: BookState, numbers: [i64; 2], reason: u32) {
        change_state(self.entry, self.instrument, state, numbers, reason, self.out);
    }
}

fn change_state(
    entry: &mut InstrumentMarket,
    instrument: InstrumentIndex,
    state: BookState,
    [expected, received]: [i64; 2],
    reason: u32,
    out: &mut Emitter<'_>,
) {
    if entry.state == state {
        return;
    }
    entry.state = state;
    let mut event = Event::new(Kind::BOOK_STATE);
    event.instrument = instrument;
    event.code = u16::from(state.code());
    event.price = expected;
    event.quantity = received;
    event.tag = reason;
    event.flags = flags::LAST;
    out.emit(event);
}

impl Run {
    const ALL: [Run; 5] = [Run::None, Run::Apply, Run::Snapshot, Run::Buffer, Run::Ignore];
}

impl State for Feed {
    fn save(&self, out: &mut Saver) {
        out.count(self.streams.len());
        for (stream, counters) in self.streams.iter().zip(&self.counters) {
            stream.rule.save(out);
            out.u8(stream.run as u8);
            out.i64(stream.run_id);
            stream.buffer.save(out);
            out.bool(stream.quote_bid.is_some());
            out.event(&stream.quote_bid.unwrap_or(Event::new(Kind::QUOTE)));
            out.u64(counters.applied_count);
            out.u64(counters.snapshot_count);
            out.u64(counters.gap_count);
            out.u64(counters.old_count);
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        if from.count(self.streams.len())? != self.streams.len() {
            return Err(from.invalid("number of streams"));
        }
        for (stream, counters) in self.streams.iter_mut().zip(&mut self.counters) {
            stream.rule.load(from)?;
            let run = usize::from(from.u8()?);
            stream.run = *Run::ALL.get(run).ok_or_else(|| from.invalid("depth run"))?;
            stream.run_id = from.i64()?;
            stream.buffer.load(from)?;
            let has_bid = from.bool()?;
            let bid = from.event()?;
            stream.quote_bid = has_bid.then_some(bid);
            *counters = FeedCounters {
                applied_count: from.u64()?,
                snapshot_count: from.u64()?,
                gap_count: from.u64()?,
                old_count: from.u64()?,
            };
        }
        Ok(())
    }
}
