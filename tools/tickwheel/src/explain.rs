//! Records in words, and the life of an order told from market event to fill.

mod control;

use std::process::ExitCode;

use anyhow::anyhow;
use engine::event::{
    BalanceCode, BookState, DifferenceCode, Event, FeeCode, FeedCode, Kind, LinkCode, LockReason,
    NO_INSTRUMENT, NO_STRATEGY, OrderState, OrderTerms, OrderType, PullReason, ReportCode,
    TimeInForce, flags,
};
use engine::instrument::{InstrumentTable, Venue};
use engine::money::{EVENT_MONEY_SCALE, format_scaled};
use engine::pipeline::manifest::Collector;
use engine::risk::Rule;
use engine::strategy::host::why;
use serde_json::json;

/// One record in words, numbers in units of the instrument's scales.
pub(crate) fn words(event: &Event) -> String {
    Names::default().line(event)
}

/// The fields in which two records differ: name, value in the first, value in the second.
pub(crate) fn differences(left: &Event, right: &Event) -> Vec<(&'static str, String, String)> {
    let fields = |event: &Event| {
        [
            ("sequence", event.sequence.to_string()),
            ("cause", event.cause.to_string()),
            ("time_ns", event.time_ns.to_string()),
            ("kind", event.kind.name().to_string()),
            ("flags", format!("{:#04x}", event.flags)),
            ("instrument", event.instrument.to_string()),
            ("source", event.source.to_string()),
            ("code", event.code.to_string()),
            ("price", event.price.to_string()),
            ("quantity", event.quantity.to_string()),
            ("id", event.id.to_string()),
            ("tag", event.tag.to_string()),
        ]
    };
    fields(left)
        .into_iter()
        .zip(fields(right))
        .filter(|((_, left), (_, right))| left != right)
        .map(|((name, left), (_, right))| (name, left, right))
        .collect()
}

/// The configuration of the last session of a journal.
pub(crate) fn last_config(reader: &journal::Reader) -> Option<config::Config> {
    let mut collector = Collector::default();
    let mut last = None;
    for record in reader.records_from(1) {
        let event: &Event = bytemuck_cast(record);
        if event.kind == Kind::SESSION_START {
            last = collector.finish(event).ok().or(last);
        } else if collector.take(event).is_err() {
            break;
        }
    }
    config::Config::parse(&last?.config, "journal").ok()
}

/// Names and scales for telling records.
#[derive(Debug, Default)]
pub(crate) struct Names {
    instruments: Option<InstrumentTable>,
    strategies: Vec<String>,
}

impl Names {
    /// Names of the last session of a journal; empty when there is none.
    pub(crate) fn of(reader: &journal::Reader) -> Names {
        let mut collector = Collector::default();
        let mut names = Names::default();
        for record in reader.records_from(1) {
            let event: &Event = bytemuck_cast(record);
            if event.kind == Kind::SESSION_START {
                let Ok(manifest) = collector.finish(event) else { continue };
                let config = config::Config::parse(&manifest.config, "journal").ok();
                names.instruments = Some(manifest.instruments);
                names.strategies = config
                    .map(|config| config.strategy.iter().map(|s| s.name().to_string()).collect())
                    .unwrap_or_default();
            } else if collector.take(event).is_err() {
                break;
            }
        }
        names
    }

    pub(crate) fn symbol(&self, index: u16) -> String {
        if index == NO_INSTRUMENT {
            return String::new();
        }
        let known = self.instruments.as_ref().and_then(|table| table.get(index));
        known.map_or_else(|| format!("instrument {index}"), |i| i.symbol.clone())
    }

    pub(crate) fn strategy(&self, source: u16) -> String {
        if source == NO_STRATEGY {
            return String::new();
        }
        let known = self.strategies.get(usize::from(source)).cloned();
        let is_own = !self.strategies.is_empty() && usize::from(source) == self.strategies.len();
        known.unwrap_or_else(|| {
            // The row after the last strategy holds what operators ordered themselves.
            if is_own { "operators".to_string() } else { format!("strategy {source}") }
        })
    }

    pub(crate) fn price(&self, event: &Event) -> String {
        let table = self.instruments.as_ref();
        match table.and_then(|table| table.get(event.instrument)) {
            Some(instrument) => format_scaled(event.price, instrument.price_scale),
            None => event.price.to_string(),
        }
    }

    pub(crate) fn quantity(&self, event: &Event) -> String {
        let table = self.instruments.as_ref();
        match table.and_then(|table| table.get(event.instrument)) {
            Some(instrument) => format_scaled(event.quantity, instrument.quantity_scale),
            None => event.quantity.to_string(),
        }
    }

