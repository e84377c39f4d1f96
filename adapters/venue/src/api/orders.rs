//! Trading: what an order must look like, the filters, and place, cancel, replace and amend.

use crate::api::error::ApiError;
use crate::api::json::Object;
use crate::api::params::{Params, invalid};
use crate::api::{Call, shapes};
use crate::config::Filters;
use crate::exchange::Exchange;
use crate::exchange::events::Report;
use crate::exchange::market::{Amendment, push_bounded};
use crate::exchange::matching::{NewOrder, generated_id};
use crate::money::{self, Money};
use crate::order::{Execution, OrderType, ResponseType, Side, Status, Stp, TimeInForce};

/// `strategyType` begins here.
const STRATEGY_TYPE_MIN: u64 = 1_000_000;

/// Which orders a cancel is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restriction {
    OnlyNew,
    OnlyPartiallyFilled,
}

/// A cancel as it is asked for.
#[derive(Debug)]
struct Cancel {
    order_id: Option<u64>,
    client_id: Option<String>,
    new_id: Option<String>,
    restriction: Option<Restriction>,
}

impl Cancel {
    fn read(params: &Params, names: [&str; 3]) -> Result<Self, ApiError> {
        let [order_id, client_id, new_id] = names;
        let restriction = params.word(
            "cancelRestrictions",
            |word| match word {
                "ONLY_NEW" => Some(Restriction::OnlyNew),
                "ONLY_PARTIALLY_FILLED" => Some(Restriction::OnlyPartiallyFilled),
                _ => None,
            },
            || ApiError::bad(-1145, "Invalid cancelRestrictions"),
        )?;
        let cancel = Self {
            order_id: params.number(order_id)?,
            client_id: params.text(client_id)?.map(str::to_string),
            new_id: params.client_id(new_id)?,
            restriction,
        };
        if cancel.order_id.is_none() && cancel.client_id.is_none() {
            return Err(either(client_id, order_id));
        }
        Ok(cancel)
    }
}

/// Neither of two parameters was sent.
pub(super) fn either(first: &str, second: &str) -> ApiError {
    let message = format!("Param '{first}' or '{second}' must be sent, but both were empty/null!");
    ApiError::bad(-1102, message)
}

/// Reads an order.
fn read_order(params: &Params, stp_default: Stp) -> Result<NewOrder, ApiError> {
    params.required("side")?;
    params.required("type")?;
    let side = params.word("side", Side::from_word, || ApiError::bad(-1117, "Invalid side."))?;
    let kind =
        params.word("type", OrderType::from_word, || ApiError::bad(-1116, "Invalid orderType."))?;
    let (side, kind) = (
        side.ok_or_else(|| ApiError::missing("side"))?,
        kind.ok_or_else(|| ApiError::missing("type"))?,
    );
    let time_in_force = params.word("timeInForce", TimeInForce::from_word, || {
        ApiError::bad(-1115, "Invalid timeInForce.")
    })?;
    let response = params
        .word("newOrderRespType", ResponseType::from_word, || invalid("newOrderRespType"))?
        .unwrap_or(match kind {
            OrderType::Limit | OrderType::Market => ResponseType::Full,
            OrderType::LimitMaker
            | OrderType::StopLoss
            | OrderType::StopLossLimit
            | OrderType::TakeProfit
            | OrderType::TakeProfitLimit => ResponseType::Ack,
        });
    let new = NewOrder {
        side,
        kind,
        time_in_force: time_in_force.unwrap_or(TimeInForce::Gtc),
        price: params.money("price")?.unwrap_or(0),
        stop_price: params.money("stopPrice")?.unwrap_or(0),
        quantity: params.money("quantity")?.unwrap_or(0),
        quote_quantity: params.money("quoteOrderQty")?.unwrap_or(0),
        client_id: params.client_id("newClientOrderId")?,
        stp: read_stp(params)?.unwrap_or(stp_default),
        strategy_id: read_small(params, "strategyId")?,
        strategy_type: read_small(params, "strategyType")?,
        response,
    };
    check_strategy(params)?;
    check_unsupported(params)?;
    check_required(params, kind)?;
    Ok(new)
}

