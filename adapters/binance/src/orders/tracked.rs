//! What is known of one order: its generations at the venue, and what the engine was told of them.
//!
//! ```text
//!   Asked --answer or report--> Working --end--> Ended
//!     +------refused, or can no longer be accepted--> Absent
//! ```
//! A leg is one order at the venue. A replaced order has several, of which only the last may work; what
//! the engine hears is the sum over all of them.

use engine::event::{ReportCode, Side};

use crate::answer::Status;

/// How a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All of it traded.
    Filled,
    /// Cancelled.
    Cancelled,
    /// Ended by its time in force or by the venue.
    Expired,
    /// Refused after it had an id.
    Rejected,
}

impl End {
    /// Of a status that is no longer working.
    pub fn from_status(status: Status) -> Option<End> {
        match status {
            Status::Working => None,
            Status::Filled => Some(End::Filled),
            Status::Cancelled => Some(End::Cancelled),
            Status::Rejected => Some(End::Rejected),
            Status::Expired => Some(End::Expired),
        }
    }

    /// The report that tells it; fills tell their own end.
    pub const fn report(self) -> Option<ReportCode> {
        match self {
            End::Filled => None,
            End::Cancelled => Some(ReportCode::Cancelled),
            End::Expired => Some(ReportCode::Expired),
            End::Rejected => Some(ReportCode::Rejected),
        }
    }
}

/// Where a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegState {
    /// Sent, or found in a report of a later generation; nothing is known.
    Asked,
    /// The venue has it.
    Working,
    /// It is over.
    Ended(End),
    /// The venue never had it and cannot get it any more.
    Absent,
}

/// One order at the venue.
#[derive(Clone, Copy, Debug)]
pub struct Leg {
    /// The venue's id.
    pub venue_id: Option<u64>,
    /// Its price.
    pub price: i64,
    /// Its quantity.
    pub quantity: i64,
    /// The most that any answer or report said it traded.
    pub executed: i64,
    /// How much of it was told to the engine.
    pub told: i64,
    /// Where it is.
    pub state: LegState,
    /// Timestamp in the request that makes it, ms of the venue: it cannot be accepted later than the
    /// receive window after that.
    pub sent_ms: u64,
    /// Not seen from its beginning: `told` is what was left when it was found.
    pub learned: bool,
}

impl Leg {
    /// A leg that is asked for.
    pub const fn asked(price: i64, quantity: i64) -> Leg {
        Leg {
            venue_id: None,
            price,
            quantity,
            executed: 0,
            told: 0,
            state: LegState::Asked,
            sent_ms: 0,
            learned: false,
        }
    }

    /// A leg of an earlier life of this program, which can have been sent until `sent_ms`.
    pub const fn learned(sent_ms: u64) -> Leg {
        Leg { sent_ms, learned: true, ..Leg::asked(0, 0) }
    }

    /// Whether nothing can be learned of it any more.
    pub fn is_closed(&self) -> bool {
        match self.state {
            LegState::Absent => true,
            LegState::Ended(_) => !self.learned && self.executed <= self.told,
            LegState::Asked | LegState::Working => false,
        }
    }
}

/// What the engine asked about an order and is not answered yet.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each set in its own place")]
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// Generation that is asked for.
    pub generation: u16,
    /// Whether it is asked for by the name of its cancel.
    pub by_cancel: bool,
    /// Whether it was asked for by the venue's id: others may have learned of that since.
    pub by_id: bool,
    /// When to ask again; 0 while an answer is awaited.
    pub at_ns: u64,
    /// Whether executions are asked for, not the state.
    pub trades: bool,
    /// Attempts at the executions.
    pub try_count: u8,
    /// Whether the engine waits for it.
    pub for_engine: bool,
}

/// A replace that goes by cancelling, waiting and placing the rest.
#[derive(Clone, Copy, Debug)]
pub struct Replace {
    /// New price.
    pub price: i64,
    /// New quantity, traded part included.
    pub quantity: i64,
}

