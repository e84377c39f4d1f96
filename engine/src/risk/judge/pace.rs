//! Rules about how many and how often, last, because only an order that is sent counts.

use crate::event::Kind;

use super::super::limit_key::{LimitKey, UNLIMITED};
use super::super::rate::RateWindow;
use super::{Asked, Gate, Refusal, Rule, at_most, count, money_at_most};

/// One more within the window.
#[inline]
fn has_room(rule: Rule, rate: &RateWindow, now_ns: u64) -> Result<(), Refusal> {
    if rate.has_room(now_ns) {
        return Ok(());
    }
    let limit = count(rate.count_max());
    Err(Refusal { rule, measured: limit.saturating_add(1), limit })
}

impl Gate {
    /// Open orders, rates, and what a day may bring.
    #[inline]
    pub(super) fn pace(&self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let (event, limits) = (asked.event, &self.limits.controls.limits);
        let is_new = event.kind != Kind::INTENT_REPLACE;
        if is_new {
            let open_count = count(self.orders.count() + 1);
            let limit = i64::from(asked.account.orders_open_max);
            at_most(Rule::OrdersOpen, open_count, limit)?;
        }
        if self.has_row_limits {
            self.row_pace(asked, is_new)?;
        }
        has_room(Rule::OrderRate, &self.rate, event.time_ns)?;
        if limits.get(LimitKey::MessageRate) != UNLIMITED {
            has_room(Rule::MessageRate, &self.messages, event.time_ns)?;
        }
        if is_new {
            let order_count = self.daily.order_count.saturating_add(1);
            at_most(Rule::OrdersDaily, order_count, limits.get(LimitKey::OrdersDaily))?;
        }
        if let Some(limit) = limits.money(LimitKey::NotionalDaily) {
            let notional = self.daily.notional.plus(asked.notional);
            money_at_most(Rule::NotionalDaily, notional, limit)?;
        }
        Ok(())
    }

    fn row_pace(&self, asked: &Asked<'_>, is_new: bool) -> Result<(), Refusal> {
        let row = self.row(asked.event.source);
        let Some(own) = self.limits.controls.strategies.get(row) else { return Ok(()) };
        let state = &self.rows[row];
        if is_new {
            let limit = own.limits.get(LimitKey::StrategyOrdersOpen);
            at_most(Rule::StrategyOrdersOpen, state.open_count.saturating_add(1), limit)?;
        }
        if own.limits.get(LimitKey::StrategyOrderRate) != UNLIMITED {
            has_room(Rule::StrategyOrderRate, &state.rate, asked.event.time_ns)?;
        }
        Ok(())
    }

    /// Whether anything is counted by the day.
    pub(in super::super) fn counts_days(&self) -> bool {
        let limits = &self.limits.controls.limits;
        [LimitKey::OrdersDaily, LimitKey::NotionalDaily]
            .into_iter()
            .any(|key| limits.get(key) != UNLIMITED)
    }
}