fn read_small(params: &Params, name: &str) -> Result<Option<i64>, ApiError> {
    let overflow = |_| ApiError::bad(-1108, format!("Parameter '{name}' overflowed."));
    params.number(name)?.map(|value| i64::try_from(value).map_err(overflow)).transpose()
}

fn read_stp(params: &Params) -> Result<Option<Stp>, ApiError> {
    let name = "selfTradePreventionMode";
    if params.text(name)? == Some("TRANSFER") {
        let message = "This symbol does not allow the specified self-trade prevention mode.";
        return Err(ApiError::bad(-1013, message));
    }
    params.word(name, Stp::from_word, || invalid(name))
}

fn check_strategy(params: &Params) -> Result<(), ApiError> {
    match params.number("strategyType")? {
        Some(kind) if kind < STRATEGY_TYPE_MIN => {
            Err(ApiError::bad(-1134, "`strategyType` was less than 1000000."))
        }
        Some(_) | None => Ok(()),
    }
}

/// What this exchange does not do, in the words of one that does not.
fn check_unsupported(params: &Params) -> Result<(), ApiError> {
    let iceberg = params.money("icebergQty")?;
    if iceberg.is_some_and(|quantity| quantity != 0) {
        return Err(ApiError::rejected("Iceberg orders are not supported for this symbol."));
    }
    if params.number("trailingDelta")?.is_some() {
        let message = "Trailing stop orders are not supported for this symbol.";
        return Err(ApiError::rejected(message));
    }
    for name in ["pegPriceType", "pegOffsetType", "pegOffsetValue"] {
        if params.text(name)?.is_some() {
            return Err(ApiError::rejected("Pegged orders are not supported for this symbol."));
        }
    }
    Ok(())
}

/// Which parameters a type needs, and which it must not have.
fn check_required(params: &Params, kind: OrderType) -> Result<(), ApiError> {
    let (needed, banned): (&[&str], &[&str]) = match kind {
        OrderType::Limit => {
            (&["timeInForce", "quantity", "price"], &["stopPrice", "quoteOrderQty"])
        }
        OrderType::Market => (&[], &["timeInForce", "price", "stopPrice"]),
        OrderType::LimitMaker => {
            (&["quantity", "price"], &["timeInForce", "stopPrice", "quoteOrderQty"])
        }
        OrderType::StopLoss | OrderType::TakeProfit => {
            (&["quantity", "stopPrice"], &["timeInForce", "price", "quoteOrderQty"])
        }
        OrderType::StopLossLimit | OrderType::TakeProfitLimit => {
            (&["timeInForce", "quantity", "price", "stopPrice"], &["quoteOrderQty"])
        }
    };
    for name in needed {
        params.required(name)?;
    }
    for name in banned {
        if params.text(name)?.is_some() {
            return Err(ApiError::not_required(name));
        }
    }
    if kind == OrderType::Market {
        let has = |name| params.text(name).map(|text| text.is_some());
        match (has("quantity")?, has("quoteOrderQty")?) {
            (true, true) => return Err(ApiError::not_required("quoteOrderQty")),
            (false, false) => return Err(either("quantity", "quoteOrderQty")),
            (true, false) | (false, true) => {}
        }
    }
    Ok(())
}

fn check_price(filters: &Filters, price: Money) -> Result<(), ApiError> {
    let is_good =
        filters.price_min <= price && price <= filters.price_max && price % filters.tick == 0;
    if is_good && 0 < price { Ok(()) } else { Err(ApiError::filter("PRICE_FILTER")) }
}

fn check_quantity(filters: &Filters, quantity: Money) -> Result<(), ApiError> {
    let is_good = filters.quantity_min <= quantity
        && quantity <= filters.quantity_max
        && quantity % filters.step == 0;
    if is_good && 0 < quantity { Ok(()) } else { Err(ApiError::filter("LOT_SIZE")) }
}

