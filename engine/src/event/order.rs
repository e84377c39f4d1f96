//! Order events: terms of an order, life-cycle states, venue reports.

use super::{Event, Kind, flags};

/// Side of an order, a level or an aggressor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Side {
    /// Buy order, bid level.
    Buy = 0,
    /// Sell order, ask level.
    Sell = 1,
}

impl Side {
    /// Bit for [`Event::flags`].
    #[inline]
    pub const fn flag(self) -> u8 {
        match self {
            Side::Buy => 0,
            Side::Sell => flags::SELL,
        }
    }

    /// The other side.
    #[inline]
    #[must_use]
    pub const fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }

    /// +1 for a buy, -1 for a sell.
    #[inline]
    pub const fn sign(self) -> i64 {
        match self {
            Side::Buy => 1,
            Side::Sell => -1,
        }
    }

    /// Index into arrays of two.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// `buy` or `sell`.
    pub const fn name(self) -> &'static str {
        match self {
            Side::Buy => "buy",
            Side::Sell => "sell",
        }
    }
}

/// Limit or market. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OrderType {
    /// Trades at its price or better.
    Limit = 1,
    /// Trades at any price; `price` of the event is the collar's reference, not a limit.
    Market = 2,
}

/// How long an order lives. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TimeInForce {
    /// Good till cancelled.
    Gtc = 1,
    /// Immediate or cancel: what does not trade at once expires.
    Ioc = 2,
    /// Fill or kill: all at once or nothing.
    Fok = 3,
}

/// Type and time in force of an order, packed into [`Event::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderTerms {
    /// Limit or market.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
}

impl OrderTerms {
    /// A limit order that rests until cancelled.
    pub const LIMIT_GTC: OrderTerms =
        OrderTerms { order_type: OrderType::Limit, time_in_force: TimeInForce::Gtc };
    /// A limit order that takes what it can and expires.
    pub const LIMIT_IOC: OrderTerms =
        OrderTerms { order_type: OrderType::Limit, time_in_force: TimeInForce::Ioc };

    /// Type in the low byte, time in force in the high byte.
    pub const fn code(self) -> u16 {
        (self.order_type as u16) | ((self.time_in_force as u16) << 8)
    }

    /// Terms of that code; `None` for codes that do not exist.
    pub const fn from_code(code: u16) -> Option<OrderTerms> {
        let order_type = match code & 0xff {
            1 => OrderType::Limit,
            2 => OrderType::Market,
            _ => return None,
        };
        let time_in_force = match code >> 8 {
            1 => TimeInForce::Gtc,
            2 => TimeInForce::Ioc,
            3 => TimeInForce::Fok,
            _ => return None,
        };
        Some(OrderTerms { order_type, time_in_force })
    }
}

/// Where an order is in its life. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum OrderState {
    /// Approved, not yet handed to the gateway.
    #[default]
    New = 1,
    /// Handed to the gateway; the venue has not answered.
    Pending = 2,
    /// Working at the venue.
    Acked = 3,
    /// Working, part of it traded.
    PartiallyFilled = 4,
    /// Traded in full. Terminal.
    Filled = 5,
    /// A cancel is on its way; fills may still come.
    PendingCancel = 6,
    /// Cancelled. Terminal.
    Cancelled = 7,
    /// Refused by the venue or withheld. Terminal.
    Rejected = 8,
    /// Ended by its time in force or by the venue. Terminal.
    Expired = 9,
    /// Its fate must be asked for: nothing may be assumed.
    Unknown = 10,
    /// A replace is on its way; fills of the old terms may still come.
    PendingReplace = 11,
}

impl OrderState {
    /// Every state, for tables and exhaustive tests.
    pub const ALL: [OrderState; 11] = [
        OrderState::New,
        OrderState::Pending,
        OrderState::Acked,
        OrderState::PartiallyFilled,
        OrderState::Filled,
        OrderState::PendingCancel,
        OrderState::Cancelled,
        OrderState::Rejected,
        OrderState::Expired,
        OrderState::Unknown,
        OrderState::PendingReplace,
    ];

    /// Number in journal and stats.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The state of that number.
    pub fn from_code(code: u8) -> Option<OrderState> {
        OrderState::ALL.into_iter().find(|state| state.code() == code)
    }

    /// Whether nothing more is expected. Late fills may come all the same.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            OrderState::Filled | OrderState::Cancelled | OrderState::Rejected | OrderState::Expired
        )
    }

    /// Name as printed by tools.
    pub const fn name(self) -> &'static str {
        match self {
            OrderState::New => "new",
            OrderState::Pending => "pending",
            OrderState::Acked => "acked",
            OrderState::PartiallyFilled => "partially-filled",
            OrderState::Filled => "filled",
            OrderState::PendingCancel => "pending-cancel",
            OrderState::Cancelled => "cancelled",
            OrderState::Rejected => "rejected",
            OrderState::Expired => "expired",
            OrderState::Unknown => "unknown",
            OrderState::PendingReplace => "pending-replace",
        }
    }
}

