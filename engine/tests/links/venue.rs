//! A venue and the line to it: what the engine sends is done, lost, held back or done without an answer.

use std::collections::{BTreeMap, VecDeque};

use engine::event::link::{VenueOrder, link, venue_balance, venue_order};
use engine::event::order::{Execution, fill_report, report};
use engine::event::{BalanceCode, Event, FeeCode, Kind, LinkCode, OrderState, ReportCode, Side};
use engine::instrument::Venue;
use engine::state::mix;

pub(crate) const VENUE: Venue = Venue::BinanceSpot;
/// Units of 10^-8 in price unit x quantity unit.
const E8_PER_UNIT: i64 = 10;

/// An order as the venue has it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) side: Side,
    pub(crate) price: i64,
    pub(crate) quantity: i64,
    pub(crate) filled: i64,
    /// `Acked` while it works.
    pub(crate) state: OrderState,
}

impl Order {
    pub(crate) fn is_open(&self) -> bool {
        self.state == OrderState::Acked
    }
}

/// How often what goes wrong, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) lost: u64,
    pub(crate) unanswered: u64,
    pub(crate) held: u64,
    pub(crate) doubled: u64,
    pub(crate) refused: u64,
}

/// The venue and everything in flight.
#[derive(Debug)]
pub(crate) struct World {
    random: u64,
    pub(crate) faults: Faults,
    pub(crate) is_up: bool,
    pub(crate) orders: BTreeMap<u64, Order>,
    trades: Vec<(u64, Execution, FeeCode)>,
    /// Free and locked together: quantity units, 10^-8.
    pub(crate) base: i64,
    pub quote_e8: i64,
    pub(crate) requests: VecDeque<Event>,
    held: Vec<Event>,
    /// Answers, in order; and what the user stream says, in order.
    pub(crate) answers: VecDeque<Vec<Event>>,
    pub(crate) stream: VecDeque<Vec<Event>>,
    /// The pull that is going on, and how far it is.
    pull: Option<(u64, u8)>,
    pub(crate) strange_count: u64,
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults) -> World {
        World {
            random: mix(seed, 2),
            faults,
            is_up: false,
            orders: BTreeMap::new(),
            trades: Vec::new(),
            base: 1_000_000,
            quote_e8: 1_000_000_000_000,
            requests: VecDeque::new(),
            held: Vec::new(),
            answers: VecDeque::new(),
            stream: VecDeque::new(),
            pull: None,
            strange_count: 0,
        }
    }

    pub(crate) fn below(&mut self, count: u64) -> u64 {
        self.random = mix(self.random, 0xc2b2_ae35);
        self.random % count
    }

    fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.requests.is_empty()
            && self.held.is_empty()
            && self.answers.is_empty()
            && self.stream.is_empty()
            && self.pull.is_none()
    }

    /// The line breaks: what was on it is lost, and what was asked for is of unknown outcome.
    pub(crate) fn cut(&mut self) -> Vec<Event> {
        self.is_up = false;
        self.pull = None;
        self.answers.clear();
        self.stream.clear();
        let mut told = Vec::new();
        while let Some(request) = self.requests.pop_front() {
            if self.happens(50) {
                self.execute(&request);
            }
            told.extend(unknown(&request));
        }
        self.answers.clear();
        self.stream.clear();
        told.push(link(VENUE, LinkCode::Down, 0));
        told
    }

    /// The process of the engine dies with everything that was in flight.
    pub(crate) fn crash(&mut self) {
        self.cut();
    }

    /// The engine sends.
    pub(crate) fn send(&mut self, request: &Event) -> Vec<Event> {
        if !self.is_up {
            return unknown(request);
        }
        self.requests.push_back(*request);
        Vec::new()
    }

    /// One request comes to the venue, or gets lost on the way.
    pub(crate) fn take_request(&mut self) {
        let pull = self.pull;
        if let Some(pull) = pull
            && self.happens(40)
        {
            self.go_on_with_pull(pull);
            return;
        }
        if !self.held.is_empty() && self.happens(20) {
            let request = self.held.remove(0);
            self.execute(&request);
            return;
        }
        let Some(request) = self.requests.pop_front() else { return };
        if self.happens(self.faults.lost) {
            self.answers.push_back(unknown(&request));
        } else if self.happens(self.faults.unanswered) {
            let answer_count = self.answers.len();
            self.execute(&request);
            self.answers.truncate(answer_count);
            self.answers.push_back(unknown(&request));
            if request.kind == Kind::SEND_PULL {
                self.pull = None;
            }
        } else if self.happens(self.faults.held) {
            self.answers.push_back(unknown(&request));
            self.held.push(request);
        } else {
            self.execute(&request);
        }
    }

    fn answer(&mut self, id: u64, code: ReportCode) {
        self.answers.push_back(vec![report(0, id, code, 0)]);
    }

    fn execute(&mut self, request: &Event) {
        let id = request.id;
        match request.kind {
            Kind::SEND_NEW => {
                assert!(!self.orders.contains_key(&id), "order {id:x} was sent twice");
                let is_refused = self.happens(self.faults.refused);
                let state = if is_refused { OrderState::Rejected } else { OrderState::Acked };
                let (side, price, quantity) = (request.side(), request.price, request.quantity);
                self.orders.insert(id, Order { side, price, quantity, filled: 0, state });
                self.answer(id, if is_refused { ReportCode::Rejected } else { ReportCode::Acked });
            }
            Kind::SEND_CANCEL => match self.orders.get_mut(&id).filter(|order| order.is_open()) {
                Some(order) => {
                    order.state = OrderState::Cancelled;
                    self.answer(id, ReportCode::Cancelled);
                    self.stream.push_back(vec![report(0, id, ReportCode::Cancelled, 0)]);
                }
                None => self.answer(id, ReportCode::CancelRejected),
            },
            Kind::SEND_REPLACE => {
                let order = self.orders.get_mut(&id).filter(|order| order.is_open());
                match order.filter(|order| order.filled < request.quantity) {
                    Some(order) => {
                        (order.price, order.quantity) = (request.price, request.quantity);
                        let told = report(0, id, ReportCode::Replaced, 0);
                        let (price, quantity) = (request.price, request.quantity);
                        self.answers.push_back(vec![Event { price, quantity, ..told }]);
                    }
                    None => self.answer(id, ReportCode::ReplaceRejected),
                }
            }
            Kind::SEND_QUERY => {
                let rows = self.history(Some(id));
                self.answers.push_back(rows);
            }
            Kind::SEND_PULL => {
                self.pull = Some((id, 0));
                self.answers.push_back(vec![link(VENUE, LinkCode::PullBegin, id)]);
            }
            _ => panic!("not a request: {request:?}"),
        }
    }

    /// Fills, then what became of the orders: of one, or of those that are open.
    fn history(&self, of: Option<u64>) -> Vec<Event> {
        let mut rows = Vec::new();
        for (_, told, fee) in self.trades.iter().filter(|(id, _, _)| of.is_none_or(|of| of == *id))
        {
            rows.extend(fill_rows(told, *fee));
        }
        let Some(id) = of else { return rows };
        let code = match self.orders.get(&id).map(|order| order.state) {
            None => ReportCode::NotFound,
            Some(OrderState::Acked) => ReportCode::Working,
            Some(OrderState::Cancelled) => ReportCode::Cancelled,
            Some(OrderState::Expired) => ReportCode::Expired,
            Some(OrderState::Rejected) => ReportCode::Rejected,
            Some(_) => ReportCode::Completed,
        };
        let filled = self.orders.get(&id).map_or(0, |order| order.filled);
        rows.push(Event { quantity: filled, ..report(0, id, code, 0) });
        rows
    }

    /// A pull is no picture of one moment: fills, orders and balances are read one after another.
    fn go_on_with_pull(&mut self, (number, step): (u64, u8)) {
        let mut rows = Vec::new();
        if self.happens(self.faults.lost) {
            self.pull = None;
            self.answers.push_back(vec![link(VENUE, LinkCode::PullFailed, number)]);
            return;
        }
        match step {
            0 => rows = self.history(None),
            1 => {
                for (id, order) in self.orders.iter().filter(|(_, order)| order.is_open()) {
                    rows.push(venue_order(&VenueOrder {
                        instrument: 0,
                        side: order.side,
                        price: order.price,
                        quantity: order.quantity,
                        id: *id,
                        ours: true,
                    }));
                    let told = report(0, *id, ReportCode::Working, 0);
                    rows.push(Event { quantity: order.filled, ..told });
                }
                for id in 0..self.strange_count {
                    let side = Side::Buy;
                    let row =
                        VenueOrder { instrument: 0, side, price: 1, quantity: 1, id, ours: false };
                    rows.push(venue_order(&row));
                }
            }
            2 => {
                rows.push(venue_balance(VENUE, 0, BalanceCode::Base, self.base, (1, true)));
                rows.push(venue_balance(VENUE, 0, BalanceCode::Quote, self.quote_e8, (2, true)));
            }
            _ => rows.push(link(VENUE, LinkCode::PullEnd, number)),
        }
        self.answers.push_back(rows);
        self.pull = (step < 3).then_some((number, step + 1));
    }

    /// Somebody trades against one of our orders.
    pub(crate) fn trade(&mut self) {
        let open: Vec<u64> =
            self.orders.iter().filter(|(_, order)| order.is_open()).map(|(id, _)| *id).collect();
        if open.is_empty() {
            return;
        }
        let picked = self.below(u64::try_from(open.len()).unwrap());
        let id = open[usize::try_from(picked).unwrap()];
        let leaves = self.orders[&id].quantity - self.orders[&id].filled;
        let part = 1 + i64::try_from(self.below(40)).unwrap();
        let quantity = part.min(leaves);
        let is_in_kind = self.below(2) == 0;
        let execution_id = u64::try_from(self.trades.len()).unwrap() + 1;
        let order = self.orders.get_mut(&id).unwrap();
        order.filled += quantity;
        if order.filled == order.quantity {
            order.state = OrderState::Filled;
        }
        let (side, price, cumulative_quantity) = (order.side, order.price, order.filled);
        let (fee, fee_e8) = if is_in_kind { (FeeCode::InKind, 1) } else { (FeeCode::Account, 70) };
        self.base += side.sign() * quantity - i64::from(is_in_kind);
        self.quote_e8 -= side.sign() * quantity * price * E8_PER_UNIT;
        self.quote_e8 -= if is_in_kind { 0 } else { 70 };
        let told = Execution {
            order_id: id,
            side,
            price,
            quantity,
            cumulative_quantity,
            fee_e8,
            execution_id,
            maker: true,
        };
        self.trades.push((id, told, fee));
        self.say(fill_rows(&told, fee).to_vec());
    }

    /// The venue ends one of our orders on its own.
    pub(crate) fn expire(&mut self) {
        let open = self.orders.iter_mut().find(|(_, order)| order.is_open());
        if let Some((id, order)) = open {
            order.state = OrderState::Expired;
            let told = report(0, *id, ReportCode::Expired, 0);
            self.say(vec![told]);
        }
    }

    /// On the user stream, if anybody listens.
    fn say(&mut self, events: Vec<Event>) {
        if self.is_up {
            if self.happens(self.faults.doubled) {
                self.stream.push_back(events.clone());
            }
            self.stream.push_back(events);
        }
    }
}

fn fill_rows(told: &Execution, fee: FeeCode) -> [Event; 2] {
    let [first, mut detail] = fill_report(0, told);
    detail.code = fee as u16;
    [first, detail]
}

/// What an adapter says of a request whose answer never came.
fn unknown(request: &Event) -> Vec<Event> {
    match request.kind {
        Kind::SEND_QUERY => Vec::new(),
        Kind::SEND_PULL => vec![link(VENUE, LinkCode::PullFailed, request.id)],
        _ => vec![report(0, request.id, ReportCode::OutcomeUnknown, 0)],
    }
}
