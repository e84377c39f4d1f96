//! Settings of the synthetic market.

use engine::instrument::{InstrumentIndex, InstrumentTable};

/// Settings of the synthetic market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntheticConfig {
    /// Seed of everything random.
    pub seed: u64,
    /// Per cent of the configured rates: 100 as they are, 1000 ten times as busy. Volatility stays.
    pub speed_percent: u32,
    /// Time of the first events, ns.
    pub start_ns: u64,
    /// What is traded.
    pub instruments: Vec<SyntheticInstrument>,
}

/// One instrument of the synthetic market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntheticInstrument {
    /// Index into the instrument table.
    pub index: InstrumentIndex,
    /// First fair price, price units; the last price of the session before, if it is to go on.
    pub price_start: i64,
    /// Volatility of the fair price, parts per million per square root of a second.
    pub volatility_ppm: u32,
    /// Market orders per second, in the mean.
    pub trades_per_second: u32,
    /// Limit orders and cancels per second, in the mean.
    pub orders_per_second: u32,
    /// Price levels per side.
    pub level_count: u32,
    /// Mean quantity of a level near the touch, quantity units.
    pub level_quantity: i64,
}

/// Why there is no such market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyntheticError {
    /// No instrument at all.
    NoInstrument,
    /// The index is not in the table.
    UnknownInstrument {
        /// The index.
        index: InstrumentIndex,
    },
    /// The same index twice.
    Twice {
        /// The index.
        index: InstrumentIndex,
    },
    /// A setting is outside its range.
    Setting {
        /// Which instrument, or `None` for a setting of the market.
        index: Option<InstrumentIndex>,
        /// Name of the setting.
        field: &'static str,
        /// What it is.
        value: i64,
        /// Least that it may be.
        min: i64,
        /// Most that it may be.
        max: i64,
    },
}

impl std::fmt::Display for SyntheticError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SyntheticError::NoInstrument => write!(f, "synthetic market: no instrument"),
            SyntheticError::UnknownInstrument { index } => {
                write!(f, "synthetic market: no instrument has index {index}")
            }
            SyntheticError::Twice { index } => {
                write!(f, "synthetic market: instrument {index} is there twice")
            }
            SyntheticError::Setting { index, field, value, min, max } => {
                write!(f, "synthetic market: {field}")?;
                if let Some(index) = index {
                    write!(f, " of instrument {index}")?;
                }
                write!(f, " is {value}, must be {min} to {max}")
            }
        }
    }
}

impl std::error::Error for SyntheticError {}

/// Largest price in ticks and quantity in lots: a thousand times larger still fits every sum and product.
pub(crate) const UNITS_MAX: i64 = 1 << 40;
/// Largest first price, price units: the fair price may become twenty times larger.
const PRICE_MAX: i64 = 1 << 53;
/// Least first price, in ticks: there must be room for a book below it.
const PRICE_TICKS_MIN: i64 = 100;

impl SyntheticConfig {
    pub(crate) fn check(&self, table: &InstrumentTable) -> Result<(), SyntheticError> {
        if self.instruments.is_empty() {
            return Err(SyntheticError::NoInstrument);
        }
        within(None, "speed_percent", i64::from(self.speed_percent), (1, 100_000))?;
        for (place, section) in self.instruments.iter().enumerate() {
            let index = section.index;
            if self.instruments[..place].iter().any(|other| other.index == index) {
                return Err(SyntheticError::Twice { index });
            }
            let unknown = SyntheticError::UnknownInstrument { index };
            let instrument = table.get(index).ok_or(unknown)?;
            let ticks = section.price_start / instrument.tick;
            let lots = section.level_quantity / instrument.lot;
            for (field, value, range) in [
                ("price_start", section.price_start, (1, PRICE_MAX)),
                ("price_start in ticks", ticks, (PRICE_TICKS_MIN, UNITS_MAX)),
                ("volatility_ppm", i64::from(section.volatility_ppm), (0, 10_000)),
                ("trades_per_second", i64::from(section.trades_per_second), (0, 100_000)),
                ("orders_per_second", i64::from(section.orders_per_second), (1, 1_000_000)),
                ("level_count", i64::from(section.level_count), (5, 2_000)),
                ("level_quantity in lots", lots, (1, UNITS_MAX)),
            ] {
                within(Some(index), field, value, range)?;
            }
        }
        Ok(())
    }
}

fn within(
    index: Option<InstrumentIndex>,
    field: &'static str,
    value: i64,
    (min, max): (i64, i64),
) -> Result<(), SyntheticError> {
    if value < min || max < value {
        return Err(SyntheticError::Setting { index, field, value, min, max });
    }
    Ok(())
}