/// What a venue says about an order, in `code` of `REPORT`. Never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum ReportCode {
    /// Accepted and working.
    Acked = 1,
    /// Refused; `tag` is the venue's code.
    Rejected = 2,
    /// Traded; a detail event with cumulative quantity, fee and execution id follows.
    Filled = 3,
    /// Cancelled on request.
    Cancelled = 4,
    /// Ended by its time in force or by the venue.
    Expired = 5,
    /// The cancel was refused; the order is as it was.
    CancelRejected = 6,
    /// Replaced: `price` and `quantity` are the new total terms.
    Replaced = 7,
    /// The replace was refused; the order is as it was.
    ReplaceRejected = 8,
    /// Answer to a query: the venue does not know the order and never traded it.
    NotFound = 9,
    /// Answer to a query: working; `quantity` is what traded so far.
    Working = 10,
    /// Sent, but the outcome is not known (timeout, cut socket, 5xx).
    OutcomeUnknown = 11,
    /// Answer to a query: all of it traded, `quantity` in all; its fills were told before.
    Completed = 12,
}

impl ReportCode {
    /// Every code, for tables and exhaustive tests.
    pub const ALL: [ReportCode; 12] = [
        ReportCode::Acked,
        ReportCode::Rejected,
        ReportCode::Filled,
        ReportCode::Cancelled,
        ReportCode::Expired,
        ReportCode::CancelRejected,
        ReportCode::Replaced,
        ReportCode::ReplaceRejected,
        ReportCode::NotFound,
        ReportCode::Working,
        ReportCode::OutcomeUnknown,
        ReportCode::Completed,
    ];

    /// The code of that number.
    pub fn from_code(code: u16) -> Option<ReportCode> {
        ReportCode::ALL.into_iter().find(|report| *report as u16 == code)
    }

    /// Name as printed by tools.
    pub const fn name(self) -> &'static str {
        match self {
            ReportCode::Acked => "acked",
            ReportCode::Rejected => "rejected",
            ReportCode::Filled => "filled",
            ReportCode::Cancelled => "cancelled",
            ReportCode::Expired => "expired",
            ReportCode::CancelRejected => "cancel-rejected",
            ReportCode::Replaced => "replaced",
            ReportCode::ReplaceRejected => "replace-rejected",
            ReportCode::NotFound => "not-found",
            ReportCode::Working => "working",
            ReportCode::OutcomeUnknown => "outcome-unknown",
            ReportCode::Completed => "completed",
        }
    }
}

/// A report that stands alone (everything but a fill).
pub fn report(instrument: u16, order_id: u64, code: ReportCode, venue_code: u32) -> Event {
    let mut event = Event::new(Kind::REPORT);
    event.instrument = instrument;
    event.id = order_id;
    event.code = code as u16;
    event.tag = venue_code;
    event.flags = flags::LAST;
    event
}

/// What a venue says of one execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Our order id.
    pub order_id: u64,
    /// Side of our order.
    pub side: Side,
    /// Price of this execution.
    pub price: i64,
    /// Quantity of this execution.
    pub quantity: i64,
    /// Quantity of the order traded so far, this execution included.
    pub cumulative_quantity: i64,
    /// Fee in units of 10^-8 of the account currency; negative is a rebate.
    pub fee_e8: i64,
    /// The venue's id of the execution, unique per instrument.
    pub execution_id: u64,
    /// Whether our order was resting.
    pub maker: bool,
}

/// The two events of a fill report.
pub fn fill_report(instrument: u16, execution: &Execution) -> [Event; 2] {
    let mut first = Event::new(Kind::REPORT);
    first.instrument = instrument;
    first.id = execution.order_id;
    first.code = ReportCode::Filled as u16;
    first.price = execution.price;
    first.quantity = execution.quantity;
    first.flags = execution.side.flag() | if execution.maker { flags::MAKER } else { 0 };
    let mut detail = Event::new(Kind::REPORT_DETAIL);
    detail.instrument = instrument;
    detail.price = execution.cumulative_quantity;
    detail.quantity = execution.fee_e8;
    detail.id = execution.execution_id;
    detail.flags = flags::LAST;
    [first, detail]
}

/// The execution told by the two events of a fill report.
pub fn execution(report: &Event, detail: &Event) -> Execution {
    Execution {
        order_id: report.id,
        side: report.side(),
        price: report.price,
        quantity: report.quantity,
        cumulative_quantity: detail.price,
        fee_e8: detail.quantity,
        execution_id: detail.id,
        maker: report.has(flags::MAKER),
    }
}
