//! The paper venue as its callers see it: market in, requests in, reports out, all by event time.

use engine::book::Level;
use engine::event::{BookState, Event, Kind, Mode, OrderTerms, ReportCode, Side, flags};
use engine::feed::{Feed, FeedConfig};
use engine::gateway::Outlet;
use engine::instrument::InstrumentTable;
use engine::market::Market;
use engine::ring::{Emitter, Ring};
use engine::state::mix;

use crate::code;
use crate::config::{PaperConfig, PaperError, PaperPermit};
use crate::counters::PaperCounters;
use crate::desk::{Desk, Working};
use crate::matching::Floor;
use crate::outbox::Outbox;
use crate::random::SplitMix;
use crate::requests::{Ended, Memory, Request, Requests};

/// Slots for what the venue's own feed stage says of its books; one event leads to one change of state.
const FEED_SLOT_COUNT: usize = 64;

/// The paper venue.
///
/// Per inbound event `e` of the engine the caller does three things, in this order:
/// `advance(e.time_ns, ..)`, so that what happened before is heard before; `on_market(&e)`; and after
/// the engine has handled `e`, `on_request(..)` for each outbound event that the gateway released.
/// When nothing is heard, `next_due_ns` says when to call `advance` next.
#[derive(Debug)]
pub struct PaperVenue {
    permit: PaperPermit,
    config: PaperConfig,
    instruments: InstrumentTable,
    feed: Feed,
    feed_ring: Ring,
    market: Market,
    desks: Vec<Desk>,
    requests: Requests,
    outbox: Outbox,
    memory: Memory,
    chance: SplitMix,
    plan: Vec<Level>,
    /// Newest event time heard.
    present_ns: u64,
}

impl PaperVenue {
    /// A venue without orders. Refuses [`Mode::Live`].
    pub fn new(
        config: PaperConfig,
        instruments: InstrumentTable,
        mode: Mode,
    ) -> Result<PaperVenue, PaperError> {
        PaperVenue::with_permit(config, instruments, PaperPermit::for_mode(mode)?)
    }

    /// A venue without orders, for whoever holds a permit.
    pub fn with_permit(
        config: PaperConfig,
        instruments: InstrumentTable,
        permit: PaperPermit,
    ) -> Result<PaperVenue, PaperError> {
        config.check()?;
        let feed_config = FeedConfig {
            buffer_event_count_max: config.depth_buffer_count_max,
            ..FeedConfig::default()
        };
        Ok(PaperVenue {
            permit,
            config,
            feed: Feed::new(feed_config, &instruments),
            feed_ring: Ring::new(FEED_SLOT_COUNT, 0),
            market: Market::new(instruments.count()),
            desks: instruments.iter().map(|_| Desk::default()).collect(),
            requests: Requests::new(&config),
            outbox: Outbox::new(&config),
            memory: Memory::new(&config),
            chance: SplitMix::new(config.seed ^ 0x6368_616e_6365),
            plan: Vec::new(),
            present_ns: 0,
            instruments,
        })
    }

    /// The mode of the session; never live.
    pub fn mode(&self) -> Mode {
        self.permit.mode()
    }

    /// What happened so far.
    pub fn counters(&self) -> PaperCounters {
        self.outbox.counters
    }

    /// How many orders work.
    pub fn working_count(&self) -> usize {
        self.desks.iter().map(Desk::working_count).sum()
    }

    /// Hears one event that the engine hears too. What is neither market data nor clock is ignored.
    pub fn on_market(&mut self, event: &Event) {
        let is_time = event.kind == Kind::CLOCK;
        let is_market = [Kind::DEPTH, Kind::LEVEL, Kind::TRADE, Kind::QUOTE, Kind::FEED];
        if !is_time && !is_market.contains(&event.kind) {
            return;
        }
        let time_ns = event.time_ns.max(self.present_ns);
        self.run_requests(time_ns, false);
        self.present_ns = time_ns;
        if is_time {
            return;
        }
        let event = event.at(time_ns);
        self.feed_ring.begin(event);
        let mut emitter = Emitter::new(&mut self.feed_ring, &event);
        self.feed.apply(&event, &mut self.market, &mut emitter);
        self.match_market(&event);
    }

