//! A market that knows its own truth, a machine that hears of it, and the engine's feed stage behind it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use engine::book::Book as _;
use engine::event::{BookState, Event, Kind, NO_INSTRUMENT, Side, flags, market};
use engine::feed::{Feed, FeedConfig};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::market::Market;
use engine::money::Money;
use engine::ring::{Emitter, Ring};

use super::super::config::{FeedLinkConfig, FeedPolicy, SourceConfig};
use super::super::machine::Machine;
use super::super::state::Command;
use super::super::testing::Collected;
use crate::endpoints::Endpoints;

pub(super) const MS_NS: u64 = 1_000_000;
/// When the tests begin, ns since the Unix epoch.
pub(super) const START_NS: u64 = 1_700_000_000_000_000_000;

/// Side (true is the ask), price, quantity.
type Change = (bool, i64, i64);

/// The true book: every single change ever made, so that the book at any id can be made again.
#[derive(Debug, Default)]
pub(super) struct World {
    /// The change with id `n` stands at `n - 1`.
    changes: Vec<Change>,
    /// Final id of the last update that was told.
    told_id: usize,
    pub(super) trade_id: u64,
}

pub(super) fn integers(price: i64, quantity: i64) -> String {
    format!("[\"{price}.00\",\"{quantity}.000\"]")
}

impl World {
    /// Changes one level.
    pub(super) fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(super) fn last_id(&self) -> usize {
        self.changes.len()
    }

    /// Levels of both sides at `id`.
    pub(super) fn book_at(&self, id: usize) -> [BTreeMap<i64, i64>; 2] {
        let mut sides = [BTreeMap::new(), BTreeMap::new()];
        for (is_ask, price, quantity) in &self.changes[..id] {
            let side = &mut sides[usize::from(*is_ask)];
            if *quantity == 0 {
                side.remove(price);
            } else {
                side.insert(*price, *quantity);
            }
        }
        sides
    }

    /// The next update: all changes since the last one.
    pub(super) fn update(&mut self, event_ns: u64) -> String {
        let (first, last) = (self.told_id + 1, self.last_id());
        let mut levels = [BTreeMap::new(), BTreeMap::new()];
        for (is_ask, price, quantity) in &self.changes[self.told_id..last] {
            levels[usize::from(*is_ask)].insert(*price, *quantity);
        }
        let [bids, asks] = levels
            .map(|side| side.iter().map(|(p, q)| integers(*p, *q)).collect::<Vec<_>>().join(","));
        let previous = self.told_id;
        self.told_id = last;
        let event_ms = event_ns.div_euclid(MS_NS);
        format!(
            "{{\"stream\":\"btcusdt@depth@100ms\",\"data\":{{\"e\":\"depthUpdate\",\"E\":{event_ms},\
             \"s\":\"BTCUSDT\",\"U\":{first},\"u\":{last},\"pu\":{previous},\"b\":[{bids}],\"a\":[{asks}]}}}}"
        )
    }

    /// The answer to a request for a snapshot, as of `id`.
    pub(super) fn snapshot(&self, id: usize) -> String {
        let [bids, asks] = self.book_at(id);
        let bids: Vec<String> = bids.iter().rev().map(|(p, q)| integers(*p, *q)).collect();
        let asks: Vec<String> = asks.iter().map(|(p, q)| integers(*p, *q)).collect();
        let (bids, asks) = (bids.join(","), asks.join(","));
        format!("{{\"lastUpdateId\":{id},\"bids\":[{bids}],\"asks\":[{asks}]}}")
    }

    pub(super) fn trade(&mut self, event_ns: u64) -> String {
        self.trade_id += 1;
        trade(self.trade_id, 55, event_ns)
    }
}

pub(super) fn trade(id: u64, price: i64, event_ns: u64) -> String {
    let event_ms = event_ns.div_euclid(MS_NS);
    format!(
        "{{\"stream\":\"btcusdt@trade\",\"data\":{{\"e\":\"trade\",\"E\":{event_ms},\"s\":\"BTCUSDT\",\
         \"t\":{id},\"p\":\"{price}.00\",\"q\":\"1.000\",\"T\":{event_ms},\"m\":true,\"M\":true}}}}"
    )
}

pub(super) fn quote(id: u64, bid: i64, ask: i64) -> String {
    format!(
        "{{\"stream\":\"btcusdt@bookTicker\",\"data\":{{\"u\":{id},\"s\":\"BTCUSDT\",\"b\":\"{bid}.00\",\
         \"B\":\"1.000\",\"a\":\"{ask}.00\",\"A\":\"1.000\"}}}}"
    )
}

