//! The rings at the thread borders: many producers into the core, one producer out of it.
//!
//! They are `disruptor` rings, published with `try_publish` and polled with `take`, wrapped for what
//! that crate does not give: a depth that can be read, and a policy for a full ring.
//!
//! **Invariant:** a full inbound ring loses market data only, and never silently: a `FEED` event with
//! the number of lost events makes the book a gap. Reports and commands are never dropped.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};

use crossbeam::utils::CachePadded;
use disruptor::{
    BusySpin, EventPoller, MultiProducer, MultiProducerBarrier, Polling, Producer,
    SingleConsumerBarrier, SingleProducer, SingleProducerBarrier, build_multi_producer,
    build_single_producer,
};

use crate::event::{Event, FeedCode, Kind, NO_INSTRUMENT, market};
use crate::gateway::Outlet;
use crate::idle::Waker;

/// Fewest slots of an inbound ring (a limit of `disruptor`).
pub const INBOUND_SLOT_COUNT_MIN: usize = 64;

/// Most events of one claim: a ring must have as many free slots at once.
pub const RUN_COUNT_MAX: usize = 32;

/// How much was published and consumed; the difference is the depth.
#[derive(Debug, Default)]
struct Counts {
    published: CachePadded<AtomicU64>,
    consumed: CachePadded<AtomicU64>,
}

/// Depth of a border ring, for stats.
#[derive(Clone, Debug)]
pub struct Depth {
    counts: Arc<Counts>,
    slot_count: u64,
}

impl Depth {
    /// Events that wait. A moment old when it is read.
    pub fn get(&self) -> u64 {
        let consumed = self.counts.consumed.load(Ordering::Relaxed);
        self.counts.published.load(Ordering::Relaxed).saturating_sub(consumed)
    }

    /// Events that were ever published.
    pub fn published(&self) -> u64 {
        self.counts.published.load(Ordering::Relaxed)
    }

    /// Most events that can wait.
    pub fn limit(&self) -> u64 {
        self.slot_count
    }
}

/// The ring is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the inbound ring is full")]
pub struct RingFull;

/// A producer's end of the inbound ring. One for each thread.
pub struct InboundProducer {
    ring: MultiProducer<Event, SingleConsumerBarrier>,
    counts: Arc<Counts>,
    waker: Waker,
    /// By instrument: market events lost and not yet told.
    lost: Vec<u32>,
    lost_total: u64,
}

impl std::fmt::Debug for InboundProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboundProducer")
            .field("lost_total", &self.lost_total)
            .finish_non_exhaustive()
    }
}

impl InboundProducer {
    /// A producer for another thread.
    #[must_use]
    pub fn another(&self) -> InboundProducer {
        InboundProducer {
            ring: self.ring.clone(),
            counts: Arc::clone(&self.counts),
            waker: self.waker.clone(),
            lost: vec![0; self.lost.len()],
            lost_total: 0,
        }
    }

    fn try_put(&mut self, event: &Event) -> Result<(), RingFull> {
        self.ring.try_publish(|slot| *slot = *event).map_err(|_| RingFull)?;
        self.counts.published.fetch_add(1, Ordering::Relaxed);
        self.waker.wake();
        Ok(())
    }

    /// One claim for the whole run: a claim is a locked instruction that waits for a cache line of the
    /// other core, which costs ten times the copy. The closure writes the slots and keeps none of them.
    fn try_put_run(&mut self, events: &[Event]) -> Result<(), RingFull> {
        self.ring
            .try_batch_publish(events.len(), |slots| {
                for (slot, event) in slots.zip(events) {
                    *slot = *event;
                }
            })
            .map_err(|_| RingFull)?;
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        self.counts.published.fetch_add(count, Ordering::Relaxed);
        self.waker.wake();
        Ok(())
    }

    /// Publishes a run of events that must not be lost, at most [`RUN_COUNT_MAX`] of them, all or none.
    pub fn publish_run(&mut self, events: &[Event]) -> Result<(), RingFull> {
        debug_assert!(events.len() <= RUN_COUNT_MAX);
        self.try_put_run(events)
    }

