//! The core ring: plain pre-allocated slots that every stage walks with a cursor of its own.
//!
//! One thread owns it, so a hop costs an integer, not an atomic. Sequences run from 1; the slot of
//! sequence `s` is `s & mask`. Between two inbound events every cursor stands at the head, so the
//! capacity bounds what one inbound event may lead to (`cascade_length_max`), not how much is queued.

use crate::event::{Event, Kind};

/// Slots, head and the bound of the present cascade.
#[derive(Debug)]
pub struct Ring {
    slots: Box<[Event]>,
    mask: u64,
    /// Sequence of the newest event; 0 when there is none.
    head: u64,
    /// Sequence of the inbound event that is being worked on.
    floor: u64,
    overflowed: bool,
}

/// Default number of slots: 256 KiB, fits L2, and no strategy answers one event with 4,096 others.
pub const RING_SLOT_COUNT: usize = 4096;

impl Ring {
    /// A ring of `slot_count` slots (a power of two), continuing after sequence `head`.
    pub fn new(slot_count: usize, head: u64) -> Ring {
        assert!(slot_count.is_power_of_two());
        assert!(2 <= slot_count);
        let mask = u64::try_from(slot_count - 1).expect("a slot count fits 64 bits");
        let slots = vec![Event::new(Kind(0)); slot_count].into_boxed_slice();
        Ring { slots, mask, head, floor: head, overflowed: false }
    }

    /// An empty ring that goes on after `head` within the same cascade, for a second stage to be compared.
    #[cfg(test)]
    pub(crate) fn clone_after(&self, head: u64) -> Ring {
        Ring { floor: self.floor, ..Ring::new(self.slots.len(), head) }
    }

    /// Sequence of the newest event.
    #[inline]
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Forgets everything and continues after sequence `head`, as after a restart.
    pub fn restart_after(&mut self, head: u64) {
        self.head = head;
        self.floor = head;
        self.overflowed = false;
    }

    /// Puts an inbound event in and starts its cascade. All cursors must stand at the head.
    #[inline]
    pub fn begin(&mut self, event: Event) -> u64 {
        self.begin_at(&event, event.time_ns).sequence
    }

    /// The same at another time. Returns the event as it stands in the ring.
    #[inline]
    pub fn begin_at(&mut self, inbound: &Event, time_ns: u64) -> Event {
        self.head += 1;
        self.floor = self.head;
        // By whole words, from registers to both places: a copy of 64 bytes that was just patched field by
        // field is read before the processor has put the pieces together, which costs more than the copy.
        let words: &[u64; 8] = bytemuck::cast_ref(inbound);
        let words =
            [self.head, 0, time_ns, words[3], words[4], words[5], words[6], words[7] & 0xffff_ffff];
        let index = self.index(self.head);
        let slot: &mut [u64; 8] = bytemuck::cast_mut(&mut self.slots[index]);
        *slot = words;
        bytemuck::cast(words)
    }

    /// Puts a decision in. When the cascade is longer than the ring it is dropped and
    /// [`Ring::overflowed`] says so: the pipeline stops on that.
    #[inline]
    pub fn push(&mut self, mut event: Event) -> u64 {
        if self.mask < self.head + 1 - self.floor {
            self.overflowed = true;
            return self.head;
        }
        self.head += 1;
        event.sequence = self.head;
        event.check = 0;
        let index = self.index(self.head);
        self.slots[index] = event;
        self.head
    }

    /// [`Ring::push`] of the same words as another kind, by whole words as in [`Ring::begin_at`].
    #[inline]
    fn push_as(&mut self, kind: Kind, event: &Event, cause: u64, time_ns: u64) -> u64 {
        if self.mask < self.head + 1 - self.floor {
            self.overflowed = true;
            return self.head;
        }
        self.head += 1;
        let words: &[u64; 8] = bytemuck::cast_ref(event);
        let kinded = (words[3] & !0xff) | u64::from(kind.0);
        let last = words[7] & 0xffff_ffff;
        let words = [self.head, cause, time_ns, kinded, words[4], words[5], words[6], last];
        let index = self.index(self.head);
        let slot: &mut [u64; 8] = bytemuck::cast_mut(&mut self.slots[index]);
        *slot = words;
        self.head
    }

