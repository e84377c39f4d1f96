//! Parent orders: what a strategy declared that it wants in all, and what its children made of it.
//!
//! ```text
//!   PARENT (id, total) --> [ open ] --PARENT, less--> [ open ] --PARENT, 0--> [ closed ]
//!
//!   child:  APPROVED +working   FILL +executed   ORDER working as stated   over: working given back
//! ```
//!
//! **Invariant:** an approval never brings executed and working together above the total. What fills late or too much
//! counts as executed, also beyond the total; then nothing passes.
//!
//! **Invariant:** the ids of a strategy ascend. So what is closed can be forgotten and is never opened again.

use crate::event::{Event, Side};
use crate::ids;
use crate::state::{LoadError, Loader, Saver, State, mix};

use super::judge::{Refusal, clamped};
use super::orders::Order;
use super::rule::Rule;
use super::sheet::mix_wide;

/// Most parents that are open at once, over all strategies. Arbitrary: 212 is what the worst known case had.
pub(super) const PARENTS_MAX: usize = 256;
const MASK: usize = PARENTS_MAX - 1;

const _: () = assert!(PARENTS_MAX.is_power_of_two() && PARENTS_MAX < u16::MAX as usize);

/// Which parent an order belongs to: its place in the table and one; 0 for none.
pub(super) type ParentPlace = u16;

/// One parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parent {
    /// 0 in a place that was never used.
    id: u64,
    source: u16,
    instrument: u16,
    side: Side,
    is_closed: bool,
    total: i64,
    /// What children traded, late and too much included.
    executed: i128,
    /// What is reserved for children. Added up from the orders, not saved.
    working: i128,
    /// Children that are not over. Counted from the orders, not saved.
    child_count: u32,
}

impl Parent {
    const FREE: Parent = Parent {
        id: 0,
        source: 0,
        instrument: 0,
        side: Side::Buy,
        is_closed: false,
        total: 0,
        executed: 0,
        working: 0,
        child_count: 0,
    };

    fn used(&self) -> i128 {
        self.executed + self.working
    }

    /// Whether another parent may have the place.
    fn is_free(&self) -> bool {
        self.child_count == 0 && (self.id == 0 || self.is_closed)
    }

    /// Whether nothing can come of it any more, though nobody has closed it.
    fn is_done(&self) -> bool {
        self.child_count == 0 && i128::from(self.total) <= self.executed
    }
}

/// A child that is over: what it trades late counts all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ended {
    /// 0 in a slot that was never used.
    order: u64,
    parent: u64,
    source: u16,
    place: ParentPlace,
}

/// Every parent that is open, or has children that are not over.
#[derive(Debug)]
pub(super) struct Parents {
    places: Box<[Parent]>,
    /// By strategy: its newest id.
    newest: Box<[u64]>,
    /// By the counter of the order id, as in the OMS: it remembers an order as long as the OMS does.
    ended: Box<[Ended]>,
    is_used: bool,
}

impl Parents {
    pub(super) fn new(strategy_count: usize, orders_max: usize) -> Parents {
        assert!(orders_max.is_power_of_two());
        Parents {
            places: vec![Parent::FREE; PARENTS_MAX].into_boxed_slice(),
            newest: vec![0; strategy_count].into_boxed_slice(),
            ended: vec![Ended::default(); orders_max].into_boxed_slice(),
            is_used: false,
        }
    }

    /// Whether a parent was ever declared.
    #[inline]
    pub(super) fn is_used(&self) -> bool {
        self.is_used
    }

    #[inline]
    fn get(&self, place: ParentPlace) -> Option<&Parent> {
        self.places.get(usize::from(place).checked_sub(1)?)
    }

    #[inline]
    fn get_mut(&mut self, place: ParentPlace) -> Option<&mut Parent> {
        self.places.get_mut(usize::from(place).checked_sub(1)?)
    }

    /// The open parent whose id `event` names, if it is of the same strategy, instrument and side.
    pub(super) fn find(&self, event: &Event) -> Result<ParentPlace, Refusal> {
        let whose = |parent: &Parent| (parent.id, parent.source);
        let is_it = |index: &usize| whose(&self.places[*index]) == (event.id, event.source);
        let fits = |index: &usize| {
            let parent = &self.places[*index];
            let what = (parent.instrument, parent.side);
            !parent.is_closed && what == (event.instrument, event.side())
        };
        let index = places_from(event.id).find(is_it).filter(fits);
        index.map(|index| number(index + 1)).ok_or_else(|| self.unknown(event.source, event.id))
    }

    /// Measured is the id, the limit the newest id of the strategy: what is above it was never declared.
    fn unknown(&self, source: u16, id: u64) -> Refusal {
        let newest = self.newest.get(usize::from(source)).copied().unwrap_or(0);
        let (measured, limit) = (id.cast_signed(), newest.cast_signed());
        Refusal { rule: Rule::ParentUnknown, measured, limit }
    }