    /// `sell 0.5 @ 61824.01`
    pub(crate) fn deal(&self, event: &Event) -> String {
        format!("{} {} @ {}", event.side().name(), self.quantity(event), self.price(event))
    }

    /// One record on one line.
    pub(crate) fn line(&self, event: &Event) -> String {
        let cause = if event.cause == 0 {
            String::new()
        } else {
            format!(" (because of #{})", event.cause)
        };
        let symbol = self.symbol(event.instrument);
        let body = self.body(event);
        let blank = if symbol.is_empty() || event.kind == Kind::TEXT { "" } else { " " };
        let symbol = if event.kind == Kind::TEXT { String::new() } else { symbol };
        format!("#{} {}{blank}{symbol}: {body}{cause}", event.sequence, event.kind.name())
    }

    fn body(&self, event: &Event) -> String {
        match event.kind {
            Kind::DEPTH => format!(
                "{} levels, updates {} to {}{}",
                event.tag,
                event.price,
                event.id,
                if event.has(flags::SNAPSHOT) { ", snapshot" } else { "" }
            ),
            Kind::LEVEL | Kind::QUOTE | Kind::TRADE => self.deal(event),
            Kind::FEED => feed(event),
            Kind::REPORT => {
                let report = ReportCode::from_code(event.code);
                let code = report.map_or("unknown", ReportCode::name);
                let terms = match report {
                    Some(ReportCode::Filled) => format!(", {}", self.deal(event)),
                    Some(ReportCode::Replaced) => {
                        format!(", now {} @ {}", self.quantity(event), self.price(event))
                    }
                    Some(ReportCode::Working) => format!(", {} traded", self.quantity(event)),
                    _ if event.tag != 0 => format!(", venue code {}", event.tag),
                    _ => String::new(),
                };
                format!("venue says {code}: order {:016x}{terms}", event.id)
            }
            Kind::REPORT_DETAIL => {
                let fee = match FeeCode::from_code(event.code) {
                    Some(FeeCode::Account) => money(event.quantity),
                    Some(FeeCode::InKind) => format!("{} in kind", self.quantity(event)),
                    Some(FeeCode::Foreign) | None => {
                        format!("{} of another asset", money(event.quantity))
                    }
                };
                format!("fee {fee}, execution {}", event.id)
            }
            Kind::COMMAND => control::command(event, &|source| self.strategy(source), &|index| {
                self.symbol(index)
            }),
            Kind::SESSION_START | Kind::SESSION_END => format!("session {}", event.id),
            Kind::TEXT => {
                String::from_utf8_lossy(engine::event::session::text_chunk(event)).into_owned()
            }
            Kind::QUARANTINE => {
                format!("line {} put aside: {}", event.id, binance::refusal_name(event.code))
            }
            Kind::CLOCK => format!("time {}", event.time_ns),
            Kind::LINK | Kind::VENUE_ORDER | Kind::VENUE_BALANCE => self.link(event),
            _ => self.decision(event),
        }
    }

    /// What a venue's side of a link is.
    fn link(&self, event: &Event) -> String {
        let pull = |code: LinkCode| match code {
            LinkCode::Up | LinkCode::Down => String::new(),
            LinkCode::PullBegin | LinkCode::PullEnd | LinkCode::PullFailed => {
                format!(" {}", event.id)
            }
        };
        match event.kind {
            Kind::LINK => {
                let code = LinkCode::from_code(event.code);
                let name = code.map_or("unknown", LinkCode::name);
                format!("{} is {name}{}", venue_name(event), code.map_or(String::new(), pull))
            }
            Kind::VENUE_ORDER => {
                format!("venue works {}: {}", order_name(event), self.deal(event))
            }
            _ => format!(
                "{} has {} of asset {}",
                venue_name(event),
                self.balance(event, event.price),
                event.id
            ),
        }
    }

    /// An amount in the unit that `BalanceCode` names.
    fn balance(&self, event: &Event, amount: i64) -> String {
        match BalanceCode::from_code(event.code) {
            Some(BalanceCode::Base) => self.quantity(&Event { quantity: amount, ..*event }),
            Some(BalanceCode::Quote) => money(amount),
            None => amount.to_string(),
        }
    }

