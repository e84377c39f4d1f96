//! Named sets of compiled ceilings: what no configuration that names one may go beyond.

use crate::instrument::InstrumentTable;
use crate::money::{Money, format_scaled};

use super::limit_key::{LimitKey, UNLIMITED};
use super::limits::ceiling::currency;
use super::limits::{Limits, ceiling};
use super::throttle;

/// Ceilings of one name. Lifting one takes a build and a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// How the configuration names it.
    pub name: &'static str,
    /// Largest notional of one order.
    pub order_notional: Money,
    /// Largest position of an instrument, in whole units of it.
    pub position_units: i64,
    /// Largest notional of the position of an instrument.
    pub position_notional: Money,
    /// Largest daily loss.
    pub loss_daily: Money,
    /// Largest fall from the highest equity.
    pub drawdown: Money,
    /// Largest share of the capital in one instrument, 1e-4.
    pub exposure_bps: i64,
    /// Longest time for which a position may be held, ms.
    pub hold_time_ms: i64,
}

/// The owner's hard limits.
pub const OWNER: Ceilings = Ceilings {
    name: "owner",
    order_notional: currency(10_000),
    position_units: i64::MAX,
    position_notional: currency(10_000),
    loss_daily: currency(500),
    drawdown: currency(1_000),
    exposure_bps: 2_500,
    hold_time_ms: 60_000,
};

/// Limits to start with: an order of 1,000, a position of 300 units, a day of 50; the rest is the owner's.
pub const STARTER: Ceilings = Ceilings {
    name: "starter",
    order_notional: currency(1_000),
    position_units: 300,
    loss_daily: currency(50),
    ..OWNER
};

/// A configured limit beyond a ceiling, or missing under one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{of}: {key} is {value}, above the ceiling {limit} of `ceilings = \"{ceilings}\"`")]
pub struct CeilingError {
    /// Whose limit it is.
    pub of: String,
    /// Its key.
    pub key: &'static str,
    /// What is configured.
    pub value: String,
    /// The ceiling.
    pub limit: String,
    /// Name of the set.
    pub ceilings: &'static str,
}

impl Ceilings {
    /// Every set.
    pub const ALL: [&'static Ceilings; 2] = [&OWNER, &STARTER];

    /// The set of that name.
    pub fn from_name(name: &str) -> Option<&'static Ceilings> {
        Ceilings::ALL.into_iter().find(|ceilings| ceilings.name == name)
    }

    fn beyond(
        &self,
        of: &str,
        key: &'static str,
        value: &dyn std::fmt::Display,
        limit: &dyn std::fmt::Display,
    ) -> CeilingError {
        CeilingError {
            of: of.to_string(),
            key,
            value: value.to_string(),
            limit: limit.to_string(),
            ceilings: self.name,
        }
    }

    fn money(
        &self,
        of: &str,
        key: &'static str,
        value: Money,
        limit: Money,
    ) -> Result<(), CeilingError> {
        if value <= limit { Ok(()) } else { Err(self.beyond(of, key, &value, &limit)) }
    }

    /// Nothing configured is beyond a ceiling. What is off by default must be on where a ceiling is.
    pub fn check(&self, limits: &Limits, table: &InstrumentTable) -> Result<(), CeilingError> {
        if let Some(account) = &limits.account {
            let of = "risk.account";
            self.money(of, "loss_daily_max", account.loss_daily_max, self.loss_daily)?;
            self.money(of, "drawdown_max", account.drawdown_max, self.drawdown)?;
        }
        for ((index, instrument), own) in table.iter().zip(&limits.instruments) {
            let Some(own) = own else { continue };
            let of = format!("risk.instrument {}", instrument.symbol);
            let most = self.order_notional;
            self.money(&of, "order_notional_max", own.order_notional_max, most)?;
            let most = self.position_notional;
            self.money(&of, "position_notional_max", own.position_notional_max, most)?;
            let unit = 10_i64.pow(u32::from(instrument.quantity_scale));
            let most = self.position_units.saturating_mul(unit);
            if most < own.position_quantity_max {
                let value = format_scaled(own.position_quantity_max, instrument.quantity_scale);
                let key = "position_quantity_max";
                return Err(self.beyond(&of, key, &value, &self.position_units));
            }
            let controls = limits.controls.instruments.get(usize::from(index));
            for (key, limit) in [
                (LimitKey::ExposureShare, self.exposure_bps),
                (LimitKey::HoldTime, self.hold_time_ms),
            ] {
                let value = controls.map_or(UNLIMITED, |controls| controls.limits.get(key));
                if value == UNLIMITED {
                    return Err(self.beyond(&of, key.name(), &"missing", &limit));
                }
                if limit < value {
                    return Err(self.beyond(&of, key.name(), &value, &limit));
                }
            }
        }
        Ok(())
    }
}

