//! Requests as text: WS API messages and REST targets, written into buffers that are kept.
//!
//! ```text
//!   fill(parameters) --> sorted by name --> payload, signature --> {"id":7,"method":..,"params":{..}}
//!                                                             +--> POST /api/v3/order?..&signature=..
//! ```
//! Prices and quantities go from integers to exact decimal text; there is no float on the way. Both
//! ways are written from the same parameters, so that a request means the same on either.

#[cfg(test)]
mod tests;

use std::fmt::Write;

use engine::event::{OrderTerms, OrderType, Side, TimeInForce};
use engine::money::write_scaled;

use crate::orders::client_id::ClientId;
use crate::sign::{Signer, percent_encode};

/// How much the venue answers to a new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseKind {
    /// Accepted, and under which id.
    Ack,
    /// Also what became of it at once.
    Result,
}

/// What happens when an order meets another of the same account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTrade {
    /// They trade.
    None,
    /// The one that rests expires.
    ExpireMaker,
    /// The one that comes expires.
    ExpireTaker,
    /// Both expire.
    ExpireBoth,
}

impl SelfTrade {
    /// Word of the venue.
    pub const fn name(self) -> &'static str {
        match self {
            SelfTrade::None => "NONE",
            SelfTrade::ExpireMaker => "EXPIRE_MAKER",
            SelfTrade::ExpireTaker => "EXPIRE_TAKER",
            SelfTrade::ExpireBoth => "EXPIRE_BOTH",
        }
    }
}

/// A method of the WS API and its REST equivalent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// New order.
    Place,
    /// Cancel.
    Cancel,
    /// Cancel one, place another.
    CancelReplace,
    /// State of an order.
    Status,
    /// Orders of the account that work.
    OpenOrders,
    /// Cancel all orders of a symbol.
    CancelAll,
    /// Orders of a symbol, over or not.
    AllOrders,
    /// Executions of the account.
    MyTrades,
    /// Balances.
    Account,
    /// The venue's clock.
    Time,
    /// User data on this connection.
    Subscribe,
    /// User data on this connection, which is logged on.
    SubscribeLoggedOn,
    /// Log on.
    Logon,
}

impl Method {
    /// Name in the WS API.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Place => "order.place",
            Method::Cancel => "order.cancel",
            Method::CancelReplace => "order.cancelReplace",
            Method::Status => "order.status",
            Method::OpenOrders => "openOrders.status",
            Method::CancelAll => "openOrders.cancelAll",
            Method::AllOrders => "allOrders",
            Method::MyTrades => "myTrades",
            Method::Account => "account.status",
            Method::Time => "time",
            Method::Subscribe => "userDataStream.subscribe.signature",
            Method::SubscribeLoggedOn => "userDataStream.subscribe",
            Method::Logon => "session.logon",
        }
    }

    /// HTTP method and path; `None` for what only a connection can do.
    pub const fn rest(self) -> Option<(&'static str, &'static str)> {
        match self {
            Method::Place => Some(("POST", "/api/v3/order")),
            Method::Cancel => Some(("DELETE", "/api/v3/order")),
            Method::CancelReplace => Some(("POST", "/api/v3/order/cancelReplace")),
            Method::Status => Some(("GET", "/api/v3/order")),
            Method::OpenOrders => Some(("GET", "/api/v3/openOrders")),
            Method::CancelAll => Some(("DELETE", "/api/v3/openOrders")),
            Method::AllOrders => Some(("GET", "/api/v3/allOrders")),
            Method::MyTrades => Some(("GET", "/api/v3/myTrades")),
            Method::Account => Some(("GET", "/api/v3/account")),
            Method::Time => Some(("GET", "/api/v3/time")),
            Method::Subscribe | Method::SubscribeLoggedOn | Method::Logon => None,
        }
    }

    /// Request weight (`venues.md` 1.4); order entry costs it only when it fails, which is assumed.
    pub const fn weight(self) -> u32 {
        match self {
            Method::Place
            | Method::Cancel
            | Method::CancelReplace
            | Method::CancelAll
            | Method::Time => 1,
            Method::Status => 4,
            Method::OpenOrders => 80,
            Method::AllOrders | Method::MyTrades | Method::Account => 20,
            Method::Subscribe | Method::SubscribeLoggedOn | Method::Logon => 2,
        }
    }

    /// Whether it needs a timestamp and a signature (or a session that is logged on).
    pub const fn is_signed(self) -> bool {
        !matches!(self, Method::Time | Method::SubscribeLoggedOn)
    }
}

