//! The canonical workload: a seeded market on four instruments and a venue that answers orders.
//!
//! ```text
//!   70 % of turns  depth update: header and 1 to 12 levels, geometric distance from the touch
//!   15 %           best bid and offer (two events)
//!   15 %           trade
//!   every 1,000th event a clock; answers of the venue 32 events (ack) and 64 events (fill) after an order
//! ```
//! The answers are put in at a fixed distance in *events*, not in time: so the list of inbound events
//! does not depend on how fast it is played, and one state hash is right for every rate.

use std::collections::VecDeque;

use engine::event::market::{DepthIds, depth, feed, level, quote, trade};
use engine::event::order::{Execution, fill_report, report};
use engine::event::{Event, FeedCode, Kind, ReportCode, Side, session};
use engine::gateway::Outlet;
use engine::pipeline::{Edges, Fault, NoProbe, Pipeline, Recorder};

use crate::desk;

/// Events between an order and its acknowledgement.
const ACK_AFTER: u64 = 32;
/// Events between an order and its fill.
const FILL_AFTER: u64 = 64;
/// Levels of a snapshot's side.
const SNAPSHOT_LEVELS: i64 = 500;
/// Event time between two events, ns; the pace of sending is another matter.
const EVENT_NS: u64 = 1_000;
/// Event time of the first event: 2024-08-08.
const START_NS: u64 = 1_723_075_200_000_000_000;
/// A clock event comes after so many events.
const CLOCK_EVERY: u64 = 1_000;

/// Numbers from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is above zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }

    fn quantity(&mut self) -> i64 {
        1 + i64::try_from(self.below(50_000)).expect("below 50,000")
    }

    /// Distance from the touch: half of all levels within 4 ticks, a quarter within 12, ... up to 1,020.
    fn distance(&mut self) -> i64 {
        let octave = (self.next_u64() | 1 << 7).trailing_zeros();
        let step = i64::try_from(self.below(4 << octave)).expect("below 512");
        ((1 << octave) - 1) * 4 + step
    }
}

#[derive(Clone, Copy, Debug)]
struct Book {
    bid: i64,
    last_id: i64,
}

/// The market and the venue.
#[derive(Debug)]
pub struct Market {
    random: Random,
    books: Vec<Book>,
    queue: VecDeque<Event>,
    reports: VecDeque<(u64, Event)>,
    index: u64,
    trade_id: u64,
    execution_id: u64,
}

impl Market {
    /// The market of `seed`.
    pub fn new(seed: u64) -> Market {
        let book =
            |index: u16| Book { bid: 1_000_000 + i64::from(index) * 100_000, last_id: 1_000 };
        Market {
            random: Random::new(seed),
            books: (0..desk::INSTRUMENT_COUNT).map(book).collect(),
            queue: VecDeque::new(),
            reports: VecDeque::new(),
            index: 0,
            trade_id: 0,
            execution_id: 0,
        }
    }

    /// Manifest, connections and snapshots: what comes before the first measured event.
    pub fn opening(&mut self) -> Vec<Event> {
        let mut events = desk::manifest().to_events();
        for (instrument, book) in (0..).zip(&self.books) {
            events.push(feed(instrument, FeedCode::Connected, 0));
            let ids = DepthIds {
                first: book.last_id,
                last: book.last_id,
                previous: DepthIds::NO_PREVIOUS,
            };
            events.push(depth(instrument, ids, 1_000, true));
            for step in 0..SNAPSHOT_LEVELS {
                let quantity = self.random.quantity();
                events.push(level(instrument, Side::Buy, book.bid - step, quantity, false));
                let last = step + 1 == SNAPSHOT_LEVELS;
                events.push(level(instrument, Side::Sell, book.bid + 1 + step, quantity, last));
            }
        }
        events.into_iter().map(|event| event.at(START_NS)).collect()
    }

