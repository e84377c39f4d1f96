//! Rows of the tables: which columns there are, and what each kind of record puts into them.

use engine::event::{AnswerCode, BreakerState, Event, FeedCode, KillPhase, Kind, flags, session};
use engine::market::Top;

use super::names::{
    Figure, Names, book_state, command_name, lock_reason, marks, money, order_id, report_name,
    risk_state, state_name, strategy_why, terms, venue_name,
};
use super::sink::Cell;
use crate::calendar::format_time;

/// What was wanted, allowed, sent, answered, traded.
pub(super) const DECISIONS: (&str, &[&str]) = (
    "decisions",
    &[
        "sequence",
        "time_ns",
        "time",
        "session",
        "kind",
        "actor",
        "strategy",
        "instrument",
        "order_id",
        "side",
        "quantity",
        "price",
        "terms",
        "state",
        "state_before",
        "rule",
        "measured",
        "limit",
        "money",
        "execution_id",
        "values",
        "tag",
        "note",
        "input",
        "bid",
        "ask",
        "causes",
    ],
);

/// What changed what may be traded: breakers, kills, limits, alerts, states, locks, differences, anomalies.
pub(super) const CONTROLS: (&str, &[&str]) = (
    "controls",
    &[
        "sequence",
        "time_ns",
        "time",
        "session",
        "kind",
        "actor",
        "scope",
        "instrument",
        "strategy",
        "name",
        "state",
        "state_before",
        "reason",
        "code",
        "measured",
        "limit",
        "unit",
        "number",
        "note",
        "causes",
    ],
);

/// Who ordered what, why, and what became of it.
pub(super) const COMMANDS: (&str, &[&str]) = (
    "commands",
    &[
        "sequence",
        "time_ns",
        "time",
        "session",
        "kind",
        "command",
        "number",
        "operator",
        "actor",
        "uid",
        "role",
        "verb",
        "reason",
        "arguments",
        "instrument",
        "target",
        "price",
        "quantity",
        "answer",
        "detail",
        "causes",
    ],
);

/// Which engine with which configuration on which input.
pub(super) const SESSIONS: (&str, &[&str]) = (
    "sessions",
    &[
        "session",
        "mode",
        "first_sequence",
        "last_sequence",
        "start_ns",
        "start",
        "end_ns",
        "end",
        "ended",
        "build",
        "input",
        "instruments",
        "strategies",
        "config_blake3",
        "config",
    ],
);

/// What stands around a record.
#[derive(Clone, Debug, Default)]
pub(super) struct Around<'a> {
    pub(super) session: u64,
    /// Sequences that led to it, from the nearest to the inbound one.
    pub(super) causes: Vec<u64>,
    /// The inbound event at the end of the causes.
    pub(super) input: Option<&'a Event>,
    /// The event that caused it.
    pub(super) cause: Option<&'a Event>,
    /// Who gave the command at the end of the causes.
    pub(super) commander: Option<&'a str>,
    /// Best prices of its instrument when it was made.
    pub(super) top: Option<Top>,
}

/// Who decided.
fn actor(event: &Event, names: &Names, around: &Around<'_>) -> String {
    if event.kind.is_inbound() {
        return "venue".to_string();
    }
    if let Some(commander) = around.commander {
        return format!("operator {commander}");
    }
    // The same bit has another meaning on fills.
    let is_control = event.has(flags::OPERATOR) && event.kind != Kind::FILL;
    let strategy = names.strategy(event.source);
    match (is_control, strategy.is_empty()) {
        (true, _) => "control".to_string(),
        (false, true) => "engine".to_string(),
        (false, false) => strategy,
    }
}

fn head(event: &Event, around: &Around<'_>) -> [Cell; 5] {
    [
        event.sequence.into(),
        event.time_ns.into(),
        format_time(event.time_ns).into(),
        around.session.into(),
        event.kind.name().into(),
    ]
}

