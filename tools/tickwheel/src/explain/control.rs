//! Commands, breakers, kills, alerts and answers in words.

use engine::control::{ALERT_HOLD_TIME, ALERT_KILL_LATE};
use engine::event::{
    AnswerCode, BreakerState, CommandCode, Event, KillPhase, Kind, Scope, TripReason, flags,
};
use engine::instrument::Venue;
use engine::money::{EVENT_MONEY_SCALE, format_scaled};
use engine::risk::{Rule, Unit};

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
                (measured, limit) => format!(", measured {measured}, limit {limit}"),
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
        Kind::LIMIT => Some(format!(
            "limit {} is now {}, before {} (command {})",
            event.code, event.quantity, event.price, event.id
        )),
        Kind::ALERT => Some(alert(event, strategy)),
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

fn alert(event: &Event, strategy: Name<'_>) -> String {
    let rule = Rule::from_code(event.code);
    let name = match (rule, event.code) {
        (Some(rule), _) => rule.name().to_string(),
        (None, ALERT_KILL_LATE) => "kill late".to_string(),
        (None, ALERT_HOLD_TIME) => "held too long".to_string(),
        (None, code) => format!("metric {code}"),
    };
    let number = |value: i64| match rule.map(Rule::unit) {
        Some(Unit::Money) => format_scaled(value, EVENT_MONEY_SCALE),
        Some(_) | None => value.to_string(),
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
