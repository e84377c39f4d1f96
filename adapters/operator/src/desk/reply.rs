//! Answers of the core in words, and the figures that come with them.

use engine::event::{AnswerCode, BreakerState, CommandCode, Event, KillPhase, Kind, Scope, Side};
use engine::risk::{LimitKey, Rule};
use engine::stats::Snapshot;
use serde_json::{Value, json};

use crate::command::draft;
use crate::protocol::{Arguments, Outcome, Reply, VERSION};
use crate::role::Verb;
use crate::view::{LimitOf, View, money_text, worth};

/// A command and its answer.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) number: u64,
    pub(super) verb: Verb,
    pub(super) scope: Option<Scope>,
    pub(super) answer: Event,
}

/// The state, and a reading of the stats for what things are worth.
pub(super) type Picture<'a> = (&'a View, Option<&'a Snapshot>);

fn reply(number: u64, outcome: Outcome, text: String, data: Value) -> Reply {
    Reply { command: Some(number), ..Reply::last(outcome, text, data) }
}

/// A step of a kill.
pub(super) fn progress(number: u64, event: &Event, data: Value) -> Reply {
    let phase = KillPhase::from_code(event.code).map_or("unknown", KillPhase::name);
    let text = format!("{phase}: {} orders cancelled, {} left", event.price, event.quantity);
    let (version, outcome) = (VERSION, Outcome::Progress);
    Reply { version, is_final: false, outcome, command: Some(number), text, data }
}

/// Whether the kill of a scope that was asked for at `since_ns` has ended before anybody waited for it.
pub(super) fn kill_is_over(scope: Scope, since_ns: u64, view: &View) -> bool {
    view.kill.is_some_and(|kill| {
        since_ns <= kill.at_ns
            && kill.scope == scope.tag()
            && matches!(kill.phase, KillPhase::Done | KillPhase::Late)
    })
}

fn with_answer(mut data: Value, answer: &str) -> Value {
    data["answer"] = json!(answer);
    data
}

/// A kill or a flatten is done, or late. `took_ns`: from its acceptance until its end was seen in the journal.
pub(super) fn kill_end(
    (number, verb, scope): (u64, Verb, Scope),
    took_ns: u64,
    (view, stats): Picture<'_>,
) -> Reply {
    let kill = view.kill;
    let is_late = kill.is_some_and(|kill| kill.phase == KillPhase::Late);
    let (outcome, word) = if is_late { (Outcome::Late, "late") } else { (Outcome::Done, "done") };
    let mut data = view.kill_report_json(scope, stats);
    data["answer"] = json!(word);
    data["elapsed_us"] = json!(took_ns / 1_000);
    let text = format!(
        "{} of {} is {word}: {} orders cancelled, {} work, {}, {} us",
        verb.name(),
        view.names.scope_text(scope),
        data["orders_cancelled"],
        data["open_orders"],
        if data["positions_flat"] == true { "flat" } else { "not flat" },
        took_ns / 1_000
    );
    reply(number, outcome, text, data)
}

/// The wait for the end of a kill is over, the kill is not.
pub(super) fn kill_late(
    (number, verb, scope): (u64, Verb, Scope),
    (view, stats): Picture<'_>,
) -> Reply {
    let text = format!(
        "{} of {} is not done yet; the engine goes on trying (tickwheel ctl status)",
        verb.name(),
        view.names.scope_text(scope)
    );
    reply(number, Outcome::Late, text, with_answer(view.kill_report_json(scope, stats), "late"))
}

/// The engine did not answer in time.
pub(super) fn unanswered(number: u64, verb: Verb) -> Reply {
    let text = format!(
        "the engine has not answered {} (command {number}); it may still do it: look at tickwheel ctl status",
        verb.name()
    );
    reply(number, Outcome::Unanswered, text, json!({ "answer": null }))
}

