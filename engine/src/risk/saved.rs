//! Saving and loading of the gate. Sums of reservations are not saved but added up again, so that a
//! loaded gate cannot disagree with its own orders.

use crate::event::Side;
use crate::instrument::VENUE_COUNT_MAX;
use crate::money::Money;
use crate::state::{LoadError, Loader, Saver, State};

use super::account::Calm;
use super::orders::{Change, NoRoom, Order};
use super::{Batch, Gate, RiskState, Window};

/// Which list of the order table follows.
const SLOTS: u8 = 1;
const SPILL: u8 = 2;
const UNBOUND: u8 = 3;

fn save_order(order: &Order, out: &mut Saver) {
    out.u64(order.id);
    out.u16(order.instrument);
    out.u16(order.source);
    out.u16(order.parent);
    out.bool(order.side == Side::Sell);
    out.bool(order.reduce_only);
    out.i64(order.price);
    out.i64(order.leaves);
    out.i64(order.filled);
    out.u64(order.fill_cause);
    out.u64(order.change.sequence);
    out.i64(order.change.price);
    out.i64(order.change.total);
    out.bool(order.change.taken);
}

fn load_order(from: &mut Loader<'_>) -> Result<Order, LoadError> {
    Ok(Order {
        id: from.u64()?,
        instrument: from.u16()?,
        source: from.u16()?,
        parent: from.u16()?,
        side: if from.bool()? { Side::Sell } else { Side::Buy },
        reduce_only: from.bool()?,
        price: from.i64()?,
        leaves: from.i64()?,
        filled: from.i64()?,
        fill_cause: from.u64()?,
        change: Change {
            sequence: from.u64()?,
            price: from.i64()?,
            total: from.i64()?,
            taken: from.bool()?,
        },
    })
}

impl Gate {
    fn save_orders(&self, out: &mut Saver) {
        let working = || self.orders.slots().iter().filter(|order| order.id != 0);
        out.u8(SLOTS);
        out.count(working().count());
        for order in working() {
            save_order(order, out);
        }
        for (mark, list) in [(SPILL, self.orders.spill()), (UNBOUND, self.orders.unbound())] {
            out.u8(mark);
            out.count(list.len());
            for order in list {
                save_order(order, out);
            }
        }
    }

    fn load_orders(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.orders.clear();
        let count_max = self.orders.slot_count();
        for mark in [SLOTS, SPILL, UNBOUND] {
            if from.u8()? != mark {
                return Err(from.invalid("list of orders"));
            }
            for _ in 0..from.count(count_max)? {
                let order = load_order(from)?;
                let kept = match mark {
                    UNBOUND => self.orders.push_unbound(order),
                    _ => self.orders.restore(order, mark == SPILL),
                };
                let index = usize::from(order.instrument);
                let is_sound = index < self.instruments.count() && self.parents.fits(&order);
                if kept.is_err_and(|NoRoom| true) || !is_sound {
                    return Err(from.invalid("order"));
                }
                self.take_in(&order);
            }
        }
        Ok(())
    }
}

impl State for Gate {
    fn save(&self, out: &mut Saver) {
        out.u16(self.state.code());
        out.bool(self.drawdown_latched);
        out.bool(self.day.is_some());
        out.u64(self.day.unwrap_or(0));
        for money in [self.equity, self.equity_peak, self.equity_baseline] {
            out.i128(money.0);
        }
        self.sheet.save(out);
        out.count(self.rows.len());
        for row in &self.rows {
            row.save(out);
        }
        self.parents.save(out);
        self.save_orders(out);
        self.rate.save(out);
        self.messages.save(out);
        self.duplicates.save(out);
        out.count(self.windows.len());
        for window in &self.windows {
            window.save(out);
        }
        self.usage.save(out);
        out.i64(self.daily.order_count);
        out.i128(self.daily.notional.0);
        out.count(self.refused_counts.len());
        for refused_count in self.refused_counts {
            out.u64(refused_count);
        }
        out.u64(self.dropped_count);
        out.u32(self.locked_venues);
        self.breakers.save(out);
        self.save_changes(out);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.state = RiskState::from_code(from.u16()?).ok_or_else(|| from.invalid("risk state"))?;
        self.drawdown_latched = from.bool()?;
        let day_known = from.bool()?;
        self.day = Some(from.u64()?).filter(|_| day_known);
        (self.day_until_ns, self.calm) = (0, Calm::NEVER);
        self.lanes.close();
        self.equity = Money(from.i128()?);
        self.equity_peak = Money(from.i128()?);
        self.equity_baseline = Money(from.i128()?);
        self.sheet.load(from)?;
        if from.count(self.rows.len())? != self.rows.len() {
            return Err(from.invalid("number of strategies"));
        }
        for row in &mut self.rows {
            row.load(from)?;
        }
        self.parents.load(from)?;
        self.load_orders(from)?;
        self.rate.load(from)?;
        self.messages.load(from)?;
        self.duplicates.load(from)?;
        self.load_windows(from)?;
        self.usage.load(from)?;
        self.daily.order_count = from.i64()?;
        self.daily.notional = Money(from.i128()?);
        self.batch = Batch::default();
        if from.count(self.refused_counts.len())? != self.refused_counts.len() {
            return Err(from.invalid("number of rules"));
        }
        for refused_count in &mut self.refused_counts {
            *refused_count = from.u64()?;
        }
        self.dropped_count = from.u64()?;
        self.locked_venues = from.u32()?;
        if self.locked_venues >> VENUE_COUNT_MAX != 0 {
            return Err(from.invalid("locked venues"));
        }
        self.breakers.load(from)?;
        self.load_changes(from)
    }
}

impl Gate {
    /// Windows that were saved are read past when no control needs them now.
    fn load_windows(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        let count = from.count(self.instruments.count())?;
        for index in 0..count {
            match self.windows.get_mut(index) {
                Some(window) => window.load(from)?,
                None => Window::new(1).load(from)?,
            }
        }
        Ok(())
    }
}