    /// The next inbound event.
    pub fn next_event(&mut self) -> Event {
        self.index += 1;
        let time_ns = START_NS + self.index * EVENT_NS;
        if let Some((due, event)) = self.reports.front().copied()
            && due <= self.index
        {
            self.reports.pop_front();
            return event.at(time_ns);
        }
        if self.index.is_multiple_of(CLOCK_EVERY) {
            return session::clock().at(time_ns);
        }
        if self.queue.is_empty() {
            self.turn();
        }
        self.queue.pop_front().expect("a turn makes at least one event").at(time_ns)
    }

    fn turn(&mut self) {
        let instrument = self.random.below(u64::from(desk::INSTRUMENT_COUNT));
        let instrument = u16::try_from(instrument).expect("an instrument index");
        match self.random.below(100) {
            0..70 => self.depth_update(instrument),
            70..85 => self.best(instrument),
            _ => self.public_trade(instrument),
        }
    }

    fn depth_update(&mut self, instrument: u16) {
        let step = 1 + i64::try_from(self.random.below(5)).expect("below 5");
        let drift = self.random.below(24);
        let count = 1 + self.random.below(12);
        let book = &mut self.books[usize::from(instrument)];
        let ids = DepthIds {
            first: book.last_id + 1,
            last: book.last_id + step,
            previous: DepthIds::NO_PREVIOUS,
        };
        book.last_id += step;
        let first = self.queue.len();
        let levels = if drift < 2 { count + 2 } else { count };
        let levels = u32::try_from(levels).expect("few levels");
        self.queue.push_back(depth(instrument, ids, levels, false));
        let quantity = self.random.quantity();
        // The touch moves by a tick: the side that gives way loses its level first.
        if drift == 0 {
            self.queue.push_back(level(instrument, Side::Sell, book.bid + 1, 0, false));
            book.bid += 1;
            self.queue.push_back(level(instrument, Side::Buy, book.bid, quantity, false));
        } else if drift == 1 {
            self.queue.push_back(level(instrument, Side::Buy, book.bid, 0, false));
            self.queue.push_back(level(instrument, Side::Sell, book.bid, quantity, false));
            book.bid -= 1;
        }
        let bid = book.bid;
        for _ in 0..count {
            let distance = self.random.distance();
            let gone = 0 < distance && self.random.below(10) < 3;
            let quantity = if gone { 0 } else { self.random.quantity() };
            let event = if self.random.below(2) == 0 {
                level(instrument, Side::Buy, bid - distance, quantity, false)
            } else {
                level(instrument, Side::Sell, bid + 1 + distance, quantity, false)
            };
            self.queue.push_back(event);
        }
        // Whichever touch the moves left bare is filled by the last level of the run.
        let quantity = self.random.quantity();
        let side = if drift == 1 { Side::Buy } else { Side::Sell };
        let price = if drift == 1 { bid } else { bid + 1 };
        if drift < 2 {
            self.queue.push_back(level(instrument, side, price, quantity, true));
            self.queue[first].tag += 1;
        } else if let Some(last) = self.queue.back_mut() {
            last.flags |= engine::event::flags::LAST;
        }
    }

    fn best(&mut self, instrument: u16) {
        let book = self.books[usize::from(instrument)];
        let id = book.last_id.cast_unsigned();
        let (bid, ask) = (self.random.quantity(), self.random.quantity());
        self.queue.push_back(quote(instrument, Side::Buy, book.bid, bid, id));
        self.queue.push_back(quote(instrument, Side::Sell, book.bid + 1, ask, id));
    }

    fn public_trade(&mut self, instrument: u16) {
        let bid = self.books[usize::from(instrument)].bid;
        self.trade_id += 1;
        let quantity = self.random.quantity();
        let event = if self.random.below(2) == 0 {
            trade(instrument, Side::Buy, bid + 1, quantity, self.trade_id)
        } else {
            trade(instrument, Side::Sell, bid, quantity, self.trade_id)
        };
        self.queue.push_back(event);
    }

