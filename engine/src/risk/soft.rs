//! Soft limits of their own: an amount below a hard limit, of which the gate only warns.

use crate::money::Money;

use super::limit_key::{LimitKey, LimitOwner};
use super::limits::{Limits, LimitsError};
use super::rule::Unit;

macro_rules! soft_keys {
    ($($variant:ident $name:literal;)*) => {
        /// Keys whose limit may have a soft limit: those of which usage is told.
        const KEYS: &[LimitKey] = &[$(LimitKey::$variant),*];

        /// How the configuration names the soft limit of `key`.
        const fn name(key: LimitKey) -> Option<&'static str> {
            match key {
                $(LimitKey::$variant => Some($name),)*
                _ => None,
            }
        }
    };
}

soft_keys! {
    PositionQuantity "position_quantity_soft";
    PositionNotional "position_notional_soft";
    OrderRate "order_rate_count_soft";
    OrdersOpen "orders_open_soft";
    LossDaily "loss_daily_soft";
    Drawdown "drawdown_soft";
    GrossNotional "gross_notional_soft";
}

/// Soft limits of one owner, in the units of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoftLimits {
    values: Vec<(LimitKey, i64)>,
}

impl SoftLimits {
    /// Keys that may have one.
    pub const KEYS: &'static [LimitKey] = KEYS;

    /// How the configuration names the soft limit of that key.
    pub const fn name(key: LimitKey) -> Option<&'static str> {
        name(key)
    }

    /// The same with that soft limit.
    #[must_use]
    pub fn with(mut self, key: LimitKey, value: i64) -> SoftLimits {
        self.values.retain(|(known, _)| *known != key);
        self.values.push((key, value));
        self
    }

    /// The soft limit in the unit of the key.
    pub fn value(&self, key: LimitKey) -> Option<i64> {
        self.values.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    /// The soft limit in the unit in which usage is measured.
    pub(super) fn get(&self, key: LimitKey) -> Option<i128> {
        let value = self.value(key)?;
        Some(if key.unit() == Unit::Money { Money::from_event(value).0 } else { value.into() })
    }
}

/// Every soft limit is of a key that can have one, above nothing, and below its hard limit.
pub(super) fn check(limits: &Limits) -> Result<(), LimitsError> {
    let controls = &limits.controls;
    let instruments = (0_u16..).zip(&controls.instruments).map(|(index, own)| (index, &own.soft));
    let owners = std::iter::once((LimitOwner::Account, 0, &controls.soft))
        .chain(instruments.map(|(index, soft)| (LimitOwner::Instrument, index, soft)));
    let mut hard = limits.clone();
    for (owner, target, soft) in owners {
        for (key, value) in soft.values.iter().copied() {
            let field = name(key).filter(|_| key.owner() == owner);
            let hard = hard.value(key, target).filter(|_| field.is_some());
            let must = match hard {
                _ if !controls.alerts => "with alerts = true, or nobody would be told".to_string(),
                Some(hard) if key.least() <= value && value < hard => continue,
                Some(_) => format!("above 0 and below {}", key.name()),
                None => "of a limit that is configured".to_string(),
            };
            let of = match owner {
                LimitOwner::Account => "the account".to_string(),
                LimitOwner::Instrument | LimitOwner::Strategy => format!("instrument {target}"),
            };
            let value = match key.unit() {
                Unit::Money => Money::from_event(value).to_string(),
                Unit::Price
                | Unit::Quantity
                | Unit::BasisPoints
                | Unit::Nanoseconds
                | Unit::Milliseconds
                | Unit::Count => value.to_string(),
            };
            return Err(LimitsError::Control {
                of,
                field: field.unwrap_or(key.name()),
                value,
                must,
            });
        }
    }
    Ok(())
}