/// The changing part of a row of decisions.
#[derive(Debug, Default)]
struct Deal {
    order: u64,
    side: &'static str,
    quantity: String,
    price: String,
    terms: String,
    state: String,
    state_before: String,
    rule: String,
    measured: String,
    limit: String,
    money: String,
    execution_id: u64,
    values: String,
    note: String,
}

/// Whether a record stands in the table of decisions.
pub(super) fn is_decision(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::SIGNAL
            | Kind::PARENT
            | Kind::INTENT
            | Kind::INTENT_CANCEL
            | Kind::INTENT_REPLACE
            | Kind::APPROVED
            | Kind::APPROVED_CANCEL
            | Kind::APPROVED_REPLACE
            | Kind::REFUSED
            | Kind::ORDER
            | Kind::FILL
            | Kind::FEE
            | Kind::POSITION
            | Kind::SEND_NEW
            | Kind::SEND_CANCEL
            | Kind::SEND_REPLACE
            | Kind::SEND_QUERY
            | Kind::WITHHELD
            | Kind::REPORT
            | Kind::REPORT_DETAIL
    )
}

/// Whether a record stands in the table of controls.
pub(super) fn is_control(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::BREAKER
            | Kind::KILL
            | Kind::LIMIT
            | Kind::ALERT
            | Kind::MONITOR
            | Kind::STRATEGY_STATE
            | Kind::RISK_STATE
            | Kind::ANOMALY
            | Kind::LOCK
            | Kind::DIFFERENCE
            | Kind::SEND_PULL
            | Kind::BASELINE
            | Kind::BOOK_STATE
            | Kind::LINK
            | Kind::VENUE_ORDER
            | Kind::VENUE_BALANCE
            | Kind::FEED
            | Kind::QUARANTINE
    )
}

fn terms_of(event: &Event, names: &Names) -> Deal {
    Deal {
        side: event.side().name(),
        quantity: names.quantity(event.instrument, event.quantity),
        price: names.price(event.instrument, event.price),
        ..Deal::default()
    }
}

fn deal(event: &Event, names: &Names, around: &Around<'_>) -> Deal {
    let whole = || Deal { order: event.id, ..terms_of(event, names) };
    match event.kind {
        Kind::SIGNAL => Deal {
            state: event.code.to_string(),
            values: format!("{} {} {}", event.price, event.quantity, event.id.cast_signed()),
            ..Deal::default()
        },
        Kind::PARENT => Deal {
            side: event.side().name(),
            quantity: names.quantity(event.instrument, event.quantity),
            note: format!(
                "{}parent {}",
                if event.quantity == 0 { "closed " } else { "" },
                event.id
            ),
            ..Deal::default()
        },
        Kind::INTENT | Kind::APPROVED => {
            let note = if event.id == 0 { String::new() } else { format!("parent {}", event.id) };
            Deal { terms: terms(event), note, ..terms_of(event, names) }
        }
        Kind::SEND_NEW => Deal { terms: terms(event), ..whole() },
        Kind::INTENT_CANCEL | Kind::APPROVED_CANCEL | Kind::SEND_CANCEL | Kind::SEND_QUERY => {
            Deal { order: event.id, note: marks(event).trim().to_string(), ..Deal::default() }
        }
        Kind::INTENT_REPLACE | Kind::APPROVED_REPLACE | Kind::SEND_REPLACE => whole(),
        Kind::REFUSED => {
            let Figure { name: rule, measured, limit, .. } = names.rule(event, event.code);
            // What was refused stands in the intent that led here.
            let wanted = around.cause.map(|cause| terms_of(cause, names)).unwrap_or_default();
            Deal { order: event.id, rule, measured, limit, ..wanted }
        }
        Kind::ORDER => Deal {
            state: state_name(event.code & 0xff).to_string(),
            state_before: state_name(event.code >> 8).to_string(),
            note: marks(event).trim().to_string(),
            ..whole()
        },
        Kind::FILL => {
            let liquidity = match (event.has(flags::IN_KIND), event.has(flags::MAKER)) {
                (true, _) => "fee in kind",
                (false, true) => "maker",
                (false, false) => "taker",
            };
            let late = if event.has(flags::LATE) { ", late" } else { "" };
            Deal { note: format!("{liquidity}{late}"), ..whole() }
        }
        Kind::FEE => {
            Deal { money: money(event.quantity), execution_id: event.id, ..Deal::default() }
        }
        Kind::POSITION => Deal {
            order: event.id,
            quantity: names.quantity(event.instrument, event.quantity),
            money: money(event.price),
            ..Deal::default()
        },
        Kind::WITHHELD => Deal { note: "kept back by dry-run".to_string(), ..whole() },
        Kind::REPORT => {
            let code = if event.tag == 0 { String::new() } else { format!("code {}", event.tag) };
            Deal { state: report_name(event.code).to_string(), note: code, ..whole() }
        }
        Kind::REPORT_DETAIL => Deal {
            quantity: names.quantity(event.instrument, event.price),
            money: names.fee(event),
            execution_id: event.id,
            note: "traded so far".to_string(),
            ..Deal::default()
        },
        _ => Deal::default(),
    }
}