    /// A strategy declares a parent, makes it smaller, or closes it. The strategy and the instrument exist.
    pub(super) fn declare(&mut self, event: &Event) -> Result<(), Refusal> {
        if event.id == 0 || event.quantity < 0 {
            let (measured, limit) = if event.id == 0 { (0, 1) } else { (event.quantity, 0) };
            return Err(Refusal { rule: Rule::MalformedIntent, measured, limit });
        }
        let newest = self.newest.get(usize::from(event.source)).copied().unwrap_or(u64::MAX);
        if event.id <= newest || event.quantity == 0 {
            let place = self.find(event)?;
            return self.lessen(place, event.quantity);
        }
        let index = self.room(event.id).ok_or_else(|| {
            let limit = i64::from(number(PARENTS_MAX));
            Refusal { rule: Rule::ParentsOpen, measured: limit + 1, limit }
        })?;
        self.places[index] = Parent {
            id: event.id,
            source: event.source,
            instrument: event.instrument,
            side: event.side(),
            total: event.quantity,
            ..Parent::FREE
        };
        self.newest[usize::from(event.source)] = event.id;
        self.is_used = true;
        Ok(())
    }

    /// Where a parent can be kept. One that is done gives its place when there is no other.
    fn room(&self, id: u64) -> Option<usize> {
        places_from(id)
            .find(|index| self.places[*index].is_free())
            .or_else(|| places_from(id).find(|index| self.places[*index].is_done()))
    }

    fn lessen(&mut self, place: ParentPlace, quantity: i64) -> Result<(), Refusal> {
        let Some(parent) = self.get_mut(place) else { return Ok(()) };
        if quantity == 0 {
            parent.is_closed = true;
            return Ok(());
        }
        let rule = Rule::ParentQuantity;
        if parent.total < quantity {
            return Err(Refusal { rule, measured: quantity, limit: parent.total });
        }
        let used = clamped(parent.used());
        if quantity < used {
            return Err(Refusal { rule, measured: used, limit: quantity });
        }
        parent.total = quantity;
        Ok(())
    }

    /// Whether children may work for `more` than they do.
    pub(super) fn has_room(&self, place: ParentPlace, more: i128) -> Result<(), Refusal> {
        let Some(parent) = self.get(place) else { return Ok(()) };
        if parent.is_closed {
            return Err(self.unknown(parent.source, parent.id));
        }
        let used = parent.used() + more;
        if used <= i128::from(parent.total) {
            return Ok(());
        }
        let (measured, limit) = (clamped(used), parent.total);
        Err(Refusal { rule: Rule::ParentQuantity, measured, limit })
    }

    /// What is reserved for a child changes.
    #[inline]
    pub(super) fn hold(&mut self, place: ParentPlace, before: i64, after: i64) {
        if let Some(parent) = self.get_mut(place) {
            parent.working += i128::from(after) - i128::from(before);
            debug_assert!(0 <= parent.working);
        }
    }

    /// A child more, or one less.
    #[inline]
    pub(super) fn count(&mut self, place: ParentPlace, change: i64) {
        if let Some(parent) = self.get_mut(place) {
            parent.child_count = if change < 0 {
                parent.child_count.saturating_sub(1)
            } else {
                parent.child_count.saturating_add(1)
            };
        }
    }

    /// A child traded.
    #[inline]
    pub(super) fn execute(&mut self, place: ParentPlace, quantity: i64) {
        if let Some(parent) = self.get_mut(place) {
            parent.executed = parent.executed.saturating_add(i128::from(quantity.max(0)));
        }
    }

    /// A child is over.
    #[inline]
    pub(super) fn remember(&mut self, order: &Order) {
        let (place, source) = (order.parent, order.source);
        let Some(parent) = self.get_mut(place).map(|parent| parent.id) else { return };
        let slot = self.slot(order.id);
        self.ended[slot] = Ended { order: order.id, parent, source, place };
    }

    /// The parent of a child that is over, as long as it is remembered.
    pub(super) fn of_ended(&self, order_id: u64) -> ParentPlace {
        let ended = &self.ended[self.slot(order_id)];
        let whose = (ended.parent, ended.source);
        let is_it = |parent: &Parent| (parent.id, parent.source) == whose;
        let is_known = order_id != 0 && ended.order == order_id;
        if is_known && self.get(ended.place).is_some_and(is_it) { ended.place } else { 0 }
    }

    #[inline]
    fn slot(&self, order_id: u64) -> usize {
        let mask = u64::try_from(self.ended.len() - 1).unwrap_or(u64::MAX);
        usize::try_from(ids::counter(order_id) & mask).unwrap_or(0)
    }

