//! `exchangeInfo`: what the venue lists, in which steps and under which limits, compared with our table.
//!
//! ```text
//!   REST --ExchangeInfo::fetch----> body (before the loops start)
//!   body --ExchangeInfo::decode--> ExchangeInfo --check_against(table)--> differences: refuse to start
//!                                       |-------instrument(symbol)------> Instrument for the table
//!                                       |-------rate_limits-------------> windows of wire::rate
//! ```
//!
//! **Invariant:** an order that our table allows by tick, lot and least notional is allowed by the filters
//! that were compared.

mod check;
mod fetch;
mod raw;
#[cfg(test)]
mod tests;

use engine::instrument::{Instrument, InstrumentError, Venue};
use engine::money::{MONEY_SCALE, Money, SCALE_MAX};

pub use check::Difference;
pub use fetch::{InfoFetchError, InfoQuery};

/// Decimal places of every amount in here: the venue's own limit.
pub const FILTER_SCALE: u8 = 8;
/// One, in units of 10^-[`FILTER_SCALE`].
const ONE: i64 = 100_000_000;
/// Longest body that is taken; all of spot has about 15 MB.
pub const BODY_SIZE_BYTES_MAX: usize = 64 << 20;
/// Most symbols that are kept. Arbitrary: ten times what the venue lists.
pub const SYMBOL_COUNT_MAX: usize = 65_536;

/// Why a body is no `exchangeInfo`, or a symbol no instrument.
#[derive(Debug, thiserror::Error)]
pub enum InfoError {
    /// Longer than [`BODY_SIZE_BYTES_MAX`].
    #[error("exchange info has {size_bytes} bytes, at most {BODY_SIZE_BYTES_MAX} are taken")]
    TooLong {
        /// How long it is.
        size_bytes: usize,
    },
    /// More than [`SYMBOL_COUNT_MAX`] symbols.
    #[error("exchange info lists {symbol_count} symbols, at most {SYMBOL_COUNT_MAX} are taken")]
    TooMany {
        /// How many.
        symbol_count: usize,
    },
    /// Not the JSON that the documents show.
    #[error("exchange info is not readable: {0}")]
    Json(#[from] serde_json::Error),
    /// An amount that is none.
    #[error("{symbol}: field \"{field}\" of {filter} is \"{text}\"")]
    Amount {
        /// Whose.
        symbol: String,
        /// The filter.
        filter: String,
        /// The field.
        field: &'static str,
        /// As it came, cut to 40 bytes; "missing" when it is not there.
        text: String,
    },
    /// The symbol is not listed.
    #[error("{symbol} is not listed at {venue}")]
    NotListed {
        /// The symbol.
        symbol: String,
        /// The venue.
        venue: &'static str,
    },
    /// A listed symbol whose steps do not fit an engine's instrument.
    #[error("{symbol} cannot be an instrument: {what}")]
    NoInstrument {
        /// The symbol.
        symbol: String,
        /// What is missing.
        what: &'static str,
    },
    /// As above, told by the engine.
    #[error(transparent)]
    Instrument(#[from] InstrumentError),
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimitKind {
    /// The sum of the weights of requests, per IP address.
    RequestWeight,
    /// Unfilled orders, per account.
    Orders,
    /// Requests of any weight, per IP address.
    RawRequests,
    /// Something that we do not know.
    Other,
}

/// A limit of the venue: so many in every window of that length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// What is limited.
    pub kind: RateLimitKind,
    /// Length of the window, ns.
    pub interval_ns: u64,
    /// How many.
    pub limit: u64,
}

/// Least, most and step of a price or quantity, in units of 10^-[`FILTER_SCALE`]; 0 switches one off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepFilter {
    /// Least value.
    pub min: i64,
    /// Greatest value; `i64::MAX` when it is larger than that.
    pub max: i64,
    /// Step.
    pub step: i64,
}

/// Least and greatest notional of an order, in units of 10^-[`FILTER_SCALE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotionalFilter {
    /// Least.
    pub min: i64,
    /// Greatest; `i64::MAX` for none.
    pub max: i64,
    /// Whether the least holds for market orders too.
    pub min_for_market: bool,
}

/// Bounds of a price as multiples of the average price, in units of 10^-[`FILTER_SCALE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PercentFilter {
    /// Highest price of a buy.
    pub bid_up: i64,
    /// Lowest price of a buy.
    pub bid_down: i64,
    /// Highest price of a sell.
    pub ask_up: i64,
    /// Lowest price of a sell.
    pub ask_down: i64,
}

/// The filters of a symbol that concern us; absent ones do not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// `PRICE_FILTER`.
    pub price: Option<StepFilter>,
    /// `LOT_SIZE`.
    pub lot: Option<StepFilter>,
    /// `MARKET_LOT_SIZE`.
    pub market_lot: Option<StepFilter>,
    /// `NOTIONAL`, or the older `MIN_NOTIONAL`.
    pub notional: Option<NotionalFilter>,
    /// `PERCENT_PRICE_BY_SIDE`, or `PERCENT_PRICE` with both sides alike.
    pub percent: Option<PercentFilter>,
    /// `MAX_NUM_ORDERS`.
    pub order_count_max: Option<u64>,
}