/// What a new order says.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Symbol.
    pub symbol: &'a str,
    /// Side.
    pub side: Side,
    /// Type and time in force.
    pub terms: OrderTerms,
    /// Whether it must rest.
    pub post_only: bool,
    /// Price and its scale.
    pub price: (i64, u8),
    /// Quantity and its scale.
    pub quantity: (i64, u8),
    /// Its name.
    pub client_id: ClientId,
    /// What the answer holds.
    pub response: ResponseKind,
    /// What happens when it meets one of ours; `None` leaves it to the symbol's default.
    pub self_trade: Option<SelfTrade>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    name: &'static str,
    start: usize,
    end: usize,
    /// A JSON number instead of a string.
    bare: bool,
}

/// Parameters of one request.
#[derive(Debug, Default)]
pub struct Params {
    text: String,
    spans: Vec<Span>,
}

impl Params {
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
    }

    fn push(&mut self, name: &'static str, bare: bool, write: impl FnOnce(&mut String)) {
        debug_assert!(self.spans.iter().all(|span| span.name != name));
        let start = self.text.len();
        write(&mut self.text);
        self.spans.push(Span { name, start, end: self.text.len(), bare });
    }

    /// A text.
    pub fn text(&mut self, name: &'static str, value: &str) {
        self.push(name, false, |out| out.push_str(value));
    }

    /// A number.
    pub fn number(&mut self, name: &'static str, value: u64) {
        self.push(name, true, |out| {
            write!(out, "{value}").expect("writing to a string cannot fail");
        });
    }

    /// A decimal, as text.
    pub fn decimal(&mut self, name: &'static str, (value, scale): (i64, u8)) {
        self.push(name, false, |out| {
            let written = write_scaled(out, i128::from(value), scale);
            written.expect("writing to a string cannot fail");
        });
    }

    /// A name of ours.
    pub fn client_id(&mut self, name: &'static str, value: ClientId) {
        self.push(name, false, |out| value.write(out));
    }

    /// An order by the venue's id if we know it (which is faster), else by our name.
    pub fn target(
        &mut self,
        names: (&'static str, &'static str),
        venue_id: Option<u64>,
        client_id: ClientId,
    ) {
        match venue_id {
            Some(id) => self.number(names.0, id),
            None => self.client_id(names.1, client_id),
        }
    }

    /// Everything that a new order says.
    pub fn place(&mut self, place: &Place<'_>) {
        self.text("symbol", place.symbol);
        self.text(
            "side",
            match place.side {
                Side::Buy => "BUY",
                Side::Sell => "SELL",
            },
        );
        let limit = place.terms.order_type == OrderType::Limit;
        self.text(
            "type",
            match place.terms.order_type {
                OrderType::Market => "MARKET",
                OrderType::Limit if place.post_only => "LIMIT_MAKER",
                OrderType::Limit => "LIMIT",
            },
        );
        if limit {
            self.decimal("price", place.price);
        }
        if limit && !place.post_only {
            self.text(
                "timeInForce",
                match place.terms.time_in_force {
                    TimeInForce::Gtc => "GTC",
                    TimeInForce::Ioc => "IOC",
                    TimeInForce::Fok => "FOK",
                },
            );
        }
        self.decimal("quantity", place.quantity);
        self.client_id("newClientOrderId", place.client_id);
        self.text(
            "newOrderRespType",
            match place.response {
                ResponseKind::Ack => "ACK",
                ResponseKind::Result => "RESULT",
            },
        );
        if let Some(mode) = place.self_trade {
            self.text("selfTradePreventionMode", mode.name());
        }
    }

    fn truncate(&mut self, text_length: usize, span_count: usize) {
        self.text.truncate(text_length);
        self.spans.truncate(span_count);
    }

    fn value(&self, span: &Span) -> &str {
        &self.text[span.start..span.end]
    }
}

