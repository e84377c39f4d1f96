//! The exchange: books, accounts and orders behind the calls of REST, WS API and participants.
//!
//! ```text
//!   rest(), ws_api() -- check, limit, sign --> orders --> matching --> Output queue --> drain()
//!   submit(), cancel_flow() ------------------------------^
//! ```

use std::collections::VecDeque;

use thiserror::Error;

use crate::config::{ApiKey, ConfigError, ExchangeConfig, SymbolConfig};
use crate::money::Money;
use crate::order::{OrderType, Side, Status, TimeUnit};

/// A symbol by its place in the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SymbolIndex(pub usize);

/// An account by its place in the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountIndex(pub usize);

/// A WS API connection, numbered by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// A resting order of a generated participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowId(pub u64);

/// A REST request as it came.
#[derive(Clone, Copy, Debug)]
pub struct RestCall<'a> {
    /// `GET`, `POST`, `PUT`, `DELETE`.
    pub method: &'a str,
    /// Such as `/api/v3/order`.
    pub path: &'a str,
    /// What follows the `?`, percent-encoded, as sent.
    pub query: &'a str,
    /// The body, as sent.
    pub body: &'a [u8],
    /// Header `X-MBX-APIKEY`.
    pub api_key: Option<&'a str>,
    /// Whom the limits of an address count against.
    pub client: u64,
    /// Header `X-MBX-TIME-UNIT`.
    pub time_unit: TimeUnit,
}

/// The answer to a REST request; the body is JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers beside the usual ones.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: String,
}

/// What the URL of a WS API connection said.
#[derive(Clone, Copy, Debug)]
pub struct WsOptions {
    /// Whom the limits of an address count against.
    pub client: u64,
    /// `?timeUnit=`.
    pub time_unit: TimeUnit,
    /// `?returnRateLimits=`.
    pub return_rate_limits: bool,
}

impl Default for WsOptions {
    fn default() -> Self {
        Self { client: 0, time_unit: TimeUnit::Millisecond, return_rate_limits: true }
    }
}

/// What an order of a generated participant does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowKind {
    /// Trades what it can, the rest stays on the book.
    Limit,
    /// Stays on the book or does nothing at all.
    PostOnly,
    /// Trades what it can up to its price, the rest goes.
    Ioc,
}

/// An order of a generated participant: no account, no balance, no fee.
#[derive(Clone, Copy, Debug)]
pub struct FlowOrder {
    /// Which way.
    pub side: Side,
    /// The limit.
    pub price: Money,
    /// How much.
    pub quantity: Money,
    /// What it does.
    pub kind: FlowKind,
}

/// What became of an order of a generated participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowPlaced {
    /// Its id while it rests.
    pub id: Option<FlowId>,
    /// How much traded at once.
    pub filled: Money,
}

/// A public trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Trade {
    /// Counts up per symbol, from 1.
    pub id: u64,
    /// The price.
    pub price: Money,
    /// The quantity.
    pub quantity: Money,
    /// When.
    pub time_ns: u64,
    /// Whether the buyer rested.
    pub is_buyer_maker: bool,
}

/// What the exchange says, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A trade.
    Trade {
        /// Where.
        symbol: SymbolIndex,
        /// The trade.
        trade: Trade,
    },
    /// A level changed.
    Level {
        /// Where.
        symbol: SymbolIndex,
        /// Which side.
        side: Side,
        /// Which price.
        price: Money,
        /// What is there now; 0 when nothing.
        quantity: Money,
        /// The id of this change: one more than that of the change before, per symbol.
        update_id: u64,
    },
    /// An event of a user data subscription.
    UserEvent {
        /// Whose.
        account: AccountIndex,
        /// To which connection.
        connection: ConnectionId,
        /// The whole text: `{"subscriptionId":0,"event":{...}}`.
        json: String,
    },
}

/// The book down to a depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// The id of the last change.
    pub update_id: u64,
    /// Price and quantity, best first.
    pub bids: Vec<(Money, Money)>,
    /// Price and quantity, best first.
    pub asks: Vec<(Money, Money)>,
}

/// The top of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Best {
    /// The id of the last change.
    pub update_id: u64,
    /// Price and quantity.
    pub bid: Option<(Money, Money)>,
    /// Price and quantity.
    pub ask: Option<(Money, Money)>,
}

/// An account for people, tests and the line at the start.
#[derive(Clone, Debug)]
pub struct AccountView {
    /// Its name.
    pub name: String,
    /// Its keys, with their secrets.
    pub keys: Vec<ApiKey>,
    /// What it owns.
    pub balances: Vec<BalanceView>,
}

/// A balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceView {
    /// The asset.
    pub asset: String,
    /// What can be used.
    pub free: i128,
    /// What open orders hold.
    pub locked: i128,
}

/// An order of an account, for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// Where.
    pub symbol: SymbolIndex,
    /// Whose.
    pub account: AccountIndex,
    /// The exchange's id.
    pub order_id: u64,
    /// The client id that it came with.
    pub client_id_first: String,
    /// The client id now.
    pub client_id: String,
    /// Which way.
    pub side: Side,
    /// Its type.
    pub kind: OrderType,
    /// Where it is in its life.
    pub status: Status,
    /// Its price, 0 for none.
    pub price: Money,
    /// Its quantity.
    pub quantity: Money,
    /// How much traded.
    pub executed: Money,
    /// For how much.
    pub executed_quote: Money,
}

