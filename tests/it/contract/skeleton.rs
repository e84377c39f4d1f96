//! The doubles of the skeleton in docs/adapters/template: a venue of words, and what it can do wrong.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use engine::event::Event;
use engine::instrument::Venue;
use simulator::contract::broker::{
    BrokerDouble, BrokerEars, BrokerTrouble, Golden, INSTRUMENT, Prices, SeenOrder,
};
use simulator::contract::feed::{FeedDouble, FeedEars, FeedStart, FeedTrouble, Levels};
use simulator::contract::{Held, MS_NS, Stop};
use template::broker::{BrokerMachine, BrokerTimes};
use template::feed::{FeedMachine, FeedSink, FeedWish};

/// Why a trouble does not exist here.
pub(crate) const NO_LIMITS: &str = "the venue of words has no limits";
pub(crate) const NO_AGE: &str = "connections to the venue of words live for ever";
pub(crate) const NO_SOCKET: &str = "the skeleton has no socket that could be cut, and no keys";

/// Time of a turn.
const TURN_NS: u64 = MS_NS / 2;
const MUTE_NS_MAX: u64 = 50 * MS_NS;

/// Hands events to the ears.
struct Ring<'a>(&'a mut FeedEars);

impl FeedSink for Ring<'_> {
    fn market(&mut self, events: &[Event]) -> usize {
        self.0.market(events)
    }

    fn control(&mut self, event: &Event) -> bool {
        self.0.control(event)
    }
}

/// The feed of the skeleton.
pub(crate) struct SkeletonFeed {
    machine: FeedMachine,
    book: Levels,
    id: i64,
    now_ns: u64,
    is_open: bool,
    is_mute: bool,
    /// Lines on their way, oldest first.
    lines: VecDeque<String>,
    /// What happens to the next change.
    pending: Option<FeedTrouble>,
}

impl FeedDouble for SkeletonFeed {
    fn start(start: FeedStart) -> Result<SkeletonFeed, Stop> {
        if start == FeedStart::RenewsOften {
            return Err(Stop::NotHere(NO_AGE));
        }
        Ok(SkeletonFeed {
            machine: FeedMachine::new(0, MUTE_NS_MAX),
            book: [BTreeMap::from([(9_900, 5)]), BTreeMap::from([(10_100, 5)])],
            id: 1,
            now_ns: 1_000 * MS_NS,
            is_open: false,
            is_mute: false,
            lines: VecDeque::new(),
            pending: None,
        })
    }

    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn turn(&mut self, ears: &mut FeedEars) {
        self.now_ns += TURN_NS;
        let mut ring = Ring(ears);
        if !self.is_open {
            self.is_open = true;
            self.is_mute = false;
            self.machine.on_opened(self.now_ns, &mut ring);
        }
        for line in self.lines.drain(..) {
            self.machine.on_line(line.as_bytes(), self.now_ns, &mut ring);
        }
        self.machine.on_time(self.now_ns, &mut ring);
        if self.pending == Some(FeedTrouble::Cut) {
            self.pending = None;
            self.is_open = false;
            self.machine.on_closed(self.now_ns, &mut ring);
        }
        match self.machine.take_wish() {
            Some(FeedWish::Book) if !self.is_mute => {
                let mut line = format!("book {}", self.id);
                for (side, levels) in ["B", "A"].into_iter().zip(&self.book) {
                    for (price, quantity) in levels {
                        write!(line, " {side} {price} {quantity}").unwrap();
                    }
                }
                self.lines.push_back(line);
            }
            Some(FeedWish::Reconnect) => {
                self.is_open = false;
                self.machine.on_closed(self.now_ns, &mut ring);
            }
            Some(FeedWish::Book) | None => {}
        }
    }

    fn move_market(&mut self) {
        self.id += 1;
        let (price, quantity) = (9_800 + self.id % 7, self.id % 3);
        if quantity == 0 {
            self.book[0].remove(&price);
        } else {
            self.book[0].insert(price, quantity);
        }
        if !self.is_open || self.is_mute {
            return;
        }
        let line = format!("move {} B {price} {quantity}", self.id);
        match self.pending.take() {
            Some(FeedTrouble::Gap) => {}
            Some(FeedTrouble::Duplicate) => self.lines.extend([line.clone(), line]),
            Some(FeedTrouble::Reorder) => {
                self.lines.push_front(line);
            }
            Some(FeedTrouble::Garbage) => {
                self.lines.push_back("move zero B - ?".to_string());
                self.lines.push_back(line);
            }
            trouble => {
                self.pending = trouble;
                self.lines.push_back(line);
            }
        }
    }

    fn truth(&self) -> Levels {
        self.book.clone()
    }

    fn trouble(&mut self, trouble: FeedTrouble) -> Held {
        match trouble {
            FeedTrouble::GapAndLimit => return Err(Stop::NotHere(NO_LIMITS)),
            FeedTrouble::Mute => self.is_mute = true,
            // Two lines must be on their way, so that one can overtake the other.
            FeedTrouble::Reorder => {
                self.move_market();
                self.pending = Some(trouble);
            }
            FeedTrouble::Cut | FeedTrouble::Gap | FeedTrouble::Duplicate | FeedTrouble::Garbage => {
                self.pending = Some(trouble);
            }
        }
        Ok(())
    }

    fn has_happened(&self) -> bool {
        self.pending.is_none()
    }

    fn stop(&mut self, ears: &mut FeedEars) -> Held {
        self.machine.on_closed(self.now_ns, &mut Ring(ears));
        Ok(())
    }
}

