//! Link events: state of order-entry sessions, and what a pull tells of a venue's side.
//!
//! ```text
//!   link up --> lock, send pull --> link pull-begin (number)
//!                                   fill reports of recent executions (booked once, by execution id)
//!                                   venue order, and for ours: report working
//!                                   venue balance runs
//!                                   link pull-end (number) --> differences, unlock or another pull
//! ```
//! An adapter answers every `SEND_PULL` with one `PullBegin`, rows, and `PullEnd` or `PullFailed`.

use super::{Event, Kind, Side, flags};
use crate::instrument::Venue;

/// What happened to a session at a venue, in `code` of `LINK`. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum LinkCode {
    /// Requests can be sent and reports come in. What was missed is not known.
    Up = 1,
    /// Requests cannot be sent, or reports do not come in.
    Down = 2,
    /// The rows of pull number `id` follow.
    PullBegin = 3,
    /// That was the whole pull.
    PullEnd = 4,
    /// The pull could not be completed; its rows may be missing.
    PullFailed = 5,
}

impl LinkCode {
    /// The code of that number.
    pub const fn from_code(code: u16) -> Option<LinkCode> {
        match code {
            1 => Some(LinkCode::Up),
            2 => Some(LinkCode::Down),
            3 => Some(LinkCode::PullBegin),
            4 => Some(LinkCode::PullEnd),
            5 => Some(LinkCode::PullFailed),
            _ => None,
        }
    }

    /// Name as printed by tools.
    pub const fn name(self) -> &'static str {
        match self {
            LinkCode::Up => "up",
            LinkCode::Down => "down",
            LinkCode::PullBegin => "pull-begin",
            LinkCode::PullEnd => "pull-end",
            LinkCode::PullFailed => "pull-failed",
        }
    }
}

/// Which asset of an instrument a balance is of, in `code` of `VENUE_BALANCE`. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum BalanceCode {
    /// What is bought and sold; in quantity units of the instrument.
    Base = 1,
    /// What is paid with; in units of 10^-8.
    Quote = 2,
}

impl BalanceCode {
    /// The code of that number.
    pub const fn from_code(code: u16) -> Option<BalanceCode> {
        match code {
            1 => Some(BalanceCode::Base),
            2 => Some(BalanceCode::Quote),
            _ => None,
        }
    }
}

/// In what a fee was paid, in `code` of `REPORT_DETAIL`. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum FeeCode {
    /// Account currency, units of 10^-8.
    Account = 0,
    /// The traded asset itself, quantity units of the instrument.
    InKind = 1,
    /// An asset that the engine does not value, units of 10^-8 of it.
    Foreign = 2,
}

impl FeeCode {
    /// The code of that number.
    pub const fn from_code(code: u16) -> Option<FeeCode> {
        match code {
            0 => Some(FeeCode::Account),
            1 => Some(FeeCode::InKind),
            2 => Some(FeeCode::Foreign),
            _ => None,
        }
    }
}

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $id:ident = $code:literal $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub enum $name {
            $($(#[$doc])* $id = $code,)*
        }

        impl $name {
            /// The code of that number.
            pub const fn from_code(code: u16) -> Option<$name> {
                match code {
                    $($code => Some($name::$id),)*
                    _ => None,
                }
            }

            /// Number in the journal.
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// Name as printed by tools.
            pub const fn name(self) -> &'static str {
                match self { $($name::$id => $text,)* }
            }
        }
    };
}

codes! {
    /// In what engine and venue differ, in `code` of `DIFFERENCE`. Never renumber.
    DifferenceCode {
        /// Live for us, not among the venue's open orders: asked for. Ours: what is left.
        OrderMissing = 1 "order-missing";
        /// Another price at the venue: the venue's is taken over.
        OrderPrice = 2 "order-price";
        /// Another total quantity at the venue: the venue's is taken over.
        OrderQuantity = 3 "order-quantity";
        /// The venue traded more than it told of: asked for. Both sides: cumulative quantity.
        OrderTraded = 4 "order-traded";
        /// An order that is not the engine's: reported, neither adopted nor cancelled.
        OrderStrange = 5 "order-strange";
        /// The id is one of this engine's, but no order that it knows: reported, neither adopted nor
        /// cancelled.
        OrderForgotten = 6 "order-forgotten";
        /// A balance of a traded asset, in quantity units.
        BalanceBase = 7 "balance-base";
        /// A balance of a quote asset, in units of 10^-8.
        BalanceQuote = 8 "balance-quote";
    }
}

codes! {
    /// Why a venue is locked, in `price` of `LOCK`. Never renumber.
    LockReason {
        /// It is not locked: link, orders and balances are known.
        None = 0 "none";
        /// A session began.
        Start = 1 "start";
        /// The link came up: what was missed is not known.
        LinkUp = 2 "link-up";
        /// The link is down.
        LinkDown = 3 "link-down";
        /// Balances differ after every attempt.
        Balances = 4 "balances";
    }
}

codes! {
    /// Why a venue is asked for everything, in `code` of `SEND_PULL`. Never renumber.
    PullReason {
        /// The link came up.
        LinkUp = 1 "link-up";
        /// It was time.
        Periodic = 2 "periodic";
        /// Balances differed in the pull before.
        Retry = 3 "retry";
        /// The pull before failed, or was not answered in time.
        Failed = 4 "failed";
        /// An operator accepted the venue's balances.
        Accepted = 5 "accepted";
    }
}

/// State of the session at `venue`; `pull` is 0 where no pull is meant.
pub fn link(venue: Venue, code: LinkCode, pull: u64) -> Event {
    let mut event = Event::new(Kind::LINK);
    event.code = code as u16;
    event.id = pull;
    event.tag = venue as u32;
    event.flags = flags::LAST;
    event
}

/// An order that the venue works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueOrder {
    /// Instrument.
    pub instrument: u16,
    /// Side.
    pub side: Side,
    /// Price.
    pub price: i64,
    /// Quantity of the whole order, traded part included.
    pub quantity: i64,
    /// Our id, or the venue's.
    pub id: u64,
    /// Whether the order is ours.
    pub ours: bool,
}

/// One row of a pull.
pub fn venue_order(order: &VenueOrder) -> Event {
    let mut event = Event::new(Kind::VENUE_ORDER);
    event.instrument = order.instrument;
    event.price = order.price;
    event.quantity = order.quantity;
    event.id = order.id;
    event.flags = order.side.flag() | flags::LAST;
    if !order.ours {
        event.flags |= flags::STRANGER;
    }
    event
}

/// A balance, free and locked together, as one of the run over the instruments that share the asset; `asset`
/// numbers the assets of a pull, `last` ends the run.
pub fn venue_balance(
    venue: Venue,
    instrument: u16,
    code: BalanceCode,
    total: i64,
    (asset, last): (u64, bool),
) -> Event {
    let mut event = Event::new(Kind::VENUE_BALANCE);
    event.instrument = instrument;
    event.code = code as u16;
    event.price = total;
    event.id = asset;
    event.tag = venue as u32;
    event.flags = if last { flags::LAST } else { 0 };
    event
}
