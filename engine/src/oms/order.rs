//! One order: its terms, what traded, and the notes from which its state follows.

use super::table::Input;
use crate::event::{Event, Kind, OrderState, OrderTerms, Side, flags};
use crate::instrument::InstrumentIndex;
use crate::state::mix;

/// Notes about an order, one bit each. Saved in snapshots; never renumbered.
pub(super) mod note {
    /// The venue has shown in some way that it had the order.
    pub(crate) const ACKED: u8 = 1;
    /// Its fate is being asked for.
    pub(crate) const DOUBTFUL: u8 = 1 << 1;
    /// It is to be cancelled; holds until the venue says yes or no.
    pub(crate) const CANCEL_WANTED: u8 = 1 << 2;
    /// A replace is on its way; the `asked` terms are its terms.
    pub(crate) const REPLACING: u8 = 1 << 3;
    /// A pull has begun, and nothing was heard of the order since.
    pub(crate) const PULLED: u8 = 1 << 4;
    /// It was silent for too long: if it turns out to work, it is cancelled.
    pub(crate) const STALE: u8 = 1 << 5;
    /// Every bit that has a meaning.
    pub(crate) const ALL: u8 = ACKED | DOUBTFUL | CANCEL_WANTED | REPLACING | PULLED | STALE;
}

/// Flags of an approval that belong to the order for life.
pub(super) const ORDER_FLAGS: u8 =
    flags::SELL | flags::POST_ONLY | flags::REDUCE_ONLY | flags::OPERATOR;

/// An order of the engine, live or over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Id, unique for ever; 0 in a slot that was never used.
    pub id: u64,
    /// Price that the venue has, as far as we know.
    pub price: i64,
    /// Total quantity that the venue has, as far as we know.
    pub quantity: i64,
    /// Sum of its fills, late ones included.
    pub filled: i64,
    /// Price asked for by the replace on its way.
    pub asked_price: i64,
    /// Total quantity asked for by the replace on its way.
    pub asked_quantity: i64,
    /// Event time of the last word of it: sent, reported, filled. That it works is no word of its own.
    pub heard_ns: u64,
    /// The strategy's own mark.
    pub tag: u32,
    /// What is traded.
    pub instrument: InstrumentIndex,
    /// Whose order it is.
    pub source: u16,
    /// Code of its `OrderTerms`.
    pub terms: u16,
    /// Side, post-only and reduce-only, as bits of [`flags`].
    pub flags: u8,
    /// Where it is in its life.
    pub state: OrderState,
    pub(super) notes: u8,
}

impl Order {
    pub(super) const NONE: Order = Order {
        id: 0,
        price: 0,
        quantity: 0,
        filled: 0,
        asked_price: 0,
        asked_quantity: 0,
        heard_ns: 0,
        tag: 0,
        instrument: 0,
        source: 0,
        terms: 0,
        flags: 0,
        state: OrderState::Rejected,
        notes: 0,
    };

    /// The order that an approval asks for.
    pub(super) fn from_approval(id: u64, event: &Event) -> Order {
        Order {
            id,
            price: event.price,
            quantity: event.quantity,
            heard_ns: event.time_ns,
            tag: event.tag,
            instrument: event.instrument,
            source: event.source,
            terms: event.code,
            flags: event.flags & ORDER_FLAGS,
            state: OrderState::New,
            ..Order::NONE
        }
    }

    /// Buy or sell.
    #[inline]
    pub const fn side(&self) -> Side {
        if self.flags & flags::SELL != 0 { Side::Sell } else { Side::Buy }
    }

    /// Whether something may still come of it.
    #[inline]
    pub const fn is_live(&self) -> bool {
        self.id != 0 && !self.state.is_terminal()
    }

    /// Most that the order can trade in all: while a replace is on its way either terms may hold.
    #[inline]
    pub(super) fn quantity_bound(&self) -> i64 {
        if self.has(note::REPLACING) {
            self.quantity.max(self.asked_quantity)
        } else {
            self.quantity
        }
    }

    /// Most that can still trade; 0 once the order is over.
    #[inline]
    pub fn leaves(&self) -> i64 {
        if self.state.is_terminal() {
            return 0;
        }
        self.quantity_bound().saturating_sub(self.filled).max(0)
    }

    #[inline]
    pub(super) const fn has(&self, bit: u8) -> bool {
        self.notes & bit != 0
    }

    /// Whether all of it has traded.
    #[inline]
    pub(super) fn is_complete(&self) -> bool {
        self.quantity_bound() <= self.filled
    }