/// What the core said to a command.
pub(super) fn answered(told: &Told, cascade: &[Event], (view, stats): Picture<'_>) -> Reply {
    let code = u16::try_from(told.answer.price).ok().and_then(AnswerCode::from_code);
    let Some(code) = code else {
        let text = format!("the engine answered with the unknown code {}", told.answer.price);
        return reply(told.number, Outcome::Refused, text, Value::Null);
    };
    let outcome = match code {
        AnswerCode::Done | AnswerCode::AlreadySo => Outcome::Done,
        AnswerCode::NeedsConfirm => Outcome::NeedsConfirm,
        AnswerCode::NotPermitted => Outcome::NotPermitted,
        AnswerCode::NoSuchTarget
        | AnswerCode::OutOfRange
        | AnswerCode::AboveCeiling
        | AnswerCode::WrongTrip
        | AnswerCode::NotClear
        | AnswerCode::SamePerson
        | AnswerCode::Refused
        | AnswerCode::WrongState
        | AnswerCode::Expired => Outcome::Refused,
    };
    let mut data = match told.scope {
        Some(scope) => view.kill_report_json(scope, stats),
        None => json!({ "state": view.state(Scope::All).name() }),
    };
    data["answer"] = json!(code.name());
    let mut text = format!("{}: {}", told.verb.name(), words(code));
    if code == AnswerCode::NeedsConfirm {
        text = format!("{text}: tickwheel ctl confirm {}", told.number);
    }
    let state = view.state(Scope::from_tag(told.answer.tag).unwrap_or(Scope::All));
    let lets_go_on = matches!(told.verb, Verb::Resume | Verb::Approve | Verb::Rearm);
    let outcome = if code == AnswerCode::AlreadySo && lets_go_on && state != BreakerState::Normal {
        // Nothing changed, and it still does not trade: that is no success.
        text = format!("{text}, and it is {}: {}", state.name(), what_lifts(state));
        Outcome::Refused
    } else {
        outcome
    };
    if told.verb == Verb::Approve && code == AnswerCode::Done {
        text = "approve: done; it recovers when all has been clear for the quiet time".to_string();
    }
    if code == AnswerCode::NotClear
        && let Some(more) = not_clear(told, view)
    {
        text = format!("{text} ({more})");
    }
    add_cascade(&mut data, &mut text, told, cascade, view);
    reply(told.number, outcome, text, data)
}

fn not_clear(told: &Told, view: &View) -> Option<String> {
    let it = view.scopes.get(&told.answer.tag)?;
    let reason = it.reason?;
    Some(format!("trip {} by {}", it.trip, reason.name()))
}

fn what_lifts(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Normal => "nothing stops it",
        BreakerState::Safe => "tickwheel ctl approve, and the quiet time",
        BreakerState::Killed => "tickwheel ctl rearm lifts a kill",
    }
}

/// Answers in words.
fn words(code: AnswerCode) -> &'static str {
    match code {
        AnswerCode::Done => "done",
        AnswerCode::NeedsConfirm => "accepted, and waits for a second person",
        AnswerCode::AlreadySo => "nothing had to be changed",
        AnswerCode::NoSuchTarget => "the target does not exist",
        AnswerCode::OutOfRange => "a value is outside its range",
        AnswerCode::AboveCeiling => "beyond a hard limit, which no command lifts",
        AnswerCode::WrongTrip => {
            "it names another trip than the present one, or that approval was used"
        }
        AnswerCode::NotClear => "the cause is not gone, or the quiet time has not passed",
        AnswerCode::SamePerson => "the same person cannot confirm",
        AnswerCode::Refused => "refused by the risk gate",
        AnswerCode::WrongState => "not possible in the present state",
        AnswerCode::Expired => "waited too long for a second person",
        AnswerCode::NotPermitted => "not permitted",
    }
}