    /// Publishes the market events of one frame. What finds no room is dropped and counted as by
    /// [`InboundProducer::publish_market`]. Returns how many were published.
    pub fn publish_market_run(&mut self, events: &[Event]) -> usize {
        let mut published_count = 0;
        for run in events.chunks(RUN_COUNT_MAX) {
            let owes = |event: &Event| self.lost.get(usize::from(event.instrument)) > Some(&0);
            if run.iter().any(owes) {
                published_count += run.iter().filter(|event| self.publish_market(event)).count();
            } else if self.try_put_run(run).is_ok() {
                published_count += run.len();
            } else {
                for event in run {
                    self.lose(usize::from(event.instrument));
                }
            }
        }
        published_count
    }

    /// Publishes a report, a command or a clock event. On a full ring nothing is lost: the caller
    /// keeps the event and tries again.
    pub fn publish(&mut self, event: &Event) -> Result<(), RingFull> {
        self.try_put(event)
    }

    /// Publishes a market event. On a full ring it is dropped and counted; before the next event of
    /// the same instrument a `FEED` event says how many were lost. False when it was dropped.
    pub fn publish_market(&mut self, event: &Event) -> bool {
        let index = usize::from(event.instrument);
        let owed = self.lost.get(index).copied().unwrap_or(0);
        if 0 < owed {
            let mut mark =
                market::feed(event.instrument, FeedCode::Dropped, owed).at(event.time_ns);
            mark.source = event.source;
            if self.try_put(&mark).is_err() {
                self.lose(index);
                return false;
            }
            self.lost[index] = 0;
        }
        if self.try_put(event).is_ok() {
            return true;
        }
        self.lose(index);
        false
    }

    fn lose(&mut self, index: usize) {
        self.lost_total += 1;
        if let Some(count) = self.lost.get_mut(index) {
            *count = count.saturating_add(1);
        }
    }

    /// Market events that this producer dropped because the ring was full.
    pub fn lost_total(&self) -> u64 {
        self.lost_total
    }
}

/// The core's end of the inbound ring.
pub struct InboundConsumer {
    poller: EventPoller<Event, MultiProducerBarrier>,
    counts: Arc<Counts>,
}

impl std::fmt::Debug for InboundConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboundConsumer").finish_non_exhaustive()
    }
}

/// What a poll found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// That many events were handled.
    Events(u64),
    /// Nothing is there.
    Nothing,
    /// Every producer is gone and everything was handled.
    Closed,
}

impl InboundConsumer {
    /// Handles at most `limit` events. `handle` returns false to stop early; the event that it refused
    /// counts as handled.
    #[inline]
    pub fn poll(&mut self, limit: u64, mut handle: impl FnMut(&Event) -> bool) -> Polled {
        let mut count = 0;
        match self.poller.take(limit) {
            Ok(mut guard) => {
                for event in &mut guard {
                    count += 1;
                    if !handle(event) {
                        break;
                    }
                }
            }
            Err(Polling::NoEvents) => return Polled::Nothing,
            Err(Polling::Shutdown) => return Polled::Closed,
        }
        let consumed = self.counts.consumed.load(Ordering::Relaxed);
        self.counts.consumed.store(consumed + count, Ordering::Relaxed);
        Polled::Events(count)
    }
}

/// Makes the inbound ring: `slot_count` slots (power of two, at least 64), for `instrument_count`
/// instruments, waking the core through `waker`.
pub fn inbound(
    slot_count: usize,
    instrument_count: usize,
    waker: Waker,
) -> (InboundProducer, InboundConsumer, Depth) {
    assert!(slot_count.is_power_of_two());
    assert!(INBOUND_SLOT_COUNT_MIN <= slot_count);
    let builder = build_multi_producer(slot_count, || Event::new(Kind(0)), BusySpin);
    let (poller, builder) = builder.new_event_poller();
    let counts = Arc::new(Counts::default());
    assert!(instrument_count <= usize::from(NO_INSTRUMENT));
    let producer = InboundProducer {
        ring: builder.build(),
        counts: Arc::clone(&counts),
        waker,
        lost: vec![0; instrument_count],
        lost_total: 0,
    };
    let consumer = InboundConsumer { poller, counts: Arc::clone(&counts) };
    (
        producer,
        consumer,
        Depth { counts, slot_count: u64::try_from(slot_count).unwrap_or(u64::MAX) },
    )
}

/// How the core wakes a reader of the outbound ring that waits for sockets too.
#[derive(Default)]
struct Bell {
    waits: CachePadded<AtomicBool>,
    ring: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Bell {
    /// To be called after something was published. Costs the core nothing without a bell, a fence with
    /// one, and a call (mostly a system call) only while the reader waits.
    #[inline]
    fn published(&self) {
        let Some(ring) = self.ring.get() else { return };
        // Between the publication and the look at `waits`, as the reader has one between its `waits` and
        // its look at the ring: one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.waits.load(Ordering::Relaxed) && self.waits.swap(false, Ordering::Relaxed) {
            ring();
        }
    }
}

