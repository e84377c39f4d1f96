//! What the venue answers: frames of the WS API and REST bodies, as typed facts in integers.
//!
//! ```text
//!   {"id":7,"status":200,"result":{..},"rateLimits":[..]}   --+-- Head (who is meant, how it went)
//!   {"id":7,"status":400,"error":{"code":..,"msg":..}}      --+      |
//!   {"subscriptionId":0,"event":{"e":..}}  --> crate::user            v
//!   REST: status and body                        order, orders, trades, account, clock
//! ```
//! A result is decoded only when it is known what was asked. Fields that nobody reads are ignored,
//! missing ones are named by the error.
//!
//! **Invariant:** no bytes make this panic; a number that does not fit its scale exactly is an error.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use engine::event::Side;
use engine::money::DecimalError;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, Visitor};

use crate::decode::parse_decimal;
use crate::orders::client_id::ClientId;

/// Money of the account and commissions have eight places.
pub const MONEY_SCALE: u8 = 8;

/// Why an answer was not understood.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// No JSON, or not of the expected shape; the source names the field.
    #[error("{what} is not as documented")]
    Shape {
        /// What was expected.
        what: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A field that was needed this time is missing.
    #[error("{what} has no {field}")]
    Missing {
        /// Of what.
        what: &'static str,
        /// Which.
        field: &'static str,
    },
    /// A word that is in no list.
    #[error("{field} is {word:?}")]
    Word {
        /// Of which field.
        field: &'static str,
        /// The beginning of it.
        word: String,
    },
    /// A number that is none, or too fine for its scale.
    #[error("{field} is not a number of its scale")]
    Number {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        source: DecimalError,
    },
}

/// A text that is borrowed from the frame unless it holds escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// The text.
    pub fn get(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_string())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

/// An error of the venue.
#[derive(Clone, Debug, Deserialize)]
pub struct Refusal<'a> {
    /// Its code, negative.
    pub code: i64,
    /// Its text.
    #[serde(borrow, default = "no_text")]
    pub msg: Text<'a>,
    /// What some errors add.
    #[serde(borrow)]
    pub data: Option<RefusalData<'a>>,
}

const fn no_text<'a>() -> Text<'a> {
    Text(Cow::Borrowed(""))
}

/// What an error may add.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusalData<'a> {
    /// When the next request may go, ms since the epoch.
    pub retry_after: Option<u64>,
    /// The cancel of a cancel-replace.
    #[serde(borrow)]
    pub cancel_response: Option<OrderRow<'a>>,
    /// The new order of a cancel-replace.
    #[serde(borrow)]
    pub new_order_response: Option<OrderRow<'a>>,
    /// `SUCCESS`, `FAILURE`, `NOT_ATTEMPTED`.
    #[serde(borrow)]
    pub cancel_result: Option<Text<'a>>,
    /// The same of the new order.
    #[serde(borrow)]
    pub new_order_result: Option<Text<'a>>,
}

/// How much of a limit is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// What is limited.
    pub rate_limit_type: LimitKind,
    /// Unit of the window.
    pub interval: Interval,
    /// How many of them.
    pub interval_num: u32,
    /// Most.
    pub limit: u32,
    /// Used so far.
    #[serde(default)]
    pub count: u32,
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum LimitKind {
    /// Weight of requests.
    #[serde(rename = "REQUEST_WEIGHT")]
    Weight,
    /// New orders.
    #[serde(rename = "ORDERS")]
    Orders,
    /// Something else.
    #[serde(other)]
    Other,
}

/// Unit of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Interval {
    /// A second.
    #[serde(rename = "SECOND")]
    Second,
    /// A minute.
    #[serde(rename = "MINUTE")]
    Minute,
    /// An hour.
    #[serde(rename = "HOUR")]
    Hour,
    /// A day.
    #[serde(rename = "DAY")]
    Day,
    /// Something else.
    #[serde(other)]
    Other,
}

impl Interval {
    /// Its length.
    pub const fn ns(self) -> Option<u64> {
        match self {
            Interval::Second => Some(1_000_000_000),
            Interval::Minute => Some(60_000_000_000),
            Interval::Hour => Some(3_600_000_000_000),
            Interval::Day => Some(86_400_000_000_000),
            Interval::Other => None,
        }
    }
}

