//! Order entry of the skeleton: outbound events and lines in, reports and lines out.
//!
//! ```text
//!   new NAME PRICE QUANTITY UNTIL_NS      ack NAME | refused NAME CODE | fill NAME TRADE PRICE QUANTITY TOTAL M|T
//!   cancel NAME                           cancelled NAME | kept NAME CODE
//!   replace NAME PRICE QUANTITY           replaced NAME PRICE QUANTITY | unchanged NAME CODE
//!   state NAME                            working NAME TRADED | cancelled NAME | absent NAME
//! ```
//! The name is the order's id in digits. A venue that names orders by texts gets `engine::ids::client_id`.
//!
//! **Invariant:** a new order is written once. What is not answered in time is unknown, and `absent` is
//! believed only when the venue can no longer accept the order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::event::order::{Execution, fill_report, report};
use engine::event::{Event, Kind, LinkCode, ReportCode, Side, link};
use engine::instrument::Venue;

use crate::LineError;
use crate::words::Words;

/// Most orders that are remembered; a product removes those that are over, oldest first.
pub const ORDER_COUNT_MAX: usize = 4096;
/// Code of a refusal of our own.
const CODE_NO_ROOM: u32 = 1;

/// Times of order entry.
#[derive(Clone, Copy, Debug)]
pub struct BrokerTimes {
    /// From a request to its answer; afterwards its outcome is unknown.
    pub answer_ns_max: u64,
    /// So long may the venue accept a request after it was written.
    pub valid_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    instrument: u16,
    side: Side,
    /// Until then the venue may accept it.
    until_ns: u64,
    /// Until then an answer is due; 0: none is.
    deadline_ns: u64,
    acked: bool,
    cancelled: bool,
}

/// Order entry without its socket.
#[derive(Debug)]
pub struct BrokerMachine {
    times: BrokerTimes,
    venue: Venue,
    orders: BTreeMap<u64, Order>,
    trades: BTreeSet<u64>,
    is_up: bool,
    /// Lines for the venue, oldest first.
    pub lines: VecDeque<String>,
    /// Events for the engine, oldest first; none is ever dropped.
    pub events: VecDeque<Event>,
    /// Lines that were not understood.
    pub garbage_count: u64,
}

impl BrokerMachine {
    /// Order entry that is not connected.
    pub fn new(times: BrokerTimes, venue: Venue) -> BrokerMachine {
        BrokerMachine {
            times,
            venue,
            orders: BTreeMap::new(),
            trades: BTreeSet::new(),
            is_up: false,
            lines: VecDeque::new(),
            events: VecDeque::new(),
            garbage_count: 0,
        }
    }

    /// Requests can be sent and reports come in.
    pub fn on_opened(&mut self, now_ns: u64) {
        self.is_up = true;
        self.events.push_back(link::link(self.venue, LinkCode::Up, 0).at(now_ns));
    }

    /// They cannot: what was on its way is unknown.
    pub fn on_closed(&mut self, now_ns: u64) {
        self.is_up = false;
        self.lines.clear();
        self.events.push_back(link::link(self.venue, LinkCode::Down, 0).at(now_ns));
        self.overdue(u64::MAX, now_ns);
    }

    /// Time has passed.
    pub fn on_time(&mut self, now_ns: u64) {
        self.overdue(now_ns, now_ns);
    }

    /// Requests whose deadline is at `until_ns` or before.
    fn overdue(&mut self, until_ns: u64, now_ns: u64) {
        for (id, order) in &mut self.orders {
            if 0 < order.deadline_ns && order.deadline_ns <= until_ns {
                order.deadline_ns = 0;
                let unknown = report(order.instrument, *id, ReportCode::OutcomeUnknown, 0);
                self.events.push_back(unknown.at(now_ns));
            }
        }
    }

