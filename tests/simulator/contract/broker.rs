//! What every broker owes the engine, as clauses over a double.
//!
//! Each clause asks as the engine asks (outbound events), listens as it listens, and compares with what the
//! venue itself has. In the end of each: no execution was told twice, and no order is there twice.

mod ears;
mod life;
mod link;
mod unknown;

use engine::event::{Event, Kind, OrderTerms, ReportCode, Side, flags};

use super::{BOUND_NS, Clause, Held, MS_NS, Stop, ensure};
pub use ears::BrokerEars;

/// Number of the engine in the ids of orders.
pub const ENGINE: u8 = 3;
/// Instrument that doubles trade.
pub const INSTRUMENT: u16 = 0;
/// Between two questions about an order that is unknown; a session's is a second.
const QUERY_INTERVAL_NS: u64 = 50 * MS_NS;

/// What a venue can do to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerTrouble {
    /// The next new order never arrives, and nothing answers it.
    LosesOrder,
    /// The next new order arrives, its answer does not.
    LosesAnswer,
    /// The next new order is answered by a server error before the venue took it.
    ErrorBefore,
    /// The next new order is answered by a server error after the venue took it.
    ErrorAfter,
    /// The next new order is taken and answered by the venue's code for "outcome unknown".
    CodeUnknown,
    /// The connection is reset by the next new order before the venue took it.
    CutBefore,
    /// The connection is reset by the next new order after the venue took it.
    CutAfter,
    /// The next new order is refused for a second: too many requests.
    Limited,
    /// The next new order is answered by a text that is none.
    Garbage,
    /// Every connection is reset.
    Cut,
    /// Every connection stays open and says nothing.
    Mute,
    /// The next fill is reported three times.
    ReportAgain,
    /// The next fill is reported after what follows it.
    ReportLater,
    /// The venue's clock is wrong by more than a request may be old.
    ClockAhead,
    /// The venue ends and comes back with its state.
    Restart,
}

/// An order of ours as the venue has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenOrder {
    /// Our id.
    pub id: u64,
    /// Total price and quantity.
    pub price: i64,
    /// See there.
    pub quantity: i64,
    /// What traded.
    pub executed: i64,
    /// Whether it works.
    pub is_open: bool,
}

/// Prices and quantities of a double's market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// A buy at this price rests, and is the first that trades.
    pub rest: i64,
    /// A buy at this price takes.
    pub take: i64,
    /// A good quantity; half of it is good too.
    pub quantity: i64,
    /// A quantity that the venue refuses.
    pub refused_quantity: i64,
}