const REST: i64 = 10_000;
const TAKE: i64 = 10_100;

/// Order entry of the skeleton.
pub(crate) struct SkeletonBroker {
    machine: BrokerMachine,
    /// The venue's orders.
    orders: BTreeMap<u64, SeenOrder>,
    lines: VecDeque<String>,
    now_ns: u64,
    trade: u64,
    is_open: bool,
    pending: Option<BrokerTrouble>,
}

impl SkeletonBroker {
    /// The venue hears a line.
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |place: usize| words[place].parse::<i64>().unwrap();
        let id = words[1].parse::<u64>().unwrap();
        let found = self.orders.get(&id).copied();
        let open = found.filter(|order| order.is_open);
        match (words[0], open) {
            ("new", _) => self.new_order(id, (number(2), number(3))),
            ("cancel", Some(_)) => {
                self.orders.get_mut(&id).unwrap().is_open = false;
                self.say(&format!("cancelled {id}"));
            }
            ("cancel", None) => self.say(&format!("kept {id} 2")),
            ("replace", Some(_)) => {
                let order = self.orders.get_mut(&id).unwrap();
                (order.price, order.quantity) = (number(2), number(3));
                self.say(&format!("replaced {id} {} {}", words[2], words[3]));
            }
            ("replace", None) => self.say(&format!("unchanged {id} 2")),
            _ => match found {
                None => self.say(&format!("absent {id}")),
                Some(order) if order.is_open => {
                    self.say(&format!("working {id} {}", order.executed));
                }
                Some(_) => self.say(&format!("cancelled {id}")),
            },
        }
    }

    fn new_order(&mut self, id: u64, (price, quantity): (i64, i64)) {
        let trouble = self.pending.take();
        if trouble == Some(BrokerTrouble::LosesOrder) {
            return;
        }
        if quantity < 1 {
            return self.say(&format!("refused {id} 9"));
        }
        let order = SeenOrder { id, price, quantity, executed: 0, is_open: true };
        assert!(self.orders.insert(id, order).is_none(), "{id} came twice");
        if trouble != Some(BrokerTrouble::LosesAnswer) {
            self.say(&format!("ack {id}"));
        }
        if TAKE <= price {
            self.fill(id, quantity, 'T');
        }
    }

    fn fill(&mut self, id: u64, quantity: i64, role: char) {
        self.trade += 1;
        let order = self.orders.get_mut(&id).unwrap();
        order.executed += quantity;
        order.is_open = order.executed < order.quantity;
        let (trade, price, total) = (self.trade, order.price, order.executed);
        let line = format!("fill {id} {trade} {price} {quantity} {total} {role}");
        self.say(&line);
        if self.pending == Some(BrokerTrouble::ReportAgain) {
            self.pending = None;
            self.say(&line);
        }
    }

    fn say(&mut self, line: &str) {
        self.lines.push_back(line.to_string());
    }
}

impl BrokerDouble for SkeletonBroker {
    fn start() -> Result<SkeletonBroker, Stop> {
        let times = BrokerTimes { answer_ns_max: 20 * MS_NS, valid_ns: 60 * MS_NS };
        Ok(SkeletonBroker {
            machine: BrokerMachine::new(times, Venue::Synthetic),
            orders: BTreeMap::new(),
            lines: VecDeque::new(),
            now_ns: 1_000 * MS_NS,
            trade: 0,
            is_open: false,
            pending: None,
        })
    }

    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn ask(&mut self, event: &Event) {
        self.machine.on_request(event, self.now_ns);
    }

    fn turn(&mut self, ears: &mut BrokerEars) {
        self.now_ns += TURN_NS;
        if !self.is_open {
            self.is_open = true;
            self.machine.on_opened(self.now_ns);
        }
        while let Some(line) = self.machine.lines.pop_front() {
            self.hear(&line);
        }
        while let Some(line) = self.lines.pop_front() {
            self.machine.on_line(line.as_bytes(), self.now_ns);
        }
        self.machine.on_time(self.now_ns);
        ears.take(self.machine.events.make_contiguous());
        self.machine.events.clear();
    }

    fn prices(&self) -> Prices {
        Prices { rest: REST, take: TAKE, quantity: 200, refused_quantity: 0 }
    }

    fn sell_to_us(&mut self, quantity: i64) {
        let open = self.orders.values().find(|order| order.is_open).map(|order| order.id);
        self.fill(open.expect("an order works"), quantity, 'M');
    }

    fn orders(&self) -> Vec<SeenOrder> {
        self.orders.values().copied().collect()
    }

    fn trouble(&mut self, trouble: BrokerTrouble) -> Held {
        let here =
            [BrokerTrouble::LosesOrder, BrokerTrouble::LosesAnswer, BrokerTrouble::ReportAgain];
        if !here.contains(&trouble) {
            return Err(Stop::NotHere(NO_SOCKET));
        }
        self.pending = Some(trouble);
        Ok(())
    }

    fn has_happened(&self) -> bool {
        self.pending.is_none()
    }

    fn has_link() -> Held {
        Ok(())
    }

    fn reborn(&mut self) -> Held {
        Err(Stop::NotHere(NO_SOCKET))
    }

    fn stranger(&mut self) -> Held {
        Err(Stop::NotHere(NO_SOCKET))
    }

    fn golden() -> Result<Vec<Golden>, Stop> {
        Err(Stop::NotHere(NO_SOCKET))
    }
}

/// The instrument of a broker's events is the double's.
const _: () = assert!(INSTRUMENT == 0);
