//! Events of user data: execution reports and positions, as text for each subscription.
//!
//! **Invariant:** every report of a symbol has an execution id of its own, in order, whether or not
//! anyone listens.

use std::collections::BTreeMap;

use crate::api::json::{Object, array};
use crate::exchange::{AccountIndex, Exchange, Output, WsOptions};
use crate::money::{self, Money};
use crate::order::{Execution, Fill, Order, Status, TimeUnit};

/// What self-trade prevention took from an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopped {
    /// The prevented match.
    pub(crate) id: u64,
    /// The other order.
    pub(crate) counter: u64,
    /// What this order lost.
    pub(crate) quantity: Money,
    /// What would have traded.
    pub(crate) matched: Money,
    /// At which price.
    pub(crate) price: Money,
}

/// One execution report beyond the state of its order.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    execution: Execution,
    time_ns: u64,
    /// The client id before a cancel or an amend.
    client_id_before: String,
    reject_reason: &'static str,
    fill: Option<Fill>,
    stopped: Option<Stopped>,
}

impl Report {
    pub(crate) fn new(execution: Execution, time_ns: u64) -> Self {
        let client_id_before = String::new();
        let reject_reason = "NONE";
        Self { execution, time_ns, client_id_before, reject_reason, fill: None, stopped: None }
    }

    pub(crate) fn fill(fill: Fill) -> Self {
        let report = Self::new(Execution::Trade, fill.time_ns);
        Self { fill: Some(fill), ..report }
    }

    pub(crate) fn stopped(stopped: Stopped, time_ns: u64) -> Self {
        Self { stopped: Some(stopped), ..Self::new(Execution::TradePrevention, time_ns) }
    }

    pub(crate) fn rejected(reject_reason: &'static str, time_ns: u64) -> Self {
        Self { reject_reason, ..Self::new(Execution::Rejected, time_ns) }
    }

    pub(crate) fn renamed(execution: Execution, client_id_before: String, time_ns: u64) -> Self {
        Self { client_id_before, ..Self::new(execution, time_ns) }
    }
}

/// A subscription to the user data of an account.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) account: usize,
    /// The key that asked for it.
    pub(crate) api_key: String,
    /// Made by the session, so that it ends with it.
    pub(crate) is_of_session: bool,
}

/// Who is logged on.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) account: usize,
    pub(crate) api_key: String,
    pub(crate) since_ns: u64,
}

/// A WS API connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    pub(crate) options: WsOptions,
    pub(crate) since_ns: Option<u64>,
    pub(crate) session: Option<Session>,
    pub(crate) subscriptions: BTreeMap<u32, Subscription>,
    pub(crate) subscription_count: u32,
}

/// A time on the wire.
pub(crate) fn stamp(time_ns: u64, unit: TimeUnit) -> u64 {
    time_ns / unit.ns()
}

impl Exchange {
    /// Sends an event to everyone who listens to an account.
    fn tell(&mut self, account: usize, event: impl Fn(TimeUnit) -> String) {
        for (connection, state) in &self.connections {
            for (id, subscription) in &state.subscriptions {
                if subscription.account == account {
                    let event = event(state.options.time_unit);
                    let json = format!("{{\"subscriptionId\":{id},\"event\":{event}}}");
                    let (account, connection) = (AccountIndex(account), *connection);
                    self.outputs.push_back(Output::UserEvent { account, connection, json });
                }
            }
        }
    }

    /// Reports on an order; the execution id.
    pub(crate) fn report(&mut self, symbol: usize, id: u64, report: &Report) -> u64 {
        let market = &mut self.markets[symbol];
        market.counters.execution += 1;
        let execution_id = market.counters.execution;
        // An order that history forgot at once has no one to tell about.
        let Some(order) = market.orders.get(&id) else { return execution_id };
        if self.connections.values().all(|connection| connection.subscriptions.is_empty()) {
            return execution_id;
        }
        let (order, name) = (order.clone(), self.config.symbols[symbol].name.clone());
        self.tell(order.account, |unit| {
            execution_report(&order, report, &name, (execution_id, unit))
        });
        execution_id
    }

    /// Reports the balances of a symbol's assets.
    pub(crate) fn position(&mut self, symbol: usize, account: usize, now_ns: u64) {
        let assets = [self.markets[symbol].base, self.markets[symbol].quote];
        self.balances(account, &assets, now_ns);
    }