/// `PERCENT_PRICE_BY_SIDE` around the average price.
fn check_percent(filters: &Filters, price: Money, average: Option<Money>) -> Result<(), ApiError> {
    let Some(average) = average else { return Ok(()) };
    let bound = |times| money::quote(average, times).unwrap_or(Money::MAX);
    let is_high = 0 < filters.percent_up && bound(filters.percent_up) < price;
    let is_low = 0 < filters.percent_down && price < bound(filters.percent_down);
    if is_high || is_low { Err(ApiError::filter("PERCENT_PRICE_BY_SIDE")) } else { Ok(()) }
}

/// `NOTIONAL`; the largest is not applied to market orders.
fn check_notional(filters: &Filters, notional: Money, is_market: bool) -> Result<(), ApiError> {
    let is_large = 0 < filters.notional_max && filters.notional_max < notional && !is_market;
    if notional < filters.notional_min || is_large {
        return Err(ApiError::filter("NOTIONAL"));
    }
    Ok(())
}

impl Exchange {
    pub(super) fn order_place(&mut self, call: &Call<'_>) -> Result<String, ApiError> {
        let (account, symbol) = (call.account()?, self.symbol_of(call.params)?);
        let new = read_order(call.params, self.config.symbols[symbol].stp_default)?;
        call.params.finish()?;
        self.limits.check_orders(account, call.now_ns)?;
        self.check_filters(symbol, account, &new, call.now_ns)?;
        self.place_counted(symbol, account, &new, call)
    }

    pub(super) fn order_test(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let (account, symbol) = (call.account()?, self.symbol_of(call.params)?);
        let new = read_order(call.params, self.config.symbols[symbol].stp_default)?;
        let has_rates = call.params.flag("computeCommissionRates", false)?;
        call.params.finish()?;
        self.check_filters(symbol, account, &new, call.now_ns)?;
        Ok(if has_rates { self.test_rates(symbol) } else { "{}".to_string() })
    }

    pub(super) fn order_cancel(&mut self, call: &Call<'_>) -> Result<String, ApiError> {
        let (account, symbol) = (call.account()?, self.symbol_of(call.params)?);
        let names = ["orderId", "origClientOrderId", "newClientOrderId"];
        let cancel = Cancel::read(call.params, names)?;
        call.params.finish()?;
        self.cancel_one(symbol, account, &cancel, call)
    }

    /// The filters of the symbol.
    fn check_filters(
        &self,
        symbol: usize,
        account: usize,
        new: &NewOrder,
        now_ns: u64,
    ) -> Result<(), ApiError> {
        let filters = &self.config.symbols[symbol].filters;
        let is_needed =
            new.kind.is_market() || filters.percent_up != 0 || filters.percent_down != 0;
        let average = if is_needed { self.average_price(symbol, now_ns) } else { None };
        if !new.kind.is_market() {
            check_price(filters, new.price)?;
            check_percent(filters, new.price, average)?;
        }
        if new.kind.has_stop() {
            check_price(filters, new.stop_price)?;
        }
        let is_quote = new.kind == OrderType::Market && new.quote_quantity != 0;
        if !is_quote {
            check_quantity(filters, new.quantity)?;
            if new.kind.is_market() && filters.market_quantity_max < new.quantity {
                return Err(ApiError::filter("MARKET_LOT_SIZE"));
            }
        }
        let price = if new.kind.is_market() { average.unwrap_or(0) } else { new.price };
        let notional =
            if is_quote { Some(new.quote_quantity) } else { money::quote(price, new.quantity) };
        // A market order where nothing ever traded has no notional to look at.
        if price != 0 || is_quote {
            let notional = notional.ok_or_else(|| ApiError::filter("NOTIONAL"))?;
            check_notional(filters, notional, new.kind.is_market())?;
        }
        let (orders, stops) = self.markets[symbol].open_count(account);
        let reaches = |count: usize, most: u32| {
            most != 0 && usize::try_from(most).is_ok_and(|most| most <= count)
        };
        if reaches(orders, filters.orders_max) {
            return Err(ApiError::filter("MAX_NUM_ORDERS"));
        }
        if new.kind.has_stop() && reaches(stops, filters.algo_orders_max) {
            return Err(ApiError::filter("MAX_NUM_ALGO_ORDERS"));
        }
        Ok(())
    }

