//! When a figure has reached one of its thresholds, and when that may be told again.

use super::config::Steps;

/// How many of a figure's thresholds are reached. A threshold is told once, and may be told again after
/// the figure was below it by more than a tenth of the limit: a figure that trembles around a threshold
/// would otherwise tell it with every sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watch {
    level: usize,
}

impl Watch {
    /// Takes the next value of the figure. The threshold to be told, in percent of the limit; of several
    /// that are reached at once only the highest.
    pub(super) fn see(&mut self, steps: &Steps, measured: i64) -> Option<u32> {
        let values = steps.values();
        let Some(limit) = steps.limit().map(i128::from) else {
            self.level = 0;
            return None;
        };
        let reached = values.iter().filter(|value| **value <= measured).count();
        if self.level < reached {
            self.level = reached;
            return percent_reached(steps, measured);
        }
        let is_left = |value: i64| i128::from(measured) * 10 < i128::from(value) * 10 - limit;
        while 0 < self.level && values.get(self.level - 1).is_none_or(|value| is_left(*value)) {
            self.level -= 1;
        }
        None
    }

    /// Whether at least one threshold is reached.
    pub(super) fn is_raised(self) -> bool {
        self.level != 0
    }

    pub(super) fn level(self) -> usize {
        self.level
    }

    pub(super) fn at(level: usize) -> Watch {
        Watch { level }
    }
}

/// The highest threshold that `measured` reaches, in percent of the limit, rounded down.
pub(super) fn percent_reached(steps: &Steps, measured: i64) -> Option<u32> {
    let reached = steps.values().iter().rfind(|value| **value <= measured)?;
    let percent = i128::from(*reached) * 100 / i128::from(steps.limit()?);
    u32::try_from(percent).ok()
}