    /// The event at `sequence`, which must be one of the last `slot_count`.
    #[inline]
    pub fn get(&self, sequence: u64) -> &Event {
        debug_assert!(sequence <= self.head);
        debug_assert!(self.head - sequence <= self.mask);
        &self.slots[self.index(sequence)]
    }

    /// Whether a cascade was longer than the ring. Never reset: the engine must stop.
    #[inline]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    #[inline]
    fn index(&self, sequence: u64) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "masked to the slot count, a usize")]
        let index = (sequence & self.mask) as usize;
        index
    }
}

/// What a stage may do with the ring while it handles one event: add decisions caused by it.
#[derive(Debug)]
pub struct Emitter<'a> {
    ring: &'a mut Ring,
    cause: u64,
    time_ns: u64,
}

impl<'a> Emitter<'a> {
    /// Decisions go to `ring`, caused by `cause` at `time_ns`.
    #[inline]
    pub fn new(ring: &'a mut Ring, cause: &Event) -> Emitter<'a> {
        Emitter { ring, cause: cause.sequence, time_ns: cause.time_ns }
    }

    /// Adds a decision; sequence, cause and time are set here. Returns its sequence.
    #[inline]
    pub fn emit(&mut self, mut event: Event) -> u64 {
        event.cause = self.cause;
        event.time_ns = self.time_ns;
        self.ring.push(event)
    }

    /// Adds an event that says the same as `event`, as another kind. Returns its sequence.
    #[inline]
    pub fn emit_as(&mut self, kind: Kind, event: &Event) -> u64 {
        self.ring.push_as(kind, event, self.cause, self.time_ns)
    }

    /// Event time of the cause.
    #[inline]
    pub fn time_ns(&self) -> u64 {
        self.time_ns
    }

    /// Sequence of the inbound event at the head of the present cascade.
    #[inline]
    pub fn inbound(&self) -> u64 {
        self.ring.floor
    }

    /// An event of the present cascade, such as the intent behind an approval.
    #[inline]
    pub fn get(&self, sequence: u64) -> &Event {
        self.ring.get(sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_follow_their_inbound_event_in_sequence() {
        let mut ring = Ring::new(8, 40);
        assert_eq!(ring.begin(Event::new(Kind::CLOCK).at(7)), 41);
        let cause = *ring.get(41);
        let mut emitter = Emitter::new(&mut ring, &cause);
        assert_eq!(emitter.emit(Event::new(Kind::SIGNAL)), 42);
        let decision = ring.get(42);
        assert_eq!((decision.cause, decision.time_ns, decision.sequence), (41, 7, 42));
    }

    #[test]
    fn the_same_event_as_another_kind_keeps_its_words() {
        let (mut one, mut other) = (Ring::new(2, 40), Ring::new(2, 40));
        let mut event = Event::new(Kind::INTENT).at(7);
        (event.flags, event.instrument, event.source, event.code) = (5, 6, 7, 8);
        (event.price, event.quantity, event.id, event.tag) = (-9, 10, u64::MAX, u32::MAX);
        event.check = 99;
        for ring in [&mut one, &mut other] {
            ring.begin(Event::new(Kind::CLOCK).at(3));
        }
        let cause = *one.get(41);
        for _ in 0..2 {
            let told = Event { kind: Kind::APPROVED, ..event };
            let sequence = Emitter::new(&mut one, &cause).emit_as(Kind::APPROVED, &event);
            assert_eq!(Emitter::new(&mut other, &cause).emit(told), sequence);
            assert_eq!(one.get(sequence), other.get(sequence));
        }
        assert!(one.overflowed() && other.overflowed());
    }

    #[test]
    fn a_cascade_longer_than_the_ring_is_noticed_and_overwrites_nothing() {
        let mut ring = Ring::new(4, 0);
        ring.begin(Event::new(Kind::CLOCK));
        for _ in 0..3 {
            ring.push(Event::new(Kind::SIGNAL));
        }
        assert!(!ring.overflowed());
        assert_eq!(ring.push(Event::new(Kind::INTENT)), 4);
        assert!(ring.overflowed());
        assert_eq!(ring.get(1).kind, Kind::CLOCK);
    }
}
