//! The rules of order entry without a socket: requests, answers, reports and time in, texts and events out.
//!
//! ```text
//!   engine --on_request--> +---------+ --Courier::send, rest--> WS API, REST
//!   frames --on_frame----> | Machine |
//!   bodies --on_body-----> |         | --Outbox--> engine
//!   time   --on_time-----> +---------+
//! ```
//! Every request is one `Ask` from which its text can be written again, and one flight until its
//! answer, its deadline or the end of its way.
//!
//! **Invariant:** a request that may have reached the venue and may have made an order is never written
//! again; see [`crate::orders`].

mod answers;
mod life;
mod line;
mod pull;
mod query;
mod report;

use std::collections::{BTreeMap, VecDeque};

use engine::event::order::report;
use engine::event::{Event, Kind, LinkCode, OrderTerms, ReportCode, link};
use engine::instrument::Venue;

use crate::errors::venue_code;
use crate::orders::client_id::ClientId;
use crate::orders::config::{Listing, Rules};
use crate::orders::known::Known;
use crate::orders::limits::{Budget, Urgency};
use crate::orders::outbox::Outbox;
use crate::orders::tracked::Tracked;
use crate::orders::window::Window;
use crate::request::{Method, Place, RequestWriter, Seal};
use crate::sign::Signer;
use line::Line;
pub use line::NewKey;
use pull::Pull;

/// Nanoseconds in a millisecond.
pub(crate) const MS_NS: u64 = 1_000_000;
/// Rows of an answer; the venue's own limit.
const ROW_COUNT_MAX: u64 = 1000;
/// Weight of `myTrades` with an order id.
const ORDER_TRADES_WEIGHT: u32 = 5;
/// Latency samples that wait to be taken.
const SAMPLE_COUNT_MAX: usize = 256;

/// Number of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineId(pub usize);

/// Brings texts to the venue.
pub trait Courier {
    /// Begins a connection that is made again whenever it breaks.
    fn open(&mut self) -> Option<LineId>;
    /// Ends a connection for good.
    fn close(&mut self, line: LineId);
    /// Breaks a connection, so that it is made again.
    fn reconnect(&mut self, line: LineId);
    /// Sends a message of the WS API; false when not one byte of it leaves.
    fn send(&mut self, line: LineId, text: &str) -> bool;
    /// Sends a REST request that is answered under its token; false when not one byte of it leaves.
    fn rest(&mut self, token: u64, method: &str, target: &str, deadline_ns: u64) -> bool;
}

/// What is asked, and of which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Time {
        line: LineId,
    },
    Logon {
        line: LineId,
    },
    Subscribe {
        line: LineId,
    },
    Place {
        order: u64,
        generation: u16,
    },
    Cancel {
        order: u64,
        generation: u16,
    },
    /// Cancels the generation before this and places this.
    Replace {
        order: u64,
        generation: u16,
    },
    Status {
        order: u64,
        generation: u16,
        by_cancel: bool,
    },
    Trades {
        order: u64,
        generation: u16,
    },
    PullOpen {
        pull: u64,
    },
    PullTrades {
        pull: u64,
        listing: usize,
        from: Option<u64>,
    },
    PullOrders {
        pull: u64,
        listing: usize,
        from: u64,
    },
    PullAccount {
        pull: u64,
    },
}

impl Ask {
    const fn method(self) -> Method {
        match self {
            Ask::Time { .. } => Method::Time,
            Ask::Logon { .. } => Method::Logon,
            Ask::Subscribe { .. } => Method::Subscribe,
            Ask::Place { .. } => Method::Place,
            Ask::Cancel { .. } => Method::Cancel,
            Ask::Replace { .. } => Method::CancelReplace,
            Ask::Status { .. } => Method::Status,
            Ask::Trades { .. } | Ask::PullTrades { .. } => Method::MyTrades,
            Ask::PullOpen { .. } => Method::OpenOrders,
            Ask::PullOrders { .. } => Method::AllOrders,
            Ask::PullAccount { .. } => Method::Account,
        }
    }

    /// The connection that it is about.
    const fn line(self) -> Option<LineId> {
        match self {
            Ask::Time { line } | Ask::Logon { line } | Ask::Subscribe { line } => Some(line),
            Ask::Place { .. }
            | Ask::Cancel { .. }
            | Ask::Replace { .. }
            | Ask::Status { .. }
            | Ask::Trades { .. }
            | Ask::PullOpen { .. }
            | Ask::PullTrades { .. }
            | Ask::PullOrders { .. }
            | Ask::PullAccount { .. } => None,
        }
    }

