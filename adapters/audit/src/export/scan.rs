//! The reading of a journal for an export: one pass, every record once, memory independent of its length.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::event::{Event, Kind, OrderState, TextTopic, session};
use engine::feed::{Feed, FeedConfig};
use engine::market::Market;
use engine::pipeline::manifest::{Collector, Manifest};
use engine::ring::{Emitter, Ring};

use super::names::Names;
use super::rows::{self, Around, Said};
use super::sink::{Cell, Table};
use super::{Completeness, ExportError, StrategyNames};
use crate::calendar::format_time;

/// Longest chain of causes; a journal of ours has about six.
const CAUSE_COUNT_MAX: usize = 64;
/// Commands that are remembered for what follows from them.
const COMMAND_COUNT_MAX: usize = 1024;
/// Longest text of a command.
const TEXT_SIZE_BYTES_MAX: usize = 1 << 16;
/// Samples of what is incomplete.
const SAMPLE_COUNT_MAX: usize = 16;
/// Depth events kept per instrument until a snapshot comes; as the engine's own default.
const BUFFER_EVENT_COUNT_MAX: usize = 16_384;

/// The tables of an export.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) decisions: Table,
    pub(super) controls: Table,
    pub(super) commands: Table,
    pub(super) sessions: Table,
}

impl Tables {
    pub(super) fn size_bytes(&self) -> u64 {
        [&self.decisions, &self.controls, &self.commands, &self.sessions]
            .iter()
            .map(|table| table.size_bytes())
            .sum()
    }
}

/// The book as the feed stage had it, for the best prices beside a decision.
struct Books {
    feed: Feed,
    market: Market,
    ring: Ring,
}

impl Books {
    fn new(manifest: &Manifest) -> Books {
        let config =
            FeedConfig { stale_ns_max: u64::MAX, buffer_event_count_max: BUFFER_EVENT_COUNT_MAX };
        Books {
            feed: Feed::new(config, &manifest.instruments),
            market: Market::new(manifest.instruments.count()),
            ring: Ring::new(64, 0),
        }
    }

    fn apply(&mut self, event: &Event) {
        if Feed::INTEREST.contains(event.kind) {
            self.ring.begin(*event);
            let mut emitter = Emitter::new(&mut self.ring, event);
            self.feed.apply(event, &mut self.market, &mut emitter);
        }
    }
}

/// A session in progress.
#[derive(Debug)]
struct Running {
    manifest: Manifest,
    first_sequence: u64,
    start_ns: u64,
    /// Sequence and time of its orderly end.
    end: Option<(u64, u64)>,
}

/// A command that was seen: its sequence, and who gave it.
#[derive(Debug)]
struct Given {
    sequence: u64,
    actor: String,
}

pub(super) struct Scan<'a> {
    reader: &'a journal::Reader,
    strategies: StrategyNames<'a>,
    from: u64,
    collector: Collector,
    names: Names,
    books: Option<Books>,
    running: Option<Running>,
    text: Vec<u8>,
    said: Option<Said>,
    given: VecDeque<Given>,
    waiting: BTreeSet<u64>,
    last: u64,
    pub(super) kinds: BTreeMap<&'static str, u64>,
    pub(super) complete: Completeness,
    pub(super) session_count: u64,
    pub(super) first_time_ns: u64,
    pub(super) last_time_ns: u64,
}