/// A row of decisions.
pub(super) fn decision(event: &Event, names: &Names, around: &Around<'_>) -> Vec<Cell> {
    let deal = deal(event, names, around);
    let is_inbound = event.kind.is_inbound();
    let strategy = if is_inbound { String::new() } else { names.strategy(event.source) };
    let price = |value: i64, quantity: i64| {
        if quantity == 0 { String::new() } else { names.price(event.instrument, value) }
    };
    let (bid, ask) = around.top.map_or((String::new(), String::new()), |top| {
        (price(top.bid_price, top.bid_quantity), price(top.ask_price, top.ask_quantity))
    });
    let number = |value: u64| if value == 0 { Cell::Empty } else { Cell::Number(value) };
    let mut row: Vec<Cell> = head(event, around).into();
    row.extend([
        actor(event, names, around).into(),
        strategy.into(),
        names.symbol(event.instrument).into(),
        order_id(deal.order).into(),
        deal.side.into(),
        deal.quantity.into(),
        deal.price.into(),
        deal.terms.into(),
        deal.state.into(),
        deal.state_before.into(),
        deal.rule.into(),
        deal.measured.into(),
        deal.limit.into(),
        deal.money.into(),
        number(deal.execution_id),
        deal.values.into(),
        if is_inbound { Cell::Empty } else { number(u64::from(event.tag)) },
        deal.note.into(),
        around.input.map_or(Cell::Empty, |input| names.input(input).into()),
        bid.into(),
        ask.into(),
        causes(around),
    ]);
    row
}

fn causes(around: &Around<'_>) -> Cell {
    if around.causes.is_empty() { Cell::Empty } else { Cell::Numbers(around.causes.clone()) }
}

/// The changing part of a row of controls.
#[derive(Debug, Default)]
struct Change {
    scope: String,
    strategy: String,
    name: String,
    state: String,
    before: String,
    reason: String,
    /// The number behind the word of name or reason.
    code: u16,
    measured: String,
    limit: String,
    unit: &'static str,
    number: u64,
    note: String,
}

fn breaker(state: u16) -> String {
    BreakerState::from_code(state).map_or_else(|| state.to_string(), |it| it.name().to_string())
}

