//! Market data: what the exchange lists, its books, trades, candles and tickers.

use crate::api::error::ApiError;
use crate::api::json::{Object, array, quoted, strings};
use crate::api::params::{Params, invalid};
use crate::api::queries::{Range, cut};
use crate::api::{Call, shapes};
use crate::config::SymbolConfig;
use crate::exchange::events::stamp;
use crate::exchange::{Exchange, SymbolIndex, Trade};
use crate::money::{self, Money, ONE};
use crate::order::{OrderType, Side, Stp, TimeUnit};

const SECOND_NS: u64 = 1_000_000_000;
/// Window of the tickers.
const DAY_NS: u64 = 86_400 * SECOND_NS;
/// Window of the average price.
const AVERAGE_NS: u64 = 300 * SECOND_NS;
/// Trades that the average price looks at.
const AVERAGE_COUNT_MAX: usize = 1000;
/// Most levels of a book in an answer.
const DEPTH_MAX: usize = 5000;

/// Names and lengths of candles. The week begins on Monday, the epoch on a Thursday.
const INTERVALS: &[(&str, u64)] = &[
    ("1s", 1),
    ("1m", 60),
    ("3m", 180),
    ("5m", 300),
    ("15m", 900),
    ("30m", 1800),
    ("1h", 3600),
    ("2h", 7200),
    ("4h", 14_400),
    ("6h", 21_600),
    ("8h", 28_800),
    ("12h", 43_200),
    ("1d", 86_400),
    ("3d", 259_200),
    ("1w", 604_800),
];
const MONDAY_NS: u64 = 4 * DAY_NS;

/// In the order of the documents.
const ORDER_TYPES: &[OrderType] = &[
    OrderType::Limit,
    OrderType::LimitMaker,
    OrderType::Market,
    OrderType::StopLoss,
    OrderType::StopLossLimit,
    OrderType::TakeProfit,
    OrderType::TakeProfitLimit,
];

/// What trades of an interval come to.
#[derive(Clone, Copy, Debug)]
pub struct Candle {
    /// When it begins.
    pub begin_ns: u64,
    /// The first price.
    pub open: Money,
    /// The highest price.
    pub high: Money,
    /// The lowest price.
    pub low: Money,
    /// The last price.
    pub close: Money,
    /// Base traded.
    pub volume: i128,
    /// Quote traded.
    pub quote_volume: i128,
    /// Number of trades.
    pub count: u64,
    /// Base that takers bought.
    pub taker_volume: i128,
    /// Quote that takers paid.
    pub taker_quote_volume: i128,
    /// The first trade, 0 for none.
    pub first_id: u64,
    /// The last trade.
    pub last_id: u64,
}

impl Candle {
    fn flat(begin_ns: u64, price: Money) -> Self {
        Self {
            begin_ns,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: 0,
            quote_volume: 0,
            count: 0,
            taker_volume: 0,
            taker_quote_volume: 0,
            first_id: 0,
            last_id: 0,
        }
    }

    fn add(&mut self, trade: &Trade) {
        if self.count == 0 {
            *self = Self::flat(self.begin_ns, trade.price);
            self.first_id = trade.id;
        }
        let quote = i128::from(money::quote(trade.price, trade.quantity).unwrap_or(0));
        self.high = self.high.max(trade.price);
        self.low = self.low.min(trade.price);
        self.close = trade.price;
        self.volume += i128::from(trade.quantity);
        self.quote_volume += quote;
        self.count += 1;
        self.last_id = trade.id;
        if !trade.is_buyer_maker {
            self.taker_volume += i128::from(trade.quantity);
            self.taker_quote_volume += quote;
        }
    }
}

