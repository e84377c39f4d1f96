//! `[risk]`: limits, controls, ceilings; and the doors to the gate's own types.

use engine::control::ControlConfig;
use engine::instrument::{Instrument, InstrumentTable};
use engine::oms::LIVE_COUNT_MAX;
use engine::risk::{
    AccountLimits, Ceilings, Controls, Hours, InstrumentControls, InstrumentLimits, LimitKey,
    LimitTable, Limits, SoftLimits, StrategyControls, UNLIMITED,
};
use serde::{Deserialize, Serialize};

use crate::schema::Config;
use crate::validate::{Keys, conflict, range};
use crate::{ConfigError, Number};

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_MINUTE: u64 = 60_000_000_000;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_off(value: &bool) -> bool {
    !*value
}

/// `[risk]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskSection {
    /// Compiled ceilings that no limit may be above: `owner` or `starter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceilings: Option<String>,
    /// What the account has to trade with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capital: Option<Number>,
    /// A limit is loosened at run time only after another operator's `confirm`.
    #[serde(default, skip_serializing_if = "is_off")]
    pub two_person: bool,
    /// Tells how much of each limit is used: at 50, 75, 90 and 100 percent.
    #[serde(default, skip_serializing_if = "is_off")]
    pub alerts: bool,
    /// Percent of each limit at which a soft limit warns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft_percent: Option<u8>,
    /// Refuses an order that would trade with an own one.
    #[serde(default, skip_serializing_if = "is_off")]
    pub self_match: bool,
    /// Most notional that one event may lead to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_notional_max: Option<Number>,
    /// Most new orders, changes and cancels within the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_rate_count_max: Option<u32>,
    /// Length of that window, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_rate_window_ms: Option<u32>,
    /// Most equal orders within the window, 1 to 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_count_max: Option<u32>,
    /// Length of that window, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_window_ms: Option<u32>,
    /// Most new orders a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders_daily_max: Option<u32>,
    /// Most notional of new orders and changes a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notional_daily_max: Option<Number>,
    /// Length of the window of `strategy_execution_count_max`, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_window_ms: Option<u32>,
    /// Length of the window of `jump_bps_max` and `collar_window_bps`, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_window_ms: Option<u32>,
    /// Limits of the whole account.
    pub account: Option<AccountLimitsSection>,
    /// Limits by instrument.
    #[serde(default)]
    pub instrument: Vec<InstrumentLimitsSection>,
    /// Limits by strategy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strategy: Vec<StrategyLimitsSection>,
}

/// `[risk.account]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountLimitsSection {
    /// Most new orders and changes within the window.
    pub order_rate_count_max: u32,
    /// Length of the rolling window, ms.
    pub order_rate_window_ms: u32,
    /// Most open orders.
    pub orders_open_max: u32,
    /// Loss since the start of the day at which only reducing orders pass.
    pub loss_daily_max: Number,
    /// Loss from the peak at which trading halts.
    pub drawdown_max: Number,
    /// Most gross notional, all instruments, working orders included.
    pub gross_notional_max: Number,
    /// Start of the trading day, seconds after UTC midnight.
    #[serde(default)]
    pub day_start_utc_s: u32,
    /// Soft limit of `order_rate_count_max`: only warns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_rate_count_soft: Option<u32>,
    /// Soft limit of `orders_open_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders_open_soft: Option<u32>,
    /// Soft limit of `loss_daily_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_daily_soft: Option<Number>,
    /// Soft limit of `drawdown_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawdown_soft: Option<Number>,
    /// Soft limit of `gross_notional_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gross_notional_soft: Option<Number>,
}