    fn match_market(&mut self, event: &Event) {
        let is_idle = self.desks.get(usize::from(event.instrument)).is_none_or(Desk::is_idle);
        if is_idle || !event.is_last() {
            return;
        }
        let is_trade = event.kind == Kind::TRADE;
        let Some(mut floor) = self.floor(event.instrument, event.time_ns) else { return };
        if is_trade {
            floor.trade(event);
        } else if floor.market.state == BookState::Live && !floor.market.updating {
            floor.book_changed();
        }
    }

    /// Takes an outbound event that the gateway released at `time_ns`. What is not a request is ignored.
    pub fn on_request(&mut self, event: &Event, time_ns: u64) {
        if !event.kind.is_outbound() {
            return;
        }
        let time_ns = time_ns.max(self.present_ns);
        if !self.requests.send(event, time_ns) {
            self.outbox.counters.overflows += 1;
            let what = (refusal(event.kind), code::TOO_MANY_REQUESTS);
            self.outbox.tell(time_ns, event.instrument, event.id, what, (0, 0));
        }
    }

    /// Does everything that is due up to and including `time_ns` and hands the reports to `sink`, in
    /// order of time. A report's time is when it reaches us, but never before what was heard already.
    pub fn advance(&mut self, time_ns: u64, sink: &mut impl FnMut(Event)) {
        self.run_requests(time_ns, true);
        self.outbox.deliver(time_ns, self.present_ns, sink);
        self.present_ns = self.present_ns.max(time_ns);
    }

    /// When the next request is matched or the next report delivered; `None` when nothing is on its way.
    pub fn next_due_ns(&self) -> Option<u64> {
        let request = self.first_request().map(|(_, due_ns)| due_ns);
        match (request, self.outbox.next_due_ns()) {
            (Some(request_ns), Some(report_ns)) => Some(request_ns.min(report_ns)),
            (due, None) | (None, due) => due,
        }
    }

    /// Puts back an order that worked when the session before ended, as told by its `SEND_NEW` (with the
    /// newest price and quantity) and by what traded of it. It stands behind everything displayed. False when it
    /// cannot work here: not a resting order, nothing left, known already, or no room.
    pub fn restore(&mut self, order: &Event, filled: i64) -> bool {
        let rests = OrderTerms::from_code(order.code) == Some(OrderTerms::LIMIT_GTC);
        let sound = 0 < order.price && 0 <= filled && filled < order.quantity;
        let known = self.memory.find(order.id).is_some()
            || self.desks.iter().any(|desk| desk.find(order.id).is_some());
        let full = self.config.orders_max <= self.working_count();
        let Some(desk) = self.desks.get_mut(usize::from(order.instrument)) else { return false };
        if order.kind != Kind::SEND_NEW || !rests || !sound || known || full {
            return false;
        }
        desk.insert(Working {
            id: order.id,
            instrument: order.instrument,
            side: order.side(),
            post_only: order.has(flags::POST_ONLY),
            price: order.price,
            quantity: order.quantity,
            filled,
            ahead: i64::MAX,
            credit: 0,
            credit_ns: 0,
        });
        true
    }

    /// Hash of books, working orders and what is on its way, for comparing two runs.
    pub fn digest(&self) -> u64 {
        let orders = self
            .desks
            .iter()
            .flat_map(|desk| [Side::Buy, Side::Sell].map(|side| desk.working(side)));
        let hash = orders.flatten().fold(self.market.digest(), |hash, order| {
            let hash = mix(mix(hash, order.id), order.filled.cast_unsigned());
            mix(hash, order.ahead.cast_unsigned())
        });
        let waiting = u64::try_from(self.requests.len()).expect("a length fits 64 bits");
        mix(mix(hash, self.outbox.counters.fills), waiting)
    }