impl Exchange {
    /// The candles of a symbol from `begin_ns` on, each `length_ns` long, at most `count_max` of
    /// them: the last ones.
    pub fn candles(
        &self,
        symbol: SymbolIndex,
        length_ns: u64,
        (begin_ns, end_ns): (u64, u64),
        count_max: usize,
    ) -> Vec<Candle> {
        let shift_ns = if length_ns == 7 * DAY_NS { MONDAY_NS } else { 0 };
        let begin_of = |time_ns: u64| {
            let shifted = time_ns.saturating_sub(shift_ns);
            shifted - shifted % length_ns.max(1) + shift_ns
        };
        let mut candles: Vec<Candle> = Vec::new();
        for trade in &self.markets[symbol.0].trades {
            let begin = begin_of(trade.time_ns);
            while let Some(last) = candles.last().copied().filter(|last| last.begin_ns < begin) {
                let gap = (begin - last.begin_ns) / length_ns.max(1);
                let most = u64::try_from(count_max).unwrap_or(u64::MAX);
                // A long silence is not filled up: only its end can be asked for.
                let next_ns =
                    if most < gap { begin - most * length_ns } else { last.begin_ns + length_ns };
                candles.push(Candle::flat(next_ns, last.close));
            }
            if candles.is_empty() {
                candles.push(Candle::flat(begin, trade.price));
            }
            if let Some(last) = candles.last_mut() {
                last.add(trade);
            }
        }
        candles.retain(|candle| begin_ns <= candle.begin_ns && candle.begin_ns <= end_ns);
        cut(candles, count_max, 0 < begin_ns)
    }

    /// What the trades of the last 24 hours come to.
    pub fn day(&self, symbol: SymbolIndex, now_ns: u64) -> Candle {
        let begin_ns = now_ns.saturating_sub(DAY_NS);
        let last = self.markets[symbol.0].last_price.unwrap_or(0);
        let mut candle = Candle::flat(begin_ns, last);
        for trade in self.markets[symbol.0].trades.iter().filter(|t| begin_ns <= t.time_ns) {
            candle.add(trade);
        }
        candle
    }

    /// The average price of five minutes, of the last 1000 trades at most, else the last price.
    pub(crate) fn average_price(&self, symbol: usize, now_ns: u64) -> Option<Money> {
        let market = &self.markets[symbol];
        let begin_ns = now_ns.saturating_sub(AVERAGE_NS);
        let recent = market
            .trades
            .iter()
            .rev()
            .take(AVERAGE_COUNT_MAX)
            .take_while(|trade| begin_ns <= trade.time_ns);
        let (mut base, mut quote) = (0_i128, 0_i128);
        for trade in recent {
            base += i128::from(trade.quantity);
            quote += i128::from(trade.price) * i128::from(trade.quantity);
        }
        quote.checked_div(base).and_then(|price| i64::try_from(price).ok()).or(market.last_price)
    }

    pub(super) fn time(&self, call: &Call<'_>) -> Result<String, ApiError> {
        call.params.finish()?;
        let time = stamp(self.server_ns(call.now_ns), call.unit);
        Ok(Object::new().number("serverTime", time).end())
    }

    pub(super) fn exchange_info(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let params = call.params;
        let (symbols, _) = self.symbols_of(params)?;
        let permissions = params.text("permissions")?.unwrap_or("SPOT");
        let has_sets = params.flag("showPermissionSets", true)?;
        let status = params.text("symbolStatus")?.unwrap_or("TRADING");
        if !["TRADING", "HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY"].contains(&status) {
            return Err(ApiError::bad(-1122, "Invalid symbolStatus."));
        }
        params.finish()?;
        let is_shown = permissions.contains("SPOT") && status == "TRADING";
        let symbols = symbols.iter().filter(|_| is_shown);
        let symbols = symbols.map(|index| symbol_json(&self.config.symbols[*index], has_sets));
        Ok(Object::new()
            .text("timezone", "UTC")
            .number("serverTime", stamp(self.server_ns(call.now_ns), call.unit))
            .raw("rateLimits", &self.limits.info_json())
            .raw("exchangeFilters", "[]")
            .raw("symbols", &array(symbols))
            .end())
    }

