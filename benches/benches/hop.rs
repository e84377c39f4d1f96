//! Cost of a hop of a 64-byte event: a plain ring against the rivals, on one thread and across two.
//!
//! `cargo bench -p benches --bench hop`. Best of the rounds, ratios to the floor: on one thread a copy of 64
//! bytes, across threads the border ring of the product.

#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a report of averages for people; no number of it goes anywhere"
)]

use std::hint::black_box;

use benches::{host, is_measuring};
use crossbeam::queue::ArrayQueue;
use disruptor::{BusySpin, Producer, build_multi_producer, build_single_producer};
use engine::border::{self, Polled};
use engine::event::{Event, Kind};
use engine::idle::{IdlePolicy, Idler};
use engine::ring::Ring;
use quanta::Clock;

const SLOTS: usize = 4_096;
/// Events that a depth frame brings at once: the size of a batch.
const BATCH: usize = 16;
/// Events copied out of the ring at once, so that their cache misses overlap.
const BLOCK: usize = 8;

struct Bench {
    clock: Clock,
    count: usize,
    rounds: usize,
    event: Event,
    pinned: Option<(usize, usize)>,
}

fn main() {
    let count = if is_measuring() { 1_000_000 } else { 4_096 };
    let machine = host::Machine::collect(std::path::Path::new("."), is_measuring());
    let bench = Bench {
        clock: Clock::new(),
        count,
        rounds: if is_measuring() { 7 } else { 1 },
        event: Event::new(Kind::LEVEL),
        pinned: machine.pinned,
    };
    println!("one thread, ns a hop");
    bench.same_thread();
    println!("across two threads, closed loop, ns an event (pinned: {:?})", bench.pinned);
    bench.across();
}

impl Bench {
    fn line(&self, name: &str, floor: &mut f64, mut work: impl FnMut() -> u64) {
        let best = (0..self.rounds).map(|_| work()).min().unwrap_or(0);
        let ns = self.clock.delta_as_nanos(0, best) as f64 / self.count as f64;
        if *floor == 0.0 {
            *floor = ns;
        }
        println!("{name:>44} {ns:7.1} ns  {:7.2} M/s  {:6.2} x", 1_000.0 / ns, ns / *floor);
    }

    /// Counts of the clock that `hop` takes for every event; each one must come back as it went.
    fn timed(&self, mut hop: impl FnMut(&Event) -> u64) -> u64 {
        let mut event = self.event;
        let mut sum = 0;
        let start = self.clock.raw();
        for sequence in 1..=self.count {
            event.id = sequence as u64;
            sum += hop(black_box(&event));
        }
        let elapsed = self.clock.raw() - start;
        let count = self.count as u64;
        assert!(sum == count * (count + 1) / 2, "an event was lost or changed");
        elapsed
    }

    fn same_thread(&self) {
        let mut floor = 0.0;
        let mut memory = vec![self.event; SLOTS];
        self.line("copy of 64 bytes and back (floor)", &mut floor, || {
            let mut index = 0;
            self.timed(|event| {
                index = (index + 1) % SLOTS;
                memory[index] = *event;
                black_box(&memory[index]).id
            })
        });
        self.line("plain ring, cursor (core ring)", &mut floor, || {
            let mut ring = Ring::new(SLOTS, 0);
            self.timed(|event| {
                let sequence = ring.begin(*event);
                ring.get(black_box(sequence)).id
            })
        });
        self.line("disruptor single, try_publish and poll", &mut floor, || {
            let builder = build_single_producer(SLOTS, || Event::new(Kind(0)), BusySpin);
            let (mut poller, builder) = builder.new_event_poller();
            let mut producer = builder.build();
            self.timed(|event| {
                producer.try_publish(|slot| *slot = *event).expect("room");
                let mut guard = poller.poll().expect("it is there");
                (&mut guard).map(|event| event.id).sum()
            })
        });
        self.line("disruptor multi, try_publish and poll", &mut floor, || {
            let builder = build_multi_producer(SLOTS, || Event::new(Kind(0)), BusySpin);
            let (mut poller, builder) = builder.new_event_poller();
            let mut producer = builder.build();
            self.timed(|event| {
                producer.try_publish(|slot| *slot = *event).expect("room");
                let mut guard = poller.poll().expect("it is there");
                (&mut guard).map(|event| event.id).sum()
            })
        });
        self.line("rtrb, push and pop", &mut floor, || {
            let (mut producer, mut consumer) = rtrb::RingBuffer::new(SLOTS);
            self.timed(|event| {
                producer.push(*event).expect("room");
                consumer.pop().expect("it is there").id
            })
        });
        self.line("crossbeam ArrayQueue, push and pop", &mut floor, || {
            let queue = ArrayQueue::new(SLOTS);
            self.timed(|event| {
                queue.push(*event).expect("room");
                queue.pop().expect("it is there").id
            })
        });
    }

