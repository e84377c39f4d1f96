//! Journal append, risk verdict and OMS transition, each beside its floor and a rival.
//!
//! `cargo bench -p benches --bench parts`. Best of the rounds.

#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    reason = "a report of averages for people; no number of it goes anywhere"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write as _;

use benches::{desk, is_measuring, rig};
use engine::event::order::{Execution, fill_report, report};
use engine::event::{BookState, Event, Kind, OrderState, OrderTerms, ReportCode, Side, session};
use engine::market::{Market, Top};
use engine::oms::{Oms, OmsConfig, OmsTimes};
use engine::pipeline::Recorder;
use engine::ring::{Emitter, Ring};
use engine::risk::Gate;
use quanta::Clock;

struct Bench {
    clock: Clock,
    count: usize,
    rounds: usize,
    floor_ns: f64,
}

fn main() -> anyhow::Result<()> {
    let (count, rounds) = if is_measuring() { (500_000, 7) } else { (2_000, 1) };
    let mut bench = Bench { clock: Clock::new(), count, rounds, floor_ns: 0.0 };
    bench.append()?;
    bench.floor_ns = 0.0;
    bench.verdict()?;
    bench.floor_ns = 0.0;
    bench.transition()
}

impl Bench {
    /// Best of the rounds of `work`, which returns clock counts for `per` things; the first line of a part
    /// is its floor.
    fn line(
        &mut self,
        name: &str,
        per: usize,
        mut work: impl FnMut(&Bench) -> anyhow::Result<u64>,
    ) -> anyhow::Result<()> {
        let mut best = u64::MAX;
        for _ in 0..self.rounds {
            best = best.min(work(self)?);
        }
        let ns = self.clock.delta_as_nanos(0, best) as f64 / per as f64;
        if self.floor_ns == 0.0 {
            self.floor_ns = ns;
        }
        println!("{name:>52} {ns:7.1} ns  {:6.2} x", ns / self.floor_ns);
        Ok(())
    }

    fn append(&mut self) -> anyhow::Result<()> {
        println!("journal append, a record");
        let count = self.count;
        let mut memory = vec![Event::new(Kind::LEVEL); count];
        self.line("floor: copy to memory", count, |bench| {
            let mut event = Event::new(Kind::LEVEL);
            let start = bench.clock.raw();
            for slot in &mut memory {
                event.sequence += 1;
                *slot = black_box(event);
            }
            Ok(bench.clock.raw() - start)
        })?;
        self.line("journal, level process", count, |bench| {
            let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
            let mut recorder = rig::journal(dir.path(), u64::try_from(count)?)?;
            let mut event = Event::new(Kind::LEVEL);
            let start = bench.clock.raw();
            for _ in 0..count {
                event.sequence += 1;
                anyhow::ensure!(recorder.record(&event), "{:?}", recorder.error());
            }
            let elapsed = bench.clock.raw() - start;
            anyhow::ensure!(recorder.durable() == event.sequence);
            Ok(elapsed)
        })?;
        for (name, size) in [
            ("rival: BufWriter<File> of 64 KiB, no checksum", 1 << 16),
            ("rival: write(2) a record", 64),
        ] {
            self.line(name, count, |bench| {
                let file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR"))?;
                let mut file = std::io::BufWriter::with_capacity(size, file);
                let mut event = Event::new(Kind::LEVEL);
                let start = bench.clock.raw();
                for _ in 0..count {
                    event.sequence += 1;
                    file.write_all(bytemuck::bytes_of(&event))?;
                }
                file.flush()?;
                let elapsed = bench.clock.raw() - start;
                let bytes = file.get_ref().metadata()?.len();
                anyhow::ensure!(bytes == u64::try_from(count * 64)?, "bytes are missing");
                Ok(elapsed)
            })?;
        }
        Ok(())
    }

