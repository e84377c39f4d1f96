//! Configuration of the momentum taker: every field with its unit and range.

use engine::instrument::{InstrumentIndex, InstrumentTable};

use crate::error::{Check, ConfigError};
use crate::numeric::decay::{HALF_LIFE_NS_MAX, HALF_LIFE_NS_MIN};

/// Largest number of ticks in any field. Arbitrary.
const TICKS_MAX: i64 = 1 << 20;

/// What a [`super::Momentum`] is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct MomentumConfig {
    /// Unique name within the engine.
    pub name: String,
    /// What it trades.
    pub instrument: InstrumentIndex,
    /// Half-life of the fast average, ns.
    pub fast_half_life_ns: u64,
    /// Half-life of the slow average, ns; above the fast one.
    pub slow_half_life_ns: u64,
    /// Enters when fast and slow are this many ticks apart; above 0, at most 1,000,000.
    pub entry_ticks: f64,
    /// Exits when they are this many ticks apart the other way; 0 to 1,000,000.
    pub exit_ticks: f64,
    /// Enters only when the touch leans this way by at least this many percent (`(bid - ask) / both`);
    /// -100 switches it off.
    pub imbalance_percent_min: i64,
    /// How far beyond the touch an order may trade, ticks.
    pub slip_ticks: i64,
    /// Quantity of an entry, in quantity units, on lot.
    pub quantity: i64,
    /// Most quantity of one order, on lot; what is more is a parent and is worked in children. 0 switches it off.
    pub child_quantity_max: i64,
    /// Largest position either way; at least `quantity`.
    pub position_max: i64,
    /// Exits when the mid is this many ticks against the average entry price; at least 1.
    pub stop_ticks: i64,
    /// Exits a position held so long, ns.
    pub hold_ns_max: u64,
    /// Nothing is sent for so long after an order ended, ns; at least 1.
    pub cooldown_ns: u64,
    /// No entries before the book was live so long, ns; begins anew after every gap.
    pub warmup_ns: u64,
    /// Nothing is sent for so long after the risk gate or the venue said no, ns.
    pub refusal_backoff_ns: u64,
}

impl MomentumConfig {
    /// A cautious set; times are for a liquid market. Arbitrary starting points, to be tuned by backtest.
    pub fn new(
        name: &str,
        instrument: InstrumentIndex,
        quantity: i64,
        position_max: i64,
    ) -> MomentumConfig {
        MomentumConfig {
            name: name.to_string(),
            instrument,
            fast_half_life_ns: 1_000_000_000,
            slow_half_life_ns: 10_000_000_000,
            entry_ticks: 5.0,
            exit_ticks: 0.0,
            imbalance_percent_min: 20,
            slip_ticks: 1,
            quantity,
            child_quantity_max: 0,
            position_max,
            stop_ticks: 20,
            hold_ns_max: 30_000_000_000,
            cooldown_ns: 1_000_000_000,
            warmup_ns: 20_000_000_000,
            refusal_backoff_ns: 5_000_000_000,
        }
    }

    /// Checks every range that needs no instrument; names field, value and range of the first that fails.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut check = Check::new(&self.name);
        check.field("name", &self.name, !self.name.is_empty(), "not empty");
        let (fast, slow) = (self.fast_half_life_ns, self.slow_half_life_ns);
        let good = (HALF_LIFE_NS_MIN..=HALF_LIFE_NS_MAX).contains(&fast);
        check.field("fast_half_life_ns", &fast, good, "1,000 to 10^15 ns");
        let good = fast < slow && slow <= HALF_LIFE_NS_MAX;
        check.field("slow_half_life_ns", &slow, good, "above fast_half_life_ns, at most 10^15 ns");
        let entry = self.entry_ticks;
        let good = (1.0e-3..=1.0e6).contains(&entry);
        check.field("entry_ticks", &entry, good, "0.001 to 1,000,000");
        let exit = self.exit_ticks;
        check.field("exit_ticks", &exit, (0.0..=1.0e6).contains(&exit), "0 to 1,000,000");
        let percent = self.imbalance_percent_min;
        let good = (-100..=100).contains(&percent);
        check.field("imbalance_percent_min", &percent, good, "-100 to 100");
        let slip = self.slip_ticks;
        check.field("slip_ticks", &slip, (0..=TICKS_MAX).contains(&slip), "0 to 2^20 ticks");
        let quantity = self.quantity;
        check.field("quantity", &quantity, (1..=1 << 53).contains(&quantity), "1 to 2^53");
        let child = self.child_quantity_max;
        check.field("child_quantity_max", &child, (0..=1 << 53).contains(&child), "0 to 2^53");
        let good = (quantity..=1 << 53).contains(&self.position_max);
        check.field("position_max", &self.position_max, good, "quantity to 2^53");
        let stop = self.stop_ticks;
        check.field("stop_ticks", &stop, (1..=TICKS_MAX).contains(&stop), "1 to 2^20 ticks");
        for (field, value, least) in [
            ("hold_ns_max", self.hold_ns_max, 1),
            ("cooldown_ns", self.cooldown_ns, 1),
            ("warmup_ns", self.warmup_ns, 0),
            ("refusal_backoff_ns", self.refusal_backoff_ns, 1),
        ] {
            let must = if least == 0 { "0 to 10^15 ns" } else { "1 to 10^15 ns" };
            check.field(field, &value, (least..=HALF_LIFE_NS_MAX).contains(&value), must);
        }
        check.finish()
    }

    /// Checks what depends on the instrument as well.
    pub fn validate_for(&self, instruments: &InstrumentTable) -> Result<(), ConfigError> {
        self.validate()?;
        let mut check = Check::new(&self.name);
        let instrument = instruments.get(self.instrument);
        check.field(
            "instrument",
            &self.instrument,
            instrument.is_some(),
            "in the instrument table",
        );
        let lot = instrument.map_or(1, |instrument| instrument.lot);
        let on_lot = self.quantity % lot == 0;
        check.field("quantity", &self.quantity, on_lot, "a multiple of the lot");
        let child = self.child_quantity_max;
        check.field("child_quantity_max", &child, child % lot == 0, "a multiple of the lot");
        check.finish()
    }
}
