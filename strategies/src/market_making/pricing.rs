//! From mid, variance and inventory to a bid and an ask: integers, one pure function.
//!
//! With prices in ticks, inventory `q` in quotes and the horizon `tau` in seconds:
//! `r = mid - q gamma sigma^2 tau`, `half = ((1/gamma) ln(1 + gamma/k)) + gamma sigma^2 tau / 2`.

use engine::event::Side;
use engine::instrument::Instrument;
use engine::market::Top;

use crate::numeric::avellaneda_stoikov::{base_half_spread, risk_factor};
use crate::numeric::quantise::{QuantiseError, Rounding, fixed_to_step, to_fixed};

use super::config::MarketMakerConfig;

/// Fraction bits of prices and distances.
pub(super) const PRICE_BITS: u32 = 20;
/// Fraction bits of `gamma x horizon`.
const RISK_BITS: u32 = 40;

/// Everything a pair of quotes depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs {
    pub(super) top: Top,
    /// Ticks squared per second in units of 2^-20.
    pub(super) variance: i64,
    /// Position in quantity units.
    pub(super) inventory: i64,
    /// Remembered toxic events.
    pub(super) toxic_points: i64,
}

/// Where one quote should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) price: i64,
    pub(super) quantity: i64,
}

/// Where both quotes should be, and the numbers behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Targets {
    /// By [`Side::index`]; `None` where nothing may be quoted.
    pub(super) sides: [Option<Target>; 2],
    /// Reservation price in price units, rounded down.
    pub(super) reservation: i64,
    /// Half the spread in ticks, units of 2^-20.
    pub(super) half: i64,
}

/// The quantised constants of one configuration on one instrument.
#[derive(Clone, Debug)]
pub(super) struct Pricer {
    /// `(1/gamma) ln(1 + gamma/k)` in ticks, units of 2^-20.
    base_half: i64,
    /// `gamma x horizon` in units of 2^-40.
    risk: i64,
    /// Limits of half the spread and of the shift, in ticks, units of 2^-20.
    half_min: i64,
    half_max: i64,
    shift_max: i64,
    quote_quantity: i64,
    inventory_max: i64,
    toxic_widen_ticks: i64,
    imbalance_percent: i64,
    imbalance_widen_ticks: i64,
    tick: i64,
    lot: i64,
    /// Least price times quantity, in units of both.
    notional_min: i128,
}

impl Pricer {
    pub(super) fn new(
        config: &MarketMakerConfig,
        instrument: &Instrument,
    ) -> Result<Pricer, QuantiseError> {
        let base_half =
            to_fixed(base_half_spread(config.gamma, config.k), PRICE_BITS, Rounding::Up)?;
        let risk =
            to_fixed(risk_factor(config.gamma, config.horizon_s()), RISK_BITS, Rounding::Up)?;
        let unit = instrument.notional(1, 1).0;
        let notional_min = instrument.notional_min.0.div_euclid(unit)
            + i128::from(instrument.notional_min.0.rem_euclid(unit) != 0);
        Ok(Pricer {
            base_half,
            risk,
            half_min: config.spread_ticks_min << (PRICE_BITS - 1),
            half_max: config.spread_ticks_max << (PRICE_BITS - 1),
            shift_max: config.spread_ticks_max << PRICE_BITS,
            quote_quantity: config.quote_quantity,
            inventory_max: config.inventory_max,
            toxic_widen_ticks: config.toxic_widen_ticks,
            imbalance_percent: config.imbalance_percent,
            imbalance_widen_ticks: config.imbalance_widen_ticks,
            tick: instrument.tick,
            lot: instrument.lot,
            notional_min,
        })
    }

    /// How much may still be bought (or sold) before the cap.
    #[inline]
    pub(super) fn room(&self, side: Side, inventory: i64) -> i64 {
        self.inventory_max.saturating_sub(side.sign().saturating_mul(inventory)).max(0)
    }