    /// What the reconciler decides.
    fn agreement(&self, event: &Event) -> String {
        let venue = venue_name(event);
        match event.kind {
            Kind::LOCK => {
                let reason = u16::try_from(event.price).ok().and_then(LockReason::from_code);
                let reason = reason.map_or("unknown", LockReason::name);
                if event.code == 0 {
                    format!("{venue} is open again, {} differences told", event.quantity)
                } else {
                    format!("{venue} is locked: {reason}")
                }
            }
            Kind::SEND_PULL => {
                let reason = PullReason::from_code(event.code).map_or("unknown", PullReason::name);
                format!("to {venue}: tell everything, pull {} ({reason})", event.id)
            }
            Kind::BASELINE => format!(
                "{} of asset {} at {venue} is not our doing, before {}",
                self.balance(event, event.quantity),
                event.id,
                self.balance(event, event.price)
            ),
            _ => self.difference(event, venue),
        }
    }

    fn difference(&self, event: &Event, venue: &str) -> String {
        let Some(code) = DifferenceCode::from_code(event.code) else {
            return format!("unknown difference {}", event.code);
        };
        let text = |value: i64| match code {
            DifferenceCode::OrderPrice => self.price(&Event { price: value, ..*event }),
            DifferenceCode::BalanceQuote => money(value),
            DifferenceCode::OrderMissing
            | DifferenceCode::OrderQuantity
            | DifferenceCode::OrderTraded
            | DifferenceCode::OrderStrange
            | DifferenceCode::OrderForgotten
            | DifferenceCode::BalanceBase => self.quantity(&Event { quantity: value, ..*event }),
        };
        let what = match code {
            DifferenceCode::BalanceBase | DifferenceCode::BalanceQuote => {
                format!("asset {}", event.id)
            }
            DifferenceCode::OrderMissing
            | DifferenceCode::OrderPrice
            | DifferenceCode::OrderQuantity
            | DifferenceCode::OrderTraded
            | DifferenceCode::OrderStrange
            | DifferenceCode::OrderForgotten => order_name(event),
        };
        format!(
            "{} of {what} at {venue}: ours {}, the venue's {}{}",
            code.name(),
            text(event.price),
            text(event.quantity),
            if event.has(flags::FINAL) { ", after every attempt" } else { "" }
        )
    }

    fn decision(&self, event: &Event) -> String {
        let who = self.strategy(event.source);
        match event.kind {
            Kind::BOOK_STATE => {
                let state = u8::try_from(event.code).ok().and_then(BookState::from_code);
                let name = state.map_or("unknown", BookState::name);
                format!("book is {name} (reason {})", event.tag)
            }
            Kind::SIGNAL => format!(
                "{who} sees signal {} with {}, {}, {}",
                event.code,
                event.price,
                event.quantity,
                event.id.cast_signed()
            ),
            Kind::INTENT => format!("{who} wants to {} ({})", self.deal(event), terms(event)),
            Kind::INTENT_CANCEL => format!("{who} wants order {:016x} cancelled", event.id),
            Kind::INTENT_REPLACE => {
                format!("{who} wants order {:016x} to be {}", event.id, self.deal(event))
            }
            Kind::APPROVED => format!("risk lets {who} {}", self.deal(event)),
            Kind::APPROVED_CANCEL => format!("risk lets {who} cancel {:016x}", event.id),
            Kind::APPROVED_REPLACE => {
                format!("risk lets {who} change {:016x} to {}", event.id, self.deal(event))
            }
            Kind::REFUSED => format!(
                "risk refuses {who}: {} measured {}, limit {}",
                rule_name(event.code),
                event.price,
                event.quantity
            ),
            _ => self.outcome(event, &who),
        }
    }