    /// The symbols of `symbol` or `symbols`, else all; whether it is one.
    fn symbols_of(&self, params: &Params) -> Result<(Vec<usize>, bool), ApiError> {
        let (one, many) = (params.text("symbol")?, params.text("symbols")?);
        match (one, many) {
            (Some(_), Some(_)) => {
                Err(ApiError::bad(-1128, "Combination of optional parameters invalid."))
            }
            (Some(name), None) => Ok((vec![self.symbol_named(name)?], true)),
            (None, Some(names)) => {
                let names = strings(names).ok_or_else(|| {
                    ApiError::illegal(
                        "symbols",
                        "^\\[(\"[A-Z0-9-_.]{1,20}\"(,\"[A-Z0-9-_.]{1,20}\"){0,}){0,1}\\]$",
                    )
                })?;
                let mut found = Vec::new();
                for name in names {
                    let index = self.symbol_named(&name)?;
                    if found.contains(&index) {
                        let message = "Symbol is present multiple times in the list.";
                        return Err(ApiError::bad(-1151, message));
                    }
                    found.push(index);
                }
                Ok((found, false))
            }
            (None, None) => Ok(((0..self.markets.len()).collect(), false)),
        }
    }

    pub(super) fn depth_json(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let symbol = self.symbol_of(call.params)?;
        let limit = call.params.limit(100, DEPTH_MAX)?;
        call.params.text("symbolStatus")?;
        call.params.finish()?;
        let depth = self.depth(SymbolIndex(symbol), limit);
        Ok(Object::new()
            .number("lastUpdateId", depth.update_id)
            .raw("bids", &array(depth.bids.into_iter().map(shapes::level)))
            .raw("asks", &array(depth.asks.into_iter().map(shapes::level)))
            .end())
    }

    pub(super) fn trades_json(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let symbol = self.symbol_of(call.params)?;
        let from = call.params.number("fromId")?;
        let limit = call.params.limit(500, 1000)?;
        call.params.finish()?;
        let trades = self.markets[symbol].trades.iter();
        let trades = trades.filter(|trade| from.is_none_or(|from| from <= trade.id));
        let found = cut(trades.collect(), limit, from.is_some());
        Ok(array(found.into_iter().map(|trade| {
            let quote = money::quote(trade.price, trade.quantity).unwrap_or(0);
            Object::new()
                .number("id", trade.id)
                .money("price", trade.price)
                .money("qty", trade.quantity)
                .money("quoteQty", quote)
                .number("time", stamp(trade.time_ns, call.unit))
                .flag("isBuyerMaker", trade.is_buyer_maker)
                .flag("isBestMatch", true)
                .end()
        })))
    }

    pub(super) fn agg_trades(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let symbol = self.symbol_of(call.params)?;
        let from = call.params.number("fromId")?;
        let range = Range::read(call.params, false)?;
        let limit = call.params.limit(500, 1000)?;
        call.params.finish()?;
        let trades = self.markets[symbol].trades.iter().filter(|trade| {
            from.is_none_or(|from| from <= trade.id) && range.contains(trade.time_ns)
        });
        let found = cut(trades.collect(), limit, from.is_some() || range.has_begin);
        Ok(array(found.into_iter().map(|trade| {
            Object::new()
                .number("a", trade.id)
                .money("p", trade.price)
                .money("q", trade.quantity)
                .number("f", trade.id)
                .number("l", trade.id)
                .number("T", stamp(trade.time_ns, call.unit))
                .flag("m", trade.is_buyer_maker)
                .flag("M", true)
                .end()
        })))
    }

    pub(super) fn klines(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let symbol = self.symbol_of(call.params)?;
        let interval = call.params.required("interval")?;
        let found = INTERVALS.iter().find(|(name, _)| *name == interval);
        let (_, seconds) = found.ok_or_else(|| ApiError::bad(-1120, "Invalid interval."))?;
        let range = Range::read(call.params, false)?;
        let limit = call.params.limit(500, 1000)?;
        call.params.text("timeZone")?;
        call.params.finish()?;
        let length_ns = seconds * SECOND_NS;
        let times = (range.begin_ns, range.end_ns);
        let candles = self.candles(SymbolIndex(symbol), length_ns, times, limit);
        let text = |value: i128| quoted(&money::text(value));
        Ok(array(candles.into_iter().map(|candle| {
            let end = stamp(candle.begin_ns + length_ns, call.unit) - 1;
            let fields = [
                stamp(candle.begin_ns, call.unit).to_string(),
                text(i128::from(candle.open)),
                text(i128::from(candle.high)),
                text(i128::from(candle.low)),
                text(i128::from(candle.close)),
                text(candle.volume),
                end.to_string(),
                text(candle.quote_volume),
                candle.count.to_string(),
                text(candle.taker_volume),
                text(candle.taker_quote_volume),
                "\"0\"".to_string(),
            ];
            array(fields.into_iter())
        })))
    }