    /// Whether it may make an order.
    const fn places(self) -> bool {
        matches!(self, Ask::Place { .. } | Ask::Replace { .. })
    }

    /// Whether it changes something at the venue.
    const fn acts(self) -> bool {
        matches!(self, Ask::Place { .. } | Ask::Replace { .. } | Ask::Cancel { .. })
    }
}

/// By which way a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Line(LineId),
    Rest,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    ask: Ask,
    way: Way,
    sent_ns: u64,
    deadline_ns: u64,
    timestamp_ms: u64,
    /// The engine was told that the outcome is unknown; an answer is still welcome.
    overdue: bool,
    /// It was refused once because of its timestamp.
    again: bool,
}

/// Why not one byte was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// A rate limit of ours or a pause of the venue's, or too many without an answer.
    Limited,
    /// There is no way.
    Down,
}

/// A span of time that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// From a new order to its acknowledgement, by answer or report.
    OrderToAck(u64),
    /// From any request of the WS API to its answer.
    RoundTrip(u64),
    /// From any REST request to its answer.
    RestRoundTrip(u64),
    /// From the receipt of what caused a new order to the write of its frame.
    TickToWire(u64),
    /// From the write of a new order to the word of a fill that it took.
    WireToFill(u64),
    /// From the receipt of what caused a new order to the word of a fill that it took.
    TickToFill(u64),
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that left.
    pub requests: u64,
    /// Of them by REST.
    pub rest_requests: u64,
    /// New orders that left, generations included.
    pub places: u64,
    /// Fills told.
    pub fills: u64,
    /// Reports and trades that were told again and dropped.
    pub duplicates: u64,
    /// Reports of orders that are not ours.
    pub strangers: u64,
    /// Outcomes that became unknown.
    pub unknowns: u64,
    /// Frames and bodies that were not understood.
    pub garbage: u64,
    /// Answers to nothing that waits.
    pub unasked: u64,
    /// Connections that were broken because they were mute.
    pub mutes: u64,
    /// Times the link went down.
    pub downs: u64,
    /// Requests that a limit held back.
    pub limited: u64,
}

/// What order entry looks like from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether the engine was told that the link is up.
    pub up: bool,
    /// The venue's clock minus ours.
    pub offset_ns: i64,
    /// Requests without an answer.
    pub flight_count: usize,
    /// Orders that are not over.
    pub live_count: usize,
    /// Events that wait for the engine.
    pub waiting_count: usize,
    /// The last error in words.
    pub error: Option<String>,
    /// What happened so far.
    pub counters: Counters,
}