/// What a frame of the WS API is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head<'a> {
    /// Which request is answered; none on events and on errors about the session.
    pub id: Option<u64>,
    /// As of HTTP.
    pub status: Option<u16>,
    /// Why not.
    #[serde(borrow)]
    pub error: Option<Refusal<'a>>,
    /// Limits that the request touched.
    pub rate_limits: Option<Vec<Usage>>,
    /// Of a user data event.
    pub event: Option<IgnoredAny>,
}

/// Reads who is meant and how it went.
pub fn head(frame: &[u8]) -> Result<Head<'_>, AnswerError> {
    read(frame, "the frame")
}

/// Reads the error body of a REST answer.
pub fn refusal(body: &[u8]) -> Result<Refusal<'_>, AnswerError> {
    read(body, "the error")
}

pub(crate) fn read<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    what: &'static str,
) -> Result<T, AnswerError> {
    serde_json::from_slice(bytes).map_err(|source| AnswerError::Shape { what, source })
}

#[derive(Deserialize)]
struct Wrapped<T> {
    result: T,
}

/// Where a result stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In `result` of a frame of the WS API.
    Frame,
    /// It is the whole body of a REST answer.
    Body,
}

/// Reads a result.
pub fn result<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    place: Place,
    what: &'static str,
) -> Result<T, AnswerError> {
    match place {
        Place::Frame => read::<Wrapped<T>>(bytes, what).map(|wrapped| wrapped.result),
        Place::Body => read(bytes, what),
    }
}

/// The venue's clock.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTime {
    /// Ms since the epoch.
    pub server_time: u64,
}

/// An order as any answer tells it: answers differ in what they leave out.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRow<'a> {
    /// Instead of an order, in the halves of a cancel-replace.
    pub code: Option<i64>,
    /// Text of the code.
    #[serde(borrow)]
    pub msg: Option<Text<'a>>,
    #[serde(borrow)]
    symbol: Option<Text<'a>>,
    order_id: Option<u64>,
    #[serde(borrow)]
    client_order_id: Option<Text<'a>>,
    #[serde(borrow)]
    orig_client_order_id: Option<Text<'a>>,
    #[serde(borrow)]
    price: Option<Text<'a>>,
    #[serde(borrow)]
    orig_qty: Option<Text<'a>>,
    #[serde(borrow)]
    executed_qty: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    side: Option<Text<'a>>,
}

/// State of an order at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Accepted; nothing traded, or some of it.
    Working,
    /// All of it traded.
    Filled,
    /// Cancelled.
    Cancelled,
    /// Refused after it had an id.
    Rejected,
    /// Ended by its time in force, by the venue or by self-trade prevention.
    Expired,
}

impl Status {
    /// Of the venue's word.
    pub fn from_word(word: &str) -> Result<Status, AnswerError> {
        match word {
            "NEW" | "PENDING_NEW" | "PARTIALLY_FILLED" | "PENDING_CANCEL" => Ok(Status::Working),
            "FILLED" => Ok(Status::Filled),
            "CANCELED" => Ok(Status::Cancelled),
            "REJECTED" => Ok(Status::Rejected),
            "EXPIRED" | "EXPIRED_IN_MATCH" => Ok(Status::Expired),
            _ => Err(unknown_word("status", word)),
        }
    }
}

/// Facts of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderFacts {
    /// The venue's id.
    pub venue_id: u64,
    /// Ours, when it is one of ours.
    pub name: Option<ClientId>,
    /// Side, when told.
    pub side: Option<Side>,
    /// Price, when told.
    pub price: Option<i64>,
    /// Whole quantity, when told.
    pub quantity: Option<i64>,
    /// Traded so far, when told.
    pub executed: Option<i64>,
    /// State, when told.
    pub status: Option<Status>,
}

impl OrderRow<'_> {
    /// Its symbol.
    pub fn symbol(&self) -> Option<&str> {
        self.symbol.as_ref().map(Text::get)
    }

    /// The facts, in units of 10^-scale of the instrument.
    pub fn facts(&self, price_scale: u8, quantity_scale: u8) -> Result<OrderFacts, AnswerError> {
        let missing = AnswerError::Missing { what: "the order", field: "orderId" };
        let names = [&self.orig_client_order_id, &self.client_order_id];
        let decimal = |field, text: &Option<Text<'_>>, scale| {
            text.as_ref().map(|text| number(field, text.get(), scale)).transpose()
        };
        Ok(OrderFacts {
            venue_id: self.order_id.ok_or(missing)?,
            name: names.into_iter().flatten().find_map(|text| ClientId::parse(text.get())),
            side: self.side.as_ref().map(|text| side("side", text.get())).transpose()?,
            price: decimal("price", &self.price, price_scale)?,
            quantity: decimal("origQty", &self.orig_qty, quantity_scale)?,
            executed: decimal("executedQty", &self.executed_qty, quantity_scale)?,
            status: self.status.as_ref().map(|text| Status::from_word(text.get())).transpose()?,
        })
    }
}