    /// What became of orders, and of the engine itself.
    fn outcome(&self, event: &Event, who: &str) -> String {
        match event.kind {
            Kind::ORDER => format!(
                "order {:016x} of {who}: {} -> {}, {} {} left @ {}",
                event.id,
                state_name(event.code >> 8),
                state_name(event.code & 0xff),
                event.side().name(),
                self.quantity(event),
                self.price(event)
            ),
            Kind::FILL => format!(
                "order {:016x} of {who}: {}{}{}",
                event.id,
                self.deal(event),
                if event.has(flags::IN_KIND) {
                    ", the fee in kind"
                } else if event.has(flags::MAKER) {
                    ", maker"
                } else {
                    ", taker"
                },
                if event.has(flags::LATE) { ", late" } else { "" }
            ),
            Kind::FEE => format!("fee {}, execution {}", money(event.quantity), event.id),
            Kind::POSITION => {
                format!("{who} now holds {}, realised {}", self.quantity(event), money(event.price))
            }
            Kind::SEND_NEW => {
                format!(
                    "to the venue: order {:016x}, {} ({})",
                    event.id,
                    self.deal(event),
                    terms(event)
                )
            }
            Kind::SEND_CANCEL => format!("to the venue: cancel {:016x}", event.id),
            Kind::SEND_REPLACE => {
                format!("to the venue: change {:016x} to {}", event.id, self.deal(event))
            }
            Kind::SEND_QUERY => format!("to the venue: what became of {:016x}?", event.id),
            Kind::WITHHELD => format!("dry run kept back order {:016x}", event.id),
            Kind::STRATEGY_STATE => format!(
                "{who} is {} (reason {})",
                if event.code == 1 { "enabled" } else { "disabled" },
                strategy_why(event.tag)
            ),
            Kind::RISK_STATE => control::risk_state(event),
            Kind::LIMIT => {
                let table = self.instruments.as_ref();
                let instrument = table.and_then(|table| table.get(event.instrument));
                control::limit(event, who, instrument.map_or(0, |it| it.quantity_scale))
            }
            Kind::STATE_HASH => format!(
                "{:016x} after {} inbound events, state {:016x}",
                event.price, event.id, event.quantity
            ),
            Kind::ANOMALY => format!(
                "anomaly {} of {who}, order {:016x}, measured {}, limit {}",
                event.code, event.id, event.price, event.quantity
            ),
            Kind::LOCK | Kind::SEND_PULL | Kind::BASELINE | Kind::DIFFERENCE => {
                self.agreement(event)
            }
            _ => {
                control::words(event, &|source| self.strategy(source), &|index| self.symbol(index))
                    .unwrap_or_else(|| format!("{event:?}"))
            }
        }
    }
}

/// Why a strategy was switched.
fn strategy_why(tag: u32) -> String {
    match tag {
        why::PANIC => "panic".to_string(),
        why::OPERATOR | why::ENABLED => "operator".to_string(),
        other => other.to_string(),
    }
}

/// The venue in `tag`.
fn venue_name(event: &Event) -> &'static str {
    let venue = u8::try_from(event.tag).ok().and_then(Venue::from_code);
    venue.map_or("an unknown venue", Venue::name)
}

/// Our order, or one of the venue's own.
fn order_name(event: &Event) -> String {
    if event.has(flags::STRANGER) {
        format!("strange order {}", event.id)
    } else {
        format!("order {:016x}", event.id)
    }
}

fn bytemuck_cast(record: &journal::Record) -> &Event {
    bytemuck::cast_ref(record)
}

fn money(value_e8: i64) -> String {
    format_scaled(value_e8, EVENT_MONEY_SCALE)
}

fn state_name(code: u16) -> &'static str {
    u8::try_from(code).ok().and_then(OrderState::from_code).map_or("-", OrderState::name)
}

fn rule_name(code: u16) -> &'static str {
    Rule::from_code(code).map_or("unknown rule", Rule::name)
}

fn terms(event: &Event) -> String {
    let Some(terms) = OrderTerms::from_code(event.code) else { return "?".to_string() };
    let order_type = match terms.order_type {
        OrderType::Limit => "limit",
        OrderType::Market => "market",
    };
    let time_in_force = match terms.time_in_force {
        TimeInForce::Gtc => "gtc",
        TimeInForce::Ioc => "ioc",
        TimeInForce::Fok => "fok",
    };
    let post_only = if event.has(flags::POST_ONLY) { ", post-only" } else { "" };
    format!("{order_type} {time_in_force}{post_only}")
}

/// Whether `id` of this kind of record is an order id.
fn order_id_of(event: &Event) -> Option<u64> {
    let names_order = matches!(
        event.kind,
        Kind::REPORT
            | Kind::INTENT_CANCEL
            | Kind::INTENT_REPLACE
            | Kind::APPROVED_CANCEL
            | Kind::APPROVED_REPLACE
            | Kind::REFUSED
            | Kind::ORDER
            | Kind::FILL
            | Kind::POSITION
            | Kind::SEND_NEW
            | Kind::SEND_CANCEL
            | Kind::SEND_REPLACE
            | Kind::SEND_QUERY
            | Kind::WITHHELD
    );
    // Of a difference in a balance the id is an asset's number, of a strange order the venue's.
    let is_balance = matches!(
        DifferenceCode::from_code(event.code),
        Some(DifferenceCode::BalanceBase | DifferenceCode::BalanceQuote)
    );
    let is_difference = event.kind == Kind::DIFFERENCE && !is_balance;
    if event.kind == Kind::VENUE_ORDER || is_difference {
        return (!event.has(flags::STRANGER) && event.id != 0).then_some(event.id);
    }
    (names_order && event.id != 0).then_some(event.id)
}