/// The rules; see the module.
pub struct Machine {
    rules: Rules,
    engine: u8,
    venue: Venue,
    listings: Vec<Listing>,
    signer: Signer,
    api_key: String,
    writer: RequestWriter,
    pub(crate) outbox: Outbox,
    budget: Budget,
    offset_ns: i64,
    is_measured: bool,
    lines: Vec<Line>,
    active: Option<LineId>,
    is_up: bool,
    flights: BTreeMap<u64, Flight>,
    token: u64,
    orders: Known,
    /// By instrument and the venue's id: our id and generation.
    venue_ids: BTreeMap<(u16, u64), (u64, u16)>,
    ended: VecDeque<u64>,
    reports_seen: Window,
    trades_seen: Window,
    /// Requests that wait for the venue's clock, and until when.
    clock_waiters: Vec<(Ask, u64)>,
    pull: Option<Pull>,
    /// By listing: where the next pull begins, and the one after it.
    pull_from: Vec<(Option<u64>, Option<u64>)>,
    /// Commission in kind that is less than a unit, by listing, 1e-8.
    in_kind_rest_e8: Vec<i64>,
    start_ns: u64,
    samples: VecDeque<Sample>,
    error: Option<String>,
    counters: Counters,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// Who trades where.
#[derive(Debug)]
pub struct Account {
    /// Number of the engine: orders of other engines are strangers.
    pub engine: u8,
    /// Producer number of events.
    pub source: u16,
    /// Venue of the link events.
    pub venue: Venue,
    /// What is traded.
    pub listings: Vec<Listing>,
    /// The key.
    pub signer: Signer,
    /// Its name at the venue.
    pub api_key: String,
}

impl Machine {
    /// Order entry that knows nothing yet.
    pub fn new(rules: Rules, account: Account, outbox_high_count: usize, start_ns: u64) -> Machine {
        let count = account.listings.len();
        Machine {
            reports_seen: Window::new(rules.window_count_max),
            trades_seen: Window::new(rules.window_count_max),
            rules,
            engine: account.engine,
            venue: account.venue,
            listings: account.listings,
            signer: account.signer,
            api_key: account.api_key,
            writer: RequestWriter::default(),
            outbox: Outbox::new(account.source, outbox_high_count),
            budget: Budget::new(),
            offset_ns: 0,
            is_measured: false,
            lines: Vec::new(),
            active: None,
            is_up: false,
            flights: BTreeMap::new(),
            token: 0,
            orders: Known::default(),
            venue_ids: BTreeMap::new(),
            ended: VecDeque::new(),
            clock_waiters: Vec::new(),
            pull: None,
            pull_from: vec![(None, None); count],
            in_kind_rest_e8: vec![0; count],
            start_ns,
            samples: VecDeque::new(),
            error: None,
            counters: Counters::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn start_ns_for_tests(&mut self, start_ns: u64) {
        self.start_ns = start_ns;
    }

    /// How it goes.
    pub fn status(&self) -> Status {
        Status {
            up: self.is_up,
            offset_ns: self.offset_ns,
            flight_count: self.flights.len(),
            live_count: self.orders.live_count(),
            waiting_count: self.outbox.count(),
            error: self.error.clone(),
            counters: self.counters,
        }
    }

    /// Takes the next time that was measured.
    pub fn take_sample(&mut self) -> Option<Sample> {
        self.samples.pop_front()
    }

    /// Limits as `exchangeInfo` tells them.
    pub fn budget_mut(&mut self) -> &mut Budget {
        &mut self.budget
    }

    /// A request of the engine was written: times a new order. `now_ns` is the time after the write.
    pub(super) fn written(&mut self, event: &Event, now_ns: u64) {
        let is_written = |order: &Tracked| order.leg(1).is_some_and(|leg| leg.sent_ms != 0);
        if event.kind == Kind::SEND_NEW && self.orders.get(event.id).is_some_and(is_written) {
            self.sample(Sample::TickToWire(now_ns.saturating_sub(event.time_ns)));
        }
    }

    fn sample(&mut self, sample: Sample) {
        if self.samples.len() < SAMPLE_COUNT_MAX {
            self.samples.push_back(sample);
        }
    }

    fn note_error(&mut self, text: String) {
        self.error = Some(text);
    }

    /// An event of the engine that must be brought to the venue.
    pub fn on_request(&mut self, event: &Event, now_ns: u64, courier: &mut dyn Courier) {
        match event.kind {
            Kind::SEND_NEW => self.send_new(event, now_ns, courier),
            Kind::SEND_CANCEL => self.send_cancel(event, now_ns, courier),
            Kind::SEND_REPLACE => self.send_replace(event, now_ns, courier),
            Kind::SEND_QUERY => self.send_query(event, now_ns, courier),
            Kind::SEND_PULL => self.send_pull(event.id, now_ns, courier),
            _ => {}
        }
    }

    // Telling the engine.

    fn tell(&mut self, order: u64, code: ReportCode, error: i64, terms: (i64, i64), now_ns: u64) {
        let Some(tracked) = self.orders.get(order) else { return };
        let mut event = report(tracked.instrument, order, code, venue_code(error));
        (event.price, event.quantity) = terms;
        self.outbox.push(event, now_ns);
    }

    fn tell_link(&mut self, code: LinkCode, pull: u64, now_ns: u64) {
        self.outbox.push(link::link(self.venue, code, pull), now_ns);
    }

    /// The order is over for the engine; it is remembered for a while.
    fn finish(&mut self, order: u64) {
        let Some(tracked) = self.orders.get_mut(order) else { return };
        if std::mem::replace(&mut tracked.over, true) {
            return;
        }
        tracked.cancel_wanted = false;
        tracked.cancel_at_ns = 0;
        tracked.check_at_ns = 0;
        tracked.replace = None;
        self.ended.push_back(order);
        if self.rules.ended_count_max < self.ended.len()
            && let Some(oldest) = self.ended.pop_front()
            && self.orders.get(oldest).is_some_and(|tracked| tracked.over)
            && let Some(gone) = self.orders.remove(oldest)
        {
            for leg in &gone.legs {
                if let Some(venue_id) = leg.venue_id {
                    self.venue_ids.remove(&(gone.instrument, venue_id));
                }
            }
        }
    }

    // Time.

    /// Everything that is due.
    pub fn on_time(&mut self, now_ns: u64, courier: &mut dyn Courier) {
        self.expire_flights(now_ns, courier);
        self.watch_lines(now_ns, courier);
        self.watch_orders(now_ns, courier);
        self.watch_pull(now_ns, courier);
    }

    /// When something is due.
    pub fn deadline_ns(&mut self) -> Option<u64> {
        let deadlines = [
            self.flight_deadline_ns(),
            self.line_deadline_ns(),
            self.order_deadline_ns(),
            self.pull_deadline_ns(),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn venue_ms(&self, now_ns: u64) -> u64 {
        now_ns.saturating_add_signed(self.offset_ns).div_euclid(MS_NS)
    }

    /// Whether a request with timestamp `sent_ms` can no longer be accepted when the venue answers a
    /// request with timestamp `asked_ms`.
    fn is_settled(&self, sent_ms: u64, asked_ms: u64) -> bool {
        self.settled_ms(sent_ms) < asked_ms
    }

    fn settled_ms(&self, sent_ms: u64) -> u64 {
        let rules = &self.rules;
        let slack_ns = rules.recv_window_ns + rules.clock_error_ns_max + rules.settle_margin_ns;
        sent_ms.saturating_add(slack_ns.div_ceil(MS_NS))
    }

    /// Our time at which a request would have a timestamp beyond `venue_ms`.
    fn after_ms(&self, venue_ms: u64) -> u64 {
        let venue_ns = venue_ms.saturating_add(1).saturating_mul(MS_NS);
        venue_ns.saturating_add_signed(self.offset_ns.saturating_neg())
    }

    // Sending.

    fn listing_of(&self, instrument: u16) -> Option<usize> {
        self.listings.iter().position(|listing| listing.instrument == instrument)
    }

    fn listing_named(&self, symbol: &str) -> Option<usize> {
        self.listings.iter().position(|listing| listing.symbol == symbol)
    }

    /// Sends a request by the connection, or by REST where that cannot.
    fn ask(
        &mut self,
        ask: Ask,
        again: bool,
        now_ns: u64,
        courier: &mut dyn Courier,
    ) -> Result<(), NotSent> {
        let bound = ask.line();
        let signed = ask.method().is_signed();
        if signed && !self.is_measured {
            return Err(NotSent::Down);
        }
        self.fill(ask).ok_or(NotSent::Down)?;
        let urgency = if ask.places() { Urgency::New } else { Urgency::Urgent };
        let has_room = match urgency {
            Urgency::New => self.flights.len() < self.rules.flight_count_max,
            Urgency::Urgent => self.flights.len() < self.rules.flight_count_max.saturating_mul(2),
        };
        let one_order = matches!(ask, Ask::Trades { .. });
        let weight = if one_order { ORDER_TRADES_WEIGHT } else { ask.method().weight() };
        if !has_room || !self.budget.take(urgency, weight, u32::from(ask.places()), now_ns) {
            self.counters.limited += 1;
            return Err(NotSent::Limited);
        }
        self.token += 1;
        let token = self.token;
        let timestamp_ms = self.venue_ms(now_ns);
        let deadline_ns = now_ns.saturating_add(if signed {
            self.rules.answer_ns_max
        } else {
            self.rules.ping_ns_max
        });
        let seal = signed.then_some(Seal {
            signer: &self.signer,
            api_key: &self.api_key,
            timestamp_ms,
            recv_window_ms: self.rules.recv_window_ns.div_ceil(MS_NS),
        });
        let mut way = None;
        if let Some(line) = bound.or(self.active.filter(|_| self.is_up)) {
            let found = self.lines.iter().find(|known| known.id == line);
            let logged_on = found.is_some_and(|line| line.logged_on);
            let subscribes = matches!(ask, Ask::Subscribe { .. });
            let method =
                if subscribes && logged_on { Method::SubscribeLoggedOn } else { ask.method() };
            let seal = seal.filter(|_| method.is_signed());
            let text = self.writer.message(token, method, seal.as_ref(), logged_on);
            if courier.send(line, text) {
                way = Some(Way::Line(line));
            }
        }
        let may_rest = bound.is_none() && (!ask.places() || self.rules.place_by_rest);
        if way.is_none()
            && may_rest
            && let Some((method, path)) = ask.method().rest()
        {
            let target = self.writer.target(path, seal.as_ref());
            if courier.rest(token, method, target, deadline_ns) {
                self.counters.rest_requests += 1;
                way = Some(Way::Rest);
            }
        }
        let way = way.ok_or(NotSent::Down)?;
        self.counters.requests += 1;
        self.counters.places += u64::from(ask.places());
        if let Ask::Place { order, generation } | Ask::Replace { order, generation } = ask
            && let Some(leg) = self.orders.get_mut(order).and_then(|o| o.leg_mut(generation))
        {
            leg.sent_ms = timestamp_ms;
        }
        let flight =
            Flight { ask, way, sent_ns: now_ns, deadline_ns, timestamp_ms, overdue: false, again };
        self.flights.insert(token, flight);
        Ok(())
    }

    /// Writes the parameters of a request; `None` when what it is about is gone.
    fn fill(&mut self, ask: Ask) -> Option<()> {
        let (order, generation) = match ask {
            Ask::Time { .. }
            | Ask::Logon { .. }
            | Ask::Subscribe { .. }
            | Ask::PullOpen { .. }
            | Ask::PullAccount { .. } => {
                self.writer.begin();
                return Some(());
            }
            Ask::PullTrades { listing, from, .. } => return self.fill_trades(listing, from),
            Ask::PullOrders { listing, from, .. } => {
                let params = self.writer.begin();
                params.text("symbol", &self.listings.get(listing)?.symbol);
                params.number("orderId", from);
                params.number("limit", ROW_COUNT_MAX);
                return Some(());
            }
            Ask::Place { order, generation }
            | Ask::Cancel { order, generation }
            | Ask::Replace { order, generation }
            | Ask::Status { order, generation, .. }
            | Ask::Trades { order, generation } => (order, generation),
        };
        let tracked = self.orders.get(order)?;
        let index = self.listing_of(tracked.instrument)?;
        let name = ClientId { order_id: order, generation, cancel: false };
        let venue_id = tracked.leg(generation).and_then(|leg| leg.venue_id);
        if matches!(ask, Ask::Place { .. } | Ask::Replace { .. }) {
            self.fill_place(order, index, name)?;
        } else {
            self.writer.begin().text("symbol", &self.listings[index].symbol);
        }
        let params = self.writer.params_mut();
        if matches!(ask, Ask::Replace { .. }) {
            let before = ClientId { generation: generation.checked_sub(1)?, ..name };
            let venue_id = self.orders.get(order)?.leg(before.generation)?.venue_id;
            params.text("cancelReplaceMode", "STOP_ON_FAILURE");
            params.text("cancelRestrictions", "ONLY_NEW");
            params.target(("cancelOrderId", "cancelOrigClientOrderId"), venue_id, before);
            params.client_id("cancelNewClientOrderId", before.cancel());
        } else if matches!(ask, Ask::Cancel { .. }) {
            params.target(("orderId", "origClientOrderId"), venue_id, name);
            params.client_id("newClientOrderId", name.cancel());
        } else if let Ask::Status { by_cancel, .. } = ask {
            let name = ClientId { cancel: by_cancel, ..name };
            params.target(("orderId", "origClientOrderId"), venue_id, name);
        } else if matches!(ask, Ask::Trades { .. }) {
            params.number("orderId", venue_id?);
            params.number("limit", ROW_COUNT_MAX);
        }
        Some(())
    }

    fn fill_place(&mut self, order: u64, index: usize, client_id: ClientId) -> Option<()> {
        let tracked = self.orders.get(order)?;
        let leg = tracked.leg(client_id.generation)?;
        let listing = &self.listings[index];
        self.writer.begin().place(&Place {
            symbol: &listing.symbol,
            side: tracked.side,
            terms: OrderTerms::from_code(tracked.terms)?,
            post_only: tracked.post_only,
            price: (leg.price, listing.price_scale),
            quantity: (leg.quantity, listing.quantity_scale),
            client_id,
            response: self.rules.response,
            self_trade: self.rules.self_trade,
        });
        Some(())
    }

    fn fill_trades(&mut self, listing: usize, from: Option<u64>) -> Option<()> {
        let since_ms = self.venue_ms(self.start_ns.saturating_sub(self.rules.lookback_ns));
        let params = self.writer.begin();
        params.text("symbol", &self.listings.get(listing)?.symbol);
        match from {
            Some(id) => params.number("fromId", id),
            None => params.number("startTime", since_ms),
        }
        params.number("limit", ROW_COUNT_MAX);
        Some(())
    }
}
