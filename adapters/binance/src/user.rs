//! User data: what the venue tells of our orders without being asked.
//!
//! ```text
//!   {"subscriptionId":0,"event":{"e":"executionReport",..}} --event--> Report --facts--> ReportFacts
//! ```
//! One letter names most fields; their meaning is in shared `venues.md` 1.9. Balance events are
//! recognised and skipped: positions follow executions, balances are compared by pulls.

#[cfg(test)]
mod tests;

use engine::event::Side;
use serde::Deserialize;

use crate::answer::{AnswerError, MONEY_SCALE, Status, Text, number, read, side, signed_number};
use crate::orders::client_id::ClientId;

/// What an event is.
#[derive(Debug)]
pub enum UserEvent<'a> {
    /// Something happened to an order.
    Report(Box<Report<'a>>),
    /// Balances changed, or something else that needs no answer.
    Ignored,
    /// The subscription ended: nothing more will be told.
    StreamTerminated,
    /// The venue will close this connection.
    ServerShutdown,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    e: Text<'a>,
}

#[derive(Deserialize)]
struct Wrapped<T> {
    event: T,
}

/// Reads an event as the WS API wraps it.
pub fn event(frame: &[u8]) -> Result<UserEvent<'_>, AnswerError> {
    let kind: Wrapped<Kind<'_>> = read(frame, "the event")?;
    match kind.event.e.get() {
        "executionReport" => {
            let report: Wrapped<Report<'_>> = read(frame, "the execution report")?;
            Ok(UserEvent::Report(Box::new(report.event)))
        }
        "eventStreamTerminated" => Ok(UserEvent::StreamTerminated),
        "serverShutdown" => Ok(UserEvent::ServerShutdown),
        _ => Ok(UserEvent::Ignored),
    }
}

/// An execution report as it comes.
#[derive(Debug, Deserialize)]
pub struct Report<'a> {
    #[serde(borrow, rename = "s")]
    symbol: Text<'a>,
    #[serde(borrow, rename = "c")]
    client_id: Text<'a>,
    #[serde(borrow, rename = "C")]
    original_id: Option<Text<'a>>,
    #[serde(borrow, rename = "S")]
    side: Text<'a>,
    #[serde(borrow, rename = "p")]
    price: Text<'a>,
    #[serde(borrow, rename = "q")]
    quantity: Text<'a>,
    #[serde(borrow, rename = "x")]
    kind: Text<'a>,
    #[serde(borrow, rename = "X")]
    status: Text<'a>,
    #[serde(rename = "i")]
    venue_id: u64,
    #[serde(rename = "I")]
    execution_id: u64,
    #[serde(rename = "t")]
    trade_id: i64,
    #[serde(borrow, rename = "l")]
    last_quantity: Text<'a>,
    #[serde(borrow, rename = "L")]
    last_price: Text<'a>,
    #[serde(borrow, rename = "z")]
    executed: Text<'a>,
    #[serde(borrow, rename = "n")]
    commission: Option<Text<'a>>,
    #[serde(borrow, rename = "N")]
    commission_asset: Option<Text<'a>>,
    #[serde(rename = "m")]
    maker: bool,
}

/// An execution report in units of 10^-scale of the instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportFacts<'a> {
    /// The venue's id of the order.
    pub venue_id: u64,
    /// The venue's id of the report.
    pub execution_id: u64,
    /// Ours, when it is one of ours: of the order, also when the report is called like its cancel.
    pub name: Option<ClientId>,
    /// Side.
    pub side: Side,
    /// Price of the order; 0 when it has none.
    pub price: i64,
    /// Quantity of the order.
    pub quantity: i64,
    /// Traded so far.
    pub executed: i64,
    /// What the order is now.
    pub status: Status,
    /// The execution that is told, if one is.
    pub fill: Option<ReportFill<'a>>,
}

/// The execution of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportFill<'a> {
    /// The venue's id of the trade.
    pub trade_id: u64,
    /// Price.
    pub price: i64,
    /// Quantity.
    pub quantity: i64,
    /// Commission, 1e-8 of its asset.
    pub commission_e8: i64,
    /// Asset of the commission, empty when there is none.
    pub commission_asset: &'a str,
    /// Whether our order was resting.
    pub maker: bool,
}

impl Report<'_> {
    /// Its symbol.
    pub fn symbol(&self) -> &str {
        self.symbol.get()
    }

    /// The facts, in units of 10^-scale of the instrument.
    pub fn facts(
        &self,
        price_scale: u8,
        quantity_scale: u8,
    ) -> Result<ReportFacts<'_>, AnswerError> {
        // Of a cancel `c` is the name of the cancel, `C` that of the order. Somebody else's cancel of
        // ours has a strange `c`; ours of a stranger's cannot be.
        let original = self.original_id.as_ref().and_then(|id| ClientId::parse(id.get()));
        let fill = match (self.kind.get(), u64::try_from(self.trade_id)) {
            ("TRADE", Ok(trade_id)) => Some(ReportFill {
                trade_id,
                price: number("L", self.last_price.get(), price_scale)?,
                quantity: number("l", self.last_quantity.get(), quantity_scale)?,
                commission_e8: match &self.commission {
                    Some(text) => signed_number("n", text.get(), MONEY_SCALE)?,
                    None => 0,
                },
                commission_asset: self.commission_asset.as_ref().map_or("", Text::get),
                maker: self.maker,
            }),
            ("TRADE", Err(_)) => {
                return Err(AnswerError::Missing { what: "the trade report", field: "t" });
            }
            _ => None,
        };
        Ok(ReportFacts {
            venue_id: self.venue_id,
            execution_id: self.execution_id,
            name: original.or_else(|| ClientId::parse(self.client_id.get())),
            side: side("S", self.side.get())?,
            price: number("p", self.price.get(), price_scale)?,
            quantity: number("q", self.quantity.get(), quantity_scale)?,
            executed: number("z", self.executed.get(), quantity_scale)?,
            status: Status::from_word(self.status.get())?,
            fill,
        })
    }
}