/// A fill of an account, for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FillView {
    /// Where.
    pub symbol: SymbolIndex,
    /// Whose.
    pub account: AccountIndex,
    /// Which order.
    pub order_id: u64,
    /// Which trade.
    pub trade_id: u64,
    /// The price.
    pub price: Money,
    /// The quantity.
    pub quantity: Money,
    /// The fee.
    pub commission: Money,
    /// In which asset.
    pub commission_asset: String,
    /// Whether the account bought.
    pub is_buyer: bool,
    /// Whether its order rested.
    pub is_maker: bool,
    /// When.
    pub time_ns: u64,
}

/// Everything about the accounts at one moment: the oracle of tests.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The accounts.
    pub accounts: Vec<AccountView>,
    /// The orders, by symbol and id.
    pub orders: Vec<OrderView>,
    /// The fills, by symbol and time.
    pub fills: Vec<FillView>,
}

/// Why saved state cannot be taken.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Not what `save` wrote.
    #[error("saved state cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It names a symbol, account or format that this exchange has not.
    #[error("saved state does not fit this exchange: {0}")]
    Foreign(String),
}

/// The exchange.
#[derive(Debug)]
pub struct Exchange {
    config: ExchangeConfig,
    outputs: VecDeque<Output>,
    clock_offset_ns: i64,
}

impl Exchange {
    /// An exchange with empty books.
    pub fn new(config: ExchangeConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { config, outputs: VecDeque::new(), clock_offset_ns: 0 })
    }

    /// Answers a REST request.
    pub fn rest(&mut self, call: &RestCall<'_>, now_ns: u64) -> RestAnswer {
        debug_assert!(0 < now_ns, "{}", call.path);
        RestAnswer { status: 404, headers: Vec::new(), body: "{}".to_string() }
    }

    /// A WS API connection opened. One that is not announced has the default options.
    pub fn ws_opened(&mut self, connection: ConnectionId, options: WsOptions) {
        debug_assert!(options.return_rate_limits, "{connection:?}");
    }

    /// Answers one text message on a WS API connection.
    pub fn ws_api(&mut self, connection: ConnectionId, text: &[u8], now_ns: u64) -> String {
        debug_assert!(0 < now_ns, "{connection:?} {}", text.len());
        "{}".to_string()
    }

    /// A WS API connection is gone, with its session and subscriptions.
    pub fn ws_closed(&mut self, connection: ConnectionId) {
        debug_assert!(connection.0 < u64::MAX);
    }

    /// Takes an order of a generated participant.
    pub fn submit(&mut self, symbol: SymbolIndex, order: &FlowOrder, now_ns: u64) -> FlowPlaced {
        debug_assert!(symbol.0 < self.config.symbols.len() && 0 < order.price && 0 < now_ns);
        FlowPlaced { id: None, filled: 0 }
    }

    /// Takes an order of a generated participant off the book. False when it is not there.
    pub fn cancel_flow(&mut self, id: FlowId, now_ns: u64) -> bool {
        debug_assert!(0 < now_ns, "{id:?}");
        false
    }

    /// What is left of an order of a generated participant; 0 when it is gone.
    pub fn flow_remaining(&self, id: FlowId) -> Money {
        debug_assert!(id.0 < u64::MAX);
        0
    }

    /// Hands out what happened since the last call, in order.
    pub fn drain(&mut self, sink: &mut impl FnMut(Output)) {
        while let Some(output) = self.outputs.pop_front() {
            sink(output);
        }
    }

    /// The listed symbols.
    pub fn symbols(&self) -> &[SymbolConfig] {
        &self.config.symbols
    }

    /// The symbol of a name.
    pub fn symbol_index(&self, name: &str) -> Option<SymbolIndex> {
        self.config.symbols.iter().position(|symbol| symbol.name == name).map(SymbolIndex)
    }

    /// The book, at most `limit` levels a side.
    pub fn depth(&self, symbol: SymbolIndex, limit: usize) -> Depth {
        debug_assert!(symbol.0 < self.config.symbols.len() && 0 < limit);
        Depth { update_id: 0, bids: Vec::new(), asks: Vec::new() }
    }

    /// The top of the book.
    pub fn best(&self, symbol: SymbolIndex) -> Best {
        debug_assert!(symbol.0 < self.config.symbols.len());
        Best { update_id: 0, bid: None, ask: None }
    }

    /// The price of the last trade, before a restart too.
    pub fn last_price(&self, symbol: SymbolIndex) -> Option<Money> {
        debug_assert!(symbol.0 < self.config.symbols.len());
        None
    }

    /// The last public trades, oldest first.
    pub fn trades(&self, symbol: SymbolIndex) -> impl DoubleEndedIterator<Item = &Trade> {
        debug_assert!(symbol.0 < self.config.symbols.len());
        [].iter()
    }

    /// The accounts with their keys and secrets.
    pub fn accounts(&self) -> Vec<AccountView> {
        Vec::new()
    }

    /// Accounts, orders and fills at this moment.
    pub fn inspect(&self) -> Inspection {
        Inspection { accounts: self.accounts(), orders: Vec::new(), fills: Vec::new() }
    }

    /// Shifts the time that `serverTime` and the check of timestamps see.
    pub fn set_clock_offset_ns(&mut self, offset_ns: i64) {
        self.clock_offset_ns = offset_ns;
    }

    /// The whole state of accounts as one line of JSON.
    pub fn save(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// What changed since the last `save` or `save_changes` as one line of JSON (without the line
    /// feed); `None` when no account changed.
    pub fn save_changes(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// Takes one line of `save` or `save_changes`; call it for each line in order, on a new
    /// exchange of the same config.
    pub fn load(&mut self, line: &[u8]) -> Result<(), LoadError> {
        debug_assert!(!line.is_empty());
        Ok(())
    }
}