    /// Producer and consumer on a thread each. `send` returns false when there is no room, `receive` calls
    /// back for what is there.
    fn pair(
        &self,
        mut send: impl FnMut(&[Event]) -> bool + Send,
        mut receive: impl FnMut(&mut dyn FnMut(&Event)) + Send,
        batch: usize,
    ) -> u64 {
        let ready = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                host::pin(self.pinned.map(|cores| cores.0));
                let mut events = vec![self.event; batch];
                ready.wait();
                let mut sequence = 0;
                while sequence < self.count as u64 {
                    for event in &mut events {
                        sequence += 1;
                        event.id = sequence;
                    }
                    while !send(&events) {
                        std::hint::spin_loop();
                    }
                }
            });
            let core = scope.spawn(|| {
                host::pin(self.pinned.map(|cores| cores.1));
                ready.wait();
                let start = self.clock.raw();
                let (mut seen, mut sum) = (0_u64, 0_u64);
                let total = self.count.next_multiple_of(batch) as u64;
                while seen < total {
                    receive(&mut |event| {
                        seen += 1;
                        sum = sum.wrapping_add(event.id);
                    });
                }
                assert_eq!(sum, total * (total + 1) / 2, "an event was lost or changed");
                self.clock.raw() - start
            });
            core.join().expect("the consumer checks what it got")
        })
    }

    fn across(&self) {
        let mut floor = 0.0;
        self.line("border ring of the product, one by one", &mut floor, || {
            let waker = Idler::new(IdlePolicy::Spin).waker();
            let (mut producer, mut consumer, _) = border::inbound(SLOTS, 1, waker);
            self.pair(
                |events| producer.publish(&events[0]).is_ok(),
                |take| {
                    let _polled: Polled = consumer.poll(256, |event| {
                        take(event);
                        true
                    });
                },
                1,
            )
        });
        for (name, batch, block) in [
            ("disruptor multi, one by one", 1, 1),
            ("disruptor multi, published by 16", BATCH, 1),
            ("disruptor multi, by 16, read in blocks of 8", BATCH, BLOCK),
        ] {
            self.line(name, &mut floor, || self.multi(batch, block));
        }
        self.line("disruptor single, one by one", &mut floor, || {
            let builder = build_single_producer(SLOTS, || Event::new(Kind(0)), BusySpin);
            let (mut poller, builder) = builder.new_event_poller();
            let mut producer = builder.build();
            self.pair(
                |events| producer.try_publish(|slot| *slot = events[0]).is_ok(),
                |take| {
                    if let Ok(mut guard) = poller.take(256) {
                        (&mut guard).for_each(take);
                    }
                },
                1,
            )
        });
        self.line("rtrb, one by one", &mut floor, || {
            let (mut producer, mut consumer) = rtrb::RingBuffer::new(SLOTS);
            self.pair(
                |events| producer.push(events[0]).is_ok(),
                |take| {
                    if let Ok(event) = consumer.pop() {
                        take(&event);
                    }
                },
                1,
            )
        });
        self.line("crossbeam ArrayQueue, one by one", &mut floor, || {
            let queue = ArrayQueue::new(SLOTS);
            self.pair(
                |events| queue.push(events[0]).is_ok(),
                |take| {
                    if let Some(event) = queue.pop() {
                        take(&event);
                    }
                },
                1,
            )
        });
    }

    fn multi(&self, batch: usize, block: usize) -> u64 {
        let builder = build_multi_producer(SLOTS, || Event::new(Kind(0)), BusySpin);
        let (mut poller, builder) = builder.new_event_poller();
        let mut producer = builder.build();
        self.pair(
            |events| {
                if let [event] = events {
                    return producer.try_publish(|slot| *slot = *event).is_ok();
                }
                producer
                    .try_batch_publish(events.len(), |slots| {
                        slots.zip(events).for_each(|(slot, event)| *slot = *event);
                    })
                    .is_ok()
            },
            |take| {
                let Ok(mut guard) = poller.take(256) else { return };
                if block == 1 {
                    return (&mut guard).for_each(take);
                }
                let mut held = [self.event; BLOCK];
                loop {
                    let mut count = 0;
                    for (slot, event) in held.iter_mut().zip(&mut guard) {
                        *slot = *event;
                        count += 1;
                    }
                    held[..count].iter().for_each(&mut *take);
                    if count < BLOCK {
                        return;
                    }
                }
            },
            batch,
        )
    }
}
