//! Saving and loading of the OMS. Order of fields is the format.

use super::{Counters, HALF_COUNT_MAX, Half, Oms};
use crate::event::flags;
use crate::ids;
use crate::state::{LoadError, Loader, Saver, State};

impl State for Counters {
    fn save(&self, out: &mut Saver) {
        out.u64(self.orders);
        out.u64(self.fills);
        out.u64(self.late_fills);
        out.u64(self.stranger_fills);
        out.u64(self.duplicate_executions);
        out.u64(self.refusals);
        out.u64(self.queries);
        out.u64(self.anomalies);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        *self = Counters {
            orders: from.u64()?,
            fills: from.u64()?,
            late_fills: from.u64()?,
            stranger_fills: from.u64()?,
            duplicate_executions: from.u64()?,
            refusals: from.u64()?,
            queries: from.u64()?,
            anomalies: from.u64()?,
        };
        Ok(())
    }
}

impl State for Oms {
    fn save(&self, out: &mut Saver) {
        out.u8(self.engine);
        out.u64(self.session);
        out.u64(self.counter);
        out.u64(self.query_at_ns);
        self.slab.save(out);
        self.executions.save(out);
        out.u64(self.sweep_at_ns);
        for pull in &self.pulls {
            out.u64(pull.number);
            out.u32(pull.told_count);
            out.bool(pull.is_link_down);
        }
        for half in &self.halves {
            out.bool(half.is_some());
            if let Some(half) = half {
                out.u16(half.source);
                out.event(&half.report);
            }
        }
        self.counters.save(out);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        if from.u8()? != self.engine {
            return Err(from.invalid("number of the engine"));
        }
        self.session = from.u64()?;
        self.counter = from.u64()?;
        if ids::SESSION_MAX < self.session || ids::COUNTER_MAX < self.counter {
            return Err(from.invalid("session or counter"));
        }
        self.query_at_ns = from.u64()?;
        self.slab.load(from)?;
        for order in self.slab.iter() {
            let own = usize::from(order.flags & flags::OPERATOR != 0);
            let known = usize::from(order.source) < self.strategy_count + own
                && self.instruments.get(order.instrument).is_some();
            if !known {
                return Err(from.invalid("strategy or instrument of an order"));
            }
        }
        if self.live_max < self.slab.live_count() {
            return Err(from.invalid("number of live orders"));
        }
        self.executions.load(from)?;
        self.sweep_at_ns = from.u64()?;
        for pull in &mut self.pulls {
            pull.number = from.u64()?;
            pull.told_count = from.u32()?;
            pull.is_link_down = from.bool()?;
        }
        self.halves = [None; HALF_COUNT_MAX];
        for half in &mut self.halves {
            if from.bool()? {
                *half = Some(Half { source: from.u16()?, report: from.event()? });
            }
        }
        self.counters.load(from)
    }
}