    /// The venue hears of an order: it will acknowledge it and fill it in full.
    pub fn on_request(&mut self, request: &Event) {
        if request.kind != Kind::SEND_NEW {
            return;
        }
        let ack = report(request.instrument, request.id, ReportCode::Acked, 0);
        self.execution_id += 1;
        let told = fill_report(
            request.instrument,
            &Execution {
                order_id: request.id,
                side: request.side(),
                price: request.price,
                quantity: request.quantity,
                cumulative_quantity: request.quantity,
                fee_e8: 4_000,
                execution_id: self.execution_id,
                maker: false,
            },
        );
        self.schedule(self.index + ACK_AFTER, ack);
        for event in told {
            self.schedule(self.index + FILL_AFTER, event);
        }
    }

    fn schedule(&mut self, due: u64, event: Event) {
        let at = self.reports.partition_point(|(other, _)| *other <= due);
        self.reports.insert(at, (due, event));
    }
}

/// Outbound events of one event, kept for the venue.
#[derive(Debug, Default)]
pub struct Outbox {
    /// What left, in order.
    pub events: Vec<Event>,
}

impl Outlet for Outbox {
    fn offer(&mut self, event: &Event) -> bool {
        self.events.push(*event);
        true
    }
}

/// A market and an engine on one thread: the oracle of every other run, and the maker of lists.
#[derive(Debug)]
pub struct Direct {
    /// The engine.
    pub pipeline: Pipeline,
    /// The market and venue.
    pub market: Market,
    /// Orders sent.
    pub order_count: u64,
    outbox: Outbox,
}

impl Direct {
    /// An engine and the market of `seed`.
    pub fn new(seed: u64) -> Direct {
        Direct {
            pipeline: desk::pipeline(),
            market: Market::new(seed),
            order_count: 0,
            outbox: Outbox::default(),
        }
    }

    /// Applies one event and lets the venue hear of the orders.
    pub fn apply<R: Recorder>(&mut self, event: &Event, recorder: &mut R) -> Result<(), Fault> {
        let mut edges = Edges { recorder, outlet: &mut self.outbox, probe: &mut NoProbe };
        self.pipeline.apply(event, &mut edges)?;
        for request in self.outbox.events.drain(..) {
            self.order_count += 1;
            self.market.on_request(&request);
        }
        Ok(())
    }
}

/// What must come out of the first events of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Measured events, the opening not counted.
    pub count: usize,
    /// State hash after them.
    pub state_hash: u64,
    /// Orders sent.
    pub order_count: u64,
    /// Records, inputs and decisions.
    pub record_count: u64,
}

/// A list of inbound events with what must come out of it.
#[derive(Debug)]
pub struct Plan {
    /// Manifest, connections, snapshots.
    pub opening: Vec<Event>,
    /// The measured events.
    pub events: Vec<Event>,
    marks: Vec<Mark>,
}

impl Plan {
    /// The plan of `seed`, as long as the greatest of `counts`, from a direct run without threads or
    /// journal; what must come out is known at each of `counts`.
    pub fn new(seed: u64, counts: &[usize]) -> Result<Plan, Fault> {
        let mut direct = Direct::new(seed);
        let recorder = &mut engine::pipeline::NoRecorder;
        let opening = direct.market.opening();
        for event in &opening {
            direct.apply(event, recorder)?;
        }
        let count_max = counts.iter().copied().max().unwrap_or(0);
        let mut events = Vec::with_capacity(count_max);
        let mut marks = Vec::new();
        for count in 1..=count_max {
            let event = direct.market.next_event();
            direct.apply(&event, recorder)?;
            events.push(event);
            if counts.contains(&count) {
                marks.push(Mark {
                    count,
                    state_hash: direct.pipeline.state_hash(),
                    order_count: direct.order_count,
                    record_count: direct.pipeline.head(),
                });
            }
        }
        Ok(Plan { opening, events, marks })
    }

    /// What must come out of the first `count` events.
    pub fn mark(&self, count: usize) -> Mark {
        let found = self.marks.iter().find(|mark| mark.count == count);
        *found.expect("the plan was made with this count")
    }
}

#[cfg(test)]
mod tests;
