//! The sentence of an alarm, made of numbers and of names that are in the code or the configuration.
//!
//! **Invariant:** no text of a venue, of a file or of a person reaches a message: so no secret does.

use engine::event::{
    AnswerCode, BookState, CommandCode, KillPhase, LockReason, TripReason, TripUnit,
};
use engine::money::Money;
use engine::monitor::{Metric, MetricUnit};
use engine::risk::{Rule, Unit};

use crate::catalogue::{Code, Ending};
use crate::notice::{Notice, What};
use crate::rules::guard;
use crate::subject::{Names, Subject};

/// The sentence of that notice.
pub(crate) fn text(notice: &Notice, names: &Names) -> String {
    match notice.what {
        What::Raised | What::Escalated | What::Repeated => condition(notice, names),
        What::Acknowledged => {
            let who = notice.operator.map_or_else(String::new, |who| names.operator(who));
            format!("seen by {who}")
        }
        What::Cleared => {
            let lasted = duration(notice.last_ns.saturating_sub(notice.first_ns));
            match notice.code.ending() {
                Ending::Quiet => format!("did not happen again; first to last {lasted}"),
                Ending::Condition | Ending::Acknowledge | Ending::Once => "over".to_string(),
            }
        }
    }
}

fn condition(notice: &Notice, names: &Names) -> String {
    trading(notice, names).or_else(|| orders(notice)).unwrap_or_else(|| machine(notice))
}