    pub(super) fn average(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let symbol = self.symbol_of(call.params)?;
        call.params.finish()?;
        let last_ns = self.markets[symbol].trades.back().map_or(0, |trade| trade.time_ns);
        Ok(Object::new()
            .number("mins", 5)
            .money("price", self.average_price(symbol, call.now_ns).unwrap_or(0))
            .number("closeTime", stamp(last_ns, call.unit))
            .end())
    }

    /// One object per symbol, or one object where one symbol was asked for.
    fn per_symbol(
        &self,
        params: &Params,
        shape: impl Fn(usize) -> String,
    ) -> Result<String, ApiError> {
        let (symbols, is_one) = self.symbols_of(params)?;
        params.text("symbolStatus")?;
        params.finish()?;
        let mut shapes = symbols.into_iter().map(shape);
        Ok(if is_one { shapes.next().unwrap_or_default() } else { array(shapes) })
    }

    pub(super) fn ticker_price(&self, call: &Call<'_>) -> Result<String, ApiError> {
        self.per_symbol(call.params, |index| {
            let price = self.markets[index].last_price.unwrap_or(0);
            let object = Object::new().text("symbol", &self.config.symbols[index].name);
            object.money("price", price).end()
        })
    }

    pub(super) fn ticker_book(&self, call: &Call<'_>) -> Result<String, ApiError> {
        self.per_symbol(call.params, |index| {
            let best = self.best(SymbolIndex(index));
            let (bid, ask) = (best.bid.unwrap_or((0, 0)), best.ask.unwrap_or((0, 0)));
            Object::new()
                .text("symbol", &self.config.symbols[index].name)
                .money("bidPrice", bid.0)
                .money("bidQty", bid.1)
                .money("askPrice", ask.0)
                .money("askQty", ask.1)
                .end()
        })
    }

    pub(super) fn ticker_day(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let is_mini = match call.params.text("type")? {
            None | Some("FULL") => false,
            Some("MINI") => true,
            Some(_) => return Err(invalid("type")),
        };
        self.per_symbol(call.params, |index| self.day_json(index, is_mini, call.unit, call.now_ns))
    }

    fn day_json(&self, index: usize, is_mini: bool, unit: TimeUnit, now_ns: u64) -> String {
        let day = self.day(SymbolIndex(index), now_ns);
        let change = day.close - day.open;
        // Percent with three decimals, of a ratio with five.
        let open = i128::from(day.open.max(1));
        let percent = i128::from(change) * 100_000 / open;
        let sign = if percent < 0 { "-" } else { "" };
        let percent = percent.unsigned_abs();
        let percent = format!("{sign}{}.{:03}", percent / 1000, percent % 1000);
        let average = (day.quote_volume * i128::from(ONE)).checked_div(day.volume).unwrap_or(0);
        let last_quantity = self.markets[index].trades.back().map_or(0, |trade| trade.quantity);
        let best = self.best(SymbolIndex(index));
        let (bid, ask) = (best.bid.unwrap_or((0, 0)), best.ask.unwrap_or((0, 0)));
        let mut object = Object::new().text("symbol", &self.config.symbols[index].name);
        if !is_mini {
            object = object
                .wide("priceChange", i128::from(change))
                .text("priceChangePercent", &percent)
                .wide("weightedAvgPrice", average)
                .money("prevClosePrice", day.open)
                .money("lastPrice", day.close)
                .money("lastQty", last_quantity)
                .money("bidPrice", bid.0)
                .money("bidQty", bid.1)
                .money("askPrice", ask.0)
                .money("askQty", ask.1);
        }
        object = object
            .money("openPrice", day.open)
            .money("highPrice", day.high)
            .money("lowPrice", day.low);
        if is_mini {
            object = object.money("lastPrice", day.close);
        }
        let first = if day.count == 0 { "-1".to_string() } else { day.first_id.to_string() };
        let last = if day.count == 0 { "-1".to_string() } else { day.last_id.to_string() };
        object
            .wide("volume", day.volume)
            .wide("quoteVolume", day.quote_volume)
            .number("openTime", stamp(day.begin_ns, unit))
            .number("closeTime", stamp(now_ns, unit))
            .raw("firstId", &first)
            .raw("lastId", &last)
            .number("count", day.count)
            .end()
    }

