//! What the gate keeps by strategy: its own exposure sheet, its own pace, and whether it is latched off.

use crate::instrument::{InstrumentIndex, InstrumentTable};
use crate::money::Money;
use crate::state::{LoadError, Loader, Saver, State, mix};

use super::limit_key::{LimitKey, UNLIMITED};
use super::limits::{Controls, StrategyControls};
use super::rate::RateWindow;
use super::rule::Rule;
use super::sheet::{Sheet, mix_wide};

/// One strategy, or the operator's own row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) sheet: Sheet,
    /// New orders and changes.
    pub(super) rate: RateWindow,
    /// Fills.
    pub(super) executions: RateWindow,
    /// Orders that are not over, with approvals that have no order yet.
    pub(super) open_count: i64,
    /// Equity at the start of the day.
    pub(super) baseline: Money,
    /// Why it may not trade until a person has looked.
    pub(super) latch: Option<Rule>,
    /// What it may trade; `None` for everything.
    allowed: Option<Box<[bool]>>,
    /// Whether any limit of its own is set.
    pub(super) is_limited: bool,
}

fn window(controls: &StrategyControls, key: LimitKey, window_ns: u64) -> RateWindow {
    match controls.limits.get(key) {
        UNLIMITED => RateWindow::new(0, window_ns),
        count => RateWindow::new(u32::try_from(count).unwrap_or(u32::MAX), window_ns),
    }
}

impl Row {
    pub(super) fn new(
        controls: &Controls,
        own: &StrategyControls,
        instruments: &InstrumentTable,
        order_rate_window_ns: u64,
    ) -> Row {
        let is_allowed = |allowed: &Vec<InstrumentIndex>| {
            (0..).take(instruments.count()).map(|index| allowed.contains(&index)).collect()
        };
        let executions_ns = controls.execution_window_ns;
        Row {
            sheet: Sheet::new(instruments),
            rate: window(own, LimitKey::StrategyOrderRate, order_rate_window_ns),
            executions: window(own, LimitKey::StrategyExecutions, executions_ns),
            open_count: 0,
            baseline: Money::ZERO,
            latch: None,
            allowed: own.allowed.as_ref().map(is_allowed),
            is_limited: own.limits.is_any() || own.allowed.is_some(),
        }
    }

    /// Whether it may trade that instrument at all.
    #[inline]
    pub(super) fn may_trade(&self, instrument: InstrumentIndex) -> bool {
        match &self.allowed {
            Some(allowed) => allowed.get(usize::from(instrument)).copied().unwrap_or(false),
            None => true,
        }
    }

    /// Loss since the start of the day, as of the last refresh.
    #[inline]
    pub(super) fn loss(&self) -> Money {
        self.baseline.minus(self.sheet.equity())
    }

    /// `hash` as it is for a strategy without limits and latch: older journals hold hashes without it.
    pub(super) fn mix_into(&self, hash: u64) -> u64 {
        if !self.is_limited {
            return hash;
        }
        let hash = mix_wide(self.sheet.mix_into(hash), self.baseline.0);
        let hash = mix(mix(hash, self.rate.newest_ns()), self.executions.newest_ns());
        mix(mix(hash, self.open_count.cast_unsigned()), self.latch.map_or(0, |r| r.code().into()))
    }
}

impl State for Row {
    fn save(&self, out: &mut Saver) {
        self.sheet.save(out);
        self.rate.save(out);
        self.executions.save(out);
        out.i128(self.baseline.0);
        out.u16(self.latch.map_or(0, Rule::code));
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.sheet.load(from)?;
        self.rate.load(from)?;
        self.executions.load(from)?;
        self.baseline = Money(from.i128()?);
        self.latch = match from.u16()? {
            0 => None,
            code => Some(Rule::from_code(code).ok_or_else(|| from.invalid("latch"))?),
        };
        self.open_count = 0;
        Ok(())
    }
}
