//! Commands, breakers, kills, alerts and answers in words.

use engine::control::{ALERT_HOLD_TIME, ALERT_KILL_LATE};
use engine::event::{
    AnswerCode, BreakerState, CommandCode, Event, KillPhase, Kind, Scope, TripReason, TripUnit,
    flags,
};
use engine::instrument::Venue;
use engine::money::{EVENT_MONEY_SCALE, format_scaled};
use engine::monitor::{Metric, MetricUnit, RiskMode};
use engine::risk::{LimitKey, RiskState, Rule, UNLIMITED, Unit};

use crate::report;

/// Decimal places of parts per million told as percent.
const PERCENT_SCALE: u8 = 4;

/// Gives the name of a number.
type Name<'a> = &'a dyn Fn(u16) -> String;

/// A scope in words.
fn scope(tag: u32, strategy: Name<'_>, symbol: Name<'_>) -> String {
    match Scope::from_tag(tag) {
        Some(Scope::All) => "everything".to_string(),
        Some(Scope::Venue(number)) => {
            Venue::from_code(number).map_or("an unknown venue", Venue::name).to_string()
        }
        Some(Scope::Strategy(number)) => strategy(number),
        Some(Scope::Instrument(number)) => symbol(number),
        None => format!("scope {tag:#x}"),
    }
}

/// A command in words.
pub(super) fn command(event: &Event, strategy: Name<'_>, symbol: Name<'_>) -> String {
    let code = CommandCode::from_code(event.code);
    let name = code.map_or("unknown", CommandCode::name);
    let who = match event.source {
        0 => "the supervisor".to_string(),
        number => format!("operator {number}"),
    };
    let number = match event.id {
        0 => String::new(),
        number => format!(", command {number}"),
    };
    let target = match code {
        Some(
            CommandCode::Kill
            | CommandCode::Trip
            | CommandCode::Approve
            | CommandCode::Rearm
            | CommandCode::Pause
            | CommandCode::Continue
            | CommandCode::Flatten,
        ) => scope(event.tag, strategy, symbol),
        Some(CommandCode::Confirm) => format!("command {}", event.price),
        Some(CommandCode::OrderCancel) => format!("order {:016x}", event.quantity),
        Some(CommandCode::StrategyDisable | CommandCode::StrategyEnable) => {
            strategy(u16::try_from(event.tag).unwrap_or(u16::MAX))
        }
        Some(
            CommandCode::Halt
            | CommandCode::Reduce
            | CommandCode::Resume
            | CommandCode::CancelAll
            | CommandCode::ThreadDead
            | CommandCode::Stop
            | CommandCode::AcceptBalances
            | CommandCode::LimitSet
            | CommandCode::OrderNew
            | CommandCode::Acknowledge
            | CommandCode::Alive,
        )
        | None => format!("target {}", event.tag),
    };
    let trip = match code {
        Some(CommandCode::Approve | CommandCode::Rearm) => format!(", trip {}", event.price),
        Some(_) | None => String::new(),
    };
    format!("{who} says {name} ({target}{trip}{number})")
}

/// A decision of breakers and kills in words; `None` for another kind.
pub(super) fn words(event: &Event, strategy: Name<'_>, symbol: Name<'_>) -> Option<String> {
    let scope = |tag| scope(tag, strategy, symbol);
    match event.kind {
        Kind::BREAKER => {
            let [now, before] = event.code.to_le_bytes();
            let state = |code: u8| {
                BreakerState::from_code(u16::from(code)).map_or("unknown", BreakerState::name)
            };
            let reason = TripReason::from_code(event.source).map_or("unknown", TripReason::name);
            let numbers = match (event.price, event.quantity) {
                (0, 0) => String::new(),
                (measured, limit) => {
                    let [measured, limit] = [measured, limit].map(|value| trip(event, value));
                    format!(", measured {measured}, limit {limit}")
                }
            };
            Some(format!(
                "{}: {} -> {} because of {reason} (trip {}){numbers}",
                scope(event.tag),
                state(before),
                state(now),
                event.id
            ))
        }
        Kind::KILL => {
            let phase = KillPhase::from_code(event.code).map_or("unknown", KillPhase::name);
            Some(format!(
                "kill of {}: {phase}, {} orders cancelled, {} orders and positions left, after {} us",
                scope(event.tag),
                event.price,
                event.quantity,
                event.id / 1_000
            ))
        }
        Kind::ALERT => Some(alert(event, strategy)),
        Kind::MONITOR => Some(figure(event, strategy)),
        Kind::ANSWER => {
            let code = CommandCode::from_code(event.code).map_or("unknown", CommandCode::name);
            let answer = u16::try_from(event.price).ok().and_then(AnswerCode::from_code);
            let answer = answer.map_or("unknown", AnswerCode::name);
            let detail = match event.quantity {
                0 => String::new(),
                detail => format!(", {detail}"),
            };
            Some(format!("{code}, command {}: {answer}{detail}", event.id))
        }
        _ => None,
    }
}