    /// An outbound event of the engine.
    pub fn on_request(&mut self, event: &Event, now_ns: u64) {
        let (id, price, quantity) = (event.id, event.price, event.quantity);
        let line = match event.kind {
            Kind::SEND_NEW if self.orders.contains_key(&id) => format!("state {id}"),
            Kind::SEND_NEW if !self.is_up || ORDER_COUNT_MAX <= self.orders.len() => {
                let refused = report(event.instrument, id, ReportCode::Rejected, CODE_NO_ROOM);
                return self.events.push_back(refused.at(now_ns));
            }
            Kind::SEND_NEW => {
                format!("new {id} {price} {quantity} {}", now_ns + self.times.valid_ns)
            }
            Kind::SEND_CANCEL => format!("cancel {id}"),
            Kind::SEND_REPLACE => format!("replace {id} {price} {quantity}"),
            Kind::SEND_QUERY => format!("state {id}"),
            Kind::SEND_PULL => {
                // Step 6 of the checklist: rows between PullBegin and PullEnd.
                let failed = link::link(self.venue, LinkCode::PullFailed, id);
                return self.events.push_back(failed.at(now_ns));
            }
            _ => return,
        };
        let (until_ns, deadline_ns) =
            (now_ns + self.times.valid_ns, now_ns + self.times.answer_ns_max);
        let order = self.orders.entry(id).or_insert(Order {
            instrument: event.instrument,
            side: event.side(),
            until_ns,
            deadline_ns,
            acked: false,
            cancelled: false,
        });
        order.deadline_ns = deadline_ns;
        if self.is_up {
            self.lines.push_back(line);
        }
    }

    /// A line of the venue.
    pub fn on_line(&mut self, line: &[u8], receive_ns: u64) {
        if self.decode(line, receive_ns).is_err() {
            self.garbage_count += 1;
        }
    }

    fn decode(&mut self, line: &[u8], now_ns: u64) -> Result<(), LineError> {
        let mut words = Words::of(line)?;
        let what = words.word()?;
        let id = words.id()?;
        let Some(order) = self.orders.get_mut(&id) else { return Ok(()) };
        let (instrument, code) = match what {
            "ack" if order.acked => return Ok(()),
            "ack" => (order.instrument, (ReportCode::Acked, 0)),
            "refused" => (order.instrument, (ReportCode::Rejected, words.id()?)),
            "cancelled" if order.cancelled => return Ok(()),
            "cancelled" => (order.instrument, (ReportCode::Cancelled, 0)),
            "kept" => (order.instrument, (ReportCode::CancelRejected, words.id()?)),
            "unchanged" => (order.instrument, (ReportCode::ReplaceRejected, words.id()?)),
            // It may still arrive: the engine asks again.
            "absent" if now_ns <= order.until_ns => {
                (order.instrument, (ReportCode::OutcomeUnknown, 0))
            }
            "absent" => (order.instrument, (ReportCode::NotFound, 0)),
            "working" => (order.instrument, (ReportCode::Working, 0)),
            "replaced" => (order.instrument, (ReportCode::Replaced, 0)),
            "fill" => return self.fill(id, &mut words, now_ns),
            _ => return Err(LineError::Word),
        };
        let venue_code = u32::try_from(code.1).map_err(|_| LineError::Number)?;
        let mut event = report(instrument, id, code.0, venue_code).at(now_ns);
        match what {
            "working" => event.quantity = words.number()?,
            "replaced" => (event.price, event.quantity) = (words.number()?, words.number()?),
            _ => {}
        }
        order.deadline_ns = 0;
        order.acked |= ["ack", "working"].contains(&what);
        order.cancelled |= what == "cancelled";
        self.events.push_back(event);
        Ok(())
    }

    /// Each execution once, whoever tells it.
    fn fill(&mut self, id: u64, words: &mut Words<'_>, now_ns: u64) -> Result<(), LineError> {
        let Some(order) = self.orders.get(&id) else { return Ok(()) };
        let execution = Execution {
            order_id: id,
            side: order.side,
            execution_id: words.id()?,
            price: words.number()?,
            quantity: words.number()?,
            cumulative_quantity: words.number()?,
            fee_e8: 0,
            maker: words.word()? == "M",
        };
        if self.trades.insert(execution.execution_id) {
            let events = fill_report(order.instrument, &execution);
            self.events.extend(events.map(|event| event.at(now_ns)));
        }
        Ok(())
    }
}
