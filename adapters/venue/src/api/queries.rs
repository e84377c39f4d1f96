//! What an account asks about itself: orders, fills, balances, fees and limits.

use crate::api::error::ApiError;
use crate::api::json::{Object, array};
use crate::api::orders::either;
use crate::api::params::Params;
use crate::api::{Call, shapes};
use crate::exchange::Exchange;
use crate::exchange::events::stamp;
use crate::money;

/// Entries where no limit is asked for.
const LIMIT_DEFAULT: usize = 500;
/// Most entries of an answer.
const LIMIT_MAX: usize = 1000;
/// Times from here on are in microseconds.
const MICROSECONDS_FROM: u64 = 1_000_000_000_000_000;
/// The longest range of times.
const RANGE_NS_MAX: u64 = 86_400_000_000_000;

/// A range of times, both ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) begin_ns: u64,
    pub(super) end_ns: u64,
    pub(super) has_begin: bool,
}

impl Range {
    /// `startTime` and `endTime`.
    pub(super) fn read(params: &Params, is_bounded: bool) -> Result<Self, ApiError> {
        let ns = |name| -> Result<Option<u64>, ApiError> {
            Ok(params.number(name)?.map(|time| {
                let unit_ns = if time < MICROSECONDS_FROM { 1_000_000 } else { 1000 };
                time.saturating_mul(unit_ns)
            }))
        };
        let (begin, end) = (ns("startTime")?, ns("endTime")?);
        let length_ns = begin.zip(end).map_or(0, |(begin, end)| end.saturating_sub(begin));
        if is_bounded && RANGE_NS_MAX < length_ns {
            let message = "More than 24 hours between startTime and endTime.";
            return Err(ApiError::bad(-1127, message));
        }
        // The end is the whole of its millisecond.
        let end_ns = end.map_or(u64::MAX, |end| end.saturating_add(999_999));
        Ok(Self { begin_ns: begin.unwrap_or(0), end_ns, has_begin: begin.is_some() })
    }

    pub(super) fn contains(&self, time_ns: u64) -> bool {
        self.begin_ns <= time_ns && time_ns <= self.end_ns
    }
}

/// The first entries from a begin, else the last ones.
pub(super) fn cut<T>(mut found: Vec<T>, limit: usize, is_from_begin: bool) -> Vec<T> {
    if is_from_begin {
        found.truncate(limit);
    } else {
        found.drain(..found.len().saturating_sub(limit));
    }
    found
}

/// The discount that there is not.
pub(super) fn discount() -> String {
    Object::new()
        .flag("enabledForAccount", false)
        .flag("enabledForSymbol", false)
        .text("discountAsset", "BNB")
        .money("discount", 0)
        .end()
}

/// Rates for the four roles.
fn rates(maker: money::Money, taker: money::Money) -> String {
    let object = Object::new().money("maker", maker).money("taker", taker);
    object.money("buyer", 0).money("seller", 0).end()
}

impl Exchange {
    pub(super) fn order_status(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let (account, symbol) = (call.account()?, self.symbol_of(call.params)?);
        let order_id = call.params.number("orderId")?;
        let client_id = call.params.text("origClientOrderId")?;
        call.params.finish()?;
        let market = &self.markets[symbol];
        let id = match (order_id, client_id) {
            (Some(id), _) => Some(id),
            (None, Some(client_id)) => {
                market.newest_ids.get(&(account, client_id.to_string())).copied()
            }
            (None, None) => return Err(either("origClientOrderId", "orderId")),
        };
        let order = id.and_then(|id| market.orders.get(&id));
        let order = order.filter(|order| order.account == account);
        let order = order.ok_or_else(|| ApiError::bad(-2013, "Order does not exist."))?;
        let is_named =
            |id: &str| [&order.client_id, &order.client_id_first].iter().any(|o| *o == id);
        if client_id.is_some_and(|client_id| !is_named(client_id)) {
            let message = "Client order ID is not correct for this order ID.";
            return Err(ApiError::bad(-2039, message));
        }
        Ok(shapes::queried(order, &self.config.symbols[symbol].name, call.unit))
    }

