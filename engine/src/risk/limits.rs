//! Limits of the gate: what configuration sets, and the ceilings that it cannot lift.

use crate::instrument::InstrumentIndex;
use crate::money::Money;

use super::calendar::Hours;
use super::limit_key::{LimitKey, LimitOwner, LimitTable, UNLIMITED};
use super::soft::{self, SoftLimits};
use super::throttle;

/// Compiled ceilings: configuration may only tighten. Lifting one takes a build and a review.
pub mod ceiling {
    use crate::money::Money;

    /// Whole units of the account currency.
    pub(in crate::risk) const fn currency(amount: i128) -> Money {
        Money(amount * Money::ONE.0)
    }

    /// Largest notional of one order that may be configured.
    pub const ORDER_NOTIONAL: Money = currency(10_000_000);
    /// Largest notional of one instrument's position that may be configured.
    pub const POSITION_NOTIONAL: Money = currency(100_000_000);
    /// Largest gross notional of the account that may be configured.
    pub const GROSS_NOTIONAL: Money = currency(1_000_000_000);
    /// Largest daily loss and drawdown that may be configured.
    pub const LOSS: Money = currency(100_000_000);
    /// Widest collar: 50 % of the reference; more is no collar.
    pub const COLLAR_BPS: i64 = 5_000;
    /// Widest bound on the passive side: a buy can rest no lower than zero anyway.
    pub const PASSIVE_BPS: i64 = 10_000;
    /// Oldest reference: ten seconds are an age in any market that an engine trades.
    pub const REFERENCE_AGE_NS: u64 = 10_000_000_000;
    /// Most orders in a rate window; bounds the memory of the window (8 bytes each).
    pub const ORDER_RATE_COUNT: u32 = 1_000_000;
    /// Longest rate window: a day.
    pub const ORDER_RATE_WINDOW_NS: u64 = super::DAY_NS;
}

/// Length of a trading day.
pub const DAY_NS: u64 = 86_400_000_000_000;

/// Limits of one instrument, over all strategies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstrumentLimits {
    /// Largest quantity of one order, in quantity units.
    pub order_quantity_max: i64,
    /// Largest notional of one order at its own price.
    pub order_notional_max: Money,
    /// Largest position on either side with all working orders of that side, in quantity units.
    pub position_quantity_max: i64,
    /// The same in money.
    pub position_notional_max: Money,
    /// How far above the mid a buy and below the mid a sell may be priced, in 1e-4 of the mid.
    pub collar_bps: i64,
    /// How far below the mid a buy and above the mid a sell may be priced, in 1e-4 of the mid.
    pub passive_bps: i64,
    /// How long the market may have been silent when an order is judged.
    pub reference_age_ns_max: u64,
    /// On the restricted list: only what closes a position.
    pub restricted: bool,
}

/// Limits of the whole account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// Most new orders and changes within any window of `order_rate_window_ns`.
    pub order_rate_count_max: u32,
    /// Length of the rolling window.
    pub order_rate_window_ns: u64,
    /// Most orders that are not over.
    pub orders_open_max: u32,
    /// Loss since the start of the day, realised and unrealised, at which the gate goes reducing.
    pub loss_daily_max: Money,
    /// Fall from the highest equity at which the gate halts.
    pub drawdown_max: Money,
    /// Largest sum of the instruments' exposures, each with its working orders, none netted.
    pub gross_notional_max: Money,
    /// When a trading day starts, ns after midnight UTC.
    pub day_start_ns_utc: u64,
}

/// All limits of one engine. What is `None` or missing refuses every new order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// By instrument index.
    pub instruments: Vec<Option<InstrumentLimits>>,
    /// Of the account.
    pub account: Option<AccountLimits>,
    /// What may be configured beyond the limits that every engine needs.
    pub controls: Controls,
}

/// Controls that are off unless configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// A limit is loosened only after a second person's `Confirm`.
    pub two_person: bool,
    /// Tells how much of every limit is used: at 50, 75, 90 and 100 percent.
    pub alerts: bool,
    /// Percent of every limit at which a soft limit warns; needs `alerts`.
    pub soft_percent: Option<u8>,
    /// What the account has to trade with: buying power, and what shares are of.
    pub capital: Option<Money>,
    /// Limits of the account.
    pub limits: LimitTable,
    /// Soft limits of the account that are amounts of their own, instead of `soft_percent`; they need `alerts`.
    pub soft: SoftLimits,
    /// Length of the window of `message_rate_count_max`.
    pub message_rate_window_ns: u64,
    /// Length of the window of `duplicate_count_max`.
    pub duplicate_window_ns: u64,
    /// Length of the window of `strategy_execution_count_max`.
    pub execution_window_ns: u64,
    /// Length of the window of `jump_bps_max` and `collar_window_bps`.
    pub reference_window_ns: u64,
    /// Refuses an order that would trade with an own one.
    pub self_match: bool,
    /// By instrument index; missing ones have no controls.
    pub instruments: Vec<InstrumentControls>,
    /// By number of the strategy; missing ones have no controls.
    pub strategies: Vec<StrategyControls>,
}

