//! `[control]`: what trips a breaker, how a kill goes on, whether a second person is needed.

use engine::control::{Action, COUNT_MAX, ControlConfig, HoldLimits, KillTimes, Trigger, Triggers};
use engine::instrument::InstrumentTable;
use serde::{Deserialize, Serialize};

use crate::schema::StrategySection;
use crate::validate::{conflict, range};
use crate::{Config, ConfigError};

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;
/// Longest time in this section, s: a year. Arbitrary.
const S_MAX: u32 = 31_536_000;
/// Widest collar of closing orders, 1e-4.
const COLLAR_BPS_MAX: u32 = 5_000;

/// `[control]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ControlSection {
    /// How long all must be clear before an approved scope recovers from SAFE, s.
    pub quiet_s: u32,
    /// `approve` and `rearm` wait for another operator's `confirm`.
    pub two_person: bool,
    /// How long they wait, s.
    pub confirm_s_max: u32,
    /// How a kill goes on.
    pub kill: KillSection,
    /// What trips a breaker. What is not there does nothing.
    pub trip: TripSection,
    /// How long a position may be held.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hold: Vec<HoldSection>,
}

impl Default for ControlSection {
    fn default() -> ControlSection {
        ControlSection {
            quiet_s: 600,
            two_person: false,
            confirm_s_max: 300,
            kill: KillSection::default(),
            trip: TripSection::default(),
            hold: Vec::new(),
        }
    }
}

/// `[control.kill]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KillSection {
    /// Time between two rounds of cancels for what still works, ms.
    pub retry_ms: u32,
    /// An unfinished kill is told as late after this time, s.
    pub late_s: u32,
    /// Time between two closing orders of an instrument when the one before closed nothing, ms.
    pub pace_ms: u32,
    /// How far through the mid a closing order may reach, 1e-4.
    pub collar_bps: u32,
}

impl Default for KillSection {
    fn default() -> KillSection {
        KillSection { retry_ms: 1_000, late_s: 30, pace_ms: 250, collar_bps: 50 }
    }
}

/// `[control.trip]`: one table a trigger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TripSection {
    /// The day's loss reached `risk.account.loss_daily_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_daily: Option<TriggerSection>,
    /// The fall from the peak reached `risk.account.drawdown_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawdown: Option<TriggerSection>,
    /// `count` rejects by a venue within `window_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject_rate: Option<TriggerSection>,
    /// `count` unknown outcomes and anomalies within `window_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<TriggerSection>,
    /// A book was not live for longer than `limit_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staleness: Option<TriggerSection>,
    /// `count` first answers that took longer than `limit_ms`, within `window_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<TriggerSection>,
    /// A venue was locked for longer than `limit_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<TriggerSection>,
    /// Event time jumped by more than `limit_ms` between two clock events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<TriggerSection>,
    /// The journal's helper thread is dead or stalled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<TriggerSection>,
    /// Another thread is dead or stalled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_dead: Option<TriggerSection>,
    /// A position was held longer than `[[control.hold]]` allows. It is closed in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_time: Option<TriggerSection>,
    /// No `alive` for `limit_ms` since the session began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_man: Option<TriggerSection>,
    /// A strategy panicked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy_panic: Option<TriggerSection>,
    /// The gate disabled a strategy that traded too often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeated_execution: Option<TriggerSection>,
    /// A limit of the post-trade monitor was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<TriggerSection>,
    /// A session begins and the one before did not end in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<TriggerSection>,
}

/// `[control.trip.NAME]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerSection {
    /// `off`, `safe` or `kill`.
    pub action: String,
    /// `own`: the venue, strategy or instrument concerned; `all`: everything.
    #[serde(default = "all")]
    pub scope: String,
    /// How many events, where events are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Within which time, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u32>,
    /// How long a condition may last, or a time may be, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_ms: Option<u32>,
}

fn all() -> String {
    "all".to_string()
}

/// `[[control.hold]]`: of an instrument, a strategy, or (neither) of every position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldSection {
    /// Symbol of an `[[instrument]]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// Name of a `[[strategy]]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// How long a position may be held, ms.
    pub time_ms_max: u32,
}

/// Which numbers a trigger needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Rate,
    Limit,
    RateAndLimit,
}

impl Needs {
    fn rate(self) -> bool {
        matches!(self, Needs::Rate | Needs::RateAndLimit)
    }

    fn limit(self) -> bool {
        matches!(self, Needs::Limit | Needs::RateAndLimit)
    }
}

impl Config {
    /// Settings of the control stage; without `[control]` it obeys commands and does nothing else.
    pub fn control(
        &self,
        table: &InstrumentTable,
        origin: &str,
    ) -> Result<ControlConfig, ConfigError> {
        let Some(section) = &self.control else { return Ok(ControlConfig::default()) };
        let kill = &section.kill;
        at_most("control.quiet_s", section.quiet_s, S_MAX, origin)?;
        positive("control.confirm_s_max", section.confirm_s_max, S_MAX, origin)?;
        positive("control.kill.retry_ms", kill.retry_ms, u32::MAX, origin)?;
        positive("control.kill.late_s", kill.late_s, S_MAX, origin)?;
        positive("control.kill.pace_ms", kill.pace_ms, u32::MAX, origin)?;
        positive("control.kill.collar_bps", kill.collar_bps, COLLAR_BPS_MAX, origin)?;
        Ok(ControlConfig {
            is_configured: true,
            quiet_ns: u64::from(section.quiet_s) * NS_PER_S,
            is_two_person: section.two_person,
            confirm_ns_max: u64::from(section.confirm_s_max) * NS_PER_S,
            triggers: triggers(&section.trip, origin)?,
            kill: KillTimes {
                retry_ns: u64::from(kill.retry_ms) * NS_PER_MS,
                late_ns: u64::from(kill.late_s) * NS_PER_S,
                pace_ns: u64::from(kill.pace_ms) * NS_PER_MS,
                collar_bps: kill.collar_bps,
            },
            hold: hold(&section.hold, &self.strategy, table, origin)?,
        })
    }
}

