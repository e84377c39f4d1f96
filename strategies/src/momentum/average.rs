//! A time-decayed average of the mid in fixed point.

use engine::state::{LoadError, Loader, Saver, State};

use crate::numeric::decay::Decay;
use crate::numeric::quantise::QuantiseError;

use super::SIGNAL_BITS;

/// Largest magnitude of an average; 2^63 prices, twice, in units of 2^-20.
const VALUE_MAX: i128 = 1 << 85;

/// The average over time, in which a mid counts for as long as it stood.
#[derive(Clone, Debug)]
pub(super) struct Average {
    decay: Decay,
    /// Twice the average, units of 2^-20.
    value: i128,
    /// Twice the mid that stands now.
    mid_twice: i64,
    anchor_ns: u64,
}

impl Average {
    pub(super) fn new(half_life_ns: u64) -> Result<Average, QuantiseError> {
        Ok(Average { decay: Decay::new(half_life_ns)?, value: 0, mid_twice: 0, anchor_ns: 0 })
    }

    /// Begins anew at this mid.
    pub(super) fn restart(&mut self, now_ns: u64, mid_twice: i64) {
        self.value = i128::from(mid_twice) << SIGNAL_BITS;
        self.mid_twice = mid_twice;
        self.anchor_ns = now_ns;
    }

    /// The mid is `mid_twice` from now on; until now it was what it was told last.
    #[inline]
    pub(super) fn on_mid(&mut self, now_ns: u64, mid_twice: i64) {
        let steps = self.decay.steps(&mut self.anchor_ns, now_ns);
        let stood = i128::from(self.mid_twice) << SIGNAL_BITS;
        self.value = stood + self.decay.apply(self.value - stood, steps);
        self.mid_twice = mid_twice;
    }

    /// Twice the average, units of 2^-20.
    #[inline]
    pub(super) fn value(&self) -> i128 {
        self.value
    }
}

impl State for Average {
    fn save(&self, out: &mut Saver) {
        out.i128(self.value);
        out.i64(self.mid_twice);
        out.u64(self.anchor_ns);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.value = from.i128()?;
        if VALUE_MAX < self.value.saturating_abs() {
            return Err(from.invalid("average"));
        }
        self.mid_twice = from.i64()?;
        self.anchor_ns = from.u64()?;
        Ok(())
    }
}
