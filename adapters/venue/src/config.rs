//! What the exchange lists, whom it knows and where its limits are.
//!
//! All money is in units of 1e-8; a filter field of 0 switches that rule off, as at Binance.

use std::fmt;

use thiserror::Error;

use crate::money::{Money, ONE};
use crate::order::Stp;

/// Why an exchange cannot open.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Nothing to trade.
    #[error("no symbol is listed")]
    NoSymbol,
    /// Two symbols, accounts or keys of one name.
    #[error("{what} {name:?} is there twice")]
    Twice {
        /// What is doubled.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A symbol, asset or key with a name that cannot be written on the wire.
    #[error("{what} {name:?} is not 1 to 128 letters, digits, hyphens or underscores")]
    Name {
        /// What is named.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A filter, fee or balance that makes no sense.
    #[error("{name}: {field} is out of range")]
    Range {
        /// Symbol or account.
        name: String,
        /// The field.
        field: &'static str,
    },
}

/// Everything that an exchange is made of.
#[derive(Clone, Debug)]
pub struct ExchangeConfig {
    /// The listed symbols.
    pub symbols: Vec<SymbolConfig>,
    /// The known accounts.
    pub accounts: Vec<AccountConfig>,
    /// Limits of requests and orders.
    pub limits: RateLimits,
    /// How much of the past is kept.
    pub history: HistoryLimits,
}

/// One symbol.
#[derive(Clone, Debug)]
pub struct SymbolConfig {
    /// Such as `BTCUSDT`.
    pub name: String,
    /// Such as `BTC`.
    pub base: String,
    /// Such as `USDT`.
    pub quote: String,
    /// Rules of prices and quantities.
    pub filters: Filters,
    /// Fees, taken from what is received.
    pub fees: Fees,
    /// Self-trade prevention where an order names none.
    pub stp_default: Stp,
}

/// The filters of a symbol.
#[derive(Clone, Copy, Debug)]
pub struct Filters {
    /// `PRICE_FILTER.minPrice`.
    pub price_min: Money,
    /// `PRICE_FILTER.maxPrice`.
    pub price_max: Money,
    /// `PRICE_FILTER.tickSize`.
    pub tick: Money,
    /// `LOT_SIZE.minQty`.
    pub quantity_min: Money,
    /// `LOT_SIZE.maxQty`.
    pub quantity_max: Money,
    /// `LOT_SIZE.stepSize`.
    pub step: Money,
    /// `MARKET_LOT_SIZE.maxQty`.
    pub market_quantity_max: Money,
    /// `NOTIONAL.minNotional`, applied to market orders too.
    pub notional_min: Money,
    /// `NOTIONAL.maxNotional`, not applied to market orders.
    pub notional_max: Money,
    /// `PERCENT_PRICE_BY_SIDE` upwards for both sides, times one; 0 switches it off.
    pub percent_up: Money,
    /// `PERCENT_PRICE_BY_SIDE` downwards for both sides, times one.
    pub percent_down: Money,
    /// `MAX_NUM_ORDERS`.
    pub orders_max: u32,
    /// `MAX_NUM_ALGO_ORDERS`.
    pub algo_orders_max: u32,
    /// `MAX_NUM_ORDER_AMENDS`.
    pub amends_max: u32,
}

/// Fee rates times 1e8.
#[derive(Clone, Copy, Debug)]
pub struct Fees {
    /// Of the order that rested.
    pub maker: Money,
    /// Of the order that came.
    pub taker: Money,
}

/// One account.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    /// For people and files.
    pub name: String,
    /// Its keys.
    pub keys: Vec<ApiKey>,
    /// What it owns at the start: asset and amount.
    pub balances: Vec<(String, Money)>,
}

/// One API key.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The public name, header `X-MBX-APIKEY`.
    pub api_key: String,
    /// How it signs.
    pub kind: KeyKind,
}

/// How a key signs. Its `Debug` never shows the secret.
#[derive(Clone)]
pub enum KeyKind {
    /// HMAC-SHA-256, in hex.
    Hmac {
        /// The shared secret.
        secret: String,
    },
    /// Ed25519, in base64.
    Ed25519 {
        /// The raw public key.
        public_key: [u8; 32],
    },
}

impl fmt::Debug for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hmac { .. } => f.write_str("Hmac { secret: hidden }"),
            Self::Ed25519 { .. } => f.write_str("Ed25519"),
        }
    }
}

/// Limits of requests and orders; the windows roll.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits {
    /// `REQUEST_WEIGHT` in a minute, per client.
    pub weight_1m_max: u32,
    /// `ORDERS` in ten seconds, per account.
    pub orders_10s_max: u32,
    /// `ORDERS` in a day, per account.
    pub orders_1d_max: u32,
    /// `RAW_REQUESTS` in five minutes, per client.
    pub raw_5m_max: u32,
    /// Requests beyond the limit after which a client is banned.
    pub violations_max: u32,
    /// How long a ban lasts.
    pub ban_ns: u64,
}

