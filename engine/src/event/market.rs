//! Market-data events: depth runs, trades, quotes, stream states.

use super::{Event, Kind, Side, flags};

/// State of a market-data stream, in `code` of `FEED`. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum FeedCode {
    /// The stream is open; a snapshot must follow before the book is live.
    Connected = 1,
    /// The stream is gone; the book is stale from here on.
    Disconnected = 2,
    /// Events of this instrument were dropped before us (ring full); `tag` says how many.
    Dropped = 3,
    /// The stream is open but says nothing.
    Mute = 4,
}

impl FeedCode {
    /// The code of that number.
    pub const fn from_code(code: u16) -> Option<FeedCode> {
        match code {
            1 => Some(FeedCode::Connected),
            2 => Some(FeedCode::Disconnected),
            3 => Some(FeedCode::Dropped),
            4 => Some(FeedCode::Mute),
            _ => None,
        }
    }

    /// Name as printed by tools.
    pub const fn name(self) -> &'static str {
        match self {
            FeedCode::Connected => "connected",
            FeedCode::Disconnected => "disconnected",
            FeedCode::Dropped => "dropped",
            FeedCode::Mute => "mute",
        }
    }
}

/// Quality of a book, in `code` of `BOOK_STATE`. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum BookState {
    /// No snapshot yet: nothing is known.
    #[default]
    Empty = 1,
    /// In sequence and fresh: strategies may quote.
    Live = 2,
    /// Updates are missing: a snapshot must come before the book is believed again.
    Gap = 3,
    /// In sequence, but silent for longer than allowed.
    Stale = 4,
    /// Best bid at or above best ask.
    Crossed = 5,
    /// The stream is disconnected.
    Down = 6,
}

impl BookState {
    /// Every state, for tables and tests.
    pub const ALL: [BookState; 6] = [
        BookState::Empty,
        BookState::Live,
        BookState::Gap,
        BookState::Stale,
        BookState::Crossed,
        BookState::Down,
    ];

    /// Number in journal and stats.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The state of that number.
    pub fn from_code(code: u8) -> Option<BookState> {
        BookState::ALL.into_iter().find(|state| state.code() == code)
    }

    /// Name as printed by tools.
    pub const fn name(self) -> &'static str {
        match self {
            BookState::Empty => "empty",
            BookState::Live => "live",
            BookState::Gap => "gap",
            BookState::Stale => "stale",
            BookState::Crossed => "crossed",
            BookState::Down => "down",
        }
    }
}

/// Sequence numbers of a depth update, as the venue gave them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthIds {
    /// First update id in the event (`U`); equals `last` in a snapshot.
    pub first: i64,
    /// Final update id in the event (`u`).
    pub last: i64,
    /// Final update id of the event before it (`pu`), where the venue says it; else -1.
    pub previous: i64,
}

impl DepthIds {
    /// `previous` where the venue does not say it.
    pub const NO_PREVIOUS: i64 = -1;
}

/// Header of a depth run of `level_count` levels.
pub fn depth(instrument: u16, ids: DepthIds, level_count: u32, snapshot: bool) -> Event {
    let mut event = Event::new(Kind::DEPTH);
    event.instrument = instrument;
    event.price = ids.first;
    event.quantity = ids.previous;
    event.id = ids.last.cast_unsigned();
    event.tag = level_count;
    event.flags = if snapshot { flags::SNAPSHOT } else { 0 };
    if level_count == 0 {
        event.flags |= flags::LAST;
    }
    event
}

/// Sequence numbers of a depth header.
#[inline]
pub fn depth_ids(event: &Event) -> DepthIds {
    DepthIds { first: event.price, last: event.id.cast_signed(), previous: event.quantity }
}

/// One level of a depth run; `quantity` 0 removes it.
#[inline]
pub fn level(instrument: u16, side: Side, price: i64, quantity: i64, last: bool) -> Event {
    let mut event = Event::new(Kind::LEVEL);
    event.instrument = instrument;
    event.price = price;
    event.quantity = quantity;
    event.flags = side.flag() | if last { flags::LAST } else { 0 };
    event
}

/// A public trade; `aggressor` is the side that took liquidity.
pub fn trade(instrument: u16, aggressor: Side, price: i64, quantity: i64, trade_id: u64) -> Event {
    let mut event = Event::new(Kind::TRADE);
    event.instrument = instrument;
    event.price = price;
    event.quantity = quantity;
    event.id = trade_id;
    event.flags = aggressor.flag() | flags::LAST;
    event
}

/// One side of a best bid and offer. The ask comes second and ends the run.
pub fn quote(instrument: u16, side: Side, price: i64, quantity: i64, update_id: u64) -> Event {
    let mut event = Event::new(Kind::QUOTE);
    event.instrument = instrument;
    event.price = price;
    event.quantity = quantity;
    event.id = update_id;
    event.flags = match side {
        Side::Buy => 0,
        Side::Sell => flags::SELL | flags::LAST,
    };
    event
}

/// State of the stream of `instrument`; `lost_count` for [`FeedCode::Dropped`].
pub fn feed(instrument: u16, code: FeedCode, lost_count: u32) -> Event {
    let mut event = Event::new(Kind::FEED);
    event.instrument = instrument;
    event.code = code as u16;
    event.tag = lost_count;
    event.flags = flags::LAST;
    event
}

/// Input number `line` was put aside; `why` is the decoder's stable code.
pub fn quarantine(why: u16, line: u64, count: u32) -> Event {
    let mut event = Event::new(Kind::QUARANTINE);
    event.code = why;
    event.id = line;
    event.tag = count;
    event.flags = flags::LAST;
    event
}
