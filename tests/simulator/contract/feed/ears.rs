//! The engine's end of a feed: its feed stage, its book, and what was told beside them.

use std::collections::BTreeMap;

use engine::book::Book as _;
use engine::event::{BookState, Event, FeedCode, Kind, NO_INSTRUMENT, Side, flags, market};
use engine::feed::{Feed, FeedConfig};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::market::Market;
use engine::money::Money;
use engine::ring::{Emitter, Ring};

use crate::contract::{Held, ensure};

/// A book: prices with quantities, bids and asks.
pub type Levels = [BTreeMap<i64, i64>; 2];

/// Instrument that doubles feed.
const INSTRUMENT: u16 = 0;

/// The engine's end.
#[derive(Debug)]
pub struct FeedEars {
    feed: Feed,
    market: Market,
    ring: Ring,
    /// There is no room in the ring.
    pub is_full: bool,
    /// Events that found no room.
    pub lost_count: u32,
    untold_count: u32,
    /// FEED events of the instrument.
    codes: Vec<u16>,
    /// FEED events of connections: code and number.
    pub lines: Vec<(u16, u64)>,
    /// Qualities of the book, in the order in which they came.
    pub states: Vec<BookState>,
    /// Updates of the book.
    pub depth_count: u64,
    /// Final id of the newest update, until the book is no longer live.
    newest_id: Option<u64>,
    again_count: u64,
    /// Messages that were put aside.
    pub quarantine_count: u64,
}

/// The instrument of every double: prices in 0.01, quantities in 0.00001.
pub fn table(venue: Venue) -> InstrumentTable {
    let instrument = Instrument {
        venue,
        symbol: "BTCUSDT".to_string(),
        price_scale: 2,
        quantity_scale: 5,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    };
    InstrumentTable::new(vec![instrument]).expect("one sound instrument")
}

impl FeedEars {
    /// Nothing heard yet.
    pub fn new() -> FeedEars {
        FeedEars {
            feed: Feed::new(FeedConfig::default(), &table(Venue::BinanceSpot)),
            market: Market::new(1),
            ring: Ring::new(4096, 0),
            is_full: false,
            lost_count: 0,
            untold_count: 0,
            codes: Vec::new(),
            lines: Vec::new(),
            states: Vec::new(),
            depth_count: 0,
            newest_id: None,
            again_count: 0,
            quarantine_count: 0,
        }
    }

    /// Takes market events, or none of them; what is lost is told before what comes next, as the border
    /// ring does it.
    pub fn market(&mut self, events: &[Event]) -> usize {
        if self.is_full {
            let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
            self.lost_count = self.lost_count.saturating_add(count);
            self.untold_count = self.untold_count.saturating_add(count);
            return 0;
        }
        self.tell_lost();
        for event in events {
            self.hear(event);
        }
        events.len()
    }

    /// Takes an event that must not be lost, if there is room.
    pub fn control(&mut self, event: &Event) -> bool {
        if self.is_full {
            return false;
        }
        self.tell_lost();
        self.hear(event);
        true
    }

    fn tell_lost(&mut self) {
        if 0 < self.untold_count {
            let lost = std::mem::take(&mut self.untold_count);
            self.hear(&market::feed(INSTRUMENT, FeedCode::Dropped, lost));
        }
    }

    fn hear(&mut self, event: &Event) {
        match event.kind {
            Kind::QUARANTINE => {
                self.quarantine_count += 1;
                return;
            }
            Kind::FEED if event.instrument == NO_INSTRUMENT => {
                self.lines.push((event.code, event.id));
                return;
            }
            Kind::FEED => self.codes.push(event.code),
            Kind::DEPTH if !event.has(flags::SNAPSHOT) => {
                self.depth_count += 1;
                self.again_count += u64::from(self.newest_id.is_some_and(|id| event.id <= id));
                self.newest_id = Some(event.id);
            }
            _ => {}
        }
        let sequence = self.ring.begin(*event);
        let event = *self.ring.get(sequence);
        let mut emitter = Emitter::new(&mut self.ring, &event);
        self.feed.apply(&event, &mut self.market, &mut emitter);
        let state = self.state();
        if self.states.last() != Some(&state) {
            self.states.push(state);
        }
        if state != BookState::Live {
            self.newest_id = None;
        }
    }

    fn state(&self) -> BookState {
        self.market.get(INSTRUMENT).expect("there is one instrument").state
    }

    /// Whether the book is whole.
    pub fn is_live(&self) -> bool {
        self.state() == BookState::Live
    }

    /// Whether the book was in that state at any time.
    pub fn was(&self, state: BookState) -> bool {
        self.states.contains(&state)
    }

    /// How often that was told of the instrument.
    pub fn code_count(&self, code: FeedCode) -> usize {
        self.codes.iter().filter(|told| **told == code as u16).count()
    }

    /// How often that was told of connections.
    pub fn line_count(&self, code: FeedCode) -> usize {
        self.lines.iter().filter(|(told, _)| *told == code as u16).count()
    }

    /// The engine's book.
    pub fn levels(&self) -> Levels {
        let entry = self.market.get(INSTRUMENT).expect("there is one instrument");
        [Side::Buy, Side::Sell].map(|side| {
            let mut levels = BTreeMap::new();
            entry.book.visit(side, &mut |level| {
                levels.insert(level.price, level.quantity);
                true
            });
            levels
        })
    }

    /// What holds at any time: a live book hears each update once.
    pub(super) fn check(&self) -> Held {
        ensure(self.again_count == 0, || {
            format!("{} updates of a live book were told again; {}", self.again_count, self.story())
        })
    }

    /// What was heard, in words.
    pub fn story(&self) -> String {
        format!(
            "states {:?}, feed codes {:?}, connections {:?}, {} updates, {} put aside, {} lost",
            self.states,
            self.codes,
            self.lines,
            self.depth_count,
            self.quarantine_count,
            self.lost_count
        )
    }
}

impl Default for FeedEars {
    fn default() -> FeedEars {
        FeedEars::new()
    }
}