    /// Places an order, counts it and answers.
    fn place_counted(
        &mut self,
        symbol: usize,
        account: usize,
        new: &NewOrder,
        call: &Call<'_>,
    ) -> Result<String, ApiError> {
        self.limits.count_order(account, call.now_ns);
        let placed = self.place(symbol, account, new, call.now_ns);
        let placed = match placed {
            Ok(placed) => placed,
            Err(error) => {
                self.limits.uncount_order(account, call.now_ns);
                return Err(error);
            }
        };
        let name = &self.config.symbols[symbol].name;
        Ok(match new.response {
            ResponseType::Ack => shapes::ack(&placed.order, name, call.unit).end(),
            ResponseType::Result => shapes::result(&placed.order, None, name, call.unit),
            ResponseType::Full => {
                shapes::result(&placed.order, Some(&placed.fills), name, call.unit)
            }
        })
    }

    fn test_rates(&self, symbol: usize) -> String {
        let fees = self.config.symbols[symbol].fees;
        let rates = |maker, taker| Object::new().money("maker", maker).money("taker", taker).end();
        Object::new()
            .raw("standardCommissionForOrder", &rates(fees.maker, fees.taker))
            .raw("specialCommissionForOrder", &rates(0, 0))
            .raw("taxCommissionForOrder", &rates(0, 0))
            .raw("discount", &super::queries::discount())
            .end()
    }

    /// The open order that a cancel or an amend means.
    fn open_order(
        &self,
        symbol: usize,
        account: usize,
        order_id: Option<u64>,
        client_id: Option<&str>,
    ) -> Result<u64, ApiError> {
        let market = &self.markets[symbol];
        let unknown = || ApiError::not_cancelled("Unknown order sent.");
        let id = match (order_id, client_id) {
            (Some(id), _) => id,
            (None, Some(client_id)) => {
                let key = (account, client_id.to_string());
                *market.open_ids.get(&key).ok_or_else(unknown)?
            }
            (None, None) => return Err(unknown()),
        };
        let order = market.orders.get(&id).filter(|order| order.account == account);
        let order = order.filter(|order| order.status.is_open()).ok_or_else(unknown)?;
        if client_id.is_some_and(|client_id| client_id != order.client_id) {
            let message = "Client order ID is not correct for this order ID.";
            return Err(ApiError::bad(-2039, message));
        }
        Ok(id)
    }

    fn cancel_one(
        &mut self,
        symbol: usize,
        account: usize,
        cancel: &Cancel,
        call: &Call<'_>,
    ) -> Result<String, ApiError> {
        let id = self.open_order(symbol, account, cancel.order_id, cancel.client_id.as_deref())?;
        let status = self.markets[symbol].order(id).status;
        let is_meant = match cancel.restriction {
            None => true,
            Some(Restriction::OnlyNew) => status == Status::New,
            Some(Restriction::OnlyPartiallyFilled) => status == Status::PartiallyFilled,
        };
        if !is_meant {
            let message = "Order was not canceled due to cancel restrictions.";
            return Err(ApiError::not_cancelled(message));
        }
        let new_id = match &cancel.new_id {
            Some(id) => id.clone(),
            None => self.next_client_id(symbol),
        };
        Ok(self.cancel_answered(symbol, id, &new_id, call))
    }

    /// Cancels an open order and answers.
    fn cancel_answered(&mut self, symbol: usize, id: u64, new_id: &str, call: &Call<'_>) -> String {
        let before = self.markets[symbol].order(id).client_id.clone();
        self.cancel(symbol, id, new_id, call.now_ns);
        let name = &self.config.symbols[symbol].name;
        shapes::cancelled(self.markets[symbol].order(id), &before, name, call.unit)
    }

    fn next_client_id(&mut self, symbol: usize) -> String {
        let counters = &mut self.markets[symbol].counters;
        counters.client_id += 1;
        generated_id(symbol, counters.client_id)
    }

    pub(super) fn cancel_all(&mut self, call: &Call<'_>) -> Result<String, ApiError> {
        let (account, symbol) = (call.account()?, self.symbol_of(call.params)?);
        call.params.finish()?;
        let market = &self.markets[symbol];
        let open = market.open.iter().filter(|id| market.order(**id).account == account);
        let open: Vec<u64> = open.copied().collect();
        if open.is_empty() {
            return Err(ApiError::not_cancelled("Unknown order sent."));
        }
        let new_id = self.next_client_id(symbol);
        let mut cancelled = Vec::with_capacity(open.len());
        for id in open {
            cancelled.push(self.cancel_answered(symbol, id, &new_id, call));
        }
        Ok(super::json::array(cancelled.into_iter()))
    }