/// How much of the past is kept; the oldest goes first.
#[derive(Clone, Copy, Debug)]
pub struct HistoryLimits {
    /// Closed orders per symbol.
    pub orders_max: usize,
    /// Fills of accounts per symbol.
    pub fills_max: usize,
    /// Public trades per symbol.
    pub trades_max: usize,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            weight_1m_max: 6000,
            orders_10s_max: 100,
            orders_1d_max: 200_000,
            raw_5m_max: 300_000,
            violations_max: 10,
            ban_ns: 120_000_000_000,
        }
    }
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { orders_max: 100_000, fills_max: 100_000, trades_max: 10_000 }
    }
}

impl Default for Fees {
    fn default() -> Self {
        Self { maker: ONE / 1000, taker: ONE / 1000 }
    }
}

impl SymbolConfig {
    /// `BTCUSDT` with the filters of the live exchange.
    pub fn btcusdt() -> Self {
        Self::usdt("BTC", ONE / 100_000, 9000 * ONE)
    }

    /// `ETHUSDT` with the filters of the live exchange.
    pub fn ethusdt() -> Self {
        Self::usdt("ETH", ONE / 10_000, 9000 * ONE)
    }

    fn usdt(base: &str, step: Money, quantity_max: Money) -> Self {
        let filters = Filters {
            price_min: ONE / 100,
            price_max: 1_000_000 * ONE,
            tick: ONE / 100,
            quantity_min: step,
            quantity_max,
            step,
            market_quantity_max: 1000 * ONE,
            notional_min: 5 * ONE,
            notional_max: 9_000_000 * ONE,
            percent_up: 5 * ONE,
            percent_down: ONE / 5,
            orders_max: 200,
            algo_orders_max: 5,
            amends_max: 10,
        };
        Self {
            name: format!("{base}USDT"),
            base: base.to_string(),
            quote: "USDT".to_string(),
            filters,
            fees: Fees::default(),
            stp_default: Stp::ExpireMaker,
        }
    }
}

impl ExchangeConfig {
    /// Two symbols and the given accounts.
    pub fn spot(accounts: Vec<AccountConfig>) -> Self {
        Self {
            symbols: vec![SymbolConfig::btcusdt(), SymbolConfig::ethusdt()],
            accounts,
            limits: RateLimits::default(),
            history: HistoryLimits::default(),
        }
    }

    /// Refuses what cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.symbols.is_empty() {
            return Err(ConfigError::NoSymbol);
        }
        let mut symbols: Vec<&str> = Vec::new();
        for symbol in &self.symbols {
            symbol.check()?;
            unique("symbol", &mut symbols, &symbol.name)?;
        }
        let history = &self.history;
        // An answer still needs the orders that closed with it.
        if history.orders_max < 100 || history.fills_max < 100 || history.trades_max < 1 {
            return Err(ConfigError::Range { name: "history".to_string(), field: "orders_max" });
        }
        let (mut names, mut keys): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for account in &self.accounts {
            unique("account", &mut names, &account.name)?;
            for key in &account.keys {
                unique("api key", &mut keys, &key.api_key)?;
            }
            for (asset, amount) in &account.balances {
                named("asset", asset)?;
                if *amount < 0 {
                    return Err(ConfigError::Range {
                        name: account.name.clone(),
                        field: "balance",
                    });
                }
            }
        }
        Ok(())
    }
}

impl SymbolConfig {
    fn check(&self) -> Result<(), ConfigError> {
        for (what, name) in [("symbol", &self.name), ("asset", &self.base), ("asset", &self.quote)]
        {
            named(what, name)?;
        }
        let range = |field, is_good: bool| {
            let name = self.name.clone();
            if is_good { Ok(()) } else { Err(ConfigError::Range { name, field }) }
        };
        let f = &self.filters;
        range("tick", 0 < f.tick)?;
        range("step", 0 < f.step)?;
        range("price_max", 0 < f.price_max && f.price_min <= f.price_max)?;
        range("quantity_max", 0 < f.quantity_max && f.quantity_min <= f.quantity_max)?;
        // Every notional fits with room for sums.
        let largest = i128::from(f.price_max) * i128::from(f.quantity_max) / i128::from(ONE);
        range("price_max * quantity_max", largest < i128::from(i64::MAX / 4))?;
        range("fees", (0..ONE / 10).contains(&self.fees.maker))?;
        range("fees", (0..ONE / 10).contains(&self.fees.taker))
    }
}

fn unique<'a>(
    what: &'static str,
    seen: &mut Vec<&'a str>,
    name: &'a str,
) -> Result<(), ConfigError> {
    named(what, name)?;
    if seen.contains(&name) {
        return Err(ConfigError::Twice { what, name: name.to_string() });
    }
    seen.push(name);
    Ok(())
}

fn named(what: &'static str, name: &str) -> Result<(), ConfigError> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if (1..=128).contains(&name.len()) && name.bytes().all(is_good) {
        return Ok(());
    }
    Err(ConfigError::Name { what, name: name.to_string() })
}
