//! The 64-byte event: the one layout that rings, journal and every stage share.
//!
//! ```text
//!  byte  0        8        16       24   25    26         28     30   32     40       48 56  60   64
//!        +--------+--------+--------+----+-----+----------+------+----+------+--------+--+---+-----+
//!        |sequence| cause  |time_ns |kind|flags|instrument|source|code|price |quantity|id|tag|check|
//!        +--------+--------+--------+----+-----+----------+------+----+------+--------+--+---+-----+
//!  width    8        8        8       1    1       2         2     2     8       8     8   4    4
//! ```
//!
//! Little-endian, no padding, one cache line. `sequence` is the word that makes a record true: the
//! journal stores it last, 0 means "nothing here". `cause` is the sequence of the event that led to
//! this one, 0 on inbound events. `check` belongs to the journal (CRC-32C of bytes 0..60).
//! What the words `code`, `price`, `quantity`, `id` and `tag` mean depends on the kind; the table
//! stands beside the kinds in [`kind`]. What does not fit in one event is a run of events; the last
//! one carries [`flags::LAST`].

pub mod control;
pub mod kind;
pub mod link;
pub mod market;
pub mod order;
pub mod session;
#[cfg(test)]
mod tests;

use bytemuck::{Pod, Zeroable};

pub use control::{AnswerCode, BreakerState, KillPhase, Scope, TripReason, TripUnit};
pub use kind::Kind;
pub use link::{BalanceCode, DifferenceCode, FeeCode, LinkCode, LockReason, PullReason};
pub use market::{BookState, FeedCode};
pub use order::{OrderState, OrderTerms, OrderType, ReportCode, Side, TimeInForce};
pub use session::{CommandCode, Mode, TextTopic};

/// Bits of [`Event::flags`]. Never renumbered.
pub mod flags {
    /// Last event of a run; single events carry it too.
    pub const LAST: u8 = 1;
    /// On `DEPTH`: the run replaces the book instead of changing it.
    pub const SNAPSHOT: u8 = 1 << 1;
    /// Ask side of a book, or a sell; without it bid side, or a buy.
    pub const SELL: u8 = 1 << 2;
    /// The order must rest: it is rejected if it would trade at once.
    pub const POST_ONLY: u8 = 1 << 3;
    /// The order may only bring the position nearer to zero.
    pub const REDUCE_ONLY: u8 = 1 << 4;
    /// Our side of a fill was resting.
    pub const MAKER: u8 = 1 << 5;
    /// A fill that came after the order was thought to be over.
    pub const LATE: u8 = 1 << 6;
    /// On what a pull tells and what follows from it: the order at the venue is not ours, `id` is the venue's.
    pub const STRANGER: u8 = 1 << 6;
    /// On `DIFFERENCE`: it survived every attempt; the venue stays locked.
    pub const FINAL: u8 = 1 << 5;
    /// On `FILL`: the fee that the venue kept from the traded asset; it moves the position, no order.
    pub const IN_KIND: u8 = 1 << 7;
    /// On an intent and what follows from it: wanted by the control stage (flatten, manual order, forced exit)
    /// and not by a strategy. A strategy cannot set it.
    pub const OPERATOR: u8 = 1 << 7;
}

/// `instrument` of events that concern no instrument.
pub const NO_INSTRUMENT: u16 = u16::MAX;
/// `source` of decisions that belong to no strategy.
pub const NO_STRATEGY: u16 = u16::MAX;
/// Most strategies in one engine: `source` of a decision is below it. Arbitrary.
pub const STRATEGY_COUNT_MAX: usize = 256;