/// `[[risk.instrument]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentLimitsSection {
    /// Symbol of an `[[instrument]]`.
    pub symbol: String,
    /// Most quantity of one order.
    pub order_quantity_max: Number,
    /// Most notional of one order.
    pub order_notional_max: Number,
    /// Most position, working orders included.
    pub position_quantity_max: Number,
    /// Most notional of the position, working orders included.
    pub position_notional_max: Number,
    /// How far beyond the mid an order may reach, 1e-4.
    pub collar_bps: u32,
    /// How far behind the mid an order may rest, 1e-4.
    pub passive_bps: u32,
    /// Oldest market that may serve as reference, ms.
    pub reference_age_ms_max: u32,
    /// On the restricted list: only what closes a position.
    #[serde(default)]
    pub restricted: bool,
    /// How far through the last public trade an order may reach, 1e-4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collar_trade_bps: Option<u32>,
    /// How far beyond everything of the window an order may reach, 1e-4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collar_window_bps: Option<u32>,
    /// Widest spread that counts as a market, 1e-4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread_bps_max: Option<u32>,
    /// Farthest that the mid may have moved within the window, 1e-4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jump_bps_max: Option<u32>,
    /// Most that may be short, working orders included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_quantity_max: Option<Number>,
    /// Most of the capital in this instrument, 1e-4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure_bps_max: Option<u32>,
    /// Longest time for which a position may be held, ms; the control stage closes it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_time_ms_max: Option<u32>,
    /// Soft limit of `position_quantity_max`: only warns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position_quantity_soft: Option<Number>,
    /// Soft limit of `position_notional_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position_notional_soft: Option<Number>,
    /// When it may be traded; without it always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<HoursSection>,
}

/// `hours = { days = ["mon", "tue"], from = "08:00", to = "16:30", holidays = ["2026-12-25"] }`, in UTC
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoursSection {
    /// Days on which a session begins: `mon` to `sun`.
    pub days: Vec<String>,
    /// Its begin, `HH:MM`.
    pub from: String,
    /// Its end, `HH:MM` up to `24:00`; at or before the begin it is on the day after.
    pub to: String,
    /// Days without a session, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<String>,
}

/// `[[risk.strategy]]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategyLimitsSection {
    /// Name of a `[[strategy]]`.
    pub name: String,
    /// Symbols that it may trade; without it every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// Most notional of its position in one instrument, working orders included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy_position_notional_max: Option<Number>,
    /// Most notional of its positions, none netted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy_gross_notional_max: Option<Number>,
    /// Most open orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy_orders_open_max: Option<u32>,
    /// Most new orders and changes within `order_rate_window_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy_order_rate_count_max: Option<u32>,
    /// Loss since the start of the day at which it may only close.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy_loss_daily_max: Option<Number>,
    /// Executions within `execution_window_ms` after which somebody must look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy_execution_count_max: Option<u32>,
}

impl Config {
    /// Risk limits; an instrument without any stays without, and every order on it is refused.
    pub fn limits(&self, table: &InstrumentTable, origin: &str) -> Result<Limits, ConfigError> {
        let mut instruments: Vec<Option<InstrumentLimits>> = vec![None; table.count()];
        for section in &self.risk.instrument {
            let symbol = &section.symbol;
            let Some(index) = table.find(symbol) else {
                let what =
                    format!("risk.instrument: no [[instrument]] has the symbol \"{symbol}\"");
                return Err(conflict(origin, what));
            };
            let slot = &mut instruments[usize::from(index)];
            if slot.is_some() {
                return Err(conflict(origin, format!("risk.instrument {symbol} is there twice")));
            }
            let instrument = table.get(index).expect("found in the table");
            *slot = Some(instrument_limits(section, instrument, origin)?);
        }
        let account = match &self.risk.account {
            Some(section) => Some(account_limits(section, origin)?),
            None => None,
        };
        let controls = self.controls(table, origin)?;
        let limits = Limits { instruments, account, controls };
        if let Some(account) = &self.risk.account
            && LIVE_COUNT_MAX < usize::try_from(account.orders_open_max).unwrap_or(usize::MAX)
        {
            let must =
                format!("at most {LIVE_COUNT_MAX}, the live orders that the OMS has room for");
            return Err(range(
                origin,
                "risk.account.orders_open_max",
                account.orders_open_max,
                &must,
            ));
        }
        let order_count_max = usize::try_from(self.engine.orders_max).unwrap_or(usize::MAX);
        limits
            .validate(table.count(), order_count_max)
            .map_err(|error| conflict(origin, error.to_string()))?;
        if let Some(name) = &self.risk.ceilings {
            let ceilings = Ceilings::from_name(name)
                .ok_or_else(|| range(origin, "risk.ceilings", name, "owner or starter"))?;
            ceilings.check(&limits, table).map_err(|error| conflict(origin, error.to_string()))?;
        }
        Ok(limits)
    }