fn low(detail: u32) -> u16 {
    let [low, high, _, _] = detail.to_le_bytes();
    u16::from_le_bytes([low, high])
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "each of three tells its own alarms, the last the rest"
)]
fn trading(notice: &Notice, names: &Names) -> Option<String> {
    let Notice { measured, limit, detail, .. } = *notice;
    let text = match notice.code {
        Code::BreakerSafe | Code::BreakerKilled | Code::TradingPaused | Code::Flattening => {
            let reason = TripReason::from_code(low(detail)).map_or("unknown", TripReason::name);
            let numbers = match TripReason::from_code(low(detail)).map(TripReason::unit) {
                _ if measured == 0 && limit == 0 => String::new(),
                Some(TripUnit::Money) => format!(", {} of {}", money(measured), money(limit)),
                Some(TripUnit::Nanoseconds) => {
                    let [time, most] = [measured, limit].map(|ns| duration(ns.unsigned_abs()));
                    format!(", {time} (limit {most})")
                }
                Some(TripUnit::Count) | None => format!(", measured {measured}, limit {limit}"),
            };
            format!("reason {reason}{numbers}")
        }
        Code::KillUsed | Code::KillLate => {
            let phase = KillPhase::from_code(low(detail)).map_or("unknown", KillPhase::name);
            format!("{phase}, {measured} orders cancelled, {limit} orders and positions left")
        }
        Code::RiskReducing | Code::TradingHalted => {
            let Some(rule) = Rule::from_code(low(detail)) else {
                let command = CommandCode::from_code(low(detail));
                return Some(format!("by {}", command.map_or("unknown", CommandCode::name)));
            };
            format!("reason {}, {} of {}", rule.name(), figure(rule, measured), figure(rule, limit))
        }
        Code::LossLimit => format!("{} of {}", money(measured), money(limit)),
        Code::LimitWarning
        | Code::LimitNear
        | Code::LimitReached
        | Code::MonitorWarning
        | Code::MonitorReached => {
            let part = if detail == 0 { "soft limit".to_string() } else { format!("{detail} %") };
            let [measured, limit] = [measured, limit].map(|value| of_limit(notice.subject, value));
            format!("{part} used: {measured} of {limit}")
        }
        Code::HoldTime => {
            let [held, limit] = [measured, limit].map(|ns| duration(ns.unsigned_abs()));
            format!("held for {held} (limit {limit}), is being closed")
        }
        Code::LimitChanged => format!("from {measured} to {limit}"),
        Code::RefusedBurst => {
            let rule = Rule::from_code(low(detail)).map_or("unknown", Rule::name);
            format!("{measured} refusals in the window (limit {limit}), the last by {rule}")
        }
        Code::CommandRefused => {
            let [command, answer] = [low(detail), low(detail >> 16)];
            let command = CommandCode::from_code(command).map_or("unknown", CommandCode::name);
            let answer = AnswerCode::from_code(answer).map_or("unknown", AnswerCode::name);
            format!("{command}: {answer}")
        }
        Code::StrategyDisabled => format!("why: {detail}"),
        Code::Silenced if measured == 0 => format!("no longer, by user {detail}"),
        Code::Silenced => format!("for {}, by user {detail}", duration(measured.unsigned_abs())),
        Code::Test => format!("a try, by {}", names.operator(low(detail))),
        _ => return None,
    };
    Some(text)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "each of three tells its own alarms, the last the rest"
)]
fn orders(notice: &Notice) -> Option<String> {
    let Notice { measured, limit, detail, .. } = *notice;
    let text = match notice.code {
        Code::VenueLocked => {
            let reason = LockReason::from_code(low(detail)).map_or("unknown", LockReason::name);
            format!("reason {reason}, for {}", duration(measured.unsigned_abs()))
        }
        Code::ReconcileMismatch | Code::Difference => {
            format!("ours {measured}, the venue's {limit} (kind {detail})")
        }
        Code::ReconcileFailing => format!("{measured} times in a row"),
        Code::OrderUnknown | Code::OrderStale => {
            let age = duration(measured.unsigned_abs());
            format!(
                "{detail} orders, the oldest for {age} (limit {})",
                duration(limit.unsigned_abs())
            )
        }
        Code::RejectBurst => format!("{measured} rejects in the window (limit {limit})"),
        Code::FillOdd | Code::Anomaly => {
            format!("anomaly {detail}, measured {measured}, expected {limit}")
        }
        Code::OrderStrange => format!("kind {detail}"),
        Code::BookBad => {
            let state =
                BookState::from_code(detail.to_le_bytes()[0]).map_or("unknown", BookState::name);
            format!("the book is {state}")
        }
        Code::FeedConnection => if detail == 4 { "mute" } else { "lost" }.to_string(),
        Code::MarketDropped => format!("{measured} events"),
        _ => return None,
    };
    Some(text)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "each of three tells its own alarms, the last the rest"
)]
fn machine(notice: &Notice) -> String {
    let Notice { measured, limit, detail, .. } = *notice;
    match notice.code {
        Code::ThreadStalled | Code::CoreSilent => {
            let (age, most) = (duration(measured.unsigned_abs()), duration(limit.unsigned_abs()));
            format!("no sign of life for {age} (limit {most})")
        }
        Code::JournalBehind => format!("{measured} records not synced (limit {limit})"),
        Code::DiskLow => format!("{measured} bytes free (limit {limit})"),
        Code::InboundFull | Code::OutboundFull => format!("{measured} times"),
        Code::InboundLag => format!("{measured} events wait (limit {limit})"),
        Code::FillsLate | Code::FillsTooLate | Code::JournalError | Code::EngineError => {
            format!("{measured} in all")
        }
        Code::SessionStart | Code::SessionEnd => format!("session {measured}"),
        Code::UncleanEnd => format!("session {measured} follows one without an end"),
        Code::ChannelFailing => format!("{measured} attempts in a row failed"),
        Code::ChannelOverflow => format!("{measured} messages lost"),
        Code::GuardActing => format!("the engine is lost ({}): cancelling", guard::named(detail).0),
        Code::GuardCannotCancel => format!("{measured} orders cancelled, {limit} left"),
        Code::GuardActed => {
            let (why, outcome) = guard::named(detail);
            format!("{outcome} ({why}): {measured} orders cancelled, {limit} left")
        }
        Code::ReconcileNeeded => format!("{measured} orders cancelled behind the engine"),
        Code::AlarmsOverflow => {
            format!("{measured} signals without an alarm (limit {limit} alarms)")
        }
        _ => lower_first(notice.code.meaning()),
    }
}

/// The meaning as the end of a line.
fn lower_first(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// A value in the unit of its rule or metric.
fn of_limit(subject: Subject, value: i64) -> String {
    let Subject::Limit { rule: code, .. } = subject else { return value.to_string() };
    if let Some(rule) = Rule::from_code(code) {
        return figure(rule, value);
    }
    match Metric::from_code(code).map(Metric::unit) {
        Some(MetricUnit::Money) => money(value),
        Some(MetricUnit::Ppm) => format!("{}.{:04} %", value / 10_000, (value % 10_000).abs()),
        Some(MetricUnit::Count | MetricUnit::Mode) | None => value.to_string(),
    }
}

fn figure(rule: Rule, value: i64) -> String {
    match rule.unit() {
        Unit::Money => money(value),
        Unit::Nanoseconds => duration(value.unsigned_abs()),
        Unit::Milliseconds => format!("{value} ms"),
        Unit::BasisPoints => format!("{value} bps"),
        Unit::Count | Unit::Price | Unit::Quantity => value.to_string(),
    }
}

fn money(e8: i64) -> String {
    Money::from_event(e8).to_string()
}

/// A duration with two units at most.
pub(crate) fn duration(ns: u64) -> String {
    let ms = ns / 1_000_000;
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1_000 / 100),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}