/// The core's end of the outbound ring.
pub struct OutboundProducer {
    ring: SingleProducer<Event, SingleConsumerBarrier>,
    counts: Arc<Counts>,
    bell: Arc<Bell>,
}

impl std::fmt::Debug for OutboundProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundProducer").finish_non_exhaustive()
    }
}

impl Outlet for OutboundProducer {
    #[inline]
    fn offer(&mut self, event: &Event) -> bool {
        if self.ring.try_publish(|slot| *slot = *event).is_err() {
            return false;
        }
        let published = self.counts.published.load(Ordering::Relaxed);
        self.counts.published.store(published + 1, Ordering::Relaxed);
        self.bell.published();
        true
    }
}

/// An adapter's end of the outbound ring.
pub struct OutboundConsumer {
    poller: EventPoller<Event, SingleProducerBarrier>,
    counts: Arc<Counts>,
    bell: Arc<Bell>,
}

impl std::fmt::Debug for OutboundConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundConsumer").finish_non_exhaustive()
    }
}

impl OutboundConsumer {
    /// Lets the core call `ring` for the next event after each [`OutboundConsumer::wait_begins`]. Once.
    pub fn set_bell(&self, ring: impl Fn() + Send + Sync + 'static) {
        let is_new = self.bell.ring.set(Box::new(ring)).is_ok();
        debug_assert!(is_new, "a ring has one bell");
    }

    /// Says that this thread will wait: the next event rings the bell. False when something is there
    /// already, or no bell could wake the wait.
    pub fn wait_begins(&self) -> bool {
        if self.bell.ring.get().is_none() {
            return false;
        }
        self.bell.waits.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let published = self.counts.published.load(Ordering::Relaxed);
        let is_empty = published == self.counts.consumed.load(Ordering::Relaxed);
        if !is_empty {
            self.wait_ends();
        }
        is_empty
    }

    /// The wait is over, whatever ended it.
    pub fn wait_ends(&self) {
        self.bell.waits.store(false, Ordering::Relaxed);
    }

    /// Handles everything that is there.
    #[inline]
    pub fn poll(&mut self, mut handle: impl FnMut(&Event)) -> Polled {
        let mut count = 0;
        match self.poller.poll() {
            Ok(mut guard) => {
                for event in &mut guard {
                    count += 1;
                    handle(event);
                }
            }
            Err(Polling::NoEvents) => return Polled::Nothing,
            Err(Polling::Shutdown) => return Polled::Closed,
        }
        let consumed = self.counts.consumed.load(Ordering::Relaxed);
        self.counts.consumed.store(consumed + count, Ordering::Relaxed);
        Polled::Events(count)
    }
}