    /// Whether an order can be a child of the parent in its place.
    pub(super) fn fits(&self, order: &Order) -> bool {
        let whose = (order.source, order.instrument, order.side);
        let fits = |parent: &Parent| {
            parent.id != 0 && (parent.source, parent.instrument, parent.side) == whose
        };
        order.parent == 0 || self.get(order.parent).is_some_and(fits)
    }

    /// Executed, working and total of an open parent.
    #[cfg(test)]
    pub(super) fn numbers(&self, source: u16, id: u64) -> Option<(i128, i128, i64)> {
        let is_it = |parent: &&Parent| (parent.id, parent.source) == (id, source);
        let parent = self.places.iter().find(is_it)?;
        Some((parent.executed, parent.working, parent.total))
    }

    #[cfg(test)]
    pub(super) fn set_newest(&mut self, newest: [u64; 2]) {
        self.newest.copy_from_slice(&newest);
    }

    /// `hash` as it is when no parent was ever declared: older journals hold hashes without it.
    pub(super) fn mix_into(&self, hash: u64) -> u64 {
        if !self.is_used {
            return hash;
        }
        let hash = self.newest.iter().fold(hash, |hash, newest| mix(hash, *newest));
        self.places.iter().filter(|parent| parent.id != 0).fold(hash, |hash, parent| {
            let whose = u64::from(parent.source) << 32 | u64::from(parent.instrument) << 16;
            let state = u64::from(parent.is_closed) << 1 | u64::from(parent.side.flag());
            let hash = mix(mix(hash, parent.id), whose | state);
            let hash = mix_wide(mix(hash, parent.total.cast_unsigned()), parent.executed);
            mix(mix_wide(hash, parent.working), u64::from(parent.child_count))
        })
    }
}

/// Every place in the order of a search: ids that follow each other begin beside each other.
#[inline]
fn places_from(id: u64) -> impl Iterator<Item = usize> {
    #[expect(clippy::cast_possible_truncation, reason = "masked to the number of places, a usize")]
    let start = (id & MASK as u64) as usize;
    (0..PARENTS_MAX).map(move |step| (start + step) & MASK)
}

/// A place as a number; there are fewer of them than 16 bits can tell.
fn number(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(0)
}

impl State for Parents {
    fn save(&self, out: &mut Saver) {
        out.count(self.newest.len());
        for newest in &self.newest {
            out.u64(*newest);
        }
        let used = || self.places.iter().enumerate().filter(|(_, parent)| parent.id != 0);
        out.count(used().count());
        for (index, parent) in used() {
            out.u16(number(index));
            out.u64(parent.id);
            out.u16(parent.source);
            out.u16(parent.instrument);
            out.bool(parent.side == Side::Sell);
            out.bool(parent.is_closed);
            out.i64(parent.total);
            out.i128(parent.executed);
        }
        let ended = || self.ended.iter().filter(|ended| ended.order != 0);
        out.count(ended().count());
        for ended in ended() {
            out.u64(ended.order);
            out.u64(ended.parent);
            out.u16(ended.source);
            out.u16(ended.place);
        }
    }

    /// Children are added when the orders are loaded.
    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        self.places.fill(Parent::FREE);
        self.ended.fill(Ended::default());
        if from.count(self.newest.len())? != self.newest.len() {
            return Err(from.invalid("number of strategies"));
        }
        for newest in &mut self.newest {
            *newest = from.u64()?;
        }
        self.is_used = self.newest.iter().any(|newest| *newest != 0);
        for _ in 0..from.count(PARENTS_MAX)? {
            let index = usize::from(from.u16()?);
            let parent = Parent {
                id: from.u64()?,
                source: from.u16()?,
                instrument: from.u16()?,
                side: if from.bool()? { Side::Sell } else { Side::Buy },
                is_closed: from.bool()?,
                total: from.i64()?,
                executed: from.i128()?,
                ..Parent::FREE
            };
            let newest = self.newest.get(usize::from(parent.source)).copied().unwrap_or(0);
            let is_sound = parent.id != 0 && parent.id <= newest && 0 < parent.total;
            let place = self.places.get_mut(index).filter(|place| place.id == 0 && is_sound);
            *place.ok_or_else(|| from.invalid("parent"))? = parent;
        }
        for _ in 0..from.count(self.ended.len())? {
            let (order, parent) = (from.u64()?, from.u64()?);
            let (source, place) = (from.u16()?, from.u16()?);
            let slot = self.slot(order);
            if order == 0 || self.ended[slot].order != 0 {
                return Err(from.invalid("child of a parent"));
            }
            self.ended[slot] = Ended { order, parent, source, place };
        }
        Ok(())
    }
}
