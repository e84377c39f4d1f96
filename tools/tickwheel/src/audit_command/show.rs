//! `tickwheel audit show`: why an order was made, what an operator did, when a breaker tripped.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use audit::format_time;
use clap::Args;
use engine::event::{Event, Kind, TextTopic, session};
use serde_json::{Value, json};

use super::places;
use crate::explain::{self, Names};

/// Longest text of a command that is shown.
const TEXT_SIZE_BYTES_MAX: usize = 1 << 16;

/// Arguments of `tickwheel audit show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Data directory or journal directory.
    dir: PathBuf,
    /// An order (its 16 hexadecimal digits), or a record as `#1234`.
    #[arg(required_unless_present_any = ["actor", "commands", "breakers"])]
    what: Option<String>,
    /// The commands of this operator, and what became of them.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// All commands, and what became of them.
    #[arg(long)]
    commands: bool,
    /// Breakers, kills, limits, states of the gate and of strategies.
    #[arg(long)]
    breakers: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let (journal_dir, _) = places(&args.dir)?;
    let reader = journal::Reader::open(&journal_dir)?;
    if let Some(what) = &args.what {
        let sequence = sequence_of(&reader, what)?;
        return explain::run(&reader, sequence, args.json);
    }
    let names = Names::of(&reader);
    let mut told = Vec::new();
    if args.commands || args.actor.is_some() {
        tell_commands(&reader, args.actor.as_deref(), &mut told);
    }
    if args.breakers {
        let kinds = [
            Kind::BREAKER,
            Kind::KILL,
            Kind::LIMIT,
            Kind::RISK_STATE,
            Kind::STRATEGY_STATE,
            Kind::LOCK,
        ];
        let found = events(&reader).filter(|event| kinds.contains(&event.kind));
        told.extend(found.map(|event| (*event, Value::Null)));
    }
    told.sort_by_key(|(event, _)| event.sequence);
    if args.json {
        let lines: Vec<Value> = told
            .iter()
            .map(|(event, said)| {
                json!({"sequence": event.sequence, "time": format_time(event.time_ns),
                       "kind": event.kind.name(), "cause": event.cause, "words": names.line(event),
                       "said": said})
            })
            .collect();
        println!("{}", json!({ "records": lines }));
        return Ok(ExitCode::SUCCESS);
    }
    if told.is_empty() {
        println!("nothing of that kind is in this journal");
    }
    for (event, said) in &told {
        let by = if said.is_null() { String::new() } else { format!("  {}", who(said)) };
        println!("{}  {}{by}", format_time(event.time_ns), names.line(event));
    }
    Ok(ExitCode::SUCCESS)
}

fn events(reader: &journal::Reader) -> impl Iterator<Item = &Event> {
    reader.records_from(1).map(bytemuck::cast_ref)
}

/// `#1234`, or the first record of an order.
fn sequence_of(reader: &journal::Reader, what: &str) -> anyhow::Result<u64> {
    if let Some(text) = what.strip_prefix('#') {
        return text.parse().map_err(|_| anyhow!("{what}: not the number of a record"));
    }
    let id = u64::from_str_radix(what, 16)
        .ok()
        .filter(|_| what.len() == 16)
        .ok_or_else(|| anyhow!("{what}: neither an order (16 digits) nor a record (#1234)"))?;
    let birth = events(reader).find(|event| event.kind == Kind::ORDER && event.id == id);
    birth
        .map(|event| event.sequence)
        .ok_or_else(|| anyhow!("{what}: no such order in this journal"))
}

fn who(said: &Value) -> String {
    let text = |key: &str| said[key].as_str().unwrap_or("").to_string();
    let (actor, role, reason) = (text("actor"), text("role"), text("reason"));
    let role = if role.is_empty() { String::new() } else { format!(" ({role})") };
    format!("by {actor}{role}: {reason}")
}

/// Commands, each with the text that says who gave it, and their answers.
fn tell_commands(reader: &journal::Reader, actor: Option<&str>, told: &mut Vec<(Event, Value)>) {
    let mut text = Vec::new();
    let mut said = Value::Null;
    let mut numbers = Vec::new();
    for event in events(reader) {
        match event.kind {
            Kind::TEXT if event.code == TextTopic::Command as u16 => {
                if event.source == session::TEXT_FIRST {
                    text.clear();
                }
                if text.len() < TEXT_SIZE_BYTES_MAX {
                    text.extend_from_slice(session::text_chunk(event));
                }
                if event.is_last() {
                    said = serde_json::from_slice(&text).unwrap_or(Value::Null);
                }
            }
            Kind::COMMAND => {
                // The text belongs to the command that it names, and to no other.
                let its = std::mem::take(&mut said);
                let its = if its["command"].as_u64() == Some(event.id) { its } else { Value::Null };
                if actor.is_none_or(|actor| its["actor"].as_str() == Some(actor)) {
                    numbers.push(event.id);
                    told.push((*event, its));
                }
            }
            Kind::ANSWER if numbers.contains(&event.id) => told.push((*event, Value::Null)),
            _ => {}
        }
    }
}