    pub(super) fn open_orders(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let account = call.account()?;
        let symbols = match call.params.text("symbol")? {
            Some(name) => vec![self.symbol_named(name)?],
            None => (0..self.markets.len()).collect(),
        };
        call.params.finish()?;
        let mut found = Vec::new();
        for symbol in symbols {
            let (market, name) = (&self.markets[symbol], &self.config.symbols[symbol].name);
            let open = market.open.iter().map(|id| market.order(*id));
            let open = open.filter(|order| order.account == account);
            found.extend(open.map(|order| shapes::queried(order, name, call.unit)));
        }
        Ok(array(found.into_iter()))
    }

    pub(super) fn all_orders(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let (account, symbol) = (call.account()?, self.symbol_of(call.params)?);
        let from = call.params.number("orderId")?;
        let range = Range::read(call.params, true)?;
        let limit = call.params.limit(LIMIT_DEFAULT, LIMIT_MAX)?;
        call.params.finish()?;
        let (market, name) = (&self.markets[symbol], &self.config.symbols[symbol].name);
        let orders = market.orders.range(from.unwrap_or(0)..).map(|(_, order)| order);
        let orders = orders.filter(|order| {
            order.account == account && (from.is_some() || range.contains(order.created_ns))
        });
        let found = cut(orders.collect(), limit, from.is_some() || range.has_begin);
        Ok(array(found.into_iter().map(|order| shapes::queried(order, name, call.unit))))
    }

    pub(super) fn my_trades(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let (account, symbol) = (call.account()?, self.symbol_of(call.params)?);
        let (order_id, from) = (call.params.number("orderId")?, call.params.number("fromId")?);
        let range = Range::read(call.params, true)?;
        let limit = call.params.limit(LIMIT_DEFAULT, LIMIT_MAX)?;
        call.params.finish()?;
        let (market, name) = (&self.markets[symbol], &self.config.symbols[symbol].name);
        let fills = market.fills.iter().filter(|fill| {
            fill.account == account
                && order_id.is_none_or(|order_id| order_id == fill.order_id)
                && from.is_none_or(|from| from <= fill.trade_id)
                && range.contains(fill.time_ns)
        });
        let found = cut(fills.collect(), limit, from.is_some() || range.has_begin);
        Ok(array(found.into_iter().map(|fill| shapes::my_trade(fill, name, call.unit))))
    }

    pub(super) fn account_status(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let account = call.account()?;
        let omits_zero = call.params.flag("omitZeroBalances", false)?;
        call.params.finish()?;
        let balances = self.ledger.assets.iter().zip(&self.ledger.balances[account]);
        let balances = balances
            .filter(|(_, balance)| !omits_zero || balance.free != 0 || balance.locked != 0)
            .map(|(asset, balance)| {
                let object = Object::new().text("asset", asset);
                object.wide("free", balance.free).wide("locked", balance.locked).end()
            });
        let balances = array(balances);
        let fees = self.config.symbols.first().map_or((0, 0), |s| (s.fees.maker, s.fees.taker));
        // Commissions in 1/10000.
        let points = |rate: money::Money| rate / (money::ONE / 10_000);
        Ok(Object::new()
            .number("makerCommission", points(fees.0))
            .number("takerCommission", points(fees.1))
            .number("buyerCommission", 0)
            .number("sellerCommission", 0)
            .raw("commissionRates", &rates(fees.0, fees.1))
            .flag("canTrade", true)
            .flag("canWithdraw", true)
            .flag("canDeposit", true)
            .flag("brokered", false)
            .flag("requireSelfTradePrevention", false)
            .flag("preventSor", false)
            .number("updateTime", stamp(self.ledger.updated_ns[account], call.unit))
            .text("accountType", "SPOT")
            .raw("balances", &balances)
            .raw("permissions", "[\"SPOT\"]")
            .number("uid", 354_937_868 + account)
            .end())
    }