/// Makes the outbound ring of `slot_count` slots (power of two).
pub fn outbound(slot_count: usize) -> (OutboundProducer, OutboundConsumer, Depth) {
    assert!(slot_count.is_power_of_two());
    let builder = build_single_producer(slot_count, || Event::new(Kind(0)), BusySpin);
    let (poller, builder) = builder.new_event_poller();
    let counts = Arc::new(Counts::default());
    let bell = Arc::new(Bell::default());
    let producer = OutboundProducer {
        ring: builder.build(),
        counts: Arc::clone(&counts),
        bell: Arc::clone(&bell),
    };
    let consumer = OutboundConsumer { poller, counts: Arc::clone(&counts), bell };
    let slot_count = u64::try_from(slot_count).unwrap_or(u64::MAX);
    (producer, consumer, Depth { counts, slot_count })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Side, session};
    use crate::idle::{IdlePolicy, Idler};

    #[test]
    fn lost_market_events_are_counted_and_told_before_the_next_one() {
        let idler = Idler::new(IdlePolicy::Yield);
        let (mut producer, mut consumer, depth) = inbound(64, 2, idler.waker());
        let trade = market::trade(1, Side::Buy, 5, 1, 1);
        let accepted = (0..70).filter(|_| producer.publish_market(&trade)).count();
        assert_eq!(accepted, 64);
        assert_eq!(producer.publish(&session::clock()), Err(RingFull));
        assert_eq!((depth.get(), depth.limit(), producer.lost_total()), (64, 64, 6));
        assert_eq!(consumer.poll(64, |_| true), Polled::Events(64));
        assert_eq!(consumer.poll(64, |_| true), Polled::Nothing);
        assert!(producer.publish_market(&market::trade(0, Side::Buy, 5, 1, 2)));
        assert!(producer.publish_market(&trade));
        let mut seen = Vec::new();
        consumer.poll(64, |event| {
            seen.push((event.kind, event.instrument, event.tag));
            true
        });
        assert_eq!(seen, [(Kind::TRADE, 0, 0), (Kind::FEED, 1, 6), (Kind::TRADE, 1, 0)]);
    }

    #[test]
    fn a_run_has_room_as_a_whole_or_is_told_as_lost() {
        let idler = Idler::new(IdlePolicy::Yield);
        let (mut producer, mut consumer, depth) = inbound(64, 1, idler.waker());
        let run: Vec<Event> = (0..40).map(|id| market::trade(0, Side::Buy, 5, 1, id)).collect();
        assert_eq!(producer.publish_market_run(&run), 40);
        assert_eq!(producer.publish_market_run(&run), 8, "32 find no room, 8 do, behind the mark");
        assert_eq!((depth.get(), producer.lost_total()), (49, 32));
        let mut ids = Vec::new();
        consumer.poll(64, |event| {
            ids.push((event.kind, event.id, event.tag));
            true
        });
        assert_eq!(ids.len(), 49);
        assert_eq!(ids[39], (Kind::TRADE, 39, 0));
        assert_eq!(ids[40], (Kind::FEED, 0, 32));
        assert_eq!(ids[41], (Kind::TRADE, 32, 0));
        assert_eq!(producer.publish_run(&run[..32]), Ok(()));
        assert_eq!(producer.publish_run(&run[..32]), Ok(()));
        assert_eq!(producer.publish_run(&run[..1]), Err(RingFull));
    }

    #[test]
    fn the_bell_rings_once_for_each_announced_wait_and_never_otherwise() {
        let (mut producer, mut consumer, _) = outbound(8);
        assert!(!consumer.wait_begins(), "nothing could wake it");
        let rung = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&rung);
        consumer.set_bell(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert!(producer.offer(&session::clock()));
        assert_eq!(rung.load(Ordering::Relaxed), 0, "nobody waits");
        assert!(!consumer.wait_begins(), "there is something to take");
        assert_eq!(consumer.poll(|_| {}), Polled::Events(1));
        assert!(consumer.wait_begins());
        assert!(producer.offer(&session::clock()) && producer.offer(&session::clock()));
        assert_eq!(rung.load(Ordering::Relaxed), 1);
        assert_eq!(consumer.poll(|_| {}), Polled::Events(2));
        assert!(consumer.wait_begins());
        consumer.wait_ends();
        assert!(producer.offer(&session::clock()));
        assert_eq!(rung.load(Ordering::Relaxed), 1, "the wait was over");
    }

    #[test]
    fn no_event_is_slept_over() {
        let (mut producer, mut consumer, _) = outbound(8);
        let sleeper = std::thread::current();
        consumer.set_bell(move || sleeper.unpark());
        let count = 20_000_u64;
        let sender = std::thread::spawn(move || {
            for _ in 0..count {
                while !producer.offer(&session::clock()) {
                    std::thread::yield_now();
                }
            }
            producer
        });
        let (mut seen, mut silent) = (0, 0);
        while seen < count && silent < 100 {
            match consumer.poll(|_| {}) {
                Polled::Events(events) => (seen, silent) = (seen + events, 0),
                Polled::Closed => break,
                Polled::Nothing if consumer.wait_begins() => {
                    std::thread::park_timeout(std::time::Duration::from_millis(100));
                    consumer.wait_ends();
                    silent += 1;
                }
                Polled::Nothing => {}
            }
        }
        assert_eq!(seen, count);
        drop(sender.join().expect("the sender does not panic"));
    }

    #[test]
    fn a_ring_whose_producers_are_gone_is_closed_after_the_last_event() {
        let (mut producer, mut consumer, _) = outbound(8);
        assert!(producer.offer(&session::clock()));
        drop(producer);
        assert_eq!(consumer.poll(|_| {}), Polled::Events(1));
        assert_eq!(consumer.poll(|_| {}), Polled::Closed);
    }
}