    fn floor(&mut self, index: u16, time_ns: u64) -> Option<Floor<'_>> {
        Some(Floor {
            config: &self.config,
            instrument: self.instruments.get(index)?,
            market: self.market.get(index)?,
            desk: self.desks.get_mut(usize::from(index))?,
            outbox: &mut self.outbox,
            memory: &mut self.memory,
            plan: &mut self.plan,
            time_ns,
        })
    }

    /// The first request and when it is matched. Requests wait for the end of a depth update of their
    /// instrument, unless it does not come.
    fn first_request(&self) -> Option<(usize, u64)> {
        self.requests.first(|instrument| {
            let market = self.market.get(instrument).filter(|market| market.updating)?;
            Some(market.heard_ns.saturating_add(self.config.quiet_ns_max).saturating_add(1))
        })
    }

    fn run_requests(&mut self, time_ns: u64, inclusive: bool) {
        while let Some((place, due_ns)) = self.first_request()
            && (due_ns < time_ns || (inclusive && due_ns == time_ns))
            && let Some(request) = self.requests.remove(place)
        {
            self.run_request(&request, due_ns.max(self.present_ns));
        }
    }

    fn run_request(&mut self, request: &Request, time_ns: u64) {
        let event = &request.event;
        if event.kind == Kind::SEND_NEW {
            self.new_order(event, time_ns);
        } else if event.kind == Kind::SEND_QUERY {
            self.query(event, time_ns);
        } else if let Some(mut floor) = self.floor(event.instrument, time_ns) {
            if event.kind == Kind::SEND_CANCEL {
                floor.cancel(event);
            } else {
                floor.replace(event);
            }
        } else {
            let what = (refusal(event.kind), code::UNKNOWN_INSTRUMENT);
            self.outbox.tell(time_ns, event.instrument, event.id, what, (0, 0));
        }
    }

    fn new_order(&mut self, event: &Event, time_ns: u64) {
        let per_million = self.config.reject_per_million;
        let unlucky = 0 < per_million && self.chance.up_to(999_999) < u64::from(per_million);
        let known = self.memory.find(event.id).is_some()
            || self.desks.iter().any(|desk| desk.find(event.id).is_some());
        let full = self.config.orders_max <= self.working_count();
        let verdict = match self.floor(event.instrument, time_ns) {
            None => Err(code::UNKNOWN_INSTRUMENT),
            Some(_) if known => Err(code::DUPLICATE_ID),
            Some(_) if full => Err(code::TOO_MANY_ORDERS),
            Some(floor) => floor.check_new(event),
        };
        let verdict = if unlucky { verdict.and(Err(code::CHANCE)) } else { verdict };
        match verdict {
            Ok(terms) => {
                if let Some(mut floor) = self.floor(event.instrument, time_ns) {
                    floor.accept(event, terms);
                }
            }
            Err(venue_code) => {
                self.outbox.counters.rejects += 1;
                let code = ReportCode::Rejected;
                self.outbox.tell(time_ns, event.instrument, event.id, (code, venue_code), (0, 0));
                // The refusal of a repeated id says nothing about the order that has it.
                if venue_code != code::DUPLICATE_ID {
                    let ended = Ended { code, venue_code, price: event.price, filled: 0 };
                    self.memory.remember(event.id, ended);
                }
            }
        }
    }

    fn query(&mut self, event: &Event, time_ns: u64) {
        let working = self.desks.iter().find_map(|desk| desk.find(event.id)).map(|order| Ended {
            code: ReportCode::Working,
            venue_code: 0,
            price: order.price,
            filled: order.filled,
        });
        let not_found = Ended { code: ReportCode::NotFound, venue_code: 0, price: 0, filled: 0 };
        let answer = working.or(self.memory.find(event.id).copied()).unwrap_or(not_found);
        let what = (answer.code, answer.venue_code);
        let terms = (answer.price, answer.filled);
        self.outbox.tell(time_ns, event.instrument, event.id, what, terms);
    }
}

/// The report that refuses a request of `kind`.
fn refusal(kind: Kind) -> ReportCode {
    match kind {
        Kind::SEND_NEW => ReportCode::Rejected,
        Kind::SEND_CANCEL => ReportCode::CancelRejected,
        Kind::SEND_REPLACE => ReportCode::ReplaceRejected,
        _ => ReportCode::OutcomeUnknown,
    }
}

impl Outlet for PaperVenue {
    /// Takes the event as released at its own time; there is always room for an answer.
    fn offer(&mut self, event: &Event) -> bool {
        self.on_request(event, event.time_ns);
        true
    }
}