pub(super) fn table(venue: Venue) -> InstrumentTable {
    InstrumentTable::new(vec![Instrument {
        venue,
        symbol: "BTCUSDT".to_string(),
        price_scale: 2,
        quantity_scale: 3,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }])
    .unwrap()
}

pub(super) fn config(venue: Venue, policy: FeedPolicy) -> FeedLinkConfig {
    let source = |name: &str| SourceConfig {
        name: name.to_string(),
        stream_url: "ws://127.0.0.1:9".to_string(),
        trade_url: None,
    };
    let endpoints = Endpoints::at("http://127.0.0.1:9", "ws://127.0.0.1:9", "");
    FeedLinkConfig {
        venue,
        sources: vec![source("primary"), source("fallback")],
        policy,
        mute_ns_max: [0, 0, 0],
        gate: super::super::config::GateConfig { band_ppm: 0, ..Default::default() },
        ..FeedLinkConfig::new(&endpoints)
    }
}

/// Machine, sink and engine, with a hand on every connection.
pub(super) struct Rig {
    pub(super) machine: Machine,
    pub(super) sink: Collected,
    feed: Feed,
    market: Market,
    ring: Ring,
    pub(super) now_ns: u64,
    pub(super) world: World,
    /// By line: the venue answers its subscriptions.
    pub(super) open: Vec<bool>,
    /// Tokens of snapshots that are asked for.
    pub(super) fetches: VecDeque<u64>,
    /// Id up to which the engine's book should be true.
    engine_id: i64,
    snapshot_id: Option<i64>,
    seen_count: usize,
    /// Everything told, in short: `connected`, `mute`, `gap`, `live` and so on.
    pub(super) told: Vec<String>,
    /// Commands to connections, in short.
    pub(super) ordered: Vec<String>,
    pub(super) live_check_count: u64,
    /// Connections told, in short: line and what became of it.
    pub(super) changes: Vec<String>,
}

impl Rig {
    pub(super) fn new(config: &FeedLinkConfig) -> Rig {
        let table = table(config.venue);
        let machine = Machine::new(config, &table).unwrap();
        let line_count = machine.state.lines.len();
        let mut rig = Rig {
            machine,
            sink: Collected::default(),
            feed: Feed::new(FeedConfig { stale_ns_max: u64::MAX, ..FeedConfig::default() }, &table),
            market: Market::new(1),
            ring: Ring::new(4096, 0),
            now_ns: START_NS,
            world: World::default(),
            open: vec![false; line_count],
            fetches: VecDeque::new(),
            engine_id: 0,
            snapshot_id: None,
            seen_count: 0,
            told: Vec::new(),
            ordered: Vec::new(),
            live_check_count: 0,
            changes: Vec::new(),
        };
        for price in [50, 49, 48] {
            rig.world.change((false, price, 5));
            rig.world.change((true, 110 - price, 5));
        }
        rig.machine.state.start();
        rig.settle();
        rig
    }

    /// Time passes; deadlines fire.
    pub(super) fn pass(&mut self, ns: u64) {
        self.now_ns += ns;
        self.settle();
    }

    /// Runs commands and lets the engine hear what was published.
    pub(super) fn settle(&mut self) {
        self.machine.state.on_time(self.now_ns, &mut self.sink);
        while let Some(command) = self.machine.next_command() {
            match command {
                Command::Open(line) => self.ordered.push(format!("open {line}")),
                Command::Reopen(line) => {
                    self.ordered.push(format!("reopen {line}"));
                    self.open[line] = false;
                }
                Command::Close(line) => {
                    self.ordered.push(format!("close {line}"));
                    self.open[line] = false;
                }
                Command::Send { line, text } => {
                    let id = text.rsplit_once("\"id\":").unwrap().1.trim_end_matches('}');
                    let answer = format!("{{\"result\":null,\"id\":{id}}}");
                    if self.open[line] {
                        self.machine.frame(
                            line,
                            answer.as_bytes(),
                            true,
                            self.now_ns,
                            &mut self.sink,
                        );
                    }
                }
                Command::Fetch { token, .. } => self.fetches.push_back(token),
            }
        }
        self.machine.state.on_time(self.now_ns, &mut self.sink);
        self.listen();
    }

    /// A connection opens and its subscriptions are agreed to.
    pub(super) fn open(&mut self, line: usize) {
        self.open[line] = true;
        self.machine.state.opened(line, self.now_ns);
        self.settle();
    }

