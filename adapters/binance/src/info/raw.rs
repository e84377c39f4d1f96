//! The JSON of `exchangeInfo` as it comes. Fields and filters that we do not know are passed over.

use std::borrow::Cow;

use engine::instrument::Venue;
use engine::money::{DecimalError, parse_scaled};
use serde::Deserialize;

use super::{
    BODY_SIZE_BYTES_MAX, ExchangeInfo, FILTER_SCALE, Filters, InfoError, NotionalFilter, ONE,
    PercentFilter, RateLimit, RateLimitKind, SYMBOL_COUNT_MAX, StepFilter, SymbolInfo,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawInfo<'a> {
    #[serde(default)]
    server_time: u64,
    #[serde(default)]
    rate_limits: Vec<RawLimit>,
    #[serde(borrow)]
    symbols: Vec<RawSymbol<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLimit {
    rate_limit_type: String,
    interval: String,
    interval_num: u64,
    limit: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSymbol<'a> {
    symbol: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    base_asset: String,
    #[serde(default)]
    quote_asset: String,
    #[serde(default)]
    base_asset_precision: Option<u8>,
    #[serde(default)]
    order_types: Vec<String>,
    #[serde(borrow, default)]
    filters: Vec<RawFilter<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFilter<'a> {
    #[serde(borrow)]
    filter_type: Cow<'a, str>,
    #[serde(borrow, default)]
    min_price: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    max_price: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    tick_size: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    min_qty: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    max_qty: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    step_size: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    min_notional: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    max_notional: Option<Cow<'a, str>>,
    /// `MIN_NOTIONAL` of USD-M.
    #[serde(borrow, default)]
    notional: Option<Cow<'a, str>>,
    #[serde(default)]
    apply_min_to_market: Option<bool>,
    #[serde(default)]
    apply_to_market: Option<bool>,
    #[serde(borrow, default)]
    multiplier_up: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    multiplier_down: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    bid_multiplier_up: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    bid_multiplier_down: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    ask_multiplier_up: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    ask_multiplier_down: Option<Cow<'a, str>>,
    #[serde(default)]
    max_num_orders: Option<u64>,
    /// `MAX_NUM_ORDERS` of USD-M.
    #[serde(default)]
    limit: Option<u64>,
}

/// A field of a filter that may be missing.
type Field<'a> = Option<&'a Cow<'a, str>>;

pub(super) fn decode(venue: Venue, body: &[u8]) -> Result<ExchangeInfo, InfoError> {
    if BODY_SIZE_BYTES_MAX < body.len() {
        return Err(InfoError::TooLong { size_bytes: body.len() });
    }
    let raw: RawInfo<'_> = serde_json::from_slice(body)?;
    if SYMBOL_COUNT_MAX < raw.symbols.len() {
        return Err(InfoError::TooMany { symbol_count: raw.symbols.len() });
    }
    let mut symbols = Vec::with_capacity(raw.symbols.len());
    for symbol in raw.symbols {
        let filters = filters(&symbol)?;
        symbols.push(SymbolInfo {
            symbol: symbol.symbol,
            status: symbol.status,
            base_asset: symbol.base_asset,
            quote_asset: symbol.quote_asset,
            base_precision: symbol.base_asset_precision.unwrap_or(FILTER_SCALE),
            order_types: symbol.order_types,
            filters,
        });
    }
    symbols.sort_by(|one, other| one.symbol.cmp(&other.symbol));
    Ok(ExchangeInfo {
        venue,
        server_time_ms: raw.server_time,
        rate_limits: raw.rate_limits.iter().filter_map(rate_limit).collect(),
        symbols,
    })
}

/// A limit; `None` when its interval is none that we know, because then its numbers mean nothing.
fn rate_limit(raw: &RawLimit) -> Option<RateLimit> {
    let second_ns = 1_000_000_000_u64;
    let unit_ns = match raw.interval.as_str() {
        "SECOND" => second_ns,
        "MINUTE" => 60 * second_ns,
        "HOUR" => 3_600 * second_ns,
        "DAY" => 86_400 * second_ns,
        _ => return None,
    };
    let kind = match raw.rate_limit_type.as_str() {
        "REQUEST_WEIGHT" => RateLimitKind::RequestWeight,
        "ORDERS" => RateLimitKind::Orders,
        "RAW_REQUESTS" => RateLimitKind::RawRequests,
        _ => RateLimitKind::Other,
    };
    let interval_ns = unit_ns.checked_mul(raw.interval_num).filter(|ns| 0 < *ns)?;
    Some(RateLimit { kind, interval_ns, limit: raw.limit })
}

fn filters(symbol: &RawSymbol<'_>) -> Result<Filters, InfoError> {
    let mut filters = Filters::default();
    for raw in &symbol.filters {
        let read = Read { symbol: &symbol.symbol, filter: raw.filter_type.as_ref() };
        match raw.filter_type.as_ref() {
            "PRICE_FILTER" => filters.price = Some(read.steps(raw, true)?),
            "LOT_SIZE" => filters.lot = Some(read.steps(raw, false)?),
            "MARKET_LOT_SIZE" => filters.market_lot = Some(read.steps(raw, false)?),
            "NOTIONAL" | "MIN_NOTIONAL" => filters.notional = Some(read.notional(raw)?),
            "PERCENT_PRICE_BY_SIDE" | "PERCENT_PRICE" => {
                filters.percent = Some(read.percent(raw)?);
            }
            "MAX_NUM_ORDERS" => filters.order_count_max = raw.max_num_orders.or(raw.limit),
            _ => {}
        }
    }
    Ok(filters)
}

/// Whose fields are being read, for errors.
struct Read<'a> {
    symbol: &'a str,
    filter: &'a str,
}

