//! Stage 5, gateway: lets outbound events go, and only when the journal has them.
//!
//! ```text
//!   oms       --send new, cancel, replace, query--> [ gateway ] --(journaled?)--> outbound ring --> adapters
//!   reconcile --send pull------------------------->      |
//!                                                        +--withheld--> oms        (dry-run)
//! ```
//! Where a venue has a link, a dry-run lets queries and pulls pass: they only read, and without them
//! nothing would ever be known.
//!
//! **Invariant:** nothing leaves before its record is as durable as the session promised.
//!
//! **Invariant:** outbound events leave in the order of their sequences; a full ring delays, never drops.

use std::collections::VecDeque;

use crate::event::kind::KindSet;
use crate::event::{Event, Kind};
use crate::ring::Emitter;

/// Where released events go. Implemented by the outbound ring, by backtests and by replay.
pub trait Outlet {
    /// Takes the event, or says that there is no room now.
    fn offer(&mut self, event: &Event) -> bool;
}

/// An outlet that swallows everything: replay decides again, it must not send again.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOutlet;

impl Outlet for NoOutlet {
    fn offer(&mut self, _event: &Event) -> bool {
        true
    }
}

/// More outbound events wait than the gateway has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboundFull;

/// The gateway stage.
#[derive(Debug)]
pub struct Gateway {
    dry_run: bool,
    /// Queries and pulls leave in dry-run, too.
    reads_pass: bool,
    pending: VecDeque<Event>,
    pending_count_max: usize,
    overflowed: bool,
    released_count: u64,
    withheld_count: u64,
    ring_full_count: u64,
}

impl Gateway {
    /// Kinds that the stage looks at.
    pub const INTEREST: KindSet = KindSet::of(&[
        Kind::SEND_NEW,
        Kind::SEND_CANCEL,
        Kind::SEND_REPLACE,
        Kind::SEND_QUERY,
        Kind::SEND_PULL,
    ]);

    /// A gateway with room for `pending_count_max` events that wait for the journal or the ring.
    pub fn new(dry_run: bool, pending_count_max: usize) -> Gateway {
        Gateway {
            dry_run,
            reads_pass: false,
            pending: VecDeque::with_capacity(pending_count_max),
            pending_count_max,
            overflowed: false,
            released_count: 0,
            withheld_count: 0,
            ring_full_count: 0,
        }
    }

    /// The same gateway, which lets pass what only reads.
    #[must_use]
    pub fn with_reads(mut self) -> Gateway {
        self.reads_pass = true;
        self
    }

    /// Handles one event: queues it for release, or withholds it.
    #[inline]
    pub fn apply(&mut self, event: &Event, out: &mut Emitter<'_>) {
        if !event.kind.is_outbound() {
            return;
        }
        let reads = matches!(event.kind, Kind::SEND_QUERY | Kind::SEND_PULL);
        if self.dry_run && !(reads && self.reads_pass) {
            self.withheld_count += 1;
            out.emit(Event { kind: Kind::WITHHELD, code: u16::from(event.kind.0), ..*event });
            return;
        }
        if self.pending.len() == self.pending_count_max {
            self.overflowed = true;
            return;
        }
        self.pending.push_back(*event);
    }

    /// Whether anything waits.
    #[inline]
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Event time of the oldest that waits; 0 when nothing does.
    #[inline]
    pub fn pending_time_ns(&self) -> u64 {
        self.pending.front().map_or(0, |event| event.time_ns)
    }

    /// Releases what the journal has made durable up to `durable_sequence`.
    #[inline]
    pub fn release(
        &mut self,
        durable_sequence: u64,
        outlet: &mut impl Outlet,
    ) -> Result<(), OutboundFull> {
        if self.overflowed {
            return Err(OutboundFull);
        }
        while let Some(event) = self.pending.front() {
            if durable_sequence < event.sequence {
                break;
            }
            if !outlet.offer(event) {
                self.ring_full_count += 1;
                break;
            }
            self.pending.pop_front();
            self.released_count += 1;
        }
        Ok(())
    }

