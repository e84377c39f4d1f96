//! The view as JSON: what `status`, `flags` and the end of a kill show.

use std::collections::BTreeMap;

use engine::event::{BreakerState, Scope, TripReason};
use engine::instrument::{Instrument, Venue};
use engine::money::{Money, format_scaled, write_scaled};
use engine::stats::{CounterId, InstrumentValues, Snapshot};
use serde_json::{Value, json};

use super::View;

/// Orders listed at most; all of them are counted.
const LISTED_COUNT_MAX: usize = 200;

/// Money as decimal text, cents.
pub(crate) fn money_text(money: Money) -> String {
    let cents = money.0.div_euclid(10_i128.pow(10));
    let mut text = String::new();
    write_scaled(&mut text, cents, 2).expect("writing to a string cannot fail");
    text
}

/// Twice the price that a position is worth: the middle of the book, else the last trade.
pub(crate) fn mark_twice(values: &InstrumentValues) -> Option<i64> {
    if 0 < values.bid_quantity && 0 < values.ask_quantity {
        return values.bid_price.checked_add(values.ask_price);
    }
    (values.last_price != 0).then(|| values.last_price.saturating_mul(2))
}

/// Worth of a quantity at twice a price, without its sign.
pub(crate) fn worth(instrument: &Instrument, mark_twice: i64, quantity: i64) -> Money {
    Money(instrument.notional(mark_twice, quantity).magnitude().0 / 2)
}

impl View {
    /// Positions: strategy, instrument, quantity, and what it is worth where that is known.
    pub fn positions_json(&self, stats: Option<&Snapshot>) -> Vec<Value> {
        let rows = self.positions.iter().map(|((source, index), quantity)| {
            let notional = self.mark_twice(*index, stats).and_then(|mark| {
                let instrument = self.names.instruments.get(*index)?;
                Some(money_text(worth(instrument, mark, *quantity)))
            });
            json!({
                "strategy": self.names.strategy_name(*source),
                "instrument": self.names.symbol(*index),
                "quantity": self.names.quantity_text(*index, *quantity),
                "notional": notional,
            })
        });
        rows.collect()
    }

    /// Twice the present price of an instrument.
    pub fn mark_twice(&self, index: u16, stats: Option<&Snapshot>) -> Option<i64> {
        let mut rows = stats?.instruments.iter();
        let row = rows.find(|row| row.index == usize::from(index))?;
        mark_twice(&row.values)
    }

    fn orders_json(&self) -> Vec<Value> {
        let orders = self.orders.iter().take(LISTED_COUNT_MAX).map(|(id, order)| {
            json!({
                "order": format!("{id:016x}"),
                "strategy": self.names.strategy_name(order.source),
                "instrument": self.names.symbol(order.instrument),
                "side": order.side.name(),
                "price": self.names.price_text(order.instrument, order.price),
                "leaves": self.names.quantity_text(order.instrument, order.leaves),
                "state": order.state.name(),
            })
        });
        orders.collect()
    }

    /// Scopes that are not normal.
    fn scopes_json(&self) -> Vec<Value> {
        let tripped = self.scopes.iter().filter(|(_, it)| it.state != BreakerState::Normal);
        tripped
            .map(|(tag, it)| {
                json!({
                    "scope": self.names.scope_of_tag(*tag),
                    "state": it.state.name(),
                    "reason": it.reason.map(TripReason::name),
                    "trip": it.trip,
                    "since_ns": it.since_ns,
                    "measured": it.measured,
                    "limit": it.limit,
                    "by": it.by.as_ref().map(|by| by.actor.clone()),
                    "why": it.by.as_ref().map(|by| by.reason.clone()),
                })
            })
            .collect()
    }

    fn kill_json(&self) -> Value {
        let Some(kill) = &self.kill else { return Value::Null };
        json!({
            "scope": self.names.scope_of_tag(kill.scope),
            "phase": kill.phase.name(),
            "orders_cancelled": kill.cancelled,
            "left": kill.left,
            "elapsed_us": kill.elapsed_ns / 1_000,
            "at_ns": kill.at_ns,
        })
    }

    fn waiting_json(&self) -> Vec<Value> {
        let waiting = self.waiting.values().map(|given| {
            json!({
                "command": given.number,
                "verb": given.verb,
                "actor": given.actor,
                "reason": given.reason,
            })
        });
        waiting.collect()
    }

    fn strategies_json(&self) -> Vec<Value> {
        let rows = self.names.strategies.iter().zip(&self.enabled);
        rows.map(|(name, enabled)| json!({ "strategy": name, "enabled": enabled })).collect()
    }