fn at_most(key: &str, value: u32, most: u32, origin: &str) -> Result<(), ConfigError> {
    if value <= most {
        return Ok(());
    }
    Err(range(origin, key, value, &format!("at most {most}")))
}

fn positive(key: &str, value: u32, most: u32, origin: &str) -> Result<(), ConfigError> {
    if 0 < value && value <= most {
        return Ok(());
    }
    Err(range(origin, key, value, &format!("1 to {most}")))
}

fn triggers(section: &TripSection, origin: &str) -> Result<Triggers, ConfigError> {
    let of = |name: &str, trigger: &Option<TriggerSection>, needs: Needs| match trigger {
        Some(section) => trigger_of(name, section, needs, origin),
        None => Ok(Trigger::default()),
    };
    Ok(Triggers {
        loss_daily: of("loss_daily", &section.loss_daily, Needs::Nothing)?,
        drawdown: of("drawdown", &section.drawdown, Needs::Nothing)?,
        reject_rate: of("reject_rate", &section.reject_rate, Needs::Rate)?,
        error_rate: of("error_rate", &section.error_rate, Needs::Rate)?,
        staleness: of("staleness", &section.staleness, Needs::Limit)?,
        latency: of("latency", &section.latency, Needs::RateAndLimit)?,
        reconcile: of("reconcile", &section.reconcile, Needs::Limit)?,
        clock: of("clock", &section.clock, Needs::Limit)?,
        journal: of("journal", &section.journal, Needs::Nothing)?,
        thread_dead: of("thread_dead", &section.thread_dead, Needs::Nothing)?,
        hold_time: of("hold_time", &section.hold_time, Needs::Nothing)?,
        dead_man: of("dead_man", &section.dead_man, Needs::Limit)?,
        strategy_panic: of("strategy_panic", &section.strategy_panic, Needs::Nothing)?,
        repeated_execution: of("repeated_execution", &section.repeated_execution, Needs::Nothing)?,
        monitor: of("monitor", &section.monitor, Needs::Nothing)?,
        restart: of("restart", &section.restart, Needs::Nothing)?,
    })
}

fn trigger_of(
    name: &str,
    section: &TriggerSection,
    needs: Needs,
    origin: &str,
) -> Result<Trigger, ConfigError> {
    let key = |field: &str| format!("control.trip.{name}.{field}");
    let action = Action::from_name(&section.action)
        .ok_or_else(|| range(origin, &key("action"), &section.action, "off, safe or kill"))?;
    let is_wide = match section.scope.as_str() {
        "all" => true,
        "own" => false,
        other => return Err(range(origin, &key("scope"), other, "own or all")),
    };
    let number = |field: &str, value: Option<u32>, most: u32, is_needed: bool| match value {
        Some(value) if is_needed => positive(&key(field), value, most, origin).map(|()| value),
        Some(value) => Err(range(origin, &key(field), value, "left out: this trigger has none")),
        None if is_needed => Err(range(origin, &key(field), "left out", &format!("1 to {most}"))),
        None => Ok(0),
    };
    let count = number("count", section.count, COUNT_MAX, needs.rate())?;
    let window_ms = number("window_ms", section.window_ms, u32::MAX, needs.rate())?;
    let limit_ms = number("limit_ms", section.limit_ms, u32::MAX, needs.limit())?;
    Ok(Trigger {
        action,
        is_wide,
        count,
        window_ns: u64::from(window_ms) * NS_PER_MS,
        limit_ns: u64::from(limit_ms) * NS_PER_MS,
    })
}

fn hold(
    sections: &[HoldSection],
    strategies: &[StrategySection],
    table: &InstrumentTable,
    origin: &str,
) -> Result<HoldLimits, ConfigError> {
    let mut limits =
        HoldLimits { instruments: vec![0; table.count()], strategies: vec![0; strategies.len()] };
    // The stricter one counts where two are given.
    let stricter = |slot: &mut u64, ns: u64| *slot = if *slot == 0 { ns } else { ns.min(*slot) };
    for section in sections {
        positive("control.hold.time_ms_max", section.time_ms_max, u32::MAX, origin)?;
        let ns = u64::from(section.time_ms_max) * NS_PER_MS;
        if let Some(symbol) = &section.symbol {
            let index = table.find(symbol).ok_or_else(|| {
                conflict(origin, format!("control.hold: no [[instrument]] is \"{symbol}\""))
            })?;
            stricter(&mut limits.instruments[usize::from(index)], ns);
        }
        if let Some(name) = &section.strategy {
            let at = strategies.iter().position(|strategy| strategy.name() == *name);
            let at = at.ok_or_else(|| {
                conflict(origin, format!("control.hold: no [[strategy]] is \"{name}\""))
            })?;
            stricter(&mut limits.strategies[at], ns);
        }
        if section.symbol.is_some() && section.strategy.is_some() {
            let what = "control.hold: a limit is of an instrument or of a strategy, not of both";
            return Err(conflict(origin, what.to_string()));
        }
        if section.symbol.is_none() && section.strategy.is_none() {
            limits.instruments.iter_mut().for_each(|slot| stricter(slot, ns));
        }
    }
    Ok(limits)
}