    fn verdict(&mut self) -> anyhow::Result<()> {
        println!("risk: an intent judged and approved, and its order ended");
        let count = self.count;
        let market = live_market();
        self.line("floor: two events through the ring", count, |bench| {
            let mut ring = Ring::new(4_096, 0);
            let start = bench.clock.raw();
            for _ in 0..count {
                let sequence = ring.begin(intent());
                ring.push(*ring.get(sequence));
            }
            Ok(bench.clock.raw() - start)
        })?;
        self.line("gate, every limit set", count, |bench| {
            let mut gate = Gate::new(desk::limits(), desk::instruments(), 1, 4_096);
            let mut ring = Ring::new(4_096, 0);
            let (mut time_ns, mut approved) = (1_000_000_000, 0);
            let start = bench.clock.raw();
            for id in 1..=u64::try_from(count)? {
                // Slower than the rate limit of 100,000 a second.
                time_ns += 20_000;
                let sequence = ring.begin(intent().at(time_ns));
                let event = *ring.get(sequence);
                gate.apply(&event, &market, &mut Emitter::new(&mut ring, &event));
                let verdict = *ring.get(ring.head());
                approved += usize::from(verdict.kind == Kind::APPROVED);
                let mut ended = Event { kind: Kind::ORDER, id, quantity: 0, ..verdict };
                ended.cause = verdict.sequence;
                ended.code = u16::from(OrderState::Expired.code());
                gate.apply(&ended, &market, &mut Emitter::new(&mut ring, &verdict));
            }
            let elapsed = bench.clock.raw() - start;
            anyhow::ensure!(approved == count, "{approved} approved");
            Ok(elapsed)
        })?;
        self.line("rival: sums its 16 open orders in a BTreeMap", count, |bench| {
            let mut open: BTreeMap<u64, (i64, i64)> = (0..16).map(|id| (id, (1, 100))).collect();
            let mut approved = 0;
            let start = bench.clock.raw();
            for id in 16..16 + u64::try_from(count)? {
                let order = black_box(intent());
                let working: i128 =
                    open.values().map(|(price, size)| i128::from(*price) * i128::from(*size)).sum();
                let notional = i128::from(order.price) * i128::from(order.quantity);
                if working + notional < 1_000_000_000_000 {
                    approved += 1;
                    open.insert(id, (order.price, order.quantity));
                }
                open.remove(&id);
            }
            let elapsed = bench.clock.raw() - start;
            anyhow::ensure!(approved == count);
            Ok(elapsed)
        })
    }

    fn transition(&mut self) -> anyhow::Result<()> {
        println!("OMS: approved, acked, filled; ns a transition");
        let (lives, per) = (self.count / 4, self.count / 4 * 3);
        self.line("floor: four events through the ring", per, |bench| {
            let mut ring = Ring::new(4_096, 0);
            let start = bench.clock.raw();
            for _ in 0..lives * 4 {
                black_box(ring.begin(intent()));
            }
            Ok(bench.clock.raw() - start)
        })?;
        self.line("oms", per, |bench| {
            let mut oms = Oms::new(OmsConfig {
                engine: 1,
                orders_max: 4_096,
                strategy_count: 1,
                instruments: desk::instruments(),
                times: OmsTimes::default(),
            });
            let mut ring = Ring::new(4_096, 0);
            let mut apply = |event: Event| {
                let sequence = ring.begin(event);
                let event = *ring.get(sequence);
                oms.apply(&event, &mut Emitter::new(&mut ring, &event));
                (*ring.get(ring.head()), ring.head() - sequence)
            };
            apply(session::session_start(1, engine::event::Mode::Paper));
            let mut filled = 0;
            let start = bench.clock.raw();
            for execution_id in 1..=u64::try_from(lives)? {
                let (send, _) = apply(Event { kind: Kind::APPROVED, ..intent() });
                apply(report(0, send.id, ReportCode::Acked, 0));
                let told = fill_report(0, &execution(send.id, execution_id));
                apply(told[0]);
                filled += usize::from(1 < apply(told[1]).1);
            }
            let elapsed = bench.clock.raw() - start;
            anyhow::ensure!(filled == lives, "{filled} of {lives} filled");
            Ok(elapsed)
        })?;
        self.line("rival: states in a BTreeMap, no checks", per, |bench| {
            let mut orders: BTreeMap<u64, (OrderState, i64)> = BTreeMap::new();
            let mut filled = 0;
            let start = bench.clock.raw();
            for id in 0..u64::try_from(lives)? {
                orders.insert(id, (OrderState::Pending, black_box(100)));
                if let Some(order) = orders.get_mut(&black_box(id)) {
                    order.0 = OrderState::Acked;
                }
                if let Some(order) = orders.get_mut(&black_box(id)) {
                    order.0 = OrderState::Filled;
                    filled += 1;
                }
                if let Some(old) = id.checked_sub(4_096) {
                    orders.remove(&old);
                }
            }
            let elapsed = bench.clock.raw() - start;
            anyhow::ensure!(filled == lives);
            Ok(elapsed)
        })
    }
}

fn intent() -> Event {
    let mut event = Event::new(Kind::INTENT);
    event.instrument = 0;
    event.source = 0;
    event.price = 1_000_000;
    event.quantity = 100;
    event.code = OrderTerms::LIMIT_IOC.code();
    event.flags = engine::event::flags::LAST;
    event
}

fn execution(order_id: u64, execution_id: u64) -> Execution {
    Execution {
        order_id,
        side: Side::Buy,
        price: 1_000_000,
        quantity: 100,
        cumulative_quantity: 100,
        fee_e8: 1,
        execution_id,
        maker: false,
    }
}

fn live_market() -> Market {
    let mut market = Market::new(usize::from(desk::INSTRUMENT_COUNT));
    let entry = market.get_mut(0).expect("it is in the table");
    entry.state = BookState::Live;
    entry.top = Top {
        bid_price: 999_999,
        bid_quantity: 1,
        ask_price: 1_000_000,
        ask_quantity: 1,
        update_id: 1,
    };
    // Never too old: heard of at the end of time.
    entry.heard_ns = u64::MAX / 2;
    market
}