    /// What is off unless configured.
    fn controls(&self, table: &InstrumentTable, origin: &str) -> Result<Controls, ConfigError> {
        let risk = &self.risk;
        let keys = Keys { origin, prefix: "risk".to_string() };
        let limits = Setter::new(&keys)
            .money(LimitKey::BatchNotional, risk.batch_notional_max)?
            .count(LimitKey::MessageRate, risk.message_rate_count_max)
            .count(LimitKey::Duplicate, risk.duplicate_count_max)
            .count(LimitKey::OrdersDaily, risk.orders_daily_max)
            .money(LimitKey::NotionalDaily, risk.notional_daily_max)?;
        let capital = match risk.capital {
            Some(capital) => Some(keys.money("capital", capital)?),
            None => None,
        };
        let window_ns = |ms: Option<u32>| u64::from(ms.unwrap_or(0)) * NS_PER_MS;
        let mut controls = Controls {
            two_person: risk.two_person,
            alerts: risk.alerts,
            soft_percent: risk.soft_percent,
            capital,
            limits: limits.table,
            soft: match &risk.account {
                Some(section) => account_soft(section, origin)?,
                None => SoftLimits::default(),
            },
            message_rate_window_ns: window_ns(risk.message_rate_window_ms),
            duplicate_window_ns: window_ns(risk.duplicate_window_ms),
            execution_window_ns: window_ns(risk.execution_window_ms),
            reference_window_ns: window_ns(risk.reference_window_ms),
            self_match: risk.self_match,
            instruments: vec![InstrumentControls::default(); table.count()],
            strategies: vec![StrategyControls::default(); self.strategy.len()],
        };
        for section in &risk.instrument {
            let Some(index) = table.find(&section.symbol) else { continue };
            let instrument = table.get(index).expect("found in the table");
            controls.instruments[usize::from(index)] =
                instrument_controls(section, instrument, origin)?;
        }
        for section in &risk.strategy {
            let named = |strategy: &crate::schema::StrategySection| strategy.name() == section.name;
            let Some(number) = self.strategy.iter().position(named) else {
                let what = format!("risk.strategy: no [[strategy]] is named {}", section.name);
                return Err(conflict(origin, what));
            };
            if controls.strategies[number] != StrategyControls::default() {
                let what = format!("risk.strategy {} is there twice", section.name);
                return Err(conflict(origin, what));
            }
            controls.strategies[number] = strategy_controls(section, table, origin)?;
        }
        Ok(controls)
    }
}

/// The control stage closes what is held longer than `hold_time_ms_max`.
pub(crate) fn hold_times(control: &mut ControlConfig, limits: &Limits) {
    for (index, own) in limits.controls.instruments.iter().enumerate() {
        let Ok(limit_ms) = u64::try_from(own.limits.get(LimitKey::HoldTime)) else { continue };
        if own.limits.get(LimitKey::HoldTime) == UNLIMITED {
            continue;
        }
        if control.hold.instruments.len() <= index {
            control.hold.instruments.resize(index + 1, 0);
        }
        let limit_ns = limit_ms.saturating_mul(NS_PER_MS);
        let known_ns = control.hold.instruments[index];
        control.hold.instruments[index] =
            if known_ns == 0 { limit_ns } else { known_ns.min(limit_ns) };
        control.is_configured = true;
    }
}

/// Sets limits by key, as far as they are configured.
struct Setter<'a> {
    keys: &'a Keys<'a>,
    table: LimitTable,
}

impl Setter<'_> {
    fn new<'a>(keys: &'a Keys<'a>) -> Setter<'a> {
        Setter { keys, table: LimitTable::default() }
    }

    fn whole(mut self, key: LimitKey, value: Option<i64>) -> Self {
        if let Some(value) = value {
            self.table = self.table.with(key, value);
        }
        self
    }

    fn count(self, key: LimitKey, value: Option<u32>) -> Self {
        self.whole(key, value.map(i64::from))
    }

    fn scaled(self, key: LimitKey, value: Option<Number>, scale: u8) -> Result<Self, ConfigError> {
        let scaled = match value {
            Some(value) => Some(self.keys.scaled(key.name(), value, scale)?),
            None => None,
        };
        Ok(self.whole(key, scaled))
    }

    fn money(self, key: LimitKey, value: Option<Number>) -> Result<Self, ConfigError> {
        self.scaled(key, value, engine::money::EVENT_MONEY_SCALE)
    }
}