    /// Reports money that came or went without a trade.
    pub(crate) fn adjusted(
        &mut self,
        account: usize,
        (asset, amount): (usize, Money),
        now_ns: u64,
    ) {
        let name = self.ledger.assets[asset].clone();
        self.balances(account, &[asset], now_ns);
        self.tell(account, |unit| {
            let time = stamp(now_ns, unit);
            let object = Object::new().text("e", "balanceUpdate").number("E", time);
            object.text("a", &name).money("d", amount).number("T", time).end()
        });
    }

    fn balances(&mut self, account: usize, assets: &[usize], now_ns: u64) {
        if self.connections.values().all(|connection| connection.subscriptions.is_empty()) {
            return;
        }
        let balances = array(assets.iter().map(|asset| {
            let balance = self.ledger.get(account, *asset);
            let object = Object::new().text("a", &self.ledger.assets[*asset]);
            object.wide("f", balance.free).wide("l", balance.locked).end()
        }));
        let updated_ns = self.ledger.updated_ns[account];
        self.tell(account, |unit| {
            let object = Object::new().text("e", "outboundAccountPosition");
            let object = object.number("E", stamp(now_ns, unit));
            object.number("u", stamp(updated_ns, unit)).raw("B", &balances).end()
        });
    }

    /// An account changed.
    pub(crate) fn touch(&mut self, account: usize, now_ns: u64) {
        self.ledger.updated_ns[account] = now_ns;
        self.dirty_accounts.insert(account);
    }
}

/// The text of `executionReport`.
fn execution_report(
    order: &Order,
    report: &Report,
    symbol: &str,
    (execution_id, unit): (u64, TimeUnit),
) -> String {
    let time = stamp(report.time_ns, unit);
    let fill = report.fill.as_ref();
    let commission =
        fill.map_or_else(|| "0".to_string(), |fill| money::text(i128::from(fill.commission)));
    let object = Object::new()
        .text("e", "executionReport")
        .number("E", time)
        .text("s", symbol)
        .text("c", &order.client_id)
        .text("S", order.side.word())
        .text("o", order.kind.word())
        .text("f", order.time_in_force.word())
        .money("q", order.quantity)
        .money("p", order.price)
        .money("P", order.stop_price)
        .money("F", 0)
        .raw("g", "-1")
        .text("C", &report.client_id_before)
        .text("x", report.execution.word())
        .text("X", order.status.word())
        .text("r", report.reject_reason)
        .number("i", order.id)
        .money("l", fill.map_or(0, |fill| fill.quantity))
        .money("z", order.executed)
        .money("L", fill.map_or(0, |fill| fill.price))
        .text("n", &commission);
    let object = match fill {
        Some(fill) => object.text("N", &fill.commission_asset),
        None => object.raw("N", "null"),
    };
    let object = object.number("T", time);
    let object = match fill {
        Some(fill) => object.number("t", fill.trade_id),
        None => object.raw("t", "-1"),
    };
    let is_on_book = order.status.is_open() && order.is_working;
    let object = extras(object, order, report, symbol)
        .number("I", execution_id)
        .flag("w", is_on_book)
        .flag("m", fill.is_some_and(|fill| fill.is_maker))
        .flag("M", fill.is_some())
        .number("O", stamp(order.created_ns, unit))
        .money("Z", order.executed_quote)
        .money("Y", fill.map_or(0, |fill| fill.quote))
        .money("Q", order.quote_quantity);
    let object = match order.working_ns {
        Some(working_ns) => object.number("W", stamp(working_ns, unit)),
        None => object,
    };
    object.text("V", order.stp.word()).end()
}

/// The fields that only some reports have.
fn extras(object: Object, order: &Order, report: &Report, symbol: &str) -> Object {
    let mut object = object;
    if let Some(stopped) = report.stopped {
        let quote = money::quote(stopped.price, stopped.matched).unwrap_or(0);
        object = object
            .number("v", stopped.id)
            .money("A", order.prevented)
            .money("B", stopped.quantity)
            .raw("u", "-1")
            .number("U", stopped.counter)
            .text("Cs", symbol)
            .money("pl", stopped.matched)
            .money("pL", stopped.price)
            .money("pY", quote);
    }
    if let Some(strategy_id) = order.strategy_id {
        object = object.number("j", strategy_id);
    }
    if let Some(strategy_type) = order.strategy_type {
        object = object.number("J", strategy_type);
    }
    match (&order.expiry_reason, order.status) {
        (Some(reason), Status::Expired) => object.text("eR", reason),
        _ => object,
    }
}