    /// How many events left.
    pub fn released_count(&self) -> u64 {
        self.released_count
    }

    /// How many dry-run kept back.
    pub fn withheld_count(&self) -> u64 {
        self.withheld_count
    }

    /// How often the outbound ring had no room.
    pub fn ring_full_count(&self) -> u64 {
        self.ring_full_count
    }

    /// Most that may wait.
    pub fn pending_count_max(&self) -> usize {
        self.pending_count_max
    }

    /// How many wait.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Ring;

    #[derive(Default)]
    struct Collect(Vec<u64>, usize);

    impl Outlet for Collect {
        fn offer(&mut self, event: &Event) -> bool {
            let room = self.0.len() < self.1;
            if room {
                self.0.push(event.sequence);
            }
            room
        }
    }

    fn send(gateway: &mut Gateway, ring: &mut Ring) -> u64 {
        send_kind(gateway, ring, Kind::SEND_NEW)
    }

    fn send_kind(gateway: &mut Gateway, ring: &mut Ring, kind: Kind) -> u64 {
        let sequence = ring.begin(Event::new(kind));
        let event = *ring.get(sequence);
        gateway.apply(&event, &mut Emitter::new(ring, &event));
        sequence
    }

    #[test]
    fn nothing_leaves_before_the_journal_has_it() {
        let (mut gateway, mut ring) = (Gateway::new(false, 8), Ring::new(16, 0));
        let mut outlet = Collect(Vec::new(), 8);
        for _ in 0..3 {
            send(&mut gateway, &mut ring);
        }
        gateway.release(0, &mut outlet).unwrap();
        assert_eq!(outlet.0, []);
        gateway.release(2, &mut outlet).unwrap();
        assert_eq!(outlet.0, [1, 2]);
        gateway.release(3, &mut outlet).unwrap();
        assert_eq!(outlet.0, [1, 2, 3]);
    }

    #[test]
    fn a_full_ring_delays_and_keeps_the_order() {
        let (mut gateway, mut ring) = (Gateway::new(false, 8), Ring::new(16, 0));
        let mut outlet = Collect(Vec::new(), 1);
        for _ in 0..3 {
            send(&mut gateway, &mut ring);
        }
        gateway.release(9, &mut outlet).unwrap();
        assert_eq!((outlet.0.len(), gateway.pending_count()), (1, 2));
        outlet.1 = 8;
        gateway.release(9, &mut outlet).unwrap();
        assert_eq!(outlet.0, [1, 2, 3]);
    }

    #[test]
    fn more_than_it_can_hold_is_a_fault_and_not_a_lost_order() {
        let (mut gateway, mut ring) = (Gateway::new(false, 2), Ring::new(16, 0));
        for _ in 0..3 {
            send(&mut gateway, &mut ring);
        }
        assert_eq!(gateway.release(9, &mut NoOutlet), Err(OutboundFull));
    }

    #[test]
    fn dry_run_withholds_and_says_so() {
        let (mut gateway, mut ring) = (Gateway::new(true, 8), Ring::new(16, 0));
        let sequence = send(&mut gateway, &mut ring);
        assert!(!gateway.has_pending());
        let told = ring.get(sequence + 1);
        assert_eq!((told.kind, told.code), (Kind::WITHHELD, u16::from(Kind::SEND_NEW.0)));
    }

    #[test]
    fn dry_run_lets_reads_pass_only_where_a_venue_has_a_link() {
        for (kind, passes) in [
            (Kind::SEND_NEW, false),
            (Kind::SEND_CANCEL, false),
            (Kind::SEND_REPLACE, false),
            (Kind::SEND_QUERY, true),
            (Kind::SEND_PULL, true),
        ] {
            let (mut gateway, mut ring) = (Gateway::new(true, 8), Ring::new(16, 0));
            send_kind(&mut gateway, &mut ring, kind);
            assert!(!gateway.has_pending(), "{kind:?}");
            let mut gateway = Gateway::new(true, 8).with_reads();
            send_kind(&mut gateway, &mut ring, kind);
            assert_eq!(gateway.has_pending(), passes, "{kind:?}");
        }
    }
}