fn instrument_controls(
    section: &InstrumentLimitsSection,
    instrument: &Instrument,
    origin: &str,
) -> Result<InstrumentControls, ConfigError> {
    let keys = Keys { origin, prefix: format!("risk.instrument {}", section.symbol) };
    let limits = Setter::new(&keys)
        .count(LimitKey::CollarTrade, section.collar_trade_bps)
        .count(LimitKey::CollarWindow, section.collar_window_bps)
        .count(LimitKey::Spread, section.spread_bps_max)
        .count(LimitKey::Jump, section.jump_bps_max)
        .scaled(LimitKey::Short, section.short_quantity_max, instrument.quantity_scale)?
        .count(LimitKey::ExposureShare, section.exposure_bps_max)
        .count(LimitKey::HoldTime, section.hold_time_ms_max);
    let hours = match &section.hours {
        Some(hours) => Some(hours_of(hours, &keys)?),
        None => None,
    };
    let soft = SoftSetter { keys: &keys, soft: SoftLimits::default() }
        .scaled(
            LimitKey::PositionQuantity,
            section.position_quantity_soft,
            instrument.quantity_scale,
        )?
        .money(LimitKey::PositionNotional, section.position_notional_soft)?;
    Ok(InstrumentControls { limits: limits.table, soft: soft.soft, hours })
}

fn account_soft(section: &AccountLimitsSection, origin: &str) -> Result<SoftLimits, ConfigError> {
    let keys = Keys { origin, prefix: "risk.account".to_string() };
    let soft = SoftSetter { keys: &keys, soft: SoftLimits::default() }
        .count(LimitKey::OrderRate, section.order_rate_count_soft)
        .count(LimitKey::OrdersOpen, section.orders_open_soft)
        .money(LimitKey::LossDaily, section.loss_daily_soft)?
        .money(LimitKey::Drawdown, section.drawdown_soft)?
        .money(LimitKey::GrossNotional, section.gross_notional_soft)?;
    Ok(soft.soft)
}

/// Sets soft limits by key, as far as they are configured.
struct SoftSetter<'a> {
    keys: &'a Keys<'a>,
    soft: SoftLimits,
}

impl SoftSetter<'_> {
    fn count(self, key: LimitKey, value: Option<u32>) -> Self {
        match value {
            Some(value) => SoftSetter { soft: self.soft.with(key, i64::from(value)), ..self },
            None => self,
        }
    }

    fn scaled(self, key: LimitKey, value: Option<Number>, scale: u8) -> Result<Self, ConfigError> {
        let Some(value) = value else { return Ok(self) };
        let name = SoftLimits::name(key).unwrap_or(key.name());
        let value = self.keys.scaled(name, value, scale)?;
        Ok(SoftSetter { soft: self.soft.with(key, value), ..self })
    }

    fn money(self, key: LimitKey, value: Option<Number>) -> Result<Self, ConfigError> {
        self.scaled(key, value, engine::money::EVENT_MONEY_SCALE)
    }
}

fn strategy_controls(
    section: &StrategyLimitsSection,
    table: &InstrumentTable,
    origin: &str,
) -> Result<StrategyControls, ConfigError> {
    let keys = Keys { origin, prefix: format!("risk.strategy {}", section.name) };
    let limits = Setter::new(&keys)
        .money(LimitKey::StrategyPosition, section.strategy_position_notional_max)?
        .money(LimitKey::StrategyGross, section.strategy_gross_notional_max)?
        .count(LimitKey::StrategyOrdersOpen, section.strategy_orders_open_max)
        .count(LimitKey::StrategyOrderRate, section.strategy_order_rate_count_max)
        .money(LimitKey::StrategyLossDaily, section.strategy_loss_daily_max)?
        .count(LimitKey::StrategyExecutions, section.strategy_execution_count_max);
    let allowed = match &section.allow {
        Some(symbols) => {
            let find = |symbol: &String| {
                table.find(symbol).ok_or_else(|| {
                    let key = format!("{}.allow", keys.prefix);
                    range(origin, &key, symbol, "symbols of [[instrument]]s")
                })
            };
            Some(symbols.iter().map(find).collect::<Result<Vec<_>, _>>()?)
        }
        None => None,
    };
    Ok(StrategyControls { limits: limits.table, allowed })
}

fn hours_of(section: &HoursSection, keys: &Keys<'_>) -> Result<Hours, ConfigError> {
    let wrong = |key: &str, value: &str, must: &str| {
        range(keys.origin, &format!("{}.hours.{key}", keys.prefix), value, must)
    };
    let mut days = 0;
    for name in &section.days {
        let Some(day) = DAYS.iter().position(|day| day == name) else {
            return Err(wrong("days", name, "mon, tue, wed, thu, fri, sat or sun"));
        };
        days |= 1 << day;
    }
    let minutes = |key: &str, text: &String| {
        minutes_of(text).ok_or_else(|| wrong(key, text, "HH:MM, up to 24:00"))
    };
    let mut holidays = Vec::new();
    for text in &section.holidays {
        holidays.push(day_of(text).ok_or_else(|| wrong("holidays", text, "YYYY-MM-DD"))?);
    }
    holidays.sort_unstable();
    holidays.dedup();
    Ok(Hours {
        days,
        from_ns: minutes("from", &section.from)? * NS_PER_MINUTE,
        to_ns: minutes("to", &section.to)? * NS_PER_MINUTE,
        holidays,
    })
}

