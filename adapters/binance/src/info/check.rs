//! Our instruments against what the venue lists: every difference that would get orders refused or books wrong.

use engine::instrument::{Instrument, InstrumentTable};
use engine::money::{Money, format_scaled};

use super::{ExchangeInfo, FILTER_SCALE, SymbolInfo, money, rescale};

/// Something in our table that does not fit the venue. Who finds one does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The venue does not list it.
    #[error("{symbol}: not listed at {venue}")]
    NotListed {
        /// Ours.
        symbol: String,
        /// The venue.
        venue: &'static str,
    },
    /// It is listed, but takes no orders.
    #[error("{symbol}: status is \"{status}\", not TRADING")]
    NotTrading {
        /// Ours.
        symbol: String,
        /// What the venue says.
        status: String,
    },
    /// Our scale cannot express the venue's step.
    #[error("{symbol}: {field} {ours} is too coarse for the venue's step {step}")]
    ScaleTooCoarse {
        /// Ours.
        symbol: String,
        /// `price_scale` or `quantity_scale`.
        field: &'static str,
        /// Our decimal places.
        ours: u8,
        /// The venue's step.
        step: String,
    },
    /// Our step is not a multiple of the venue's.
    #[error("{symbol}: {field} is {ours}, not a multiple of the venue's {step}")]
    Step {
        /// Ours.
        symbol: String,
        /// `tick` or `lot`.
        field: &'static str,
        /// Ours.
        ours: String,
        /// The venue's step.
        step: String,
    },
    /// We would send orders that are too small for the venue.
    #[error("{symbol}: notional_min is {ours}, the venue wants at least {venue}")]
    NotionalMin {
        /// Ours.
        symbol: String,
        /// Ours.
        ours: Money,
        /// The venue's.
        venue: Money,
    },
}

impl ExchangeInfo {
    /// Compares every instrument of this venue in `table`; empty when all of them fit.
    pub fn check_against(&self, table: &InstrumentTable) -> Vec<Difference> {
        let mut found = Vec::new();
        for (_, instrument) in table.iter().filter(|(_, one)| one.venue == self.venue) {
            match self.symbol(&instrument.symbol) {
                Some(info) => compare(instrument, info, &mut found),
                None => found.push(Difference::NotListed {
                    symbol: instrument.symbol.clone(),
                    venue: self.venue.name(),
                }),
            }
        }
        found
    }
}

fn compare(instrument: &Instrument, info: &SymbolInfo, found: &mut Vec<Difference>) {
    let symbol = || instrument.symbol.clone();
    if !info.is_trading() {
        found.push(Difference::NotTrading { symbol: symbol(), status: info.status.clone() });
    }
    let filters = &info.filters;
    let price = filters.price.map_or(0, |filter| filter.step);
    let lot = filters.lot.map_or(0, |filter| filter.step);
    for (step, scale, ours, [scale_field, step_field]) in [
        (price, instrument.price_scale, instrument.tick, ["price_scale", "tick"]),
        (lot, instrument.quantity_scale, instrument.lot, ["quantity_scale", "lot"]),
    ] {
        // A step of zero switches the rule off; a scale beyond the venue's can express every step.
        if step == 0 {
            continue;
        }
        let step_text = format_scaled(step, FILTER_SCALE);
        let step_ours = if scale <= FILTER_SCALE {
            rescale(step, scale)
        } else {
            step.checked_mul(10_i64.pow(u32::from(scale - FILTER_SCALE)))
        };
        match step_ours {
            None => found.push(Difference::ScaleTooCoarse {
                symbol: symbol(),
                field: scale_field,
                ours: scale,
                step: step_text,
            }),
            Some(step_ours) if ours % step_ours != 0 => found.push(Difference::Step {
                symbol: symbol(),
                field: step_field,
                ours: format_scaled(ours, scale),
                step: step_text,
            }),
            Some(_) => {}
        }
    }
    let venue = money(filters.notional.map_or(0, |filter| filter.min));
    if instrument.notional_min < venue {
        let ours = instrument.notional_min;
        found.push(Difference::NotionalMin { symbol: symbol(), ours, venue });
    }
}