    pub(super) fn commission(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let symbol = self.symbol_of(call.params)?;
        call.params.finish()?;
        let config = &self.config.symbols[symbol];
        Ok(Object::new()
            .text("symbol", &config.name)
            .raw("standardCommission", &rates(config.fees.maker, config.fees.taker))
            .raw("specialCommission", &rates(0, 0))
            .raw("taxCommission", &rates(0, 0))
            .raw("discount", &discount())
            .end())
    }

    pub(super) fn trade_fee(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let only = call.params.text("symbol")?;
        call.params.finish()?;
        let symbols = self.config.symbols.iter();
        let symbols = symbols.filter(|symbol| only.is_none_or(|only| only == symbol.name));
        Ok(array(symbols.map(|symbol| {
            let object = Object::new().text("symbol", &symbol.name);
            let object = object.money("makerCommission", symbol.fees.maker);
            object.money("takerCommission", symbol.fees.taker).end()
        })))
    }

    pub(super) fn order_limits(&self, call: &Call<'_>) -> Result<String, ApiError> {
        call.params.finish()?;
        Ok(array(self.limits.orders_json(call.account()?, call.now_ns).into_iter()))
    }

    pub(super) fn order_amendments(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let (account, symbol) = (call.account()?, self.symbol_of(call.params)?);
        call.params.required("orderId")?;
        let order_id = call.params.number("orderId")?;
        let from = call.params.number("fromExecutionId")?.unwrap_or(0);
        let limit = call.params.limit(LIMIT_DEFAULT, LIMIT_MAX)?;
        call.params.finish()?;
        let name = &self.config.symbols[symbol].name;
        let found = self.markets[symbol].amendments.iter().filter(|amendment| {
            amendment.account == account
                && Some(amendment.order_id) == order_id
                && from <= amendment.execution_id
        });
        Ok(array(found.take(limit).map(|amendment| {
            Object::new()
                .text("symbol", name)
                .number("orderId", amendment.order_id)
                .number("executionId", amendment.execution_id)
                .text("origClientOrderId", &amendment.client_id_before)
                .text("newClientOrderId", &amendment.client_id_after)
                .money("origQty", amendment.quantity_before)
                .money("newQty", amendment.quantity_after)
                .number("time", stamp(amendment.time_ns, call.unit))
                .end()
        })))
    }

    pub(super) fn prevented_matches(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let (account, symbol) = (call.account()?, self.symbol_of(call.params)?);
        let id = call.params.number("preventedMatchId")?;
        let order_id = call.params.number("orderId")?;
        let from = call.params.number("fromPreventedMatchId")?.unwrap_or(0);
        let limit = call.params.limit(LIMIT_DEFAULT, LIMIT_MAX)?;
        call.params.finish()?;
        if id.is_none() && order_id.is_none() {
            return Err(either("preventedMatchId", "orderId"));
        }
        let name = &self.config.symbols[symbol].name;
        let found = self.markets[symbol].prevented.iter().filter(|prevented| {
            prevented.account == account
                && id.is_none_or(|id| id == prevented.id)
                && order_id.is_none_or(|id| id == prevented.taker || id == prevented.maker)
                && from <= prevented.id
        });
        Ok(array(found.take(limit).map(|prevented| {
            let mut object = Object::new()
                .text("symbol", name)
                .number("preventedMatchId", prevented.id)
                .number("takerOrderId", prevented.taker)
                .text("makerSymbol", name)
                .number("makerOrderId", prevented.maker)
                .raw("tradeGroupId", "-1")
                .text("selfTradePreventionMode", prevented.mode.word())
                .money("price", prevented.price);
            if let Some(quantity) = prevented.taker_quantity {
                object = object.money("takerPreventedQuantity", quantity);
            }
            if let Some(quantity) = prevented.maker_quantity {
                object = object.money("makerPreventedQuantity", quantity);
            }
            object.number("transactTime", stamp(prevented.time_ns, call.unit)).end()
        })))
    }

    pub(super) fn my_filters(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let symbol = self.symbol_of(call.params)?;
        call.params.finish()?;
        let filters = super::public::filters_json(&self.config.symbols[symbol]);
        let object = Object::new().raw("exchangeFilters", "[]");
        Ok(object.raw("symbolFilters", &filters).raw("assetFilters", "[]").end())
    }
}