/// What the control stage, the gate's limits and the monitor say.
fn change(event: &Event, names: &Names) -> Change {
    match event.kind {
        Kind::BREAKER => {
            let Figure { name, measured, limit, unit } = Names::trip(event);
            Change {
                scope: names.scope(event.tag),
                state: breaker(event.code & 0xff),
                before: breaker(event.code >> 8),
                reason: name,
                code: event.source,
                measured,
                limit,
                unit,
                number: event.id,
                ..Change::default()
            }
        }
        Kind::KILL => {
            let phase = KillPhase::from_code(event.code);
            Change {
                scope: names.scope(event.tag),
                state: phase.map_or_else(|| event.code.to_string(), |it| it.name().to_string()),
                note: format!(
                    "{} cancelled, {} left, {} ns",
                    event.price, event.quantity, event.id
                ),
                ..Change::default()
            }
        }
        Kind::LIMIT => {
            let Figure { name, measured: before, limit: state, unit } = names.limit(event);
            Change {
                name,
                code: event.code,
                strategy: names.strategy(event.source),
                before,
                state,
                unit,
                number: event.id,
                ..Change::default()
            }
        }
        Kind::ALERT => {
            let Figure { name, measured, limit, unit } = names.rule(event, event.code);
            let (strategy, code) = (names.strategy(event.source), event.code);
            let note = match event.tag {
                0 => "soft limit passed".to_string(),
                percent => format!("{percent} percent of the limit"),
            };
            Change { strategy, name, code, measured, limit, unit, note, ..Change::default() }
        }
        Kind::MONITOR => {
            let (name, measured, second) = names.metric(event);
            let strategy = names.strategy(event.source);
            let note = format!("second value {second}");
            Change { strategy, name, measured, note, ..Change::default() }
        }
        _ => state(event, names),
    }
}

/// States of strategies, gate and books.
fn state(event: &Event, names: &Names) -> Change {
    let plain = Change {
        measured: event.price.to_string(),
        limit: event.quantity.to_string(),
        ..Change::default()
    };
    match event.kind {
        Kind::STRATEGY_STATE => Change {
            strategy: names.strategy(event.source),
            state: if event.code == 1 { "enabled" } else { "disabled" }.to_string(),
            reason: strategy_why(event.tag),
            code: u16::try_from(event.tag).unwrap_or(u16::MAX),
            ..Change::default()
        },
        Kind::RISK_STATE => {
            let code = u16::try_from(event.tag).unwrap_or(u16::MAX);
            let is_rule = engine::risk::Rule::from_code(code).is_some();
            let Figure { name, measured, limit, unit } = names.rule(event, code);
            let reason = if is_rule { name } else { command_name(code) };
            let state = risk_state(event.code);
            Change { state, reason, code, measured, limit, unit, ..Change::default() }
        }
        Kind::ANOMALY => Change {
            name: event.code.to_string(),
            strategy: names.strategy(event.source),
            note: order_id(event.id),
            ..plain
        },
        Kind::BOOK_STATE => Change {
            state: book_state(event.code),
            reason: event.tag.to_string(),
            ..Change::default()
        },
        Kind::FEED => Change {
            state: FeedCode::from_code(event.code).map_or("unknown", FeedCode::name).to_string(),
            number: event.id,
            note: match event.tag {
                0 => String::new(),
                lost => format!("{lost} lost"),
            },
            ..Change::default()
        },
        Kind::QUARANTINE => Change {
            name: event.code.to_string(),
            number: event.id,
            note: format!("{} lines put aside", event.tag),
            ..Change::default()
        },
        _ => venue_state(event, names),
    }
}

/// What is known of a venue and what differs from it.
fn venue_state(event: &Event, names: &Names) -> Change {
    match event.kind {
        Kind::LOCK => Change {
            scope: venue_name(event.tag),
            state: if event.code == 0 { "open" } else { "locked" }.to_string(),
            reason: lock_reason(event.price).to_string(),
            number: event.id,
            note: format!("{} differences told", event.quantity),
            ..Change::default()
        },
        Kind::DIFFERENCE => {
            let (name, ours, theirs) = names.difference(event);
            let last = if event.has(flags::FINAL) { ", after every attempt" } else { "" };
            Change {
                scope: venue_name(event.tag),
                name: name.to_string(),
                note: format!("ours {ours}, the venue's {theirs}{last}"),
                number: event.id,
                ..Change::default()
            }
        }
        Kind::BASELINE => Change {
            scope: venue_name(event.tag),
            before: names.balance(event, event.price),
            state: names.balance(event, event.quantity),
            number: event.id,
            ..Change::default()
        },
        Kind::LINK => Change {
            scope: venue_name(event.tag),
            state: super::names::link_name(event.code).to_string(),
            number: event.id,
            ..Change::default()
        },
        Kind::VENUE_ORDER => Change {
            scope: venue_name(event.tag),
            note: format!(
                "{} {} @ {} {}",
                event.side().name(),
                names.quantity(event.instrument, event.quantity),
                names.price(event.instrument, event.price),
                order_id(event.id)
            ),
            ..Change::default()
        },
        Kind::VENUE_BALANCE => Change {
            scope: venue_name(event.tag),
            state: names.balance(event, event.price),
            number: event.id,
            ..Change::default()
        },
        _ => Change {
            measured: event.price.to_string(),
            limit: event.quantity.to_string(),
            number: event.id,
            ..Change::default()
        },
    }
}

