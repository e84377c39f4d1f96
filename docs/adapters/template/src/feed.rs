//! Market data of the skeleton: lines in, events out; a whole book is asked for when it is needed.
//!
//! The venue says `book ID (B|A PRICE QUANTITY)*` and `move ID B|A PRICE QUANTITY`, whose ids count by one.
//!
//! **Invariant:** a gap is published as it came, so that the engine sees it; nothing is told twice.

use engine::event::market::{DepthIds, depth, feed, level, quarantine};
use engine::event::{Event, FeedCode, NO_INSTRUMENT, Side};

use crate::LineError;
use crate::words::Words;

/// Most levels of a book that is taken at once.
pub const LEVEL_COUNT_MAX: usize = 256;
/// Number of the one connection in FEED events.
const CONNECTION: u64 = 1;

/// Where events go; the inbound ring has the same two methods.
pub trait FeedSink {
    /// Publishes market events, as many from the front as there is room for.
    fn market(&mut self, events: &[Event]) -> usize;
    /// Publishes an event that must not be lost; false when there is no room now.
    fn control(&mut self, event: &Event) -> bool;
}

/// What the driver must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedWish {
    /// Ask for a whole book.
    Book,
    /// Make the connection anew.
    Reconnect,
}

/// The feed without its socket.
#[derive(Debug)]
pub struct FeedMachine {
    instrument: u16,
    mute_ns_max: u64,
    is_open: bool,
    last_id: i64,
    heard_ns: u64,
    line_count: u64,
    /// Told in order, before anything else.
    untold: Vec<Event>,
    wish: Option<FeedWish>,
    events: Vec<Event>,
}

impl FeedMachine {
    /// A feed of one instrument; silence for longer than `mute_ns_max` is none.
    pub fn new(instrument: u16, mute_ns_max: u64) -> FeedMachine {
        FeedMachine {
            instrument,
            mute_ns_max,
            is_open: false,
            last_id: 0,
            heard_ns: 0,
            line_count: 0,
            untold: Vec::with_capacity(8),
            wish: None,
            events: Vec::with_capacity(LEVEL_COUNT_MAX + 1),
        }
    }

    /// What the driver must do now.
    pub fn take_wish(&mut self) -> Option<FeedWish> {
        self.wish.take()
    }

    /// The connection is open and subscribed.
    pub fn on_opened(&mut self, now_ns: u64, sink: &mut impl FeedSink) {
        (self.is_open, self.heard_ns, self.last_id) = (true, now_ns, 0);
        self.wish = Some(FeedWish::Book);
        self.change(FeedCode::Connected, true, now_ns, sink);
    }

    /// The connection is gone.
    pub fn on_closed(&mut self, now_ns: u64, sink: &mut impl FeedSink) {
        if std::mem::replace(&mut self.is_open, false) {
            self.change(FeedCode::Disconnected, true, now_ns, sink);
        }
    }

    /// A change of the connection: its own event, and for the instrument whose stream it carries.
    fn change(&mut self, code: FeedCode, of_stream: bool, now_ns: u64, sink: &mut impl FeedSink) {
        let mut line = feed(NO_INSTRUMENT, code, 0).at(now_ns);
        line.id = CONNECTION;
        self.untold.push(line);
        if of_stream {
            self.untold.push(feed(self.instrument, code, 0).at(now_ns));
        }
        self.tell(sink);
    }

    fn tell(&mut self, sink: &mut impl FeedSink) {
        let told = self.untold.iter().take_while(|event| sink.control(event)).count();
        self.untold.drain(..told);
    }

    /// Time has passed: silence is judged on data.
    pub fn on_time(&mut self, now_ns: u64, sink: &mut impl FeedSink) {
        self.tell(sink);
        if self.is_open && self.mute_ns_max < now_ns.saturating_sub(self.heard_ns) {
            self.heard_ns = now_ns;
            self.wish = Some(FeedWish::Reconnect);
            self.change(FeedCode::Mute, false, now_ns, sink);
        }
    }

    /// A line of the venue.
    pub fn on_line(&mut self, line: &[u8], receive_ns: u64, sink: &mut impl FeedSink) {
        self.line_count += 1;
        self.tell(sink);
        if let Err(error) = self.decode(line, receive_ns) {
            self.untold.push(quarantine(error as u16, self.line_count, 1).at(receive_ns));
            return self.tell(sink);
        }
        self.heard_ns = receive_ns;
        if sink.market(&self.events) < self.events.len() {
            // What had no room is missing: the ring says so to the engine, and the book is made anew.
            self.wish = Some(FeedWish::Book);
        }
    }

    /// The events of a line; none for what was told before.
    fn decode(&mut self, line: &[u8], receive_ns: u64) -> Result<(), LineError> {
        self.events.clear();
        let mut words = Words::of(line)?;
        let kind = words.word()?;
        let is_book = match kind {
            "book" => true,
            "move" => false,
            _ => return Err(LineError::Word),
        };
        let id = words.number()?;
        let mut levels = Vec::with_capacity(1);
        while let Ok(side) = words.word() {
            let side = match side {
                "B" => Side::Buy,
                "A" => Side::Sell,
                _ => return Err(LineError::Word),
            };
            levels.push((side, words.number()?, words.number()?));
            if LEVEL_COUNT_MAX < levels.len() {
                return Err(LineError::Number);
            }
        }
        if !is_book && id <= self.last_id {
            return Ok(());
        }
        if !is_book && 0 < self.last_id && self.last_id + 1 < id {
            self.wish = Some(FeedWish::Book);
        }
        self.last_id = if is_book { id.max(self.last_id) } else { id };
        let count = u32::try_from(levels.len()).expect("bounded above");
        let ids = DepthIds { first: id, last: id, previous: -1 };
        self.events.push(depth(self.instrument, ids, count, is_book).at(receive_ns));
        for (place, (side, price, quantity)) in levels.iter().enumerate() {
            let is_last = place + 1 == levels.len();
            let event = level(self.instrument, *side, *price, *quantity, is_last);
            self.events.push(event.at(receive_ns));
        }
        Ok(())
    }
}