impl std::fmt::Debug for Scan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan").field("last", &self.last).finish_non_exhaustive()
    }
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        reader: &'a journal::Reader,
        strategies: StrategyNames<'a>,
        from: u64,
    ) -> Scan<'a> {
        Scan {
            reader,
            strategies,
            from,
            collector: Collector::default(),
            names: Names::default(),
            books: None,
            running: None,
            text: Vec::new(),
            said: None,
            given: VecDeque::new(),
            waiting: BTreeSet::new(),
            last: 0,
            kinds: BTreeMap::new(),
            complete: Completeness::default(),
            session_count: 0,
            first_time_ns: 0,
            last_time_ns: 0,
        }
    }

    /// Takes the next record, from the journal's first on; rows are written from `from` on.
    pub(super) fn take(
        &mut self,
        event: &'a Event,
        tables: &mut Tables,
    ) -> Result<(), ExportError> {
        if event.sequence != self.last + 1 {
            self.complete.missing_sequences += 1;
        }
        self.last = event.sequence;
        if let Some(books) = &mut self.books {
            books.apply(event);
        }
        let is_wanted = self.from <= event.sequence;
        if is_wanted {
            if self.complete.records == 0 {
                self.first_time_ns = event.time_ns;
            }
            self.last_time_ns = event.time_ns;
            self.complete.records += 1;
            *self.kinds.entry(event.kind.name()).or_insert(0) += 1;
        }
        match event.kind {
            Kind::TEXT | Kind::INSTRUMENT => self.take_text(event)?,
            Kind::SESSION_START => self.start(event, tables)?,
            Kind::SESSION_END => {
                if let Some(running) = &mut self.running {
                    running.end = Some((event.sequence, event.time_ns));
                }
            }
            Kind::COMMAND => self.command(event, is_wanted, tables)?,
            Kind::ANSWER => {
                self.waiting.remove(&event.id);
                if is_wanted {
                    let around = self.around(event);
                    let row = rows::command(event, &self.names, (&around, &Said::default()));
                    tables.commands.write(&row)?;
                }
            }
            kind if is_wanted && rows::is_decision(kind) => self.decision(event, tables)?,
            kind if is_wanted && rows::is_control(kind) => {
                let around = self.around(event);
                tables.controls.write(&rows::control(event, &self.names, &around))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn take_text(&mut self, event: &Event) -> Result<(), ExportError> {
        if event.kind == Kind::TEXT && event.code == TextTopic::Command as u16 {
            if event.source == session::TEXT_FIRST {
                self.text.clear();
            }
            if self.text.len() < TEXT_SIZE_BYTES_MAX {
                self.text.extend_from_slice(rows::text_of(event));
            }
            if event.is_last() {
                // A text that is not what it should be leaves the command without a name, never without a row.
                self.said = serde_json::from_slice(&self.text).ok();
            }
            return Ok(());
        }
        self.collector.take(event)?;
        Ok(())
    }

    fn start(&mut self, event: &Event, tables: &mut Tables) -> Result<(), ExportError> {
        let first_sequence = self.collector.first_sequence();
        let manifest = self.collector.finish(event)?;
        self.end_session(first_sequence.saturating_sub(1), tables, "cut off")?;
        self.names = Names {
            instruments: Some(manifest.instruments.clone()),
            strategies: (self.strategies)(&manifest.config),
        };
        let mut books = Books::new(&manifest);
        books.apply(event);
        self.books = Some(books);
        let start_ns = event.time_ns;
        self.running = Some(Running { manifest, first_sequence, start_ns, end: None });
        Ok(())
    }

    /// Writes the row of the session that is over. `cut`: how it ended, if it did not say so.
    fn end_session(
        &mut self,
        last_sequence: u64,
        tables: &mut Tables,
        cut: &str,
    ) -> Result<(), ExportError> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let last_sequence = running.end.map_or(last_sequence, |(sequence, _)| sequence);
        if last_sequence < self.from {
            return Ok(());
        }
        self.session_count += 1;
        let Running { manifest, first_sequence, start_ns, end } = running;
        let symbols: Vec<&str> =
            manifest.instruments.iter().map(|(_, it)| it.symbol.as_str()).collect();
        let hash = blake3::hash(manifest.config.as_bytes());
        let row = [
            manifest.session.into(),
            manifest.mode.name().into(),
            first_sequence.into(),
            last_sequence.into(),
            start_ns.into(),
            format_time(start_ns).into(),
            end.map_or(Cell::Empty, |(_, time_ns)| time_ns.into()),
            end.map_or(Cell::Empty, |(_, time_ns)| format_time(time_ns).into()),
            if end.is_some() { "in order" } else { cut }.into(),
            manifest.build.as_str().into(),
            manifest.input.as_str().into(),
            symbols.join(" ").into(),
            self.names.strategies.join(" ").into(),
            data_encoding::HEXLOWER.encode(hash.as_bytes()).into(),
            manifest.config.as_str().into(),
        ];
        tables.sessions.write(&row)
    }

    fn command(
        &mut self,
        event: &Event,
        is_wanted: bool,
        tables: &mut Tables,
    ) -> Result<(), ExportError> {
        // The text belongs to the command that it names, and to no other.
        let said = self.said.take().filter(|said| said.command == event.id).unwrap_or_default();
        let actor = match (said.actor.is_empty(), event.source) {
            (false, _) => said.actor.clone(),
            (true, 0) => "supervisor".to_string(),
            (true, operator) => operator.to_string(),
        };
        if self.given.len() == COMMAND_COUNT_MAX {
            self.given.pop_front();
        }
        self.given.push_back(Given { sequence: event.sequence, actor });
        if !is_wanted {
            return Ok(());
        }
        self.complete.commands += 1;
        if event.id != 0 && self.waiting.len() < COMMAND_COUNT_MAX {
            self.waiting.insert(event.id);
        }
        let around = self.around(event);
        tables.commands.write(&rows::command(event, &self.names, (&around, &said)))
    }

    fn decision(&mut self, event: &Event, tables: &mut Tables) -> Result<(), ExportError> {
        let around = self.around(event);
        let row = rows::decision(event, &self.names, &around);
        let birth = u16::from(OrderState::New.code());
        let is_birth = event.kind == Kind::ORDER && event.code == birth | (birth << 8);
        let decided = !is_birth || self.is_decided(&around.causes);
        tables.decisions.write(&row)?;
        if is_birth {
            self.complete.orders += 1;
        }
        if !decided {
            self.complete.orders_without_decision += 1;
            if self.complete.samples.len() < SAMPLE_COUNT_MAX {
                self.complete.samples.push(event.sequence);
            }
        }
        Ok(())
    }

    /// An order is decided when it comes from a verdict, the verdict from an intent, the intent from an input.
    fn is_decided(&self, causes: &[u64]) -> bool {
        let kind = |sequence: &u64| self.get(*sequence).map(|event| event.kind);
        let kinds: Vec<_> = causes.iter().filter_map(kind).collect();
        let [Kind::APPROVED, rest @ ..] = kinds.as_slice() else { return false };
        rest.first() == Some(&Kind::INTENT) && rest.last().is_some_and(|kind| kind.is_inbound())
    }

    fn get(&self, sequence: u64) -> Option<&'a Event> {
        self.reader.get(sequence).map(bytemuck::cast_ref)
    }

    fn around<'b>(&'b self, event: &Event) -> Around<'b> {
        let mut around = Around {
            session: self.running.as_ref().map_or(0, |running| running.manifest.session),
            cause: self.get(event.cause),
            ..Around::default()
        };
        let mut next = event.cause;
        while next != 0 && around.causes.len() < CAUSE_COUNT_MAX {
            around.causes.push(next);
            let Some(cause) = self.get(next) else { break };
            if cause.kind.is_inbound() {
                around.input = Some(cause);
            }
            next = cause.cause;
        }
        if let Some(input) = around.input.filter(|input| input.kind == Kind::COMMAND) {
            let given = self.given.iter().rev().find(|given| given.sequence == input.sequence);
            around.commander = given.map(|given| given.actor.as_str());
        }
        let market = self.books.as_ref().and_then(|books| books.market.get(event.instrument));
        around.top = market.map(|market| market.top);
        around
    }

    /// Ends the last session, and sums up what is incomplete.
    pub(super) fn finish(&mut self, live: bool, tables: &mut Tables) -> Result<(), ExportError> {
        let last = self.last;
        self.end_session(last, tables, if live { "running" } else { "cut off" })?;
        self.complete.commands_without_answer =
            u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}