/// A symbol as the venue lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolInfo {
    /// Its name.
    pub symbol: String,
    /// `TRADING`, or why not.
    pub status: String,
    /// What is bought and sold.
    pub base_asset: String,
    /// What it is paid with.
    pub quote_asset: String,
    /// Decimal places of quantities of the base asset, as balances and levels may have.
    pub base_precision: u8,
    /// `LIMIT`, `MARKET` and so on.
    pub order_types: Vec<String>,
    /// Its filters.
    pub filters: Filters,
}

impl SymbolInfo {
    /// Whether orders are taken now.
    pub fn is_trading(&self) -> bool {
        self.status == "TRADING"
    }
}

/// What a venue lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeInfo {
    /// Whose.
    pub venue: Venue,
    /// The venue's clock when it answered, ms since the Unix epoch.
    pub server_time_ms: u64,
    /// Limits of requests and orders.
    pub rate_limits: Vec<RateLimit>,
    /// Symbols, sorted by name.
    pub symbols: Vec<SymbolInfo>,
}

impl ExchangeInfo {
    /// Reads the body of an answer.
    pub fn decode(venue: Venue, body: &[u8]) -> Result<ExchangeInfo, InfoError> {
        raw::decode(venue, body)
    }

    /// A listed symbol.
    pub fn symbol(&self, symbol: &str) -> Option<&SymbolInfo> {
        let place =
            self.symbols.binary_search_by(|known| known.symbol.as_str().cmp(symbol)).ok()?;
        self.symbols.get(place)
    }

    /// The windows of one kind, as `(limit, interval_ns)`.
    pub fn windows(&self, kind: RateLimitKind) -> Vec<(u64, u64)> {
        let limits = self.rate_limits.iter().filter(|limit| limit.kind == kind);
        limits.map(|limit| (limit.limit, limit.interval_ns)).collect()
    }

    /// The engine's instrument of a listed symbol, with the account's fee rates (units of 10^-8). Prices
    /// have the places of the tick; quantities as many as levels may have and the engine can hold.
    pub fn instrument(
        &self,
        symbol: &str,
        maker_fee_e8: i64,
        taker_fee_e8: i64,
    ) -> Result<Instrument, InfoError> {
        let info = self.symbol(symbol).ok_or_else(|| InfoError::NotListed {
            symbol: symbol.to_string(),
            venue: self.venue.name(),
        })?;
        let fail = |what| InfoError::NoInstrument { symbol: symbol.to_string(), what };
        let tick = info.filters.price.map_or(0, |filter| filter.step);
        let lot = info.filters.lot.map_or(0, |filter| filter.step);
        let price_scale = places(tick).ok_or_else(|| fail("it has no tick"))?;
        let lot_scale = places(lot).ok_or_else(|| fail("it has no lot"))?;
        let room = SCALE_MAX.saturating_sub(price_scale);
        if room < lot_scale {
            return Err(fail("places of tick and lot together are above 12"));
        }
        let wanted = match self.venue {
            // Levels of spot books hold remainders finer than the lot.
            Venue::BinanceSpot => info.base_precision.max(lot_scale),
            Venue::BinanceUsdm | Venue::Synthetic => lot_scale,
        };
        let quantity_scale = wanted.min(room).min(FILTER_SCALE);
        let notional_min = info.filters.notional.map_or(0, |filter| filter.min);
        let instrument = Instrument {
            venue: self.venue,
            symbol: symbol.to_string(),
            price_scale,
            quantity_scale,
            tick: rescale(tick, price_scale).ok_or_else(|| fail("the tick is too fine"))?,
            lot: rescale(lot, quantity_scale).ok_or_else(|| fail("the lot is too fine"))?,
            notional_min: money(notional_min),
            maker_fee_e8,
            taker_fee_e8,
            multiplier: 1,
        };
        instrument.check()?;
        Ok(instrument)
    }
}

/// Decimal places that a step of the filter scale needs; `None` for no step.
fn places(step: i64) -> Option<u8> {
    if step <= 0 {
        return None;
    }
    (0..=FILTER_SCALE).find(|scale| rescale(step, *scale).is_some())
}

/// A value of the filter scale at `scale`; `None` when digits would be lost.
fn rescale(value: i64, scale: u8) -> Option<i64> {
    let places_lost = u32::from(FILTER_SCALE.checked_sub(scale)?);
    let unit = 10_i64.pow(places_lost);
    (value % unit == 0).then(|| value.div_euclid(unit))
}

/// An amount of the filter scale as money.
fn money(value: i64) -> Money {
    let unit = 10_i128.pow(u32::from(MONEY_SCALE - FILTER_SCALE));
    Money(i128::from(value) * unit)
}
