//! Everything the feed link knows, without sockets: symbols, connections, sources. What is to be done outside
//! comes out as commands.
//!
//! ```text
//!   source (primary, fallback)     a whole copy of the market data
//!     leg                          one URL, some symbols, some streams
//!       two lines                  the connection in use, and its successor while they overlap
//! ```

use std::collections::VecDeque;
use std::ops::Range;

use engine::event::{FeedCode, NO_INSTRUMENT, market};
use engine::instrument::{InstrumentIndex, InstrumentTable};

use super::FeedSink;
use super::config::{FeedConfigError, FeedLinkConfig, FeedPolicy, Stream};
use super::gate::Gate;
use super::line::Line;
use super::refused::Refused;
use super::status::SourceCounts;
use super::symbol::Symbol;
use super::sync::{BookSync, SyncConfig};
use crate::endpoints::combined_stream_url;

/// Changes of connections that wait for room in the ring; beyond it the oldest go. Arbitrary.
const CHANGE_COUNT_MAX: usize = 256;

/// What the driver must do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Connect this line and keep it connected.
    Open(usize),
    /// Drop its connection and make another.
    Reopen(usize),
    /// Drop its connection for good.
    Close(usize),
    /// Send a text on it.
    Send { line: usize, text: String },
    /// Ask for a snapshot of a symbol.
    Fetch { place: usize, token: u64 },
}

/// One URL of one source, with some symbols.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) source: usize,
    pub(super) url: String,
    /// By [`Stream`].
    pub(super) streams: [bool; 3],
    pub(super) places: Range<usize>,
    /// 0 or 1: which of its two lines is in use.
    pub(super) current: usize,
    /// The other line is being made the successor.
    pub(super) has_next: bool,
}

/// A copy of the market data.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) counts: SourceCounts,
    pub(super) is_healthy: bool,
    pub(super) healthy_since_ns: u64,
    /// Messages in a row that came late.
    pub(super) late_count: u32,
}

/// The whole state.
#[derive(Debug)]
pub(super) struct State {
    pub(super) config: FeedLinkConfig,
    pub(super) symbols: Vec<Symbol>,
    /// By instrument.
    places: Vec<Option<usize>>,
    pub(super) sources: Vec<Source>,
    pub(super) legs: Vec<Leg>,
    /// Two for each leg: `2 * leg` and `2 * leg + 1`.
    pub(super) lines: Vec<Line>,
    /// Source that is believed under [`FeedPolicy::Failover`].
    pub(super) active: usize,
    pub(super) switch_count: u64,
    pub(super) gate: Gate,
    pub(super) refused: Refused,
    pub(super) commands: VecDeque<Command>,
    /// Changes of connections that the core has not been told yet: line and what became of it.
    pub(super) changes: VecDeque<(usize, FeedCode)>,
    /// Changes for which there was no room.
    pub(super) change_lost_count: u64,
    pub(super) frame_count: u64,
    pub(super) fetch_token: u64,
    pub(super) fetch_count: usize,
    /// When the sweep has something to do next.
    pub(super) wake_ns: u64,
    pub(super) mute_check_ns: u64,
}

impl State {
    pub(super) fn new(
        config: &FeedLinkConfig,
        table: &InstrumentTable,
    ) -> Result<State, FeedConfigError> {
        config.check()?;
        let sync = SyncConfig {
            first_update_ns_max: config.first_update_ns_max,
            retry_ns_min: config.snapshot_retry_ns_min,
            retry_ns_max: config.snapshot_retry_ns_max,
            waiting_event_count_max: config.engine_buffer_event_count_max / 2,
        };
        let mut places = vec![None; table.count()];
        let mut symbols = Vec::new();
        for (index, instrument) in table.iter().filter(|(_, one)| one.venue == config.venue) {
            places[usize::from(index)] = Some(symbols.len());
            let seed = config.seed.wrapping_add(u64::from(index));
            let sync = BookSync::new(config.venue, sync, seed);
            symbols.push(Symbol::new(index, &instrument.symbol, sync));
        }
        if symbols.is_empty() {
            return Err(FeedConfigError::NoInstrument { venue: config.venue.name() });
        }
        let legs = legs(config, symbols.len());
        let lines = (legs.iter().flat_map(|leg| [leg, leg]))
            .map(|leg| {
                let names = stream_names(config, &symbols, leg);
                Line::new(symbols.len(), &names, config.streams_per_message_max)
            })
            .collect();
        let source = |name: &String| Source {
            name: name.clone(),
            counts: SourceCounts::default(),
            is_healthy: false,
            healthy_since_ns: 0,
            late_count: 0,
        };
        Ok(State {
            gate: Gate::new(config.gate, symbols.len()),
            refused: Refused::new(config.quarantine_ns_min, config.producer),
            sources: config
                .sources
                .iter()
                .map(|source_config| source(&source_config.name))
                .collect(),
            symbols,
            places,
            legs,
            lines,
            active: 0,
            switch_count: 0,
            commands: VecDeque::new(),
            changes: VecDeque::with_capacity(CHANGE_COUNT_MAX),
            change_lost_count: 0,
            frame_count: 0,
            fetch_token: 0,
            fetch_count: 0,
            wake_ns: 0,
            mute_check_ns: 0,
            config: config.clone(),
        })
    }