/// A row of controls.
pub(super) fn control(event: &Event, names: &Names, around: &Around<'_>) -> Vec<Cell> {
    let change = change(event, names);
    let by = match (event.kind.is_inbound(), around.commander) {
        (true, _) => "edge".to_string(),
        (false, Some(commander)) => format!("operator {commander}"),
        (false, None) => "engine".to_string(),
    };
    let mut row: Vec<Cell> = head(event, around).into();
    row.extend([
        by.into(),
        change.scope.into(),
        names.symbol(event.instrument).into(),
        change.strategy.into(),
        change.name.into(),
        change.state.into(),
        change.before.into(),
        change.reason.into(),
        if change.code == 0 { Cell::Empty } else { Cell::Number(u64::from(change.code)) },
        change.measured.into(),
        change.limit.into(),
        change.unit.into(),
        if change.number == 0 { Cell::Empty } else { Cell::Number(change.number) },
        change.note.into(),
        causes(around),
    ]);
    row
}

/// Who gave a command, as the text before it says.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Said {
    pub(super) command: u64,
    pub(super) actor: String,
    pub(super) uid: Option<u64>,
    pub(super) role: String,
    pub(super) verb: String,
    pub(super) reason: String,
    pub(super) arguments: Option<serde_json::Value>,
}

/// A row of commands: a command, or the answer to one.
pub(super) fn command(
    event: &Event,
    names: &Names,
    (around, said): (&Around<'_>, &Said),
) -> Vec<Cell> {
    let is_answer = event.kind == Kind::ANSWER;
    let number =
        |value: i64| Cell::from(if value == 0 { String::new() } else { value.to_string() });
    let mut row: Vec<Cell> = head(event, around).into();
    row.extend([command_name(event.code).into(), event.id.into()]);
    if is_answer {
        let answer = u16::try_from(event.price).ok().and_then(AnswerCode::from_code);
        let answer = answer.map_or_else(|| event.price.to_string(), |it| it.name().to_string());
        row.extend(std::iter::repeat_n(Cell::Empty, 7));
        row.extend([
            names.symbol(event.instrument).into(),
            Cell::Number(u64::from(event.tag)),
            Cell::Empty,
            Cell::Empty,
            answer.into(),
            number(event.quantity),
            causes(around),
        ]);
        return row;
    }
    let arguments = said.arguments.as_ref().map(ToString::to_string).unwrap_or_default();
    let actor = match (said.actor.is_empty(), event.source) {
        (false, _) => said.actor.clone(),
        (true, 0) => "supervisor".to_string(),
        (true, operator) => format!("operator {operator}"),
    };
    row.extend([
        Cell::Number(u64::from(event.source)),
        actor.into(),
        said.uid.map_or(Cell::Empty, Cell::Number),
        said.role.clone().into(),
        said.verb.clone().into(),
        said.reason.clone().into(),
        arguments.into(),
        names.symbol(event.instrument).into(),
        Cell::Number(u64::from(event.tag)),
        number(event.price),
        number(event.quantity),
        Cell::Empty,
        Cell::Empty,
        Cell::Empty,
    ]);
    row
}

/// The bytes of a text record.
pub(super) fn text_of(event: &Event) -> &[u8] {
    session::text_chunk(event)
}