/// What a breaker measured, in its unit.
fn trip(event: &Event, value: i64) -> String {
    match TripReason::from_code(event.source).map(TripReason::unit) {
        Some(TripUnit::Money) => format_scaled(value, EVENT_MONEY_SCALE),
        Some(TripUnit::Nanoseconds) => report::duration_text(value.unsigned_abs()),
        Some(TripUnit::Count) | None => value.to_string(),
    }
}

/// The state of the gate, why, and what was measured.
pub(super) fn risk_state(event: &Event) -> String {
    let state = RiskState::from_code(event.code).map_or("unknown", RiskState::name);
    let code = u16::try_from(event.tag).unwrap_or(0);
    let rule = Rule::from_code(code);
    let command = CommandCode::from_code(code).map(CommandCode::name);
    let reason = rule.map(Rule::name).or(command).unwrap_or("unknown");
    let numbers = match rule {
        None => String::new(),
        Some(rule) => {
            let [measured, limit] = [event.price, event.quantity].map(|value| {
                if rule.unit() == Unit::Money {
                    format_scaled(value, EVENT_MONEY_SCALE)
                } else {
                    value.to_string()
                }
            });
            format!(", measured {measured}, limit {limit}")
        }
    };
    format!("the gate is {state} (reason {reason}){numbers}")
}

/// A changed limit by its key, in its unit; `quantity_scale` is that of its instrument.
pub(super) fn limit(event: &Event, who: &str, quantity_scale: u8) -> String {
    let key = LimitKey::from_code(event.code);
    let name = key.map_or_else(|| format!("limit {}", event.code), |key| key.name().to_string());
    let of = if who.is_empty() { String::new() } else { format!(" of {who}") };
    let unit = key.map_or(Unit::Count, LimitKey::unit);
    let text = |value: i64| match unit {
        _ if value == UNLIMITED => "unlimited".to_string(),
        Unit::Money => format_scaled(value, EVENT_MONEY_SCALE),
        Unit::Quantity => format_scaled(value, quantity_scale),
        Unit::Milliseconds => format!("{value} ms"),
        Unit::BasisPoints => format!("{value} bps"),
        Unit::Count | Unit::Price | Unit::Nanoseconds => value.to_string(),
    };
    let [now, before] = [event.quantity, event.price].map(text);
    format!("{name}{of} is now {now}, before {before} (key {}, command {})", event.code, event.id)
}

fn alert(event: &Event, strategy: Name<'_>) -> String {
    let rule = Rule::from_code(event.code);
    let name = match (rule, event.code) {
        (Some(rule), _) => rule.name().to_string(),
        (None, ALERT_KILL_LATE) => "kill late".to_string(),
        (None, ALERT_HOLD_TIME) => "held too long".to_string(),
        (None, code) => metric_name(code),
    };
    let metric = Metric::from_code(event.code);
    let number = |value: i64| match (rule.map(Rule::unit), metric) {
        (Some(Unit::Money), _) => format_scaled(value, EVENT_MONEY_SCALE),
        (None, Some(metric)) => measure(metric.unit(), value),
        (Some(_) | None, _) => value.to_string(),
    };
    let part = match event.tag {
        0 => "above its soft limit".to_string(),
        percent => format!("at {percent} % of its limit"),
    };
    let who = strategy(event.source);
    let of = if who.is_empty() { who } else { format!(" of {who}") };
    let by = if event.has(flags::OPERATOR) { " (operator)" } else { "" };
    format!("{name}{of} is {part}: {} of {}{by}", number(event.price), number(event.quantity))
}

fn metric_name(code: u16) -> String {
    Metric::from_code(code).map_or_else(|| format!("metric {code}"), |one| one.name().to_string())
}

/// A value of a metric with its unit.
fn measure(unit: MetricUnit, value: i64) -> String {
    match unit {
        MetricUnit::Money => format_scaled(value, EVENT_MONEY_SCALE),
        MetricUnit::Ppm => format!("{} %", format_scaled(value, PERCENT_SCALE)),
        MetricUnit::Count => value.to_string(),
        MetricUnit::Mode => {
            let mode = u8::try_from(value).ok().and_then(RiskMode::from_code);
            mode.map_or("unknown", RiskMode::name).to_string()
        }
    }
}

/// A figure of the monitor: both of its values.
fn figure(event: &Event, strategy: Name<'_>) -> String {
    let who = strategy(event.source);
    let of = if who.is_empty() { who } else { format!(" of {who}") };
    let Some(metric) = Metric::from_code(event.code) else {
        return format!("metric {}{of}: {}, {}", event.code, event.price, event.quantity);
    };
    let value = measure(metric.unit(), event.price);
    let second = measure(metric.second_unit(), event.quantity);
    format!("{}{of}: {value}, second {second}", metric.name())
}
