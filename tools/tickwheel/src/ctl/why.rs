//! `tickwheel ctl why`: a refusal in words and numbers, or the life of an order. Reads the journal, so it works of a dead
//! engine too.

use std::process::ExitCode;

use anyhow::anyhow;
use engine::event::session::{TEXT_FIRST, text_chunk};
use engine::event::{Event, Kind, TextTopic};
use engine::money::format_scaled;
use engine::risk::{Rule, Unit};
use operator::command::order_id;
use serde_json::{Value, json};

use super::Common;
use super::ask::data_dir;
use crate::explain::{self, Names};
use crate::{exit, session};

/// Runs the command.
pub(super) fn run(common: &Common, what: &str) -> anyhow::Result<ExitCode> {
    let dir = session::existing_journal_dir(&data_dir(common))?;
    let reader = journal::Reader::open(&dir)?;
    let Some(sequence) = find(&reader, what)? else {
        if common.json {
            println!("{}", json!({ "found": false, "what": what }));
        } else {
            println!("nothing was refused");
        }
        return Ok(ExitCode::from(exit::NO));
    };
    let event = get(&reader, sequence).ok_or_else(|| {
        anyhow!("there is no record {sequence}: the last one is {}", reader.last_sequence())
    })?;
    match event.kind {
        Kind::REFUSED => refusal(&reader, &event, common.json),
        Kind::COMMAND | Kind::ANSWER => command(&reader, &event, common.json),
        _ => return explain::run(&reader, sequence, common.json),
    }
    Ok(ExitCode::from(exit::GOOD))
}

fn get(reader: &journal::Reader, sequence: u64) -> Option<Event> {
    reader.get(sequence).map(|record| *bytemuck::cast_ref(record))
}

/// The record that is asked about; `None` when nothing was ever refused.
fn find(reader: &journal::Reader, what: &str) -> anyhow::Result<Option<u64>> {
    if what == "last" {
        let is_refused = |sequence: &u64| {
            get(reader, *sequence).is_some_and(|event| event.kind == Kind::REFUSED)
        };
        return Ok((1..=reader.last_sequence()).rev().find(is_refused));
    }
    if let Some(number) = what.strip_prefix('#') {
        let sequence = number.parse().map_err(|_| anyhow!("{what}: no record number"))?;
        return Ok(Some(sequence));
    }
    let id = order_id(what).map_err(|why| {
        anyhow!("{what}: must be an order id, #SEQUENCE of a record, or last ({why})")
    })?;
    let of_order =
        |event: &Event| event.id == id && matches!(event.kind, Kind::ORDER | Kind::REFUSED);
    let all = reader.records_from(1).map(|record| *bytemuck::cast_ref::<_, Event>(record));
    // The refusal of its change, if there is one: that is what is asked for. Else its life.
    let mut found = None;
    for event in all.filter(of_order) {
        if found.is_none() || event.kind == Kind::REFUSED {
            found = Some(event.sequence);
        }
    }
    found.map(Some).ok_or_else(|| anyhow!("the journal knows no order {what}"))
}

/// A measured value or a limit in its unit.
fn in_unit(names: &Names, event: &Event, unit: Unit, value: i64) -> String {
    match unit {
        Unit::Count => value.to_string(),
        Unit::Price => names.price(&Event { price: value, ..*event }),
        Unit::Quantity => names.quantity(&Event { quantity: value, ..*event }),
        Unit::Money => format_scaled(value, 8),
        Unit::BasisPoints => format!("{value} bps"),
        Unit::Nanoseconds => crate::report::duration_text(u64::try_from(value).unwrap_or(0)),
        Unit::Milliseconds => format!("{value} ms"),
    }
}

/// The intent that a refusal is about.
fn intent_of(reader: &journal::Reader, refused: &Event) -> Option<Event> {
    let cause = get(reader, refused.cause)?;
    let wants = [Kind::INTENT, Kind::INTENT_REPLACE, Kind::INTENT_CANCEL, Kind::PARENT];
    wants.contains(&cause.kind).then_some(cause)
}

/// Whether less of what was measured would have passed: not where it is a name, a state or a step.
fn is_amount(rule: Rule) -> bool {
    !matches!(
        rule,
        Rule::UnknownStrategy
            | Rule::UnknownInstrument
            | Rule::NotConfigured
            | Rule::MalformedIntent
            | Rule::ReplaceUnknownOrder
            | Rule::ReplacePending
            | Rule::Killed
            | Rule::Halted
            | Rule::NotPermitted
            | Rule::OffTick
            | Rule::OffLot
            | Rule::NoReference
            | Rule::ParentUnknown
            | Rule::VenueLocked
    )
}

