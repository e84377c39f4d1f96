//! Saving and loading of the monitor. Order of fields is the format.

use super::config::STEP_COUNT_MAX;
use super::watch::Watch;
use super::{Losses, Monitor, RiskMode};
use crate::event::BreakerState;
use crate::money::Money;
use crate::state::{LoadError, Loader, Saver, State};

impl State for Watch {
    fn save(&self, out: &mut Saver) {
        out.count(self.level());
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        *self = Watch::at(from.count(STEP_COUNT_MAX)?);
        Ok(())
    }
}

impl State for Losses {
    fn save(&self, out: &mut Saver) {
        out.u32(self.count);
        out.i128(self.sum.0);
        self.watch.save(out);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.count = from.u32()?;
        self.sum = Money(from.i128()?);
        self.watch.load(from)
    }
}

impl State for Monitor {
    /// The figures of the last sample are not saved: the next one makes them anew.
    fn save(&self, out: &mut Saver) {
        self.account.save(out);
        self.series.save(out);
        out.i64(self.profit_peak);
        out.u64(self.next_sample_ns);
        self.watches.drawdown.save(out);
        self.watches.swing.save(out);
        self.watches.var_95.save(out);
        self.watches.heat.save(out);
        for losses in &self.losses {
            losses.save(out);
        }
        out.i128(self.loss_largest.0);
        out.u16(self.breaker.code());
        out.u8(self.mode.code());
        self.telling.save(out);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.account.load(from)?;
        self.series.load(from)?;
        self.profit_peak = from.i64()?;
        self.next_sample_ns = from.u64()?;
        self.watches.drawdown.load(from)?;
        self.watches.swing.load(from)?;
        self.watches.var_95.load(from)?;
        self.watches.heat.load(from)?;
        for losses in &mut self.losses {
            losses.load(from)?;
        }
        self.loss_largest = Money(from.i128()?);
        self.breaker = BreakerState::from_code(from.u16()?)
            .ok_or_else(|| from.invalid("state of a breaker"))?;
        self.figures = None;
        self.mode = RiskMode::from_code(from.u8()?).ok_or_else(|| from.invalid("risk mode"))?;
        self.telling.load(from)
    }
}