/// One event. See the module's drawing; the meaning of the payload words is listed at [`Kind`].
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Event {
    /// Place in the one total order, from 1; given by the pipeline.
    pub sequence: u64,
    /// Sequence of the event that led to this one; 0 on inbound events.
    pub cause: u64,
    /// Event time, ns since the Unix epoch. Inbound: when we received it. Never runs backwards in a journal.
    pub time_ns: u64,
    /// What this is.
    pub kind: Kind,
    /// Bits of [`flags`].
    pub flags: u8,
    /// Index into the instrument table, or [`NO_INSTRUMENT`].
    pub instrument: u16,
    /// Inbound: which producer. Decisions: which strategy, or [`NO_STRATEGY`].
    pub source: u16,
    /// Small code whose meaning depends on the kind.
    pub code: u16,
    /// Mostly a price, in units of 10^-price_scale of the instrument.
    pub price: i64,
    /// Mostly a quantity, in units of 10^-quantity_scale of the instrument.
    pub quantity: i64,
    /// Mostly an order id.
    pub id: u64,
    /// Mostly the strategy's own tag.
    pub tag: u32,
    /// CRC-32C, written by the journal; 0 in rings.
    pub check: u32,
}

/// Size of an event, of a ring slot and of a journal record.
pub const EVENT_SIZE_BYTES: usize = 64;
/// Bytes of text or other raw payload that one event can carry (`price` to `tag`).
pub const PAYLOAD_SIZE_BYTES: usize = 28;

const _: () = assert!(size_of::<Event>() == EVENT_SIZE_BYTES);
const _: () = assert!(align_of::<Event>() == 64);
const _: () = assert!(std::mem::offset_of!(Event, sequence) == 0);
const _: () = assert!(std::mem::offset_of!(Event, cause) == 8);
const _: () = assert!(std::mem::offset_of!(Event, time_ns) == 16);
const _: () = assert!(std::mem::offset_of!(Event, kind) == 24);
const _: () = assert!(std::mem::offset_of!(Event, flags) == 25);
const _: () = assert!(std::mem::offset_of!(Event, instrument) == 26);
const _: () = assert!(std::mem::offset_of!(Event, source) == 28);
const _: () = assert!(std::mem::offset_of!(Event, code) == 30);
const _: () = assert!(std::mem::offset_of!(Event, price) == 32);
const _: () = assert!(std::mem::offset_of!(Event, quantity) == 40);
const _: () = assert!(std::mem::offset_of!(Event, id) == 48);
const _: () = assert!(std::mem::offset_of!(Event, tag) == 56);
const _: () = assert!(std::mem::offset_of!(Event, check) == 60);

impl Event {
    /// An event of `kind` with every other word at its neutral value.
    pub const fn new(kind: Kind) -> Event {
        Event {
            sequence: 0,
            cause: 0,
            time_ns: 0,
            kind,
            flags: 0,
            instrument: NO_INSTRUMENT,
            source: NO_STRATEGY,
            code: 0,
            price: 0,
            quantity: 0,
            id: 0,
            tag: 0,
            check: 0,
        }
    }

    /// Whether `flag` (one bit of [`flags`]) is set.
    #[inline]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether this is the last event of its run.
    #[inline]
    pub const fn is_last(&self) -> bool {
        self.has(flags::LAST)
    }

    /// Side named by [`flags::SELL`].
    #[inline]
    pub const fn side(&self) -> Side {
        if self.has(flags::SELL) { Side::Sell } else { Side::Buy }
    }

    /// The same event with another receive time.
    #[must_use]
    pub const fn at(mut self, time_ns: u64) -> Event {
        self.time_ns = time_ns;
        self
    }

    /// The same event, caused by `cause`.
    #[must_use]
    pub const fn caused_by(mut self, cause: u64) -> Event {
        self.cause = cause;
        self
    }

    /// Whether two events say the same; the journal's checksum is not part of what they say.
    pub fn says_the_same_as(&self, other: &Event) -> bool {
        Event { check: 0, ..*self } == Event { check: 0, ..*other }
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{} {} ", self.sequence, self.kind.name())?;
        write!(f, "cause=#{} time_ns={} flags={:#04x} ", self.cause, self.time_ns, self.flags)?;
        write!(f, "instrument={} source={} code={} ", self.instrument, self.source, self.code)?;
        write!(f, "price={} quantity={} ", self.price, self.quantity)?;
        write!(f, "id={} tag={}", self.id, self.tag)
    }
}