/// `tickwheel replay --explain SEQ`: the life of the order that record SEQ belongs to; for a record
/// that led to no order, what it led to.
pub(crate) fn run(reader: &journal::Reader, sequence: u64, json: bool) -> anyhow::Result<ExitCode> {
    let get = |sequence| reader.get(sequence).map(bytemuck_cast);
    let Some(start) = get(sequence) else {
        return Err(anyhow!(
            "there is no record {sequence}: the last one is {}",
            reader.last_sequence()
        ));
    };
    let names = Names::of(reader);
    let order_id = order_id_of(start).or_else(|| order_caused_by(reader, sequence));
    let mut told: Vec<Event> = Vec::new();
    match order_id {
        Some(order_id) => tell_order(reader, order_id, &mut told),
        None => tell_cascade(reader, start, &mut told),
    }
    if json {
        let lines: Vec<_> = told
            .iter()
            .map(|event| {
                json!({"sequence": event.sequence, "kind": event.kind.name(),
                       "cause": event.cause, "words": names.line(event)})
            })
            .collect();
        let order = order_id.map(|id| format!("{id:016x}"));
        println!("{}", json!({"order_id": order, "records": lines}));
        return Ok(ExitCode::SUCCESS);
    }
    match order_id {
        Some(order_id) => println!("The life of order {order_id:016x}:"),
        None => println!("Record {sequence} led to no order. What it was part of:"),
    }
    let first_ns = told.first().map_or(0, |event| event.time_ns);
    for event in &told {
        let mark = if event.sequence == sequence { ">" } else { " " };
        let since = crate::report::duration_text(event.time_ns.saturating_sub(first_ns));
        println!("{mark} {since:>9}  {}", names.line(event));
    }
    Ok(ExitCode::SUCCESS)
}

/// The records of the cascade that `sequence` is part of.
fn cascade(reader: &journal::Reader, sequence: u64) -> Vec<Event> {
    let get = |sequence| reader.get(sequence).map(bytemuck_cast);
    let mut first = sequence;
    while get(first).is_some_and(|event| !event.kind.is_inbound()) && 1 < first {
        first -= 1;
    }
    reader
        .records_from(first)
        .map(|record| *bytemuck_cast(record))
        .enumerate()
        .take_while(|(index, event)| *index == 0 || !event.kind.is_inbound())
        .map(|(_, event)| event)
        .collect()
}

fn order_caused_by(reader: &journal::Reader, sequence: u64) -> Option<u64> {
    let events = cascade(reader, sequence);
    let by_sequence = |wanted: u64| events.iter().find(|event| event.sequence == wanted);
    events
        .iter()
        .filter(|event| event.kind == Kind::ORDER)
        .find(|order| {
            let mut cause = order.cause;
            while cause != sequence {
                match by_sequence(cause) {
                    Some(event) if event.cause != 0 => cause = event.cause,
                    _ => return false,
                }
            }
            true
        })
        .map(|order| order.id)
}

fn tell_order(reader: &journal::Reader, order_id: u64, told: &mut Vec<Event>) {
    let all = || reader.records_from(1).map(|record| *bytemuck_cast(record));
    let Some(birth) = all().find(|event| event.kind == Kind::ORDER && event.id == order_id) else {
        told.extend(all().filter(|event| order_id_of(event) == Some(order_id)));
        return;
    };
    // What led to it, from the market event down.
    let mut causes = Vec::new();
    let mut cause = birth.cause;
    while let Some(event) = reader.get(cause).map(bytemuck_cast) {
        causes.push(*event);
        cause = event.cause;
    }
    causes.reverse();
    let intent = causes.iter().find(|event| event.kind == Kind::INTENT).copied();
    let signals = cascade(reader, birth.sequence).into_iter().filter(|event| {
        event.kind == Kind::SIGNAL
            && intent.is_some_and(|i| i.cause == event.cause && i.source == event.source)
    });
    told.extend(causes);
    told.extend(signals);
    told.extend(
        reader
            .records_from(birth.sequence)
            .map(|record| *bytemuck_cast(record))
            .filter(|event| order_id_of(event) == Some(order_id)),
    );
    told.sort_by_key(|event| event.sequence);
    told.dedup_by_key(|event| event.sequence);
}

fn tell_cascade(reader: &journal::Reader, start: &Event, told: &mut Vec<Event>) {
    told.extend(cascade(reader, start.sequence));
}

/// A change of a connection, or of the stream of an instrument.
fn feed(event: &Event) -> String {
    let code = FeedCode::from_code(event.code).map_or("unknown", FeedCode::name);
    match (event.instrument, event.tag) {
        (NO_INSTRUMENT, _) => format!("connection {} {code}", event.id),
        (_, 0) => code.to_string(),
        (_, lost_count) => format!("{code}, {lost_count} lost"),
    }
}