/// What else the command led to: a refusal with its numbers, orders, limits, breakers.
fn add_cascade(data: &mut Value, text: &mut String, told: &Told, cascade: &[Event], view: &View) {
    for event in cascade {
        match event.kind {
            Kind::REFUSED => {
                let rule = Rule::from_code(event.code);
                let name = rule.map_or("unknown", Rule::name);
                data["refused"] = json!({
                    "rule": name,
                    "code": event.code,
                    "measured": event.price,
                    "limit": event.quantity,
                    "unit": rule.map(|rule| rule.unit().name()),
                    "why": rule.map(Rule::why),
                    "sequence": event.sequence,
                });
                *text = format!("{text}: {name} (tickwheel ctl why '#{}')", event.sequence);
            }
            Kind::ORDER if told.verb == Verb::Order => {
                let id = format!("{:016x}", event.id);
                if data.get("order").is_none() {
                    *text = format!("{text}: order {id}");
                }
                data["order"] = json!(id);
            }
            Kind::LIMIT => {
                if let Some(of) = view.limit_of(event) {
                    let (before, now) = (event.price, event.quantity);
                    data["limit"] = json!(of.key.name());
                    data["of"] = json!(view.owner_text(of));
                    data["before"] = json!(view.limit_text(of, before));
                    data["now"] = json!(view.limit_text(of, now));
                    let (before, now) = (&data["before"], &data["now"]);
                    *text = format!("{text}: {} is {now}, was {before}", of.key.name());
                }
            }
            Kind::BREAKER => {
                let [state, _] = event.code.to_le_bytes();
                let state = BreakerState::from_code(u16::from(state));
                data["scope"] = json!(view.names.scope_of_tag(event.tag));
                data["scope_state"] = json!(state.map(BreakerState::name));
                data["trip"] = json!(event.id);
            }
            Kind::ANSWER if event.id != told.number => {
                // A confirmation: what became of the command that it confirms.
                let code = u16::try_from(event.price).ok().and_then(AnswerCode::from_code);
                let verb = CommandCode::from_code(event.code).map_or("command", CommandCode::name);
                let code = code.map_or("unknown", words);
                data["confirmed"] = json!({ "command": event.id, "verb": verb, "answer": code });
                *text = format!("{text}; {verb} {}: {code}", event.id);
            }
            _ => {}
        }
    }
}

/// What an order would be worth, beside the session's other orders and the position that it would make.
pub(super) fn appraise(
    arguments: &Arguments,
    view: &View,
    stats: Option<&Snapshot>,
) -> Result<Value, String> {
    let event = draft(Verb::Order, arguments, view)?.event;
    let instrument =
        view.names.instruments.get(event.instrument).ok_or("the instrument is not known")?;
    let notional = instrument.notional(event.price, event.quantity).magnitude();
    let unusual = view.sizes.compare(notional);
    let held: i64 = view
        .positions
        .iter()
        .filter(|((_, index), _)| *index == event.instrument)
        .fold(0_i64, |sum, (_, quantity)| sum.saturating_add(*quantity));
    let signed = event.quantity.saturating_mul(event.side().sign());
    let mark = view.mark_twice(event.instrument, stats);
    // In 1e-4 of the middle of the book; above zero is worse for us.
    let distance = mark.filter(|mark| 0 < *mark).map(|mark| {
        let twice = i128::from(event.price) * 2;
        let beyond = match event.side() {
            Side::Buy => twice - i128::from(mark),
            Side::Sell => i128::from(mark) - twice,
        };
        beyond * 10_000 / i128::from(mark)
    });
    let limit = |key, used| view.limit_beside(LimitOf { key, owner: event.instrument }, used);
    let after = held.saturating_add(signed);
    Ok(json!({
        "limits": [
            limit(LimitKey::OrderQuantity, event.quantity),
            limit(LimitKey::OrderNotional, notional.to_event()),
            limit(LimitKey::PositionQuantity, after.saturating_abs()),
        ],
        "instrument": instrument.symbol,
        "side": event.side().name(),
        "price": view.names.price_text(event.instrument, event.price),
        "quantity": view.names.quantity_text(event.instrument, event.quantity),
        "notional": money_text(notional),
        "orders_before": unusual.count,
        "median_notional": money_text(unusual.median),
        "largest_notional": money_text(unusual.largest),
        "percent_of_median": unusual.median_percent.map(|percent| percent.to_string()),
        "is_largest": unusual.is_largest,
        "position_before": view.names.quantity_text(event.instrument, held),
        "position_after":
            view.names.quantity_text(event.instrument, after),
        "position_notional_before":
            mark.map(|mark| money_text(worth(instrument, mark, held))),
        "beyond_mid_bps": distance.map(|bps| bps.to_string()),
    }))
}