/// Controls of one instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstrumentControls {
    /// Its limits.
    pub limits: LimitTable,
    /// Its soft limits that are amounts of their own.
    pub soft: SoftLimits,
    /// When it may be traded; `None` for always.
    pub hours: Option<Hours>,
}

/// Controls of one strategy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StrategyControls {
    /// Its limits.
    pub limits: LimitTable,
    /// What it may trade; `None` for everything.
    pub allowed: Option<Vec<InstrumentIndex>>,
}

/// A limit that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// A field of an instrument's limits is outside its range.
    #[error("risk limits of instrument {instrument}: {field} is {value}, must be {must}")]
    Instrument {
        /// Index of the instrument.
        instrument: InstrumentIndex,
        /// Name of the field.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        must: String,
    },
    /// A field of the account's limits is outside its range.
    #[error("risk limits of the account: {field} is {value}, must be {must}")]
    Account {
        /// Name of the field.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        must: String,
    },
    /// A control that is off unless configured is outside its range.
    #[error("risk controls of {of}: {field} is {value}, must be {must}")]
    Control {
        /// Whose.
        of: String,
        /// Name of the field.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        must: String,
    },
    /// Limits for more instruments than there are.
    #[error("risk limits for {given} instruments, but the table has {known}")]
    Count {
        /// How many entries there are.
        given: usize,
        /// How many instruments there are.
        known: usize,
    },
}

/// A field outside its range, not yet said of what.
struct Wrong {
    field: &'static str,
    value: String,
    must: String,
}