/// Whole digits of a fixed count.
fn digits(text: &str, count: usize) -> Option<u32> {
    let is_plain = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

/// Minutes after midnight of `HH:MM`.
fn minutes_of(text: &str) -> Option<u64> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= 24 * 60).then_some(u64::from(all))
}

/// Days since 1970-01-01 of `YYYY-MM-DD`, by the Gregorian calendar.
fn day_of(text: &str) -> Option<u32> {
    let mut words = text.split('-');
    let (year, month) = (digits(words.next()?, 4)?, digits(words.next()?, 2)?);
    let day = digits(words.next()?, 2)?;
    if words.next().is_some() || year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    let is_leap = |year: u32| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months = usize::try_from(month - 1).ok()?;
    if day < 1 || lengths[months] < day {
        return None;
    }
    let years: u32 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    Some(years + lengths[..months].iter().sum::<u32>() + day - 1)
}

fn instrument_limits(
    section: &InstrumentLimitsSection,
    instrument: &Instrument,
    origin: &str,
) -> Result<InstrumentLimits, ConfigError> {
    let keys = Keys { origin, prefix: format!("risk.instrument {}", section.symbol) };
    let scale = instrument.quantity_scale;
    Ok(InstrumentLimits {
        order_quantity_max: keys.scaled("order_quantity_max", section.order_quantity_max, scale)?,
        order_notional_max: keys.money("order_notional_max", section.order_notional_max)?,
        position_quantity_max: keys.scaled(
            "position_quantity_max",
            section.position_quantity_max,
            scale,
        )?,
        position_notional_max: keys
            .money("position_notional_max", section.position_notional_max)?,
        collar_bps: i64::from(section.collar_bps),
        passive_bps: i64::from(section.passive_bps),
        reference_age_ns_max: u64::from(section.reference_age_ms_max) * NS_PER_MS,
        restricted: section.restricted,
    })
}

fn account_limits(
    section: &AccountLimitsSection,
    origin: &str,
) -> Result<AccountLimits, ConfigError> {
    let keys = Keys { origin, prefix: "risk.account".to_string() };
    Ok(AccountLimits {
        order_rate_count_max: section.order_rate_count_max,
        order_rate_window_ns: u64::from(section.order_rate_window_ms) * NS_PER_MS,
        orders_open_max: section.orders_open_max,
        loss_daily_max: keys.money("loss_daily_max", section.loss_daily_max)?,
        drawdown_max: keys.money("drawdown_max", section.drawdown_max)?,
        gross_notional_max: keys.money("gross_notional_max", section.gross_notional_max)?,
        day_start_ns_utc: u64::from(section.day_start_utc_s) * 1_000_000_000,
    })
}

#[cfg(test)]
mod tests {
    use super::{day_of, minutes_of};

    #[test]
    fn days_and_minutes_are_read_and_nothing_else_is() {
        for (text, day) in [
            ("1970-01-01", Some(0)),
            ("1970-12-31", Some(364)),
            ("1971-01-01", Some(365)),
            ("2000-02-29", Some(11_016)),
            ("2024-01-05", Some(19_727)),
            ("2026-12-25", Some(20_812)),
            ("2023-02-29", None),
            ("2024-13-01", None),
            ("2024-00-01", None),
            ("2024-01-00", None),
            ("2024-01-32", None),
            ("1969-12-31", None),
            ("2024-1-05", None),
            ("2024-01-05-", None),
            ("+024-01-05", None),
        ] {
            assert_eq!(day_of(text), day, "{text}");
        }
        for (text, minutes) in [
            ("00:00", Some(0)),
            ("08:30", Some(510)),
            ("24:00", Some(1_440)),
            ("24:01", None),
            ("08:60", None),
            ("8:30", None),
            ("08:3", None),
            ("0830", None),
        ] {
            assert_eq!(minutes_of(text), minutes, "{text}");
        }
    }
}