/// Both halves of a cancel-replace that went.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplaceRows<'a> {
    /// The order that was cancelled.
    #[serde(borrow)]
    pub cancel_response: OrderRow<'a>,
    /// The order that was placed.
    #[serde(borrow)]
    pub new_order_response: OrderRow<'a>,
}

/// An execution of the account.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TradeRow<'a> {
    /// The venue's id of the trade.
    pub id: u64,
    /// The venue's id of the order.
    pub order_id: u64,
    #[serde(borrow)]
    price: Text<'a>,
    #[serde(borrow)]
    qty: Text<'a>,
    #[serde(borrow)]
    commission: Text<'a>,
    #[serde(borrow)]
    commission_asset: Text<'a>,
    is_buyer: bool,
    is_maker: bool,
}

/// An execution, in units of 10^-scale of the instrument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeFacts<'a> {
    /// The venue's id of the trade.
    pub trade_id: u64,
    /// Side of the account's order.
    pub side: Side,
    /// Price.
    pub price: i64,
    /// Quantity.
    pub quantity: i64,
    /// Commission, 1e-8 of its asset.
    pub commission_e8: i64,
    /// Asset of the commission, empty when there is none.
    pub commission_asset: &'a str,
    /// Whether the account's order was resting.
    pub maker: bool,
}

impl TradeRow<'_> {
    /// The facts, in units of 10^-scale of the instrument.
    pub fn facts(
        &self,
        price_scale: u8,
        quantity_scale: u8,
    ) -> Result<TradeFacts<'_>, AnswerError> {
        Ok(TradeFacts {
            trade_id: self.id,
            side: if self.is_buyer { Side::Buy } else { Side::Sell },
            price: number("price", self.price.get(), price_scale)?,
            quantity: number("qty", self.qty.get(), quantity_scale)?,
            commission_e8: signed_number("commission", self.commission.get(), MONEY_SCALE)?,
            commission_asset: self.commission_asset.get(),
            maker: self.is_maker,
        })
    }
}

/// Balances of the account.
#[derive(Clone, Debug, Deserialize)]
pub struct AccountRows<'a> {
    /// One for each asset.
    #[serde(borrow)]
    pub balances: Vec<BalanceRow<'a>>,
}

/// Balance of an asset.
#[derive(Clone, Debug, Deserialize)]
pub struct BalanceRow<'a> {
    #[serde(borrow)]
    asset: Text<'a>,
    #[serde(borrow)]
    free: Text<'a>,
    #[serde(borrow)]
    locked: Text<'a>,
}

impl BalanceRow<'_> {
    /// Its asset.
    pub fn asset(&self) -> &str {
        self.asset.get()
    }

    /// Free and locked together, 1e-8.
    pub fn total_e8(&self) -> Result<i64, AnswerError> {
        let free = number("free", self.free.get(), MONEY_SCALE)?;
        Ok(free.saturating_add(number("locked", self.locked.get(), MONEY_SCALE)?))
    }
}

pub(crate) fn side(field: &'static str, word: &str) -> Result<Side, AnswerError> {
    match word {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(unknown_word(field, word)),
    }
}

pub(crate) fn unknown_word(field: &'static str, word: &str) -> AnswerError {
    AnswerError::Word { field, word: word.chars().take(40).collect() }
}

/// A decimal that is not below zero.
pub(crate) fn number(field: &'static str, text: &str, scale: u8) -> Result<i64, AnswerError> {
    let value = signed_number(field, text, scale)?;
    if value < 0 { Err(unknown_word(field, text)) } else { Ok(value) }
}

pub(crate) fn signed_number(
    field: &'static str,
    text: &str,
    scale: u8,
) -> Result<i64, AnswerError> {
    parse_decimal(text.as_bytes(), scale).map_err(|source| AnswerError::Number { field, source })
}