fn within<T>(field: &'static str, value: T, least: T, most: T) -> Result<(), Wrong>
where
    T: PartialOrd + std::fmt::Display + Copy,
{
    if least <= value && value <= most {
        return Ok(());
    }
    Err(Wrong { field, value: value.to_string(), must: format!("{least} to {most}") })
}

/// The smallest amount above zero, as configured: 10^-8 of the account currency.
const MONEY_LEAST: Money = Money::from_event(1);

impl InstrumentLimits {
    fn check(&self) -> Result<(), Wrong> {
        within("order_quantity_max", self.order_quantity_max, 1, i64::MAX)?;
        let most = ceiling::ORDER_NOTIONAL;
        within("order_notional_max", self.order_notional_max, MONEY_LEAST, most)?;
        within("position_quantity_max", self.position_quantity_max, 1, i64::MAX)?;
        let most = ceiling::POSITION_NOTIONAL;
        within("position_notional_max", self.position_notional_max, MONEY_LEAST, most)?;
        within("collar_bps", self.collar_bps, 1, ceiling::COLLAR_BPS)?;
        within("passive_bps", self.passive_bps, 1, ceiling::PASSIVE_BPS)?;
        let most = ceiling::REFERENCE_AGE_NS;
        within("reference_age_ns_max", self.reference_age_ns_max, 1, most)
    }
}

impl AccountLimits {
    fn check(&self, orders_max: usize) -> Result<(), Wrong> {
        let most = ceiling::ORDER_RATE_COUNT;
        within("order_rate_count_max", self.order_rate_count_max, 1, most)?;
        let most = ceiling::ORDER_RATE_WINDOW_NS;
        within("order_rate_window_ns", self.order_rate_window_ns, 1, most)?;
        let most = u32::try_from(orders_max).unwrap_or(u32::MAX);
        within("orders_open_max", self.orders_open_max, 1, most)?;
        within("loss_daily_max", self.loss_daily_max, MONEY_LEAST, ceiling::LOSS)?;
        within("drawdown_max", self.drawdown_max, MONEY_LEAST, ceiling::LOSS)?;
        let most = ceiling::GROSS_NOTIONAL;
        within("gross_notional_max", self.gross_notional_max, MONEY_LEAST, most)?;
        within("day_start_ns_utc", self.day_start_ns_utc, 0, DAY_NS - 1)
    }
}

impl Controls {
    fn check(&self, instrument_count: usize) -> Result<(), LimitsError> {
        let fail = |of: &str, Wrong { field, value, must }| {
            Err(LimitsError::Control { of: of.to_string(), field, value, must })
        };
        if instrument_count < self.instruments.len() {
            let given = self.instruments.len();
            return Err(LimitsError::Count { given, known: instrument_count });
        }
        self.check_account().or_else(|wrong| fail("the account", wrong))?;
        for (index, own) in self.instruments.iter().enumerate() {
            let of = format!("instrument {index}");
            table(&own.limits, LimitOwner::Instrument).or_else(|wrong| fail(&of, wrong))?;
            let needs_window = [LimitKey::Jump, LimitKey::CollarWindow]
                .iter()
                .any(|key| own.limits.get(*key) != UNLIMITED);
            needs(needs_window, "reference_window_ms", self.reference_window_ns)
                .or_else(|wrong| fail(&of, wrong))?;
            if own.limits.get(LimitKey::ExposureShare) != UNLIMITED && self.capital.is_none() {
                let must = "set, where exposure_bps_max is".to_string();
                return fail(&of, Wrong { field: "capital", value: "missing".into(), must });
            }
            if let Some(hours) = &own.hours {
                hours.check().or_else(|what| {
                    let must = what.to_string();
                    fail(&of, Wrong { field: "hours", value: format!("{hours:?}"), must })
                })?;
            }
        }
        for (index, own) in self.strategies.iter().enumerate() {
            let of = format!("strategy {index}");
            table(&own.limits, LimitOwner::Strategy).or_else(|wrong| fail(&of, wrong))?;
            let is_throttled = own.limits.get(LimitKey::StrategyExecutions) != UNLIMITED;
            needs(is_throttled, "execution_window_ms", self.execution_window_ns)
                .or_else(|wrong| fail(&of, wrong))?;
        }
        Ok(())
    }

    fn check_account(&self) -> Result<(), Wrong> {
        table(&self.limits, LimitOwner::Account)?;
        for (key, field, window_ns) in [
            (LimitKey::MessageRate, "message_rate_window_ms", self.message_rate_window_ns),
            (LimitKey::Duplicate, "duplicate_window_ms", self.duplicate_window_ns),
        ] {
            needs(self.limits.get(key) != UNLIMITED, field, window_ns)?;
        }
        let duplicate_count = self.limits.get(LimitKey::Duplicate);
        if duplicate_count != UNLIMITED {
            within("duplicate_count_max", duplicate_count, 1, throttle::COUNT_MAX)?;
        }
        if let Some(percent) = self.soft_percent {
            within("soft_percent", percent, 1, 100)?;
        }
        if let Some(capital) = self.capital {
            within("capital", capital, MONEY_LEAST, ceiling::GROSS_NOTIONAL)?;
        }
        Ok(())
    }
}

/// A window that something needs.
fn needs(is_needed: bool, field: &'static str, window_ns: u64) -> Result<(), Wrong> {
    if is_needed { within(field, window_ns, 1, DAY_NS) } else { Ok(()) }
}

/// No key of the owner is below its least value, and what is counted in a window fits one.
fn table(limits: &LimitTable, owner: LimitOwner) -> Result<(), Wrong> {
    if let Some(key) = limits.wrong(owner) {
        let must = format!("at least {}", key.least());
        return Err(Wrong { field: key.name(), value: limits.get(key).to_string(), must });
    }
    let windows =
        [LimitKey::MessageRate, LimitKey::StrategyOrderRate, LimitKey::StrategyExecutions];
    for key in windows.into_iter().filter(|key| key.owner() == owner) {
        let value = limits.get(key);
        if value != UNLIMITED {
            within(key.name(), value, 1, i64::from(ceiling::ORDER_RATE_COUNT))?;
        }
    }
    Ok(())
}

impl Controls {
    /// Most that one instrument may be worth as a share of the capital.
    pub(super) fn share_max(&self, index: usize) -> Money {
        let own = self.instruments.get(index);
        let limit_bps = own.map_or(UNLIMITED, |own| own.limits.get(LimitKey::ExposureShare));
        let (Some(capital), true) = (self.capital, limit_bps != UNLIMITED) else {
            return Money::MAX;
        };
        // Capital is at most 10^21, so this stays far within 128 bits.
        Money(capital.0 * i128::from(limit_bps.min(10_000_000)) / 10_000)
    }
}

impl Limits {
    /// Limits that refuse everything: nothing is configured.
    pub fn none() -> Limits {
        Limits { instruments: Vec::new(), account: None, controls: Controls::default() }
    }

    /// Checks every range; the error names the first field that is wrong. `orders_max` is the number
    /// of order slots of the engine.
    pub fn validate(&self, instrument_count: usize, orders_max: usize) -> Result<(), LimitsError> {
        if instrument_count < self.instruments.len() {
            let given = self.instruments.len();
            return Err(LimitsError::Count { given, known: instrument_count });
        }
        for (instrument, limits) in (0..).zip(&self.instruments) {
            let Some(limits) = limits else { continue };
            limits.check().map_err(|Wrong { field, value, must }| LimitsError::Instrument {
                instrument,
                field,
                value,
                must,
            })?;
        }
        self.controls.check(instrument_count)?;
        if let Some(account) = &self.account {
            account.check(orders_max).map_err(|Wrong { field, value, must }| {
                LimitsError::Account { field, value, must }
            })?;
        }
        soft::check(self)
    }
}