/// A signed request: what it is, as it must be, as it is.
pub type Golden = (&'static str, String, String);

/// A broker, with a venue that can be troubled.
pub trait BrokerDouble: Sized {
    /// A broker that connects with its first turns.
    fn start() -> Result<Self, Stop>;
    /// The time that the broker sees.
    fn now_ns(&self) -> u64;
    /// Takes an outbound event.
    fn ask(&mut self, event: &Event);
    /// One turn of everything.
    fn turn(&mut self, ears: &mut BrokerEars);
    /// Prices of the market.
    fn prices(&self) -> Prices;
    /// Somebody sells at [`Prices::rest`].
    fn sell_to_us(&mut self, quantity: i64);
    /// Our orders as the venue has them, over or not.
    fn orders(&self) -> Vec<SeenOrder>;
    /// Troubles the broker.
    fn trouble(&mut self, trouble: BrokerTrouble) -> Held;
    /// Whether that has happened.
    fn has_happened(&self) -> bool;
    /// Whether there is a link that goes up and down; if not, why.
    fn has_link() -> Held;
    /// The broker dies with everything that it knew, and a new one begins.
    fn reborn(&mut self) -> Held;
    /// An order of our account that is not of this engine begins to work.
    fn stranger(&mut self) -> Held;
    /// Signed requests beside those of the venue's documents.
    fn golden() -> Result<Vec<Golden>, Stop>;
}

/// The clauses.
#[rustfmt::skip]
pub fn clauses<D: BrokerDouble>() -> Vec<Clause> {
    let clause = |name, says, check| Clause { name, says, check };
    vec![
        clause("broker-says-up", "the link is up when requests can be sent and reports come in", link::says_up::<D>),
        clause("broker-acknowledges", "a new order is acknowledged once and is there once", life::acknowledges::<D>),
        clause("broker-refuses-with-a-reason", "a refused order is told with the venue's code and is not there", life::refuses::<D>),
        clause("broker-fills-a-taker", "an order that takes is filled to its whole quantity", life::fills_a_taker::<D>),
        clause("broker-tells-fills-once", "each execution is told once, with a growing total", life::tells_fills_once::<D>),
        clause("broker-ignores-repeated-reports", "a report that comes again says nothing new", life::ignores_repeats::<D>),
        clause("broker-bears-late-reports", "reports that overtake each other lose no fill", life::bears_late_reports::<D>),
        clause("broker-cancels", "a cancel is told once and the order is gone", life::cancels::<D>),
        clause("broker-answers-a-late-cancel", "a cancel of an order that is over is answered", life::answers_late_cancel::<D>),
        clause("broker-replaces", "a replace is told with the new terms; one order works", life::replaces::<D>),
        clause("broker-never-sends-twice", "the same id asked twice is one order", life::never_sends_twice::<D>),
        clause("broker-answers-a-query", "a query tells what traded of a working order", unknown::answers_query::<D>),
        clause("broker-denies-what-never-was", "a query about an order that never was ends with not-found", unknown::denies::<D>),
        clause("broker-settles-a-lost-order", "an order that never arrived becomes unknown, then not-found", unknown::lost_order::<D>),
        clause("broker-settles-a-lost-answer", "an order whose answer is lost is found and not sent again", unknown::lost_answer::<D>),
        clause("broker-settles-an-error-before", "a server error before acceptance ends with not-found", unknown::error_before::<D>),
        clause("broker-settles-an-error-after", "a server error after acceptance ends with the order", unknown::error_after::<D>),
        clause("broker-settles-the-unknown-code", "the venue's code for unknown is asked about", unknown::code_unknown::<D>),
        clause("broker-settles-a-cut-before", "a socket cut before acceptance ends with not-found", unknown::cut_before::<D>),
        clause("broker-settles-a-cut-after", "a socket cut after acceptance ends with the order", unknown::cut_after::<D>),
        clause("broker-settles-garbage", "an answer that is none leaves nothing unsettled", unknown::garbage::<D>),
        clause("broker-keeps-limits", "a refusal for too many requests is final for that order and waited out", unknown::keeps_limits::<D>),
        clause("broker-bears-a-wrong-clock", "a clock beyond the window loses and doubles nothing", unknown::wrong_clock::<D>),
        clause("broker-tells-a-cut", "a cut takes the link down; it comes up by itself", link::tells_a_cut::<D>),
        clause("broker-judges-silence", "an open connection that says nothing takes the link down", link::judges_silence::<D>),
        clause("broker-pulls-everything", "a pull tells open orders, strangers and balances in its frame", link::pulls_everything::<D>),
        clause("broker-pulls-missed-fills", "fills during a cut are told once, after it", link::pulls_missed_fills::<D>),
        clause("broker-survives-a-restart", "orders of before a restart of the venue are known after it", link::survives_a_restart::<D>),
        clause("broker-knows-an-earlier-life", "orders of a broker that died are found by the next one, whether they were answered or not", link::knows_an_earlier_life::<D>),
        clause("broker-signs-as-documented", "signed requests are those of the documents, byte for byte", link::signs::<D>),
    ]
}

/// A double and what it told.
struct Bench<D> {
    double: D,
    ears: BrokerEars,
    counter: u64,
}

impl<D: BrokerDouble> Bench<D> {
    /// A broker that can be asked.
    fn up() -> Result<Bench<D>, Stop> {
        let double = D::start()?;
        let mut bench = Bench { double, ears: BrokerEars::default(), counter: 0 };
        if D::has_link().is_ok() {
            bench.until("link up", |ears| 0 < ears.link_count(engine::event::LinkCode::Up, 0))?;
        }
        Ok(bench)
    }

    /// Turns until `done` says so.
    fn until(&mut self, what: &str, done: impl Fn(&BrokerEars) -> bool) -> Held {
        let start_ns = self.double.now_ns();
        while !done(&self.ears) {
            self.double.turn(&mut self.ears);
            let took_ns = self.double.now_ns().saturating_sub(start_ns);
            ensure(took_ns < BOUND_NS, || format!("{what}: not in time; {}", self.ears.story()))?;
        }
        Ok(())
    }

    /// Turns for so long.
    fn pass(&mut self, span_ns: u64) {
        let end_ns = self.double.now_ns().saturating_add(span_ns);
        while self.double.now_ns() < end_ns {
            self.double.turn(&mut self.ears);
        }
    }

    fn next_id(&mut self) -> u64 {
        self.counter += 1;
        engine::ids::order_id(ENGINE, 1, self.counter)
    }

    fn ask(&mut self, kind: Kind, id: u64, (price, quantity): (i64, i64)) {
        let mut event = Event::new(kind);
        event.instrument = INSTRUMENT;
        event.id = id;
        event.code = OrderTerms::LIMIT_GTC.code();
        (event.price, event.quantity) = (price, quantity);
        event.flags = Side::Buy.flag() | flags::LAST;
        self.double.ask(&event);
    }

    /// Sends a buy that rests; its id.
    fn place(&mut self) -> u64 {
        let (id, prices) = (self.next_id(), self.double.prices());
        self.ask(Kind::SEND_NEW, id, (prices.rest, prices.quantity));
        id
    }

    /// Sends a buy that rests, and waits until it works.
    fn work(&mut self) -> Result<u64, Stop> {
        let id = self.place();
        self.until("acked", |ears| ears.did_say(id, ReportCode::Acked))?;
        Ok(id)
    }

    /// The venue's side of an order.
    fn seen(&self, id: u64) -> Vec<SeenOrder> {
        self.double.orders().into_iter().filter(|order| order.id == id).collect()
    }

    /// As the engine does it: asks again and again until the order is no longer unknown. The last word.
    fn settle(&mut self, id: u64) -> Result<ReportCode, Stop> {
        let start_ns = self.double.now_ns();
        let mut next_ns = start_ns;
        loop {
            let now_ns = self.double.now_ns();
            match self.ears.said(id).last().copied() {
                Some(ReportCode::OutcomeUnknown) if next_ns <= now_ns => {
                    next_ns = now_ns + QUERY_INTERVAL_NS;
                    self.ask(Kind::SEND_QUERY, id, (0, 0));
                }
                None | Some(ReportCode::OutcomeUnknown) => {}
                Some(word) => return Ok(word),
            }
            self.double.turn(&mut self.ears);
            ensure(now_ns.saturating_sub(start_ns) < BOUND_NS, || {
                format!("{id:x} stays unknown; {}", self.ears.story())
            })?;
        }
    }

    /// The trouble happened, the orders are there once or not at all, every execution was told once.
    fn ends(&self) -> Held {
        ensure(self.double.has_happened(), || "the trouble never happened".to_string())?;
        let mut ids: Vec<u64> = self.double.orders().iter().map(|order| order.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        ensure(ids.len() == count, || format!("an order is at the venue twice: {ids:x?}"))?;
        self.ears.check()
    }
}
