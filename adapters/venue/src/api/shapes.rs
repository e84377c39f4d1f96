//! The JSON of orders, fills and balances.

use crate::api::json::{Object, array};
use crate::exchange::events::stamp;
use crate::money;
use crate::order::{Fill, Order, Status, TimeUnit};

/// Price to prevention, as every answer about an order has them.
fn state(object: Object, order: &Order) -> Object {
    object
        .money("price", order.price)
        .money("origQty", order.quantity)
        .money("executedQty", order.executed)
        .money("origQuoteOrderQty", order.quote_quantity)
        .money("cummulativeQuoteQty", order.executed_quote)
        .text("status", order.status.word())
        .text("timeInForce", order.time_in_force.word())
        .text("type", order.kind.word())
        .text("side", order.side.word())
}

/// The fields that only some orders have.
fn extras(object: Object, order: &Order) -> Object {
    let mut object = object;
    if let Some(strategy_id) = order.strategy_id {
        object = object.number("strategyId", strategy_id);
    }
    if let Some(strategy_type) = order.strategy_type {
        object = object.number("strategyType", strategy_type);
    }
    if let Some(id) = order.prevented_match_id {
        object = object.number("preventedMatchId", id).money("preventedQuantity", order.prevented);
    }
    match (&order.expiry_reason, order.status) {
        (Some(reason), Status::Expired) => object.text("expiryReason", reason),
        _ => object,
    }
}

fn working_time(object: Object, order: &Order, unit: TimeUnit) -> Object {
    match order.working_ns {
        Some(working_ns) => object.number("workingTime", stamp(working_ns, unit)),
        None => object.raw("workingTime", "-1"),
    }
}

fn stop_price(object: Object, order: &Order) -> Object {
    if order.kind.has_stop() { object.money("stopPrice", order.stop_price) } else { object }
}

/// `ACK`.
pub(super) fn ack(order: &Order, symbol: &str, unit: TimeUnit) -> Object {
    Object::new()
        .text("symbol", symbol)
        .number("orderId", order.id)
        .raw("orderListId", "-1")
        .text("clientOrderId", &order.client_id)
        .number("transactTime", stamp(order.updated_ns, unit))
}

/// `RESULT`; `FULL` when there are fills.
pub(super) fn result(
    order: &Order,
    fills: Option<&[Fill]>,
    symbol: &str,
    unit: TimeUnit,
) -> String {
    let object = state(ack(order, symbol, unit), order);
    let object = working_time(stop_price(object, order), order, unit);
    let object = object.text("selfTradePreventionMode", order.stp.word());
    let object = extras(object, order);
    let Some(fills) = fills else { return object.end() };
    let fills = array(fills.iter().map(|fill| {
        Object::new()
            .money("price", fill.price)
            .money("qty", fill.quantity)
            .money("commission", fill.commission)
            .text("commissionAsset", &fill.commission_asset)
            .number("tradeId", fill.trade_id)
            .end()
    }));
    object.raw("fills", &fills).end()
}

/// The answer to a cancel.
pub(super) fn cancelled(order: &Order, before: &str, symbol: &str, unit: TimeUnit) -> String {
    let object = Object::new()
        .text("symbol", symbol)
        .text("origClientOrderId", before)
        .number("orderId", order.id)
        .raw("orderListId", "-1")
        .text("clientOrderId", &order.client_id)
        .number("transactTime", stamp(order.updated_ns, unit));
    let object = stop_price(state(object, order), order);
    extras(object.text("selfTradePreventionMode", order.stp.word()), order).end()
}

/// The answer to an amend.
pub(super) fn amended(
    order: &Order,
    (before, execution_id): (&str, u64),
    symbol: &str,
    unit: TimeUnit,
) -> String {
    let object = Object::new()
        .text("symbol", symbol)
        .number("orderId", order.id)
        .raw("orderListId", "-1")
        .text("origClientOrderId", before)
        .text("clientOrderId", &order.client_id)
        .money("price", order.price)
        .money("qty", order.quantity)
        .money("executedQty", order.executed)
        .money("preventedQty", order.prevented)
        .money("quoteOrderQty", order.quote_quantity)
        .money("cumulativeQuoteQty", order.executed_quote)
        .text("status", order.status.word())
        .text("timeInForce", order.time_in_force.word())
        .text("type", order.kind.word())
        .text("side", order.side.word());
    let object = working_time(stop_price(object, order), order, unit);
    let amended = object.text("selfTradePreventionMode", order.stp.word()).end();
    Object::new()
        .number("transactTime", stamp(order.updated_ns, unit))
        .number("executionId", execution_id)
        .raw("amendedOrder", &amended)
        .end()
}

/// The answer to a query.
pub(super) fn queried(order: &Order, symbol: &str, unit: TimeUnit) -> String {
    let object = Object::new()
        .text("symbol", symbol)
        .number("orderId", order.id)
        .raw("orderListId", "-1")
        .text("clientOrderId", &order.client_id)
        .money("price", order.price)
        .money("origQty", order.quantity)
        .money("executedQty", order.executed)
        .money("cummulativeQuoteQty", order.executed_quote)
        .text("status", order.status.word())
        .text("timeInForce", order.time_in_force.word())
        .text("type", order.kind.word())
        .text("side", order.side.word())
        .money("stopPrice", order.stop_price)
        .money("icebergQty", 0)
        .number("time", stamp(order.created_ns, unit))
        .number("updateTime", stamp(order.updated_ns, unit))
        .flag("isWorking", order.is_working);
    let object = working_time(object, order, unit)
        .money("origQuoteOrderQty", order.quote_quantity)
        .text("selfTradePreventionMode", order.stp.word());
    extras(object, order).end()
}

/// A fill of an account.
pub(super) fn my_trade(fill: &Fill, symbol: &str, unit: TimeUnit) -> String {
    Object::new()
        .text("symbol", symbol)
        .number("id", fill.trade_id)
        .number("orderId", fill.order_id)
        .raw("orderListId", "-1")
        .money("price", fill.price)
        .money("qty", fill.quantity)
        .money("quoteQty", fill.quote)
        .money("commission", fill.commission)
        .text("commissionAsset", &fill.commission_asset)
        .number("time", stamp(fill.time_ns, unit))
        .flag("isBuyer", fill.is_buyer)
        .flag("isMaker", fill.is_maker)
        .flag("isBestMatch", true)
        .end()
}

/// A price and a quantity as in a book.
pub(super) fn level((price, quantity): (money::Money, money::Money)) -> String {
    let (price, quantity) = (money::text(i128::from(price)), money::text(i128::from(quantity)));
    format!("[\"{price}\",\"{quantity}\"]")
}