    /// Writes down what `input` says of the order; the state is the table's business.
    #[inline]
    pub(super) fn note(&mut self, input: Input, price: i64, quantity: i64) {
        if input.is_of_venue() {
            self.notes &= !note::PULLED;
        }
        match input {
            Input::Acked | Input::Working => {
                // It works, but at which terms? What nobody can tell is taken off the market.
                let of_unknown_terms = self.has(note::DOUBTFUL) && self.has(note::REPLACING);
                if of_unknown_terms || (input == Input::Working && self.has(note::STALE)) {
                    self.notes |= note::CANCEL_WANTED;
                }
                self.notes |= note::ACKED;
                self.notes &= !(note::DOUBTFUL | note::STALE);
            }
            Input::Replaced => {
                self.notes |= note::ACKED;
                self.notes &= !(note::DOUBTFUL | note::REPLACING);
                self.price = price;
                self.quantity = quantity;
            }
            Input::PartFill | Input::FullFill => self.notes |= note::ACKED,
            Input::ApprovedCancel => self.notes |= note::CANCEL_WANTED,
            Input::CancelRejected | Input::CancelWithheld => self.notes &= !note::CANCEL_WANTED,
            Input::ApprovedReplace => {
                self.notes |= note::REPLACING;
                self.asked_price = price;
                self.asked_quantity = quantity;
            }
            Input::ReplaceRejected | Input::ReplaceWithheld => self.notes &= !note::REPLACING,
            Input::OutcomeUnknown | Input::SessionStart => self.notes |= note::DOUBTFUL,
            Input::Rejected
            | Input::Cancelled
            | Input::Expired
            | Input::NotFound
            | Input::Completed
            | Input::NewWithheld => {}
        }
    }

    /// The state that the notes give. A cancel that went out in doubt is waited for; a cancel that was
    /// lost in doubt is sent again as soon as the order turns out to work.
    #[inline]
    pub(super) fn rest(&self) -> OrderState {
        if self.is_complete() {
            return OrderState::Filled;
        }
        if self.has(note::DOUBTFUL) {
            let cancelling =
                self.state == OrderState::PendingCancel && self.has(note::CANCEL_WANTED);
            return if cancelling { OrderState::PendingCancel } else { OrderState::Unknown };
        }
        if self.has(note::CANCEL_WANTED) {
            OrderState::PendingCancel
        } else if self.has(note::REPLACING) {
            OrderState::PendingReplace
        } else if 0 < self.filled {
            OrderState::PartiallyFilled
        } else if self.has(note::ACKED) {
            OrderState::Acked
        } else {
            OrderState::Pending
        }
    }

    /// Moves to `state`; what was on its way no longer matters once it is over.
    #[inline]
    pub(super) fn enter(&mut self, state: OrderState) {
        self.state = state;
        if state.is_terminal() {
            self.notes &= note::ACKED;
        } else if state == OrderState::Unknown {
            self.notes |= note::DOUBTFUL;
        }
    }

    /// Contribution to the digest of the table; an empty slot contributes nothing.
    #[inline]
    pub(super) fn digest(&self) -> u64 {
        if self.id == 0 {
            return 0;
        }
        let small = u64::from(self.state.code()) | (u64::from(self.notes) << 8);
        let hash = mix(self.id, self.price.cast_unsigned());
        let hash = mix(hash, self.quantity.cast_unsigned());
        mix(mix(hash, self.filled.cast_unsigned()), small)
    }

    /// An event about this order, with its owner, instrument, tag and id.
    #[inline]
    pub(super) fn event(&self, kind: Kind) -> Event {
        let mut event = Event::new(kind);
        event.instrument = self.instrument;
        event.source = self.source;
        event.id = self.id;
        event.tag = self.tag;
        event.flags = self.flags | flags::LAST;
        event
    }

    /// The `ORDER` event of a step from `before`.
    #[inline]
    pub(super) fn transition(&self, before: OrderState) -> Event {
        let mut event = self.event(Kind::ORDER);
        event.code = u16::from(self.state.code()) | (u16::from(before.code()) << 8);
        event.price = self.price;
        event.quantity = self.leaves();
        event
    }
}

impl Order {
    /// Whether a saved order is one that the OMS can have made.
    pub(super) fn is_sound(&self) -> bool {
        let live = !self.state.is_terminal();
        let has_known_bits = self.notes & !note::ALL == 0 && self.flags & !ORDER_FLAGS == 0;
        has_known_bits
            && 0 < self.quantity
            && 0 <= self.filled
            && (live || self.notes & !note::ACKED == 0)
            && (self.state != OrderState::Unknown || self.has(note::DOUBTFUL))
            && (self.state != OrderState::PendingCancel || self.has(note::CANCEL_WANTED))
            && (self.state != OrderState::PendingReplace || self.has(note::REPLACING))
            && (!live || !self.is_complete())
            && OrderTerms::from_code(self.terms).is_some()
    }
}