    pub(super) fn cut(&mut self, line: usize) {
        self.open[line] = false;
        self.machine.state.closed(line, self.now_ns, &mut self.sink);
        self.settle();
    }

    pub(super) fn frame(&mut self, line: usize, frame: &str) {
        self.machine.frame(line, frame.as_bytes(), true, self.now_ns, &mut self.sink);
        self.settle();
    }

    /// Answers the oldest request for a snapshot with the book at `id`.
    pub(super) fn answer(&mut self, id: usize) {
        let token = self.fetches.pop_front().expect("a snapshot is asked for");
        let body = self.world.snapshot(id);
        self.machine.snapshot(token, body.as_bytes(), self.now_ns, &mut self.sink);
        self.settle();
    }

    /// A new update of the world, as a frame.
    pub(super) fn next_update(&mut self) -> String {
        let step = i64::try_from(self.world.last_id()).unwrap();
        self.world.change((false, 1 + step % 50, 1 + step));
        self.world.change((true, 60 + step % 40, 1 + step));
        self.world.update(self.now_ns)
    }

    fn listen(&mut self) {
        for place in self.seen_count..self.sink.events.len() {
            let event = self.sink.events[place];
            self.hear(event);
        }
        self.seen_count = self.sink.events.len();
    }

    fn hear(&mut self, event: Event) {
        if event.kind == Kind::FEED {
            let code = engine::event::FeedCode::from_code(event.code).unwrap();
            if event.instrument == NO_INSTRUMENT {
                self.changes.push(format!("{} {code:?}", event.id - 1).to_lowercase());
                return;
            }
            self.told.push(format!("{code:?}").to_lowercase());
        }
        if event.kind == Kind::QUARANTINE {
            self.told.push(format!("refused {} x{}", crate::refusal_name(event.code), event.tag));
            return;
        }
        if event.kind == Kind::DEPTH {
            let is_snapshot = event.has(flags::SNAPSHOT);
            self.snapshot_id = is_snapshot.then(|| market::depth_ids(&event).last);
        }
        let sequence = self.ring.begin(event);
        let event = *self.ring.get(sequence);
        let mut emitter = Emitter::new(&mut self.ring, &event);
        let mut applied_id = None;
        self.feed.apply_observed(&event, &mut self.market, &mut emitter, &mut |applied, _| {
            applied_id = Some(applied.last_id);
        });
        for sequence in sequence + 1..=self.ring.head() {
            let decision = self.ring.get(sequence);
            if decision.kind == Kind::BOOK_STATE {
                let state = BookState::from_code(u8::try_from(decision.code).unwrap()).unwrap();
                self.told.push(format!("book {}", state.name()));
            }
        }
        if event.is_last() && matches!(event.kind, Kind::DEPTH | Kind::LEVEL) {
            if let Some(id) = applied_id.or(self.snapshot_id.take()) {
                self.engine_id = id;
            }
            self.check_book();
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.market.get(0).unwrap().state == BookState::Live
    }

    /// A book that the engine believes is the true one.
    fn check_book(&mut self) {
        let entry = self.market.get(0).unwrap();
        if entry.state != BookState::Live || entry.updating {
            return;
        }
        let truth = self.world.book_at(usize::try_from(self.engine_id).unwrap());
        for (side, levels) in [Side::Buy, Side::Sell].into_iter().zip(&truth) {
            let mut got = BTreeMap::new();
            entry.book.visit(side, &mut |level| {
                got.insert(level.price.div_euclid(100), level.quantity.div_euclid(1000));
                true
            });
            assert_eq!(&got, levels, "{side:?} at {}", self.engine_id);
        }
        self.live_check_count += 1;
    }

    /// What was told since the last call.
    pub(super) fn told(&mut self) -> String {
        let mut text = String::new();
        for (place, word) in std::mem::take(&mut self.told).iter().enumerate() {
            write!(text, "{}{word}", if place == 0 { "" } else { ", " }).unwrap();
        }
        text
    }

    pub(super) fn ordered(&mut self) -> String {
        std::mem::take(&mut self.ordered).join(", ")
    }

    /// Opens the given lines and brings the book up.
    pub(super) fn bring_up(&mut self, lines: &[usize]) {
        for line in lines {
            self.open(*line);
        }
        let update = self.next_update();
        for line in lines {
            self.frame(*line, &update);
        }
        let id = self.world.last_id();
        self.answer(id);
        assert!(self.is_live(), "{:?}", self.told);
        self.told();
        self.ordered();
    }
}