    /// Connects what the policy wants connected.
    pub(super) fn start(&mut self) {
        for leg in 0..self.legs.len() {
            let is_wanted =
                self.config.policy != FeedPolicy::PrimaryOnly || self.legs[leg].source == 0;
            if is_wanted {
                self.open(2 * leg);
            }
        }
    }

    /// Place of an instrument's symbol.
    pub(super) fn place_of(&self, instrument: InstrumentIndex) -> Option<usize> {
        self.places.get(usize::from(instrument)).copied().flatten()
    }

    /// Leg of a line.
    pub(super) fn leg_of(&self, line: usize) -> &Leg {
        &self.legs[line.div_euclid(2)]
    }

    /// Whether what a line says is believed.
    pub(super) fn is_believed(&self, line: usize) -> bool {
        match self.config.policy {
            FeedPolicy::PrimaryOnly | FeedPolicy::Failover => {
                self.leg_of(line).source == self.active
            }
            FeedPolicy::BetterOfAll => true,
        }
    }

    /// Whether a line carries a stream of a symbol.
    pub(super) fn covers(&self, line: usize, place: usize, stream: Stream) -> bool {
        let leg = self.leg_of(line);
        leg.streams[stream.place()] && leg.places.contains(&place)
    }

    /// The stream that decides whether a symbol is up.
    pub(super) fn anchor(&self) -> Stream {
        let anchors = [Stream::Depth, Stream::Quote, Stream::Trade];
        anchors.into_iter().find(|stream| self.config.has(*stream)).unwrap_or(Stream::Depth)
    }

    /// The core shall hear what became of a connection.
    pub(super) fn note_change(&mut self, line: usize, code: FeedCode) {
        if self.changes.len() == CHANGE_COUNT_MAX {
            self.changes.pop_front();
            self.change_lost_count += 1;
        }
        self.changes.push_back((line, code));
        self.wake_at(0);
    }

    /// Tells it: FEED events without an instrument, whose `id` is the number of the connection from 1.
    /// False when there was no room.
    pub(super) fn tell_changes(&mut self, now_ns: u64, sink: &mut impl FeedSink) -> bool {
        while let Some((line, code)) = self.changes.front().copied() {
            let mut event = market::feed(NO_INSTRUMENT, code, 0).at(now_ns);
            event.source = self.config.producer;
            event.id = u64::try_from(line + 1).unwrap_or(u64::MAX);
            if !sink.control(&event) {
                return false;
            }
            self.changes.pop_front();
        }
        true
    }

    /// The sweep must run at that time or before.
    pub(super) fn wake_at(&mut self, at_ns: u64) {
        self.wake_ns = self.wake_ns.min(at_ns);
    }
}

/// One leg for each source, URL and share of the symbols.
fn legs(config: &FeedLinkConfig, symbol_count: usize) -> Vec<Leg> {
    let mut legs = Vec::new();
    for (source, urls) in config.sources.iter().enumerate() {
        let all = Stream::ALL.map(|stream| config.has(stream));
        let [depth, trade, quote] = all;
        let routes = match &urls.trade_url {
            None => vec![(&urls.stream_url, all)],
            Some(trade_url) => {
                vec![(&urls.stream_url, [depth, false, quote]), (trade_url, [false, trade, false])]
            }
        };
        for (url, streams) in routes.into_iter().filter(|(_, streams)| streams.contains(&true)) {
            let mut start = 0;
            while start < symbol_count {
                let end = symbol_count.min(start + config.symbols_per_connection_max);
                legs.push(Leg {
                    source,
                    url: combined_stream_url(url),
                    streams,
                    places: start..end,
                    current: 0,
                    has_next: false,
                });
                start = end;
            }
        }
    }
    legs
}

/// Names of the streams of a leg.
fn stream_names(config: &FeedLinkConfig, symbols: &[Symbol], leg: &Leg) -> Vec<String> {
    let mut names = Vec::new();
    for symbol in &symbols[leg.places.clone()] {
        let lower = symbol.name.to_ascii_lowercase();
        let streams = Stream::ALL.into_iter().filter(|stream| leg.streams[stream.place()]);
        names.extend(streams.map(|stream| format!("{lower}{}", stream.suffix(config.venue))));
    }
    names
}