    fn locked_json(&self) -> Vec<Value> {
        let rows = self.locked.iter().map(|(code, since_ns)| {
            let name = Venue::from_code(*code).map_or("unknown", Venue::name);
            json!({ "venue": name, "since_ns": since_ns })
        });
        rows.collect()
    }

    /// Everything of [`crate::Verb::Status`].
    pub fn status_json(&self, stats: Option<&Snapshot>) -> Value {
        let all = self.scopes.get(&Scope::All.tag());
        let tripped = all.filter(|it| it.state != BreakerState::Normal);
        let money = |id| stats.map(|stats| format_scaled(stats.counter_signed(id), 8));
        json!({
            "state": self.state(Scope::All).name(),
            "trip": tripped.map(|it| it.trip),
            "reason": tripped.and_then(|it| it.reason).map(TripReason::name),
            "since_ns": tripped.map(|it| it.since_ns),
            "risk_state": self.gate.0.name(),
            "risk_reason": self.gate.1,
            "kill_phase": self.kill.as_ref().map(|kill| kill.phase.name()),
            "kill": self.kill_json(),
            "scopes": self.scopes_json(),
            "open_orders": self.orders.len(),
            "orders": self.orders_json(),
            "positions": self.positions_json(stats),
            "strategies": self.strategies_json(),
            "venues_locked": self.locked_json(),
            "commands_waiting": self.waiting_json(),
            "session": self.session,
            "session_ended": self.is_ended,
            "sequence": self.sequence,
            "time_ns": self.time_ns,
            "pnl_realised": money(CounterId::PnlRealised),
            "pnl_unrealised": money(CounterId::PnlUnrealised),
            "fees": money(CounterId::Fees),
            "daily_loss": money(CounterId::DailyLoss),
            "drawdown": money(CounterId::Drawdown),
            "gross_notional": money(CounterId::NotionalOpen),
        })
    }

    /// Everything of [`crate::Verb::Flags`].
    pub fn flags_json(&self) -> Value {
        json!({
            "state": self.state(Scope::All).name(),
            "risk_state": self.gate.0.name(),
            "risk_reason": self.gate.1,
            "scopes": self.scopes_json(),
            "strategies": self.strategies_json(),
            "venues_locked": self.locked_json(),
            "commands_waiting": self.waiting_json(),
        })
    }

    /// What a kill, or a flatten, has come to.
    pub fn kill_report_json(&self, scope: Scope, stats: Option<&Snapshot>) -> Value {
        let left_over = self.left_over(scope, stats);
        let kill = self.kill.filter(|kill| kill.scope == scope.tag());
        json!({
            "state": self.state(scope).name(),
            "scope": self.names.scope_text(scope),
            "trip": self.scopes.get(&scope.tag()).map(|it| it.trip),
            "kill_phase": kill.map(|kill| kill.phase.name()),
            "orders_cancelled": kill.map_or(0, |kill| kill.cancelled),
            "open_orders": self.orders.values().filter(|it| {
                self.covers(scope, it.source, it.instrument)
            }).count(),
            "positions_flat": left_over.iter().all(|is_dust| *is_dust),
            "positions_left": left_over.len(),
            "positions_dust": left_over.iter().filter(|is_dust| **is_dust).count(),
            "elapsed_us": kill.map_or(0, |kill| kill.elapsed_ns / 1_000),
        })
    }

    /// Positions of a scope: whether each is dust, less than a lot or less than the venue trades. At a venue strategies
    /// that hold against each other hold nothing: only of a single strategy its own rows count.
    fn left_over(&self, scope: Scope, stats: Option<&Snapshot>) -> Vec<bool> {
        let mut nets: BTreeMap<u16, i128> = BTreeMap::new();
        for ((source, index), quantity) in &self.positions {
            if self.covers(scope, *source, *index) {
                *nets.entry(*index).or_default() += i128::from(*quantity);
            }
        }
        let left = nets.into_iter().filter(|(_, net)| *net != 0);
        let is_dust = left.map(|(index, net)| {
            let Some(instrument) = self.names.instruments.get(index) else { return false };
            let quantity = i64::try_from(net.unsigned_abs()).unwrap_or(i64::MAX);
            let is_cheap = self
                .mark_twice(index, stats)
                .is_some_and(|mark| worth(instrument, mark, quantity) < instrument.notional_min);
            quantity < instrument.lot || is_cheap
        });
        is_dust.collect()
    }

    /// Whether something of that strategy and instrument belongs to a scope.
    pub fn covers(&self, scope: Scope, source: u16, index: u16) -> bool {
        match scope {
            Scope::All => true,
            Scope::Strategy(number) => number == source,
            Scope::Instrument(number) => number == index,
            Scope::Venue(code) => {
                let venue = self.names.instruments.get(index).map(|it| it.venue as u8);
                venue == Some(code)
            }
        }
    }
}
