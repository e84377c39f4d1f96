//! One side's quote: what was asked for, what the OMS said, how much can still trade.
//!
//! ```text
//!   Idle --order--> Asked --New, Pending--> Opening --Acked--> Working --replace--> Replacing
//!    ^                |refused, rejected        |                  |cancel              |
//!    +----------------+-------------------------+--terminal--------+--> Cancelling <----+
//!   Unknown: the OMS asks the venue; nothing is assumed, the quote counts as working.
//! ```
//!
//! **Invariant:** there is at most one order a side; the next one waits for a terminal state.

use engine::event::{OrderState, Side};
use engine::state::{LoadError, Loader, Saver, State};

/// Where a quote is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// There is none.
    Idle = 0,
    /// An intent left; it has no id yet.
    Asked = 1,
    /// It has an id; the venue has not answered.
    Opening = 2,
    /// Works at the venue.
    Working = 3,
    /// A replace left.
    Replacing = 4,
    /// A cancel left.
    Cancelling = 5,
    /// Its fate is being asked for.
    Unknown = 6,
}

const PHASES: [Phase; 7] = [
    Phase::Idle,
    Phase::Asked,
    Phase::Opening,
    Phase::Working,
    Phase::Replacing,
    Phase::Cancelling,
    Phase::Unknown,
];

/// Rejections in a row after which a side waits out the back-off, whatever the market does.
const REJECT_COUNT_MAX: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) phase: Phase,
    pub(super) order_id: u64,
    pub(super) tag: u32,
    pub(super) price: i64,
    /// Quantity of the order, traded part included.
    pub(super) total: i64,
    /// Leaves as last told.
    pub(super) leaves: i64,
    /// Traded, by the fills seen.
    pub(super) filled: i64,
    /// Terms of a replace on its way; 0 for none.
    pub(super) next_price: i64,
    pub(super) next_total: i64,
    /// Whether the OMS took up the cancel or replace on its way.
    pub(super) confirmed: bool,
    /// When it was last amended.
    pub(super) amended_ns: u64,
    /// When its cancel was last asked for.
    pub(super) cancelled_ns: u64,
    /// No new order before that.
    pub(super) blocked_until_ns: u64,
    /// No new order while the touch is what it was when the venue rejected one.
    pub(super) held: Option<(i64, i64)>,
    pub(super) reject_count: u32,
}

/// What a state update changed for the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Not about this quote.
    Nothing,
    /// Noted; a fill or the answer to what was asked follows in the same breath.
    Noted,
    /// The side should be looked at again.
    Changed,
    /// The venue would not have it.
    Rejected,
}

impl Slot {
    pub(super) const EMPTY: Slot = Slot {
        phase: Phase::Idle,
        order_id: 0,
        tag: 0,
        price: 0,
        total: 0,
        leaves: 0,
        filled: 0,
        next_price: 0,
        next_total: 0,
        confirmed: false,
        amended_ns: 0,
        cancelled_ns: 0,
        blocked_until_ns: 0,
        held: None,
        reject_count: 0,
    };

    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Most that can still trade, a replace on its way included.
    pub(super) fn remaining(&self) -> i64 {
        if self.is_idle() {
            return 0;
        }
        let present = (self.total - self.filled).min(self.leaves);
        present.max(self.next_total - self.filled).max(0)
    }

    /// A new order left.
    pub(super) fn ask(&mut self, now_ns: u64, tag: u32, price: i64, quantity: i64) {
        self.phase = Phase::Asked;
        (self.order_id, self.tag) = (0, tag);
        (self.price, self.total, self.leaves, self.filled) = (price, quantity, quantity, 0);
        (self.next_price, self.next_total, self.confirmed) = (0, 0, false);
        (self.amended_ns, self.cancelled_ns) = (now_ns, 0);
    }

    /// A replace left; `quantity` is what shall work.
    pub(super) fn replace(&mut self, now_ns: u64, price: i64, quantity: i64) -> i64 {
        let traded = self.total - self.remaining();
        self.phase = Phase::Replacing;
        (self.next_price, self.next_total) = (price, traded + quantity);
        (self.confirmed, self.amended_ns) = (false, now_ns);
        self.next_total
    }

    /// A cancel left.
    pub(super) fn cancel(&mut self, now_ns: u64) {
        self.phase = Phase::Cancelling;
        self.confirmed = false;
        (self.amended_ns, self.cancelled_ns) = (now_ns, now_ns);
    }

    /// What was asked for and never taken up did not happen: the OMS answers within the same event, and
    /// this is called at later ones, so that a lost intent cannot block a side for ever.
    pub(super) fn expire(&mut self, now_ns: u64, patience_ns: u64) {
        if now_ns <= self.amended_ns.saturating_add(patience_ns) {
            return;
        }
        match self.phase {
            Phase::Asked => self.end(),
            Phase::Replacing | Phase::Cancelling if !self.confirmed => {
                (self.next_price, self.next_total) = (0, 0);
                self.phase = Phase::Working;
            }
            Phase::Replacing
            | Phase::Cancelling
            | Phase::Idle
            | Phase::Opening
            | Phase::Working
            | Phase::Unknown => {}
        }
    }

    fn end(&mut self) {
        self.phase = Phase::Idle;
        (self.order_id, self.next_price, self.next_total) = (0, 0, 0);
    }

    pub(super) fn on_fill(&mut self, tag: u32, quantity: i64) {
        if !self.is_idle() && self.tag == tag {
            self.filled = self.filled.saturating_add(quantity);
        }
    }

