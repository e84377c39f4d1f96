//! The exchange: books, accounts and orders behind the calls of REST, WS API and participants.
//!
//! ```text
//!   rest(), ws_api() -- check, limit, sign --> orders --> matching --> Output queue --> drain()
//!   submit(), cancel_flow() ------------------------------^
//! ```

pub(crate) mod book;
pub(crate) mod events;
mod keys;
pub(crate) mod ledger;
pub(crate) mod market;
pub(crate) mod matching;
mod state;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use thiserror::Error;

use crate::api::limits::Limits;
use crate::config::{ApiKey, ConfigError, ExchangeConfig, KeyKind, SymbolConfig};
use crate::money::Money;
use crate::order::{OrderType, Side, Status, TimeUnit};
use events::Connection;
use ledger::Ledger;
use market::Market;

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

/// Where an order of a generated participant rests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowRest {
    pub(crate) symbol: usize,
    pub(crate) side: Side,
    pub(crate) price: Money,
    pub(crate) sequence: u64,
}

/// The exchange.
#[derive(Debug)]
pub struct Exchange {
    pub(crate) config: ExchangeConfig,
    pub(crate) markets: Vec<Market>,
    pub(crate) ledger: Ledger,
    pub(crate) limits: Limits,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) flow: BTreeMap<u64, FlowRest>,
    pub(crate) flow_next: u64,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) clock_offset_ns: i64,
    /// Accounts that changed since the state was last saved.
    pub(crate) dirty_accounts: BTreeSet<usize>,
}

impl Exchange {
    /// An exchange with empty books.
    pub fn new(config: ExchangeConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let mut ledger = Ledger::new(config.accounts.len());
        let mut markets = Vec::with_capacity(config.symbols.len());
        for symbol in &config.symbols {
            let (base, quote) = (ledger.asset(&symbol.base), ledger.asset(&symbol.quote));
            markets.push(Market { base, quote, ..Market::default() });
        }
        for (account, known) in config.accounts.iter().enumerate() {
            for (name, amount) in &known.balances {
                let asset = ledger.asset(name);
                ledger.add(account, asset, *amount);
            }
        }
        let limits = Limits::new(config.limits, config.accounts.len());
        Ok(Self {
            config,
            markets,
            ledger,
            limits,
            connections: BTreeMap::new(),
            flow: BTreeMap::new(),
            flow_next: 0,
            outputs: VecDeque::new(),
            clock_offset_ns: 0,
            dirty_accounts: BTreeSet::new(),
        })
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

    /// The top of the book.
    pub fn best(&self, symbol: SymbolIndex) -> Best {
        let book = &self.markets[symbol.0].book;
        Best { update_id: book.update_id, bid: book.best(Side::Buy), ask: book.best(Side::Sell) }
    }

    /// The price of the last trade, before a restart too.
    pub fn last_price(&self, symbol: SymbolIndex) -> Option<Money> {
        self.markets[symbol.0].last_price
    }

    /// The last public trades, oldest first.
    pub fn trades(&self, symbol: SymbolIndex) -> impl DoubleEndedIterator<Item = &Trade> {
        self.markets[symbol.0].trades.iter()
    }

    /// The accounts with their keys and secrets.
    pub fn accounts(&self) -> Vec<AccountView> {
        let view = |(account, known): (usize, &crate::config::AccountConfig)| {
            let balances = self.ledger.assets.iter().zip(&self.ledger.balances[account]);
            let balances = balances.map(|(asset, balance)| BalanceView {
                asset: asset.clone(),
                free: balance.free,
                locked: balance.locked,
            });
            AccountView {
                name: known.name.clone(),
                keys: known.keys.clone(),
                balances: balances.collect(),
            }
        };
        self.config.accounts.iter().enumerate().map(view).collect()
    }

    /// Accounts, orders and fills at this moment.
    pub fn inspect(&self) -> Inspection {
        let (mut orders, mut fills) = (Vec::new(), Vec::new());
        for (index, market) in self.markets.iter().enumerate() {
            let symbol = SymbolIndex(index);
            orders.extend(market.orders.values().map(|order| OrderView {
                symbol,
                account: AccountIndex(order.account),
                order_id: order.id,
                client_id_first: order.client_id_first.clone(),
                client_id: order.client_id.clone(),
                side: order.side,
                kind: order.kind,
                status: order.status,
                price: order.price,
                quantity: order.quantity,
                executed: order.executed,
                executed_quote: order.executed_quote,
            }));
            fills.extend(market.fills.iter().map(|fill| FillView {
                symbol,
                account: AccountIndex(fill.account),
                order_id: fill.order_id,
                trade_id: fill.trade_id,
                price: fill.price,
                quantity: fill.quantity,
                commission: fill.commission,
                commission_asset: fill.commission_asset.clone(),
                is_buyer: fill.is_buyer,
                is_maker: fill.is_maker,
                time_ns: fill.time_ns,
            }));
        }
        Inspection { accounts: self.accounts(), orders, fills }
    }

    /// Shifts the time that `serverTime` and the check of time stamps see.
    pub fn set_clock_offset_ns(&mut self, offset_ns: i64) {
        self.clock_offset_ns = offset_ns;
    }

    /// The time as clients are told.
    pub(crate) fn server_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_add_signed(self.clock_offset_ns)
    }

    /// Whose a key is.
    pub(crate) fn key(&self, api_key: &str) -> Option<(usize, &KeyKind)> {
        self.config.accounts.iter().enumerate().find_map(|(account, known)| {
            let key = known.keys.iter().find(|key| key.api_key == api_key)?;
            Some((account, &key.kind))
        })
    }
}