/// Who signs and how.
#[derive(Clone, Copy, Debug)]
pub struct Seal<'a> {
    /// The key.
    pub signer: &'a Signer,
    /// Its name at the venue.
    pub api_key: &'a str,
    /// The venue's time, ms.
    pub timestamp_ms: u64,
    /// How old the request may be when it is accepted, ms.
    pub recv_window_ms: u64,
}

/// Writes requests. The parameters stay until the next begin, so that one request can be written both ways.
#[derive(Debug, Default)]
pub struct RequestWriter {
    params: Params,
    /// Spans of all parameters, those of the seal included, in the order in which they are written.
    spans: Vec<Span>,
    payload: String,
    out: String,
}

impl RequestWriter {
    /// The parameters of the next request, without those of the [`Seal`]; empty.
    pub fn begin(&mut self) -> &mut Params {
        self.params.clear();
        &mut self.params
    }

    /// The parameters as they are, for more of them.
    pub fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    /// The message of the WS API. With `logged_on` the session vouches for us instead of a signature.
    pub fn message(
        &mut self,
        id: u64,
        method: Method,
        seal: Option<&Seal<'_>>,
        logged_on: bool,
    ) -> &str {
        let (text_length, span_count) = (self.params.text.len(), self.params.spans.len());
        self.add_seal(seal, !logged_on);
        self.spans.sort_unstable_by_key(|span| span.name);
        if let Some(seal) = seal.filter(|_| !logged_on) {
            self.write_payload(false);
            let start = self.params.text.len();
            seal.signer.sign(self.payload.as_bytes(), &mut self.params.text);
            let end = self.params.text.len();
            self.spans.push(Span { name: "signature", start, end, bare: false });
        }
        self.out.clear();
        let out = &mut self.out;
        write!(out, "{{\"id\":{id},\"method\":\"{}\"", method.name())
            .expect("writing to a string cannot fail");
        if !self.spans.is_empty() {
            out.push_str(",\"params\":{");
            for (index, span) in self.spans.iter().enumerate() {
                if 0 < index {
                    out.push(',');
                }
                write_json_text(span.name, out);
                out.push(':');
                if span.bare {
                    out.push_str(self.params.value(span));
                } else {
                    write_json_text(self.params.value(span), out);
                }
            }
            out.push('}');
        }
        out.push('}');
        self.params.truncate(text_length, span_count);
        &self.out
    }

    /// The target of the REST request; everything goes in the query string.
    pub fn target(&mut self, path: &str, seal: Option<&Seal<'_>>) -> &str {
        let (text_length, span_count) = (self.params.text.len(), self.params.spans.len());
        self.add_seal(seal, false);
        self.write_payload(true);
        self.params.truncate(text_length, span_count);
        self.out.clear();
        self.out.push_str(path);
        if !self.payload.is_empty() {
            self.out.push('?');
            self.out.push_str(&self.payload);
        }
        if let Some(seal) = seal {
            self.out.push_str("&signature=");
            seal.signer.sign_encoded(self.payload.as_bytes(), &mut self.out);
        }
        &self.out
    }

    /// Adds what a seal says; the parameters of the request come back by `truncate`.
    fn add_seal(&mut self, seal: Option<&Seal<'_>>, with_key: bool) {
        if let Some(seal) = seal {
            self.params.number("timestamp", seal.timestamp_ms);
            self.params.number("recvWindow", seal.recv_window_ms);
            if with_key {
                self.params.text("apiKey", seal.api_key);
            }
        }
        self.spans.clear();
        self.spans.extend_from_slice(&self.params.spans);
    }

    fn write_payload(&mut self, encoded: bool) {
        self.payload.clear();
        for (index, span) in self.spans.iter().enumerate() {
            if 0 < index {
                self.payload.push('&');
            }
            self.payload.push_str(span.name);
            self.payload.push('=');
            if encoded {
                percent_encode(self.params.value(span), &mut self.payload);
            } else {
                self.payload.push_str(self.params.value(span));
            }
        }
    }
}

fn write_json_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control.is_control() => {
                write!(out, "\\u{:04x}", u32::from(control))
                    .expect("writing to a string cannot fail");
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}