    /// The risk gate said no to what was asked; whether it was about this quote.
    pub(super) fn on_refused(&mut self, tag: u32) -> bool {
        if self.tag != tag {
            return false;
        }
        match self.phase {
            Phase::Asked => self.end(),
            Phase::Replacing | Phase::Cancelling => {
                (self.next_price, self.next_total) = (0, 0);
                self.phase = Phase::Working;
            }
            Phase::Idle | Phase::Opening | Phase::Working | Phase::Unknown => return false,
        }
        true
    }

    /// The OMS told a state.
    pub(super) fn on_state(&mut self, told: &Told) -> Heard {
        if self.is_idle() || self.tag != told.tag {
            return Heard::Nothing;
        }
        let was_amending = self.confirmed && self.phase != Phase::Working;
        self.order_id = told.order_id;
        self.leaves = told.leaves;
        match told.state {
            OrderState::New | OrderState::Pending => {
                if self.phase == Phase::Asked {
                    self.phase = Phase::Opening;
                }
                Heard::Changed
            }
            OrderState::Acked => {
                self.reject_count = 0;
                self.rest(told)
            }
            OrderState::PartiallyFilled => match self.rest(told) {
                Heard::Changed if was_amending => Heard::Changed,
                Heard::Changed | Heard::Noted | Heard::Nothing | Heard::Rejected => Heard::Noted,
            },
            OrderState::PendingReplace => {
                if self.phase != Phase::Cancelling {
                    (self.phase, self.confirmed) = (Phase::Replacing, true);
                }
                Heard::Noted
            }
            OrderState::PendingCancel => {
                (self.phase, self.confirmed) = (Phase::Cancelling, true);
                Heard::Noted
            }
            OrderState::Unknown => {
                self.phase = Phase::Unknown;
                Heard::Noted
            }
            OrderState::Filled => {
                self.end();
                Heard::Noted
            }
            OrderState::Rejected => {
                self.end();
                Heard::Rejected
            }
            OrderState::Cancelled | OrderState::Expired => {
                self.end();
                Heard::Changed
            }
        }
    }

    /// It works, on terms that may be the new ones.
    fn rest(&mut self, told: &Told) -> Heard {
        match self.phase {
            // Told before the OMS saw what was asked: the answer is still to come.
            Phase::Replacing | Phase::Cancelling if !self.confirmed => return Heard::Noted,
            Phase::Idle
            | Phase::Asked
            | Phase::Opening
            | Phase::Working
            | Phase::Replacing
            | Phase::Cancelling
            | Phase::Unknown => {}
        }
        if self.next_total != 0 {
            let told_total = told.leaves + self.filled;
            let replaced = told.price == self.next_price && told_total == self.next_total;
            let refused = told.price == self.price && told_total == self.total;
            self.total = match (replaced, refused) {
                (true, _) => self.next_total,
                (false, true) => self.total,
                // Neither fits, because a fill is still to be told: the larger is the safer.
                (false, false) => self.total.max(self.next_total),
            };
            (self.next_price, self.next_total) = (0, 0);
        }
        self.price = told.price;
        (self.phase, self.confirmed) = (Phase::Working, false);
        Heard::Changed
    }

    /// The venue rejected an order while the touch was `touch`: it waits for another one.
    pub(super) fn hold(&mut self, now_ns: u64, touch: (i64, i64), backoff_ns: u64) {
        self.held = Some(touch);
        self.reject_count = self.reject_count.saturating_add(1);
        if REJECT_COUNT_MAX <= self.reject_count {
            self.blocked_until_ns = now_ns.saturating_add(backoff_ns);
        }
    }

    /// Lowest and highest price at which it may trade; `None` when there is none.
    pub(super) fn prices(&self) -> Option<(i64, i64)> {
        if self.is_idle() {
            return None;
        }
        let other = if self.next_price == 0 { self.price } else { self.next_price };
        Some((self.price.min(other), self.price.max(other)))
    }
}

/// A state as the OMS told it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) order_id: u64,
    pub(super) tag: u32,
    pub(super) state: OrderState,
    pub(super) price: i64,
    pub(super) leaves: i64,
}

/// Tag of the `counter`-th order on `side`.
pub(super) fn tag(counter: u32, side: Side) -> u32 {
    let low = match side {
        Side::Buy => 0,
        Side::Sell => 1,
    };
    (counter << 1) | low
}

impl State for Slot {
    fn save(&self, out: &mut Saver) {
        out.u8(self.phase as u8);
        out.u64(self.order_id);
        out.u32(self.tag);
        for value in
            [self.price, self.total, self.leaves, self.filled, self.next_price, self.next_total]
        {
            out.i64(value);
        }
        out.bool(self.confirmed);
        for value in [self.amended_ns, self.cancelled_ns, self.blocked_until_ns] {
            out.u64(value);
        }
        out.bool(self.held.is_some());
        let (bid, ask) = self.held.unwrap_or_default();
        out.i64(bid);
        out.i64(ask);
        out.u32(self.reject_count);
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        let phase = usize::from(from.u8()?);
        self.phase = *PHASES.get(phase).ok_or_else(|| from.invalid("phase of a quote"))?;
        self.order_id = from.u64()?;
        self.tag = from.u32()?;
        for value in [
            &mut self.price,
            &mut self.total,
            &mut self.leaves,
            &mut self.filled,
            &mut self.next_price,
            &mut self.next_total,
        ] {
            *value = from.i64()?;
        }
        self.confirmed = from.bool()?;
        for value in [&mut self.amended_ns, &mut self.cancelled_ns, &mut self.blocked_until_ns] {
            *value = from.u64()?;
        }
        let held = from.bool()?;
        let touch = (from.i64()?, from.i64()?);
        self.held = held.then_some(touch);
        self.reject_count = from.u32()?;
        Ok(())
    }
}
