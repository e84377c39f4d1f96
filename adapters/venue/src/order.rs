//! An order of an account and the words that the wire has for its parts.

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// Defines an enum whose variants have one word each on the wire.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $(
                $(#[$vmeta])*
                #[serde(rename = $word)]
                $variant,
            )*
        }

        impl $name {
            /// The word on the wire.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The variant of a word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// Which way.
    Side {
        /// Base in, quote out.
        Buy = "BUY",
        /// Quote in, base out.
        Sell = "SELL",
    }
}

words! {
    /// The type of an order.
    OrderType {
        /// At a price or better.
        Limit = "LIMIT",
        /// At any price, now.
        Market = "MARKET",
        /// Market once the price went against the position.
        StopLoss = "STOP_LOSS",
        /// Limit once the price went against the position.
        StopLossLimit = "STOP_LOSS_LIMIT",
        /// Market once the price went for the position.
        TakeProfit = "TAKE_PROFIT",
        /// Limit once the price went for the position.
        TakeProfitLimit = "TAKE_PROFIT_LIMIT",
        /// Limit that never takes.
        LimitMaker = "LIMIT_MAKER",
    }
}

words! {
    /// How long an order lives.
    TimeInForce {
        /// Until cancelled.
        Gtc = "GTC",
        /// What can be had now.
        Ioc = "IOC",
        /// All now or nothing.
        Fok = "FOK",
    }
}

words! {
    /// Where an order is in its life.
    Status {
        /// Accepted, nothing traded.
        New = "NEW",
        /// A part traded.
        PartiallyFilled = "PARTIALLY_FILLED",
        /// All traded.
        Filled = "FILLED",
        /// Cancelled by its owner.
        Canceled = "CANCELED",
        /// Refused by the engine.
        Rejected = "REJECTED",
        /// Ended by the rules of its type.
        Expired = "EXPIRED",
        /// Ended by self-trade prevention.
        ExpiredInMatch = "EXPIRED_IN_MATCH",
    }
}

words! {
    /// What happened to an order.
    Execution {
        /// Accepted.
        New = "NEW",
        /// Cancelled.
        Canceled = "CANCELED",
        /// Amended.
        Replaced = "REPLACED",
        /// Refused.
        Rejected = "REJECTED",
        /// Traded.
        Trade = "TRADE",
        /// Expired.
        Expired = "EXPIRED",
        /// Kept from trading with itself.
        TradePrevention = "TRADE_PREVENTION",
    }
}

words! {
    /// Self-trade prevention; the mode of the order that comes decides.
    Stp {
        /// Trades with itself.
        None = "NONE",
        /// The resting order goes.
        ExpireMaker = "EXPIRE_MAKER",
        /// The coming order goes.
        ExpireTaker = "EXPIRE_TAKER",
        /// Both go.
        ExpireBoth = "EXPIRE_BOTH",
        /// Both lose the smaller quantity.
        Decrement = "DECREMENT",
    }
}

words! {
    /// How much the answer to an order says.
    ResponseType {
        /// That it is there.
        Ack = "ACK",
        /// Its state.
        Result = "RESULT",
        /// Its state and fills.
        Full = "FULL",
    }
}

/// The unit of times in answers and events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// Thousandths of a second.
    #[default]
    Millisecond,
    /// Millionths of a second.
    Microsecond,
}

impl TimeUnit {
    /// Nanoseconds of one unit.
    pub fn ns(self) -> u64 {
        match self {
            Self::Millisecond => 1_000_000,
            Self::Microsecond => 1000,
        }
    }
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

impl OrderType {
    /// Whether it waits for a trigger price.
    pub fn has_stop(self) -> bool {
        match self {
            Self::StopLoss | Self::StopLossLimit | Self::TakeProfit | Self::TakeProfitLimit => true,
            Self::Limit | Self::Market | Self::LimitMaker => false,
        }
    }

    /// Whether it takes any price.
    pub fn is_market(self) -> bool {
        match self {
            Self::Market | Self::StopLoss | Self::TakeProfit => true,
            Self::Limit | Self::LimitMaker | Self::StopLossLimit | Self::TakeProfitLimit => false,
        }
    }

    /// Whether it stops a loss rather than takes a profit.
    pub fn is_stop_loss(self) -> bool {
        match self {
            Self::StopLoss | Self::StopLossLimit => true,
            Self::Limit
            | Self::Market
            | Self::LimitMaker
            | Self::TakeProfit
            | Self::TakeProfitLimit => false,
        }
    }
}

impl Status {
    /// Whether the order can still trade.
    pub fn is_open(self) -> bool {
        match self {
            Self::New | Self::PartiallyFilled => true,
            Self::Filled
            | Self::Canceled
            | Self::Rejected
            | Self::Expired
            | Self::ExpiredInMatch => false,
        }
    }
}

/// An order of an account, open or closed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) account: usize,
    /// The client id that it came with.
    pub(crate) client_id_first: String,
    /// The client id now: the cancel's after a cancel, the amend's after an amend.
    pub(crate) client_id: String,
    pub(crate) side: Side,
    pub(crate) kind: OrderType,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) status: Status,
    pub(crate) stp: Stp,
    pub(crate) price: Money,
    pub(crate) stop_price: Money,
    pub(crate) quantity: Money,
    pub(crate) quote_quantity: Money,
    pub(crate) executed: Money,
    pub(crate) executed_quote: Money,
    pub(crate) prevented: Money,
    /// What is locked for it: quote of a buy, base of a sale.
    pub(crate) locked: Money,
    pub(crate) is_triggered: bool,
    /// On the book, now or when it ended.
    pub(crate) is_working: bool,
    pub(crate) created_ns: u64,
    pub(crate) updated_ns: u64,
    pub(crate) working_ns: Option<u64>,
    /// Its place in the queue of its price.
    pub(crate) book_sequence: u64,
    pub(crate) amend_count: u32,
    pub(crate) strategy_id: Option<i64>,
    pub(crate) strategy_type: Option<i64>,
    pub(crate) prevented_match_id: Option<u64>,
    pub(crate) expiry_reason: Option<String>,
}

impl Order {
    /// What can still trade.
    pub(crate) fn remaining(&self) -> Money {
        self.quantity - self.executed - self.prevented
    }
}

/// One fill of an account's order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fill {
    pub(crate) trade_id: u64,
    pub(crate) order_id: u64,
    pub(crate) account: usize,
    pub(crate) price: Money,
    pub(crate) quantity: Money,
    pub(crate) quote: Money,
    pub(crate) commission: Money,
    pub(crate) commission_asset: String,
    pub(crate) time_ns: u64,
    pub(crate) is_buyer: bool,
    pub(crate) is_maker: bool,
}