    /// The book, at most `limit` levels a side.
    pub fn depth(&self, symbol: SymbolIndex, limit: usize) -> crate::exchange::Depth {
        let book = &self.markets[symbol.0].book;
        crate::exchange::Depth {
            update_id: book.update_id,
            bids: book.levels(Side::Buy).take(limit).collect(),
            asks: book.levels(Side::Sell).take(limit).collect(),
        }
    }
}

/// A symbol as in `exchangeInfo`.
fn symbol_json(config: &SymbolConfig, has_sets: bool) -> String {
    let types = ORDER_TYPES.iter().map(|kind| quoted(kind.word()));
    let types = array(types);
    let modes = [Stp::None, Stp::ExpireTaker, Stp::ExpireMaker, Stp::ExpireBoth, Stp::Decrement];
    let modes = array(modes.iter().map(|mode| quoted(mode.word())));
    Object::new()
        .text("symbol", &config.name)
        .text("status", "TRADING")
        .text("baseAsset", &config.base)
        .number("baseAssetPrecision", 8)
        .text("quoteAsset", &config.quote)
        .number("quotePrecision", 8)
        .number("quoteAssetPrecision", 8)
        .number("baseCommissionPrecision", 8)
        .number("quoteCommissionPrecision", 8)
        .raw("orderTypes", &types)
        .flag("icebergAllowed", false)
        .flag("ocoAllowed", false)
        .flag("otoAllowed", false)
        .flag("opoAllowed", false)
        .flag("quoteOrderQtyMarketAllowed", true)
        .flag("allowTrailingStop", false)
        .flag("cancelReplaceAllowed", true)
        .flag("amendAllowed", true)
        .flag("pegInstructionsAllowed", false)
        .flag("isSpotTradingAllowed", true)
        .flag("isMarginTradingAllowed", false)
        .raw("filters", &filters_json(config))
        .raw("permissions", "[]")
        .raw("permissionSets", if has_sets { "[[\"SPOT\"]]" } else { "[]" })
        .text("defaultSelfTradePreventionMode", config.stp_default.word())
        .raw("allowedSelfTradePreventionModes", &modes)
        .end()
}

/// The filters of a symbol.
pub(super) fn filters_json(config: &SymbolConfig) -> String {
    let filters = &config.filters;
    let named = |name: &str| Object::new().text("filterType", name);
    let list = [
        named("PRICE_FILTER")
            .money("minPrice", filters.price_min)
            .money("maxPrice", filters.price_max)
            .money("tickSize", filters.tick)
            .end(),
        named("LOT_SIZE")
            .money("minQty", filters.quantity_min)
            .money("maxQty", filters.quantity_max)
            .money("stepSize", filters.step)
            .end(),
        named("ICEBERG_PARTS").number("limit", 0).end(),
        named("MARKET_LOT_SIZE")
            .money("minQty", 0)
            .money("maxQty", filters.market_quantity_max)
            .money("stepSize", 0)
            .end(),
        named("PERCENT_PRICE_BY_SIDE")
            .money("bidMultiplierUp", filters.percent_up)
            .money("bidMultiplierDown", filters.percent_down)
            .money("askMultiplierUp", filters.percent_up)
            .money("askMultiplierDown", filters.percent_down)
            .number("avgPriceMins", 5)
            .end(),
        named("NOTIONAL")
            .money("minNotional", filters.notional_min)
            .flag("applyMinToMarket", true)
            .money("maxNotional", filters.notional_max)
            .flag("applyMaxToMarket", false)
            .number("avgPriceMins", 5)
            .end(),
        named("MAX_NUM_ORDERS").number("maxNumOrders", filters.orders_max).end(),
        named("MAX_NUM_ALGO_ORDERS").number("maxNumAlgoOrders", filters.algo_orders_max).end(),
        named("MAX_NUM_ORDER_AMENDS").number("maxNumOrderAmends", filters.amends_max).end(),
    ];
    array(list.into_iter())
}