/// What every configuration is held to, in the unit of the key; [`UNLIMITED`] where nothing is compiled in.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others have no ceiling")]
fn of_every_engine(key: LimitKey) -> i64 {
    match key {
        LimitKey::OrderNotional => ceiling::ORDER_NOTIONAL.to_event(),
        LimitKey::PositionNotional => ceiling::POSITION_NOTIONAL.to_event(),
        LimitKey::GrossNotional => ceiling::GROSS_NOTIONAL.to_event(),
        LimitKey::LossDaily | LimitKey::Drawdown => ceiling::LOSS.to_event(),
        LimitKey::Collar => ceiling::COLLAR_BPS,
        LimitKey::Passive => ceiling::PASSIVE_BPS,
        LimitKey::ReferenceAge => (ceiling::REFERENCE_AGE_NS / 1_000_000).cast_signed(),
        LimitKey::Duplicate => throttle::COUNT_MAX,
        LimitKey::OrderRate
        | LimitKey::MessageRate
        | LimitKey::StrategyOrderRate
        | LimitKey::StrategyExecutions => i64::from(ceiling::ORDER_RATE_COUNT),
        _ => UNLIMITED,
    }
}

/// The compiled ceiling of a limit, in the unit of its key: of every engine, or stricter of the set that the
/// configuration names. [`UNLIMITED`] where there is none.
pub fn ceiling_of(named: Option<&Ceilings>, key: LimitKey, quantity_scale: u8) -> i64 {
    let Some(set) = named else { return of_every_engine(key) };
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others have no ceiling of a name")]
    let own = match key {
        LimitKey::OrderNotional => set.order_notional.to_event(),
        LimitKey::PositionNotional => set.position_notional.to_event(),
        LimitKey::LossDaily => set.loss_daily.to_event(),
        LimitKey::Drawdown => set.drawdown.to_event(),
        LimitKey::ExposureShare => set.exposure_bps,
        LimitKey::HoldTime => set.hold_time_ms,
        LimitKey::PositionQuantity => {
            set.position_units.saturating_mul(10_i64.pow(u32::from(quantity_scale)))
        }
        _ => UNLIMITED,
    };
    own.min(of_every_engine(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::{Instrument, Venue};
    use crate::risk::{AccountLimits, Controls, InstrumentControls, InstrumentLimits, LimitTable};

    fn table() -> InstrumentTable {
        InstrumentTable::new(vec![Instrument {
            venue: Venue::Synthetic,
            symbol: "PLAIN".to_string(),
            price_scale: 2,
            quantity_scale: 3,
            tick: 1,
            lot: 1,
            notional_min: Money::ZERO,
            maker_fee_e8: 0,
            taker_fee_e8: 0,
            multiplier: 1,
        }])
        .unwrap()
    }

    /// Everything at its ceiling.
    fn at(ceilings: &Ceilings) -> Limits {
        let own = LimitTable::default()
            .with(LimitKey::ExposureShare, ceilings.exposure_bps)
            .with(LimitKey::HoldTime, ceilings.hold_time_ms);
        Limits {
            instruments: vec![Some(InstrumentLimits {
                order_quantity_max: 1,
                order_notional_max: ceilings.order_notional,
                position_quantity_max: ceilings.position_units.saturating_mul(1_000),
                position_notional_max: ceilings.position_notional,
                collar_bps: 1,
                passive_bps: 1,
                reference_age_ns_max: 1,
                restricted: false,
            })],
            account: Some(AccountLimits {
                order_rate_count_max: 1,
                order_rate_window_ns: 1,
                orders_open_max: 1,
                loss_daily_max: ceilings.loss_daily,
                drawdown_max: ceilings.drawdown,
                gross_notional_max: currency(1),
                day_start_ns_utc: 0,
            }),
            controls: Controls {
                capital: Some(currency(40_000)),
                instruments: vec![InstrumentControls {
                    limits: own,
                    ..InstrumentControls::default()
                }],
                ..Controls::default()
            },
        }
    }

    #[test]
    fn a_limit_at_its_ceiling_passes_and_one_above_is_named_with_both_numbers() {
        for ceilings in Ceilings::ALL {
            assert_eq!(Ceilings::from_name(ceilings.name), Some(ceilings));
            assert_eq!(ceilings.check(&at(ceilings), &table()), Ok(()));
            for (key, limit) in [
                (LimitKey::OrderNotional, ceilings.order_notional.to_string()),
                (LimitKey::PositionNotional, ceilings.position_notional.to_string()),
                (LimitKey::LossDaily, ceilings.loss_daily.to_string()),
                (LimitKey::Drawdown, ceilings.drawdown.to_string()),
                (LimitKey::ExposureShare, ceilings.exposure_bps.to_string()),
                (LimitKey::HoldTime, ceilings.hold_time_ms.to_string()),
            ] {
                let mut limits = at(ceilings);
                let value = limits.value(key, 0).unwrap();
                limits.set_value(key, 0, value + 1);
                let error = ceilings.check(&limits, &table()).unwrap_err();
                assert_eq!((error.key, error.limit), (key.name(), limit));
            }
        }
        assert_eq!(Ceilings::from_name("nobody"), None);
    }

    #[test]
    fn the_ceiling_that_is_shown_is_the_one_that_holds() {
        for key in LimitKey::ALL {
            let base = ceiling_of(None, *key, 3);
            for ceilings in Ceilings::ALL {
                let own = ceiling_of(Some(ceilings), *key, 3);
                assert!(own <= base, "{key:?}");
                // At what is shown it passes; where a set has a ceiling of its own, one above does not.
                let mut limits = at(ceilings);
                if let Some(value) = limits.value(*key, 0).filter(|_| own != UNLIMITED) {
                    limits.set_value(*key, 0, own.min(value));
                    assert_eq!(ceilings.check(&limits, &table()), Ok(()), "{key:?}");
                    if own < base {
                        limits.set_value(*key, 0, own + 1);
                        let error = ceilings.check(&limits, &table()).unwrap_err();
                        assert_eq!(error.key, key.name());
                    }
                }
            }
            // The same of the ceilings that every configuration has.
            let mut limits = at(&OWNER);
            if base != UNLIMITED && !key.is_tabled() {
                limits.set_value(*key, 0, base);
                assert_eq!(limits.validate(1, usize::MAX), Ok(()), "{key:?}");
                limits.set_value(*key, 0, base + 1);
                let error = limits.validate(1, usize::MAX).unwrap_err().to_string();
                let name = key.name().trim_end_matches("_ms_max");
                assert!(error.contains(name), "{key:?}: {error}");
            }
        }
        assert_eq!(ceiling_of(Some(&STARTER), LimitKey::PositionQuantity, 3), 300_000);
        assert_eq!(ceiling_of(None, LimitKey::HoldTime, 3), UNLIMITED);
    }

    #[test]
    fn these_limits_have_a_ceiling_and_no_others() {
        let of = |has: &dyn Fn(LimitKey) -> bool| -> Vec<LimitKey> {
            LimitKey::ALL.iter().copied().filter(|key| has(*key)).collect()
        };
        let every = of(&|key| ceiling_of(None, key, 3) != UNLIMITED);
        let wanted = [
            LimitKey::OrderNotional,
            LimitKey::PositionNotional,
            LimitKey::Collar,
            LimitKey::Passive,
            LimitKey::ReferenceAge,
            LimitKey::OrderRate,
            LimitKey::LossDaily,
            LimitKey::Drawdown,
            LimitKey::GrossNotional,
            LimitKey::MessageRate,
            LimitKey::Duplicate,
            LimitKey::StrategyOrderRate,
            LimitKey::StrategyExecutions,
        ];
        assert_eq!(every, wanted);
        for set in Ceilings::ALL {
            // Positions in units are bounded in one of the sets only.
            let stricter = of(&|key| {
                key != LimitKey::PositionQuantity
                    && ceiling_of(Some(set), key, 3) < ceiling_of(None, key, 3)
            });
            let wanted = [
                LimitKey::OrderNotional,
                LimitKey::PositionNotional,
                LimitKey::LossDaily,
                LimitKey::Drawdown,
                LimitKey::ExposureShare,
                LimitKey::HoldTime,
            ];
            assert_eq!(stricter, wanted);
        }
    }

    #[test]
    fn a_position_is_bounded_in_whole_units_of_the_instrument() {
        let mut limits = at(&STARTER);
        limits.set_value(LimitKey::PositionQuantity, 0, 300_001);
        let error = STARTER.check(&limits, &table()).unwrap_err();
        let want = "risk.instrument PLAIN: position_quantity_max is 300.001, above the ceiling 300 \
                    of `ceilings = \"starter\"`";
        assert_eq!(error.to_string(), want);
    }

    #[test]
    fn the_ceilings_are_those_that_were_asked_for() {
        let told = |ceilings: &Ceilings| {
            [
                ceilings.order_notional,
                ceilings.position_notional,
                ceilings.loss_daily,
                ceilings.drawdown,
            ]
            .map(|money| money.to_string())
        };
        assert_eq!(told(&OWNER), ["10000", "10000", "500", "1000"]);
        assert_eq!((OWNER.exposure_bps, OWNER.hold_time_ms), (2_500, 60_000));
        assert_eq!(OWNER.position_units, i64::MAX);
        assert_eq!(told(&STARTER), ["1000", "10000", "50", "1000"]);
        assert_eq!((STARTER.exposure_bps, STARTER.hold_time_ms), (2_500, 60_000));
        assert_eq!(STARTER.position_units, 300);
    }

    #[test]
    fn an_instrument_without_limits_is_not_traded_and_has_no_ceiling() {
        let limits = Limits { instruments: vec![None], ..at(&OWNER) };
        assert_eq!(OWNER.check(&limits, &table()), Ok(()));
    }

    #[test]
    fn what_has_a_ceiling_must_be_configured() {
        for key in [LimitKey::ExposureShare, LimitKey::HoldTime] {
            let mut limits = at(&OWNER);
            limits.set_value(key, 0, UNLIMITED);
            let error = OWNER.check(&limits, &table()).unwrap_err();
            assert_eq!((error.key, error.value.as_str()), (key.name(), "missing"));
        }
        let mut limits = at(&OWNER);
        limits.controls.instruments.clear();
        assert!(OWNER.check(&limits, &table()).is_err());
        assert_eq!(OWNER.check(&Limits::none(), &table()), Ok(()));
    }
}