    pub(super) fn cancel_replace(&mut self, call: &Call<'_>) -> Result<String, ApiError> {
        let (account, symbol) = (call.account()?, self.symbol_of(call.params)?);
        let params = call.params;
        params.required("cancelReplaceMode")?;
        let stops_on_failure = params.word(
            "cancelReplaceMode",
            |word| match word {
                "STOP_ON_FAILURE" => Some(true),
                "ALLOW_FAILURE" => Some(false),
                _ => None,
            },
            || invalid("cancelReplaceMode"),
        )?;
        let cancels_anyway = params.word(
            "orderRateLimitExceededMode",
            |word| match word {
                "DO_NOTHING" => Some(false),
                "CANCEL_ONLY" => Some(true),
                _ => None,
            },
            || invalid("orderRateLimitExceededMode"),
        )?;
        let names = ["cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId"];
        let cancel = Cancel::read(params, names)?;
        let new = read_order(params, self.config.symbols[symbol].stp_default)?;
        params.finish()?;
        let limited = self.limits.check_orders(account, call.now_ns);
        if let (Err(error), false) = (&limited, cancels_anyway.unwrap_or(false)) {
            return Err(error.clone());
        }
        self.check_filters_replacing(symbol, account, &new, call.now_ns)?;
        let cancelled = self.cancel_one(symbol, account, &cancel, call);
        let placed = match (&cancelled, limited) {
            (Err(_), _) if stops_on_failure.unwrap_or(true) => {
                self.limits.count_order(account, call.now_ns);
                None
            }
            (_, Err(error)) => Some(Err(error)),
            (_, Ok(())) => Some(self.place_counted(symbol, account, &new, call)),
        };
        if let (Ok(_), Some(Err(error))) = (&cancelled, &placed) {
            self.reject(symbol, account, &new, (&error.message, call.now_ns));
        }
        replaced(cancelled, placed)
    }

    /// The filters for an order that takes the place of another.
    fn check_filters_replacing(
        &self,
        symbol: usize,
        account: usize,
        new: &NewOrder,
        now_ns: u64,
    ) -> Result<(), ApiError> {
        match self.check_filters(symbol, account, new, now_ns) {
            // The one that goes makes room.
            Err(error) if error.message.contains("MAX_NUM") => Ok(()),
            checked => checked,
        }
    }

    pub(super) fn amend(&mut self, call: &Call<'_>) -> Result<String, ApiError> {
        let (account, symbol) = (call.account()?, self.symbol_of(call.params)?);
        let params = call.params;
        let order_id = params.number("orderId")?;
        let client_id = params.text("origClientOrderId")?.map(str::to_string);
        let new_id = params.client_id("newClientOrderId")?;
        params.required("newQty")?;
        let quantity = params.money("newQty")?.unwrap_or(0);
        params.finish()?;
        if order_id.is_none() && client_id.is_none() {
            return Err(either("origClientOrderId", "orderId"));
        }
        let id = self.open_order(symbol, account, order_id, client_id.as_deref());
        let id = id.map_err(|error| ApiError { code: -2038, ..error })?;
        self.check_amend(symbol, account, (id, quantity), new_id.as_deref())?;
        let new_id = match new_id {
            Some(new_id) => new_id,
            None => self.next_client_id(symbol),
        };
        let (before, execution_id) = self.amended(symbol, id, (quantity, new_id), call.now_ns);
        let name = &self.config.symbols[symbol].name;
        let order = self.markets[symbol].order(id);
        Ok(shapes::amended(order, (&before, execution_id), name, call.unit))
    }