    /// Quotes for a sound top; nothing for one that is not.
    #[inline]
    pub(super) fn targets(&self, inputs: &Inputs) -> Targets {
        let top = &inputs.top;
        if !top.is_sound() {
            return Targets::default();
        }
        let (shift, half) = (self.shift(inputs), self.half(inputs));
        let tick = i128::from(self.tick);
        let mid = (i128::from(top.bid_price) + i128::from(top.ask_price)) << (PRICE_BITS - 1);
        let reservation = mid - i128::from(shift) * tick;
        let (bid_extra, ask_extra) = self.imbalance(top);
        let bid_fixed = reservation - i128::from(half + bid_extra) * tick;
        let ask_fixed = reservation + i128::from(half + ask_extra) * tick;
        // Never at or beyond the opposite touch, whatever the model says: the venue would reject it.
        let bid_limit = (i128::from(top.ask_price) - tick) << PRICE_BITS;
        let ask_limit = (i128::from(top.bid_price) + tick) << PRICE_BITS;
        let bid = self.on_tick(bid_fixed.min(bid_limit), Side::Buy);
        let ask = self.on_tick(ask_fixed.max(ask_limit), Side::Sell);
        Targets {
            sides: [
                bid.and_then(|price| self.sized(Side::Buy, price, inputs.inventory)),
                ask.and_then(|price| self.sized(Side::Sell, price, inputs.inventory)),
            ],
            reservation: i64::try_from(reservation >> PRICE_BITS).unwrap_or(0),
            half,
        }
    }

    fn on_tick(&self, fixed: i128, side: Side) -> Option<i64> {
        let price = fixed_to_step(fixed, PRICE_BITS, self.tick, Rounding::Passive(side)).ok()?;
        (0 < price).then_some(price)
    }

    fn sized(&self, side: Side, price: i64, inventory: i64) -> Option<Target> {
        let quantity = self.quote_quantity.min(self.room(side, inventory));
        let quantity = quantity - quantity % self.lot;
        let worth = i128::from(price) * i128::from(quantity);
        (0 < quantity && self.notional_min <= worth).then_some(Target { price, quantity })
    }

    /// Risk per unit of inventory: `gamma sigma^2 tau`, ticks in units of 2^-20.
    #[inline]
    fn risk_per_unit(&self, variance: i64) -> i128 {
        let product = i128::from(self.risk) * i128::from(variance);
        // Beyond the widest spread it makes no difference, and small numbers keep divisions cheap.
        (product >> RISK_BITS).min(i128::from(self.half_max) << 4)
    }

    fn shift(&self, inputs: &Inputs) -> i64 {
        let product = self.risk_per_unit(inputs.variance) * i128::from(inputs.inventory);
        let shift = product.div_euclid(i128::from(self.quote_quantity));
        let limit = i128::from(self.shift_max);
        i64::try_from(shift.clamp(-limit, limit)).expect("clamped to a small number of ticks")
    }

    fn half(&self, inputs: &Inputs) -> i64 {
        let risk = i64::try_from(self.risk_per_unit(inputs.variance) >> 1).unwrap_or(i64::MAX);
        let half = self.base_half.saturating_add(risk).clamp(self.half_min, self.half_max);
        let toxic = inputs.toxic_points.saturating_mul(self.toxic_widen_ticks);
        let toxic = toxic.min(self.half_max >> PRICE_BITS) << PRICE_BITS;
        half.saturating_add(toxic).min(self.half_max)
    }

    /// How far the bid and the ask move away because the other side of the touch is strong.
    fn imbalance(&self, top: &Top) -> (i64, i64) {
        let (bid, ask) = (i128::from(top.bid_quantity), i128::from(top.ask_quantity));
        let strong = i128::from(self.imbalance_percent) * (bid + ask);
        let extra = self.imbalance_widen_ticks << PRICE_BITS;
        if strong <= 100 * bid {
            (0, extra)
        } else if strong <= 100 * ask {
            (extra, 0)
        } else {
            (0, 0)
        }
    }
}