/// An order.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each set in its own place")]
#[derive(Clone, Debug)]
pub struct Tracked {
    /// Instrument.
    pub instrument: u16,
    /// Side.
    pub side: Side,
    /// Code of its terms.
    pub terms: u16,
    /// Whether it must rest.
    pub post_only: bool,
    /// Generations from 1.
    pub legs: Vec<Leg>,
    /// Generations whose terms the engine knows.
    pub engine_legs: usize,
    /// The engine heard that it works.
    pub acked: bool,
    /// The engine heard how it ended.
    pub over: bool,
    /// Generations beyond `legs` may exist: it is of an earlier life of this program.
    pub learned: bool,
    /// A replace that is not finished.
    pub replace: Option<Replace>,
    /// The engine heard "unknown" while a replace was on its way.
    pub replace_doubt: bool,
    /// The engine wants it cancelled and has not heard an answer.
    pub cancel_wanted: bool,
    /// Cancels without an answer.
    pub cancel_flights: u8,
    /// Cancels sent since one was wanted.
    pub cancel_try_count: u8,
    /// When to cancel again, 0 for not.
    pub cancel_at_ns: u64,
    /// When executions that an answer promised must have come, 0 for none missing.
    pub check_at_ns: u64,
    /// A query on its way.
    pub query: Option<Query>,
    /// When the order left, for the time to its acknowledgement and fills; 0 in an earlier life.
    pub sent_ns: u64,
    /// When that was received which made the engine want the order; 0 in an earlier life.
    pub signal_ns: u64,
    /// Something of it may be due; kept by `crate::orders::known`.
    pub awake: bool,
}

impl Tracked {
    /// An order without legs.
    pub fn new(instrument: u16, side: Side) -> Tracked {
        Tracked {
            instrument,
            side,
            terms: 0,
            post_only: false,
            legs: Vec::new(),
            engine_legs: 1,
            acked: false,
            over: false,
            learned: false,
            replace: None,
            replace_doubt: false,
            cancel_wanted: false,
            cancel_flights: 0,
            cancel_try_count: 0,
            cancel_at_ns: 0,
            check_at_ns: 0,
            query: None,
            sent_ns: 0,
            signal_ns: 0,
            awake: false,
        }
    }

    /// When the order must be looked at, `u64::MAX` for never; never 0.
    pub fn due_ns(&self) -> u64 {
        let query_ns = self.query.map_or(0, |query| query.at_ns);
        let times = [query_ns, self.cancel_at_ns, self.check_at_ns];
        times.into_iter().filter(|time| *time != 0).min().unwrap_or(u64::MAX)
    }

    /// Generation of the last leg that is not absent.
    pub fn current(&self) -> Option<u16> {
        let index = self.legs.iter().rposition(|leg| leg.state != LegState::Absent)?;
        u16::try_from(index + 1).ok()
    }

    /// A leg.
    pub fn leg(&self, generation: u16) -> Option<&Leg> {
        self.legs.get(usize::from(generation).checked_sub(1)?)
    }

    /// A leg.
    pub fn leg_mut(&mut self, generation: u16) -> Option<&mut Leg> {
        self.legs.get_mut(usize::from(generation).checked_sub(1)?)
    }

    /// The leg, made with everything before it where it is not known yet.
    pub fn learn(&mut self, generation: u16, sent_ms: u64) -> &mut Leg {
        let count = usize::from(generation.max(1));
        while self.legs.len() < count {
            self.legs.push(Leg::learned(sent_ms));
            self.learned = true;
        }
        &mut self.legs[count - 1]
    }

    /// What the engine was told over all generations.
    pub fn told(&self) -> i64 {
        self.legs.iter().fold(0, |sum, leg| sum.saturating_add(leg.told))
    }

    /// What traded before that generation.
    pub fn told_before(&self, generation: u16) -> i64 {
        let count = usize::from(generation.saturating_sub(1)).min(self.legs.len());
        self.legs[..count].iter().fold(0, |sum, leg| sum.saturating_add(leg.told))
    }

    /// Whether executions are missing.
    pub fn is_short(&self) -> bool {
        self.legs.iter().any(|leg| leg.told < leg.executed)
    }
}