impl Read<'_> {
    fn steps(&self, raw: &RawFilter<'_>, is_price: bool) -> Result<StepFilter, InfoError> {
        let (min, max, step) = if is_price {
            (raw.min_price.as_ref(), raw.max_price.as_ref(), raw.tick_size.as_ref())
        } else {
            (raw.min_qty.as_ref(), raw.max_qty.as_ref(), raw.step_size.as_ref())
        };
        Ok(StepFilter {
            min: self.amount("min", min)?,
            max: self.most("max", max)?,
            step: self.amount("step", step)?,
        })
    }

    fn notional(&self, raw: &RawFilter<'_>) -> Result<NotionalFilter, InfoError> {
        let min = raw.min_notional.as_ref().or(raw.notional.as_ref());
        let max = match raw.max_notional.as_ref() {
            Some(text) => self.most("maxNotional", Some(text))?,
            None => i64::MAX,
        };
        Ok(NotionalFilter {
            min: self.amount("minNotional", min)?,
            max,
            min_for_market: raw.apply_min_to_market.or(raw.apply_to_market).unwrap_or(true),
        })
    }

    fn percent(&self, raw: &RawFilter<'_>) -> Result<PercentFilter, InfoError> {
        let up = raw.multiplier_up.as_ref();
        let down = raw.multiplier_down.as_ref();
        let one = |field, own: Field<'_>, both: Field<'_>| self.most(field, own.or(both));
        Ok(PercentFilter {
            bid_up: one("bidMultiplierUp", raw.bid_multiplier_up.as_ref(), up)?,
            bid_down: one("bidMultiplierDown", raw.bid_multiplier_down.as_ref(), down)?,
            ask_up: one("askMultiplierUp", raw.ask_multiplier_up.as_ref(), up)?,
            ask_down: one("askMultiplierDown", raw.ask_multiplier_down.as_ref(), down)?,
        })
    }

    /// An amount of zero or above.
    fn amount(&self, field: &'static str, text: Field<'_>) -> Result<i64, InfoError> {
        let parsed = text.map(|text| parse_scaled(text.as_bytes(), FILTER_SCALE));
        match parsed {
            Some(Ok(value)) if 0 <= value => Ok(value),
            Some(Ok(_) | Err(_)) | None => Err(self.refuse(field, text)),
        }
    }

    /// Like [`Read::amount`]; what is too large to hold is the largest that we can hold.
    fn most(&self, field: &'static str, text: Field<'_>) -> Result<i64, InfoError> {
        let parsed = text.map(|text| parse_scaled(text.as_bytes(), FILTER_SCALE));
        match parsed {
            Some(Err(DecimalError::OutOfRange { .. })) => Ok(i64::MAX),
            Some(Ok(_) | Err(_)) | None => self.amount(field, text),
        }
    }

    fn refuse(&self, field: &'static str, text: Field<'_>) -> InfoError {
        let shown: String = text.map_or("missing", |text| text.as_ref()).chars().take(40).collect();
        InfoError::Amount {
            symbol: self.symbol.to_string(),
            filter: self.filter.to_string(),
            field,
            text: shown,
        }
    }
}

const _: () = assert!(ONE == 10_i64.pow(FILTER_SCALE as u32));