/// What would have passed, where that is a number.
fn would_pass(
    names: &Names,
    refused: &Event,
    intent: Option<&Event>,
    rule: Rule,
) -> Option<String> {
    if !is_amount(rule) || intent.is_some_and(|it| it.kind == Kind::PARENT) {
        return None;
    }
    let over = refused.price.checked_sub(refused.quantity)?;
    let limit = in_unit(names, refused, rule.unit(), refused.quantity);
    if over <= 0 {
        return None;
    }
    let over_text = in_unit(names, refused, rule.unit(), over);
    let mut text = format!("{over_text} less would have passed (at most {limit})");
    if rule.unit() == Unit::Quantity
        && let Some(smaller) =
            intent.and_then(|it| it.quantity.checked_sub(over)).filter(|it| 0 < *it)
    {
        let smaller = names.quantity(&Event { quantity: smaller, ..*refused });
        text = format!("{text}: an order of {smaller}");
    }
    Some(text)
}

fn refusal(reader: &journal::Reader, refused: &Event, json: bool) {
    let names = Names::of(reader);
    let rule = Rule::from_code(refused.code);
    let intent = intent_of(reader, refused);
    let wanted = intent.as_ref().map(|intent| match intent.kind {
        Kind::PARENT => names.parent(intent),
        _ => names.deal(intent),
    });
    let parent = intent.filter(|it| it.kind == Kind::INTENT && it.id != 0).map(|it| it.id);
    let unit = rule.map_or(Unit::Count, Rule::unit);
    let measured = in_unit(&names, refused, unit, refused.price);
    let limit = in_unit(&names, refused, unit, refused.quantity);
    let passes = rule.and_then(|rule| would_pass(&names, refused, intent.as_ref(), rule));
    let name = rule.map_or("unknown rule", Rule::name);
    if json {
        println!(
            "{:#}",
            json!({
                "found": true, "sequence": refused.sequence, "time_ns": refused.time_ns,
                "strategy": names.strategy(refused.source), "instrument": names.symbol(refused.instrument),
                "wanted": wanted, "rule": name, "code": refused.code, "unit": unit.name(),
                "measured": measured, "limit": limit, "would_pass": passes, "parent": parent,
                "why": rule.map(Rule::why), "config": rule.map(Rule::key), "tune": rule.map(Rule::tune),
            })
        );
        return;
    }
    println!(
        "#{}: {} wanted to {} {}, and was refused by the rule {name} (code {}).",
        refused.sequence,
        names.strategy(refused.source),
        wanted.unwrap_or_else(|| "act".to_string()),
        names.symbol(refused.instrument),
        refused.code
    );
    println!("  measured {measured}, limit {limit} ({})", unit.name());
    if let Some(parent) = parent {
        println!("  a child of parent {parent}");
    }
    if let Some(passes) = passes {
        println!("  {passes}");
    }
    if let Some(rule) = rule {
        println!("  why:    {}", rule.why());
        println!("  set by: {}", rule.key());
        println!("  tuning: {}", rule.tune());
    }
}

/// Who gave a command, why, and what became of it.
fn command(reader: &journal::Reader, event: &Event, json: bool) {
    let all = || reader.records_from(1).map(|record| *bytemuck::cast_ref::<_, Event>(record));
    let of_it = |it: &Event| {
        it.id == event.id && event.id != 0 && matches!(it.kind, Kind::COMMAND | Kind::ANSWER)
    };
    let told: Vec<Event> = if event.id == 0 { vec![*event] } else { all().filter(of_it).collect() };
    let given = told.first().filter(|it| it.kind == Kind::COMMAND).and_then(|it| said(reader, it));
    let names = Names::of(reader);
    let lines: Vec<String> = told.iter().map(|it| names.line(it)).collect();
    if json {
        println!(
            "{:#}",
            json!({ "found": true, "command": event.id, "given": given, "records": lines })
        );
        return;
    }
    match &given {
        Some(given) => println!(
            "{} ({}, uid {}) asked for {}: {}",
            given["actor"].as_str().unwrap_or("?"),
            given["role"].as_str().unwrap_or("?"),
            given["uid"],
            given["verb"].as_str().unwrap_or("?"),
            given["reason"].as_str().unwrap_or("")
        ),
        None => println!("The engine's own supervisor:"),
    }
    for line in lines {
        println!("  {line}");
    }
}

/// The text that stands right before a command.
fn said(reader: &journal::Reader, command: &Event) -> Option<Value> {
    let mut chunks = Vec::new();
    let mut sequence = command.sequence;
    loop {
        sequence = sequence.checked_sub(1)?;
        let event = get(reader, sequence)?;
        if !event.kind.is_inbound() {
            // What the engine says of itself in between, such as the hash of its state.
            continue;
        }
        if event.kind != Kind::TEXT || event.code != TextTopic::Command as u16 {
            return None;
        }
        chunks.push(text_chunk(&event).to_vec());
        if event.source == TEXT_FIRST {
            break;
        }
    }
    chunks.reverse();
    serde_json::from_slice(&chunks.concat()).ok()
}
