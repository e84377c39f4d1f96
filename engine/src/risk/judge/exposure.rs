//! Rules about exposure, all of it projected: every working order and this one fill.
//!
//! What does not add to an exposure is not refused for it, so that a position above its limit can be brought
//! down. An exposure that nobody can tell is the largest there is.

use crate::event::{Event, Side};
use crate::money::Money;

use super::super::limit_key::LimitKey;
use super::{Asked, Gate, Refusal, Rule, at_most, clamped, money_at_most};

impl Gate {
    /// Position, share of capital, strategy, gross, buying power, batch. Returns the worth of the
    /// instrument and the gross of the account with the order.
    #[inline]
    pub(super) fn position(&self, asked: &Asked<'_>) -> Result<(Money, Money), Refusal> {
        let (entry, side) = (asked.entry, asked.side);
        let (reach_before, reach) = (entry.reach(side, 0), entry.reach(side, asked.quantity_more));
        if reach_before < reach {
            if side == Side::Sell {
                at_most(Rule::ShortSale, clamped(reach), asked.controls.get(LimitKey::Short))?;
            }
            let limit = asked.limits.position_quantity_max;
            at_most(Rule::PositionQuantity, clamped(reach), limit)?;
        }
        let value_before = entry.worth.sides[side.index()];
        let value = entry.side_with(side, asked.quantity_more, asked.notional_more);
        // Judged by the side that grows, also in the shade of a larger other side: the orders over
        // there may never work, and what they covered would then stand above the limit.
        let gross = value.max(entry.worth.sides[side.opposite().index()]);
        let total = self.sheet.gross_with(entry, gross);
        // A value that is saturated on both sides of the comparison is unknown, not unchanged.
        // More quantity at a better price may be worth less, and is more all the same.
        let opens = reach_before < reach && 0 < reach;
        let grows = opens || value_before < value || value == Money::MAX;
        if grows {
            money_at_most(Rule::PositionNotional, value, asked.limits.position_notional_max)?;
            self.share(asked, value)?;
        }
        // What closes for the account may open for the strategy.
        if self.has_row_limits {
            self.row_exposure(asked)?;
        }
        if grows {
            money_at_most(Rule::GrossNotional, total, asked.account.gross_notional_max)?;
            if let Some(capital) = self.limits.controls.capital {
                // What is lost is no longer there to trade with.
                let power = capital.plus(self.equity).max(Money::ZERO);
                money_at_most(Rule::BuyingPower, total, power)?;
            }
        }
        if !asked.closes {
            self.batch(asked)?;
        }
        Ok((gross, total))
    }

    /// Share of the capital that is in one instrument.
    #[inline]
    fn share(&self, asked: &Asked<'_>, value: Money) -> Result<(), Refusal> {
        match self.shares.get(usize::from(asked.event.instrument)) {
            Some(limit) => money_at_most(Rule::ExposureShare, value, *limit),
            None => Ok(()),
        }
    }

    /// The same of the strategy alone.
    fn row_exposure(&self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let row = self.row(asked.event.source);
        let Some(own) = self.limits.controls.strategies.get(row) else { return Ok(()) };
        let sheet = &self.rows[row].sheet;
        let Some(entry) = sheet.get(asked.event.instrument) else { return Ok(()) };
        let position_max = own.limits.money(LimitKey::StrategyPosition);
        let gross_max = own.limits.money(LimitKey::StrategyGross);
        if position_max.is_none() && gross_max.is_none() {
            return Ok(());
        }
        let side = asked.side;
        let value_before = entry.worth.sides[side.index()];
        let value = side_at(entry, asked);
        let reach = entry.reach(side, asked.quantity_more);
        let opens = 0 < asked.quantity_more && 0 < reach;
        if !opens && value <= value_before && value != Money::MAX {
            return Ok(());
        }
        if let Some(limit) = position_max {
            money_at_most(Rule::StrategyPosition, value, limit)?;
        }
        if let Some(limit) = gross_max {
            let gross = value.max(entry.worth.sides[side.opposite().index()]);
            money_at_most(Rule::StrategyGross, sheet.gross_with(entry, gross), limit)?;
        }
        Ok(())
    }

    /// All that one inbound event has led to.
    #[inline]
    fn batch(&self, asked: &Asked<'_>) -> Result<(), Refusal> {
        match self.limits.controls.limits.money(LimitKey::BatchNotional) {
            Some(limit) if !is_reducing(asked.event) => {
                let batch = self.batch.notional.plus(asked.notional);
                money_at_most(Rule::BatchNotional, batch, limit)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether the order can only close.
#[inline]
fn is_reducing(event: &Event) -> bool {
    event.has(crate::event::flags::REDUCE_ONLY)
}

/// Worth of the strategy's side with the order. A strategy that was flat so far has no mark of its own.
#[inline]
fn side_at(entry: &super::Entry, asked: &Asked<'_>) -> Money {
    if entry.mark_twice == asked.entry.mark_twice {
        return entry.side_with(asked.side, asked.quantity_more, asked.notional_more);
    }
    let mut marked = entry.clone();
    marked.see(asked.entry.mark_twice);
    marked.worth = marked.worth_now();
    marked.side_with(asked.side, asked.quantity_more, asked.notional_more)
}