    fn check_amend(
        &self,
        symbol: usize,
        account: usize,
        (id, quantity): (u64, Money),
        new_id: Option<&str>,
    ) -> Result<(), ApiError> {
        let market = &self.markets[symbol];
        let (order, filters) = (market.order(id), &self.config.symbols[symbol].filters);
        let refuse = |message: &str| Err(ApiError::bad(-2038, message));
        if filters.amends_max <= order.amend_count {
            return Err(ApiError::filter("MAX_NUM_ORDER_AMENDS"));
        }
        check_quantity(filters, quantity)?;
        let price = if order.price == 0 { order.stop_price } else { order.price };
        let notional = money::quote(price, quantity).unwrap_or(Money::MAX);
        check_notional(filters, notional, order.kind.is_market())?;
        if quantity == order.quantity {
            return refuse("The requested action would change no state; rejecting");
        }
        if order.quantity < quantity {
            return refuse("Order amend (quantity increase) is not supported.");
        }
        // What traded cannot be taken back.
        if quantity <= order.executed + order.prevented {
            return refuse("The requested action would change no state; rejecting");
        }
        let key = new_id.map(|new_id| (account, new_id.to_string()));
        let owner = key.and_then(|key| market.open_ids.get(&key).copied());
        if owner.is_some_and(|owner| owner != id) {
            return refuse("Duplicate order sent.");
        }
        Ok(())
    }

    /// Makes an order smaller in its place; its client id before, and the execution id.
    fn amended(
        &mut self,
        symbol: usize,
        id: u64,
        (quantity, new_id): (Money, String),
        now_ns: u64,
    ) -> (String, u64) {
        let market = &mut self.markets[symbol];
        let order = market.order_mut(id);
        let quantity_before = order.quantity;
        let (account, side, price) = (order.account, order.side, order.price);
        order.quantity = quantity;
        order.amend_count += 1;
        order.updated_ns = now_ns;
        let before = std::mem::replace(&mut order.client_id, new_id);
        let (sequence, order) = (order.book_sequence, order.clone());
        market.open_ids.remove(&(account, before.clone()));
        if before != order.client_id_first {
            market.newest_ids.remove(&(account, before.clone()));
        }
        market.index(&order);
        if sequence != 0 {
            market.book.reduce(side, price, sequence, quantity_before - quantity);
            self.level(symbol, side, price);
        }
        self.hold(symbol, id, now_ns);
        let report = Report::renamed(Execution::Replaced, before.clone(), now_ns);
        let execution_id = self.report(symbol, id, &report);
        self.position(symbol, account, now_ns);
        let amendment = Amendment {
            account,
            order_id: id,
            execution_id,
            client_id_before: before.clone(),
            client_id_after: order.client_id,
            quantity_before,
            quantity_after: quantity,
            time_ns: now_ns,
        };
        let amendments = &mut self.markets[symbol].amendments;
        push_bounded(amendments, amendment, self.config.history.orders_max);
        (before, execution_id)
    }
}

/// The answer to a cancel-replace: 200, 409 or 400, with both halves.
fn replaced(
    cancelled: Result<String, ApiError>,
    placed: Option<Result<String, ApiError>>,
) -> Result<String, ApiError> {
    let is_limited = matches!(&placed, Some(Err(error)) if error.status == 429);
    let word = |is_good: bool| if is_good { "SUCCESS" } else { "FAILURE" };
    let cancel_good = cancelled.is_ok();
    let (new_word, new_good, new_json) = match placed {
        None => ("NOT_ATTEMPTED", false, "null".to_string()),
        Some(Ok(json)) => (word(true), true, json),
        Some(Err(error)) => (word(false), false, error.json()),
    };
    let cancel_json = cancelled.unwrap_or_else(|error| error.json());
    let data = Object::new()
        .text("cancelResult", word(cancel_good))
        .text("newOrderResult", new_word)
        .raw("cancelResponse", &cancel_json)
        .raw("newOrderResponse", &new_json)
        .end();
    let (status, code, message) = match (cancel_good, new_good) {
        (true, true) => return Ok(data),
        (true, false) | (false, true) => (409, -2021, "Order cancel-replace partially failed."),
        (false, false) => (400, -2022, "Order cancel-replace failed."),
    };
    let status = if is_limited && cancel_good { 429 } else { status };
    Err(ApiError { data: Some(data), ..ApiError::new(status, code, message) })
}
