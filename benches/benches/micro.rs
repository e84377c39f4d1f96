//! Criterion micro-benches: each part of the path beside its floor and a rival.
//!
//! `cargo bench -p benches --bench micro [-- GROUP]`; `cargo test --benches` runs every one once. Groups `append`,
//! `book` and `event` time a batch, so read their `elem/s`; the others time one call. The longer benches beside
//! this one give the numbers that docs/LATENCY.md states; this one is for comparing two builds.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use benches::desk;
use benches::workload::{Market as Source, Plan};
use binance::Decoder;
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use crossbeam::queue::ArrayQueue;
use disruptor::{BusySpin, Producer, build_single_producer};
use engine::book::{Book, DirectBook, NaiveBook};
use engine::event::order::{Execution, fill_report, report};
use engine::event::{
    BookState, Event, Kind, Mode, OrderState, OrderTerms, ReportCode, Side, flags, session,
};
use engine::gateway::NoOutlet;
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::market::{Market, Top};
use engine::money::{Money, parse_scaled};
use engine::oms::{Oms, OmsConfig, OmsTimes};
use engine::pipeline::recorder::JournalRecorder;
use engine::pipeline::{Edges, NoProbe, NoRecorder, Pipeline, Recorder};
use engine::ring::{Emitter, RING_SLOT_COUNT, Ring};
use engine::risk::Gate;
use serde_json::Value;
use tempfile::TempDir;

const SEED: u64 = 20_240_808;
const SLOTS: usize = 4_096;
/// Records, levels or events of one timed batch.
const BATCH: usize = 8_192;
/// A whole batch with its opening fits the first segment, so no roll is timed.
const SEGMENT_RECORDS: u64 = 1 << 15;
const PRICE_SCALE: u8 = 2;
const QUANTITY_SCALE: u8 = 8;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn batches<'a>(criterion: &'a mut Criterion, name: &str, count: usize) -> Group<'a> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(u64::try_from(count).expect("a small count")));
    // A batch is long and its set-up longer: the same few batches in every sample.
    group.sampling_mode(SamplingMode::Flat);
    group
}

/// One event in and out again, on one thread.
fn hop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hop");
    let event = Event::new(Kind::LEVEL);
    let mut memory = vec![event; SLOTS];
    let mut index = 0;
    group.bench_function("floor: copy of 64 bytes", |bencher| {
        bencher.iter(|| {
            index = (index + 1) % SLOTS;
            memory[index] = *black_box(&event);
            black_box(&memory[index]).id
        });
    });
    let mut ring = Ring::new(SLOTS, 0);
    group.bench_function("core ring", |bencher| {
        bencher.iter(|| {
            let sequence = ring.begin(*black_box(&event));
            ring.get(black_box(sequence)).id
        });
    });
    let builder = build_single_producer(SLOTS, || Event::new(Kind(0)), BusySpin);
    let (mut poller, builder) = builder.new_event_poller();
    let mut producer = builder.build();
    group.bench_function("rival: disruptor", |bencher| {
        bencher.iter(|| {
            producer.try_publish(|slot| *slot = *black_box(&event)).expect("room");
            let mut guard = poller.poll().expect("it is there");
            (&mut guard).map(|event| event.id).sum::<u64>()
        });
    });
    let (mut producer, mut consumer) = rtrb::RingBuffer::new(SLOTS);
    group.bench_function("rival: rtrb", |bencher| {
        bencher.iter(|| {
            producer.push(*black_box(&event)).expect("room");
            consumer.pop().expect("it is there").id
        });
    });
    let queue = ArrayQueue::new(SLOTS);
    group.bench_function("rival: crossbeam ArrayQueue", |bencher| {
        bencher.iter(|| {
            queue.push(*black_box(&event)).expect("room");
            queue.pop().expect("it is there").id
        });
    });
    group.finish();
}

fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder is writable")
}

/// A journal of level `process` with small segments: a fresh one for every batch must be cheap to make.
fn writer(dir: &Path) -> journal::Writer {
    let options = journal::Options { segment_records: SEGMENT_RECORDS, ..Default::default() };
    journal::Writer::create(dir, options).expect("a fresh folder takes a journal")
}

fn append(criterion: &mut Criterion) {
    let mut group = batches(criterion, "append", BATCH);
    let event = Event::new(Kind::LEVEL);
    let mut memory = vec![event; BATCH];
    group.bench_function("floor: copy of 64 bytes", |bencher| {
        bencher.iter(|| {
            for slot in &mut memory {
                *slot = *black_box(&event);
            }
            black_box(&memory);
        });
    });
    group.bench_function("journal, level process", |bencher| {
        let setup = || {
            let dir = scratch();
            (writer(dir.path()), dir)
        };
        let work = |(writer, _): &mut (journal::Writer, TempDir)| {
            let mut event = event;
            for _ in 0..BATCH {
                event.sequence = writer.next_sequence();
                let record = bytemuck::cast_ref(black_box(&event));
                writer.append(record).expect("the segment has room");
            }
        };
        bencher.iter_batched_ref(setup, work, BatchSize::PerIteration);
    });
    group.bench_function("rival: BufWriter<File> of 64 KiB, no checksum", |bencher| {
        let setup = || {
            let file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR"));
            std::io::BufWriter::with_capacity(1 << 16, file.expect("the folder is writable"))
        };
        let work = |file: &mut std::io::BufWriter<std::fs::File>| {
            for _ in 0..BATCH {
                file.write_all(bytemuck::bytes_of(black_box(&event))).expect("the disk has room");
            }
            file.flush().expect("the disk has room");
        };
        bencher.iter_batched_ref(setup, work, BatchSize::PerIteration);
    });
    group.finish();
}

/// Levels of the first instrument: its snapshot, then updates.
fn levels() -> Vec<Event> {
    let mut source = Source::new(SEED);
    let opening = source.opening();
    let updates = std::iter::repeat_with(|| source.next_event());
    let is_level = |event: &Event| event.kind == Kind::LEVEL && event.instrument == 0;
    opening.into_iter().chain(updates).filter(is_level).take(BATCH).collect()
}

fn set_all(book: &mut impl Book, levels: &[Event]) {
    for event in levels {
        book.set(event.side(), event.price, event.quantity).expect("the levels fit");
        if event.is_last() {
            black_box((book.best(Side::Buy), book.best(Side::Sell)));
        }
    }
}

fn book(criterion: &mut Criterion) {
    let levels = levels();
    let (mut direct, mut naive) = (DirectBook::new(), NaiveBook::new());
    set_all(&mut direct, &levels);
    set_all(&mut naive, &levels);
    assert_eq!(direct.digest(), naive.digest(), "the books differ");
    let mut group = batches(criterion, "book", levels.len());
    group.bench_function("floor: reading the levels", |bencher| {
        bencher.iter(|| {
            for event in &levels {
                black_box((event.side(), event.price, event.quantity));
            }
        });
    });
    group.bench_function("direct", |bencher| bencher.iter(|| set_all(&mut direct, &levels)));
    group.bench_function("rival: naive", |bencher| bencher.iter(|| set_all(&mut naive, &levels)));
    group.finish();
}

fn spot() -> InstrumentTable {
    let instrument = Instrument {
        venue: Venue::BinanceSpot,
        symbol: "TESTUSDT".to_string(),
        price_scale: PRICE_SCALE,
        quantity_scale: QUANTITY_SCALE,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    };
    InstrumentTable::new(vec![instrument]).expect("the table is sound")
}

/// A trade, and an update of 30 levels.
fn frames() -> [(&'static str, Vec<u8>); 2] {
    let trade = r#"{"stream":"testusdt@trade","data":{"e":"trade","E":1700000000043,"s":"TESTUSDT","t":77,"p":"49999.57000000","q":"0.01250000","T":1700000000042,"m":true,"M":true}}"#;
    let side = |first: u32| {
        let level = |step: u32| format!(r#"["{}.57000000","{step}.29408000"]"#, first + step);
        (0..15).map(level).collect::<Vec<_>>().join(",")
    };
    let depth = format!(
        r#"{{"stream":"testusdt@depth@100ms","data":{{"e":"depthUpdate","E":1700000000043,"s":"TESTUSDT","U":1001,"u":1030,"b":[{}],"a":[{}]}}}}"#,
        side(49_980),
        side(50_000)
    );
    [("trade", trade.as_bytes().to_vec()), ("depth of 30 levels", depth.into_bytes())]
}

/// Prices and quantities that a frame tells, by the product's decoder.
fn ours(decoder: &mut Decoder, frame: &mut [u8], told: &mut Vec<(i64, i64)>) {
    let (_, events) = decoder.decode_events(frame, 0).expect("the frame is sound");
    let is_told = |event: &&Event| matches!(event.kind, Kind::TRADE | Kind::LEVEL);
    told.extend(events.iter().filter(is_told).map(|event| (event.price, event.quantity)));
}

/// The same through `serde_json::Value`, the way it is mostly done.
fn serde(frame: &[u8], told: &mut Vec<(i64, i64)>) {
    let root: Value = serde_json::from_slice(frame).expect("the frame is sound");
    let data = &root["data"];
    let amount = |value: &Value, scale| {
        let text = value.as_str().expect("numbers are texts");
        parse_scaled(text.as_bytes(), scale).expect("the number is sound")
    };
    if data["e"] == "trade" {
        told.push((amount(&data["p"], PRICE_SCALE), amount(&data["q"], QUANTITY_SCALE)));
        return;
    }
    for list in ["b", "a"] {
        for level in data[list].as_array().expect("a list of levels") {
            told.push((amount(&level[0], PRICE_SCALE), amount(&level[1], QUANTITY_SCALE)));
        }
    }
}

/// Decoding overwrites its frame, so every line, the floor first, begins with a copy of it.
fn decode(criterion: &mut Criterion) {
    let mut decoder = Decoder::new(Venue::BinanceSpot, &spot());
    let mut group = criterion.benchmark_group("decode");
    for (name, frame) in frames() {
        let mut buffer = frame.clone();
        let (mut told, mut wanted) = (Vec::new(), Vec::new());
        serde(&frame, &mut wanted);
        ours(&mut decoder, &mut buffer, &mut told);
        assert_eq!(told, wanted, "the decoders differ");
        group.bench_function(format!("{name}, floor: copy of the bytes"), |bencher| {
            bencher.iter(|| {
                buffer.copy_from_slice(black_box(&frame));
                black_box(&buffer);
            });
        });
        group.bench_function(format!("{name}, ours"), |bencher| {
            bencher.iter(|| {
                buffer.copy_from_slice(black_box(&frame));
                told.clear();
                ours(&mut decoder, &mut buffer, &mut told);
                black_box(&told);
            });
        });
        group.bench_function(format!("{name}, rival: serde_json::Value"), |bencher| {
            bencher.iter(|| {
                buffer.copy_from_slice(black_box(&frame));
                told.clear();
                serde(&buffer, &mut told);
                black_box(&told);
            });
        });
    }
    group.finish();
}

fn intent() -> Event {
    let mut event = Event::new(Kind::INTENT);
    event.instrument = 0;
    event.source = 0;
    event.price = 1_000_000;
    event.quantity = 100;
    event.code = OrderTerms::LIMIT_IOC.code();
    event.flags = flags::LAST;
    event
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

/// An intent judged and approved, and its order ended.
fn risk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("risk");
    let mut ring = Ring::new(SLOTS, 0);
    group.bench_function("floor: intent and verdict through the ring", |bencher| {
        bencher.iter(|| {
            let sequence = ring.begin(*black_box(&intent()));
            let event = *ring.get(sequence);
            Emitter::new(&mut ring, &event).emit(Event { kind: Kind::APPROVED, ..event })
        });
    });
    let market = live_market();
    let mut gate = Gate::new(desk::limits(), desk::instruments(), 1, SLOTS);
    let (mut time_ns, mut id) = (1_000_000_000, 0);
    group.bench_function("gate, every limit set", |bencher| {
        bencher.iter(|| {
            // Slower than the rate limit of 100,000 a second.
            time_ns += 20_000;
            id += 1;
            let sequence = ring.begin(black_box(intent()).at(time_ns));
            let event = *ring.get(sequence);
            gate.apply(&event, &market, &mut Emitter::new(&mut ring, &event));
            let verdict = *ring.get(ring.head());
            assert!(verdict.kind == Kind::APPROVED, "refused");
            let mut ended = Event { kind: Kind::ORDER, id, quantity: 0, ..verdict };
            ended.cause = verdict.sequence;
            ended.code = u16::from(OrderState::Expired.code());
            gate.apply(&ended, &market, &mut Emitter::new(&mut ring, &verdict));
        });
    });
    let mut open: BTreeMap<u64, (i64, i64)> = (0..16).map(|id| (id, (1, 100))).collect();
    let mut id = 16;
    group.bench_function("rival: sums its 16 open orders in a BTreeMap", |bencher| {
        bencher.iter(|| {
            let order = black_box(intent());
            let working: i128 =
                open.values().map(|(price, size)| i128::from(*price) * i128::from(*size)).sum();
            let notional = i128::from(order.price) * i128::from(order.quantity);
            assert!(working + notional < 1_000_000_000_000, "refused");
            id += 1;
            open.insert(id, (order.price, order.quantity));
            open.remove(&black_box(id))
        });
    });
    group.finish();
}

/// The OMS with its ring.
struct Orders {
    oms: Oms,
    ring: Ring,
    execution_id: u64,
}

impl Orders {
    fn new() -> Orders {
        let oms = Oms::new(OmsConfig {
            engine: 1,
            orders_max: SLOTS,
            strategy_count: 1,
            instruments: desk::instruments(),
            times: OmsTimes::default(),
        });
        let mut orders = Orders { oms, ring: Ring::new(SLOTS, 0), execution_id: 0 };
        orders.apply(session::session_start(1, Mode::Paper));
        orders
    }

    /// Returns the last event of the cascade.
    fn apply(&mut self, event: Event) -> Event {
        let sequence = self.ring.begin(event);
        let event = *self.ring.get(sequence);
        self.oms.apply(&event, &mut Emitter::new(&mut self.ring, &event));
        *self.ring.get(self.ring.head())
    }

    /// Approved, acknowledged, filled in full.
    fn life(&mut self) {
        let send = self.apply(Event { kind: Kind::APPROVED, ..black_box(intent()) });
        self.apply(report(0, send.id, ReportCode::Acked, 0));
        self.execution_id += 1;
        let execution = Execution {
            order_id: send.id,
            side: Side::Buy,
            price: 1_000_000,
            quantity: 100,
            cumulative_quantity: 100,
            fee_e8: 1,
            execution_id: self.execution_id,
            maker: false,
        };
        for event in fill_report(0, &execution) {
            self.apply(event);
        }
    }
}

/// A whole life of an order: four events in, each with its cascade.
fn oms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("oms");
    let mut orders = Orders::new();
    let before = orders.ring.head();
    orders.life();
    assert_eq!(orders.oms.open_count(), 0, "the order was not filled");
    let life: Vec<Event> =
        (before + 1..=orders.ring.head()).map(|sequence| *orders.ring.get(sequence)).collect();
    let mut ring = Ring::new(SLOTS, 0);
    group.bench_function("floor: the same events through the ring", |bencher| {
        bencher.iter(|| {
            let mut cause = life[0];
            for event in black_box(&life) {
                // Only decisions have a cause.
                if event.cause == 0 {
                    let sequence = ring.begin(*event);
                    cause = *ring.get(sequence);
                } else {
                    black_box(Emitter::new(&mut ring, &cause).emit(*event));
                }
            }
        });
    });
    group.bench_function("approved, acked, filled", |bencher| bencher.iter(|| orders.life()));
    assert_eq!(orders.oms.open_count(), 0, "an order was not filled");
    let mut states: BTreeMap<u64, (OrderState, i64)> = BTreeMap::new();
    let mut id = 0_u64;
    group.bench_function("rival: states in a BTreeMap, no checks", |bencher| {
        bencher.iter(|| {
            id += 1;
            states.insert(id, (OrderState::Pending, black_box(100)));
            for state in [OrderState::Acked, OrderState::Filled] {
                states.get_mut(&black_box(id)).expect("it is there").0 = state;
            }
            id.checked_sub(4_096).and_then(|old| states.remove(&old))
        });
    });
    group.finish();
}

/// An engine that has seen the opening, with what it writes to.
struct Desk<R> {
    pipeline: Pipeline,
    recorder: R,
}

impl<R: Recorder> Desk<R> {
    fn new(plan: &Plan, recorder: R) -> Desk<R> {
        let mut desk = Desk { pipeline: desk::pipeline(), recorder };
        desk.apply(&plan.opening);
        desk
    }

    fn apply(&mut self, events: &[Event]) {
        let recorder = &mut self.recorder;
        let mut edges = Edges { recorder, outlet: &mut NoOutlet, probe: &mut NoProbe };
        for event in events {
            self.pipeline.apply(event, &mut edges).expect("the engine does not stop");
        }
    }
}

fn journaled(plan: &Plan) -> (Desk<JournalRecorder>, TempDir) {
    let dir = scratch();
    let recorder = JournalRecorder::new(writer(dir.path()), journal::Durability::Process);
    (Desk::new(plan, recorder), dir)
}

/// The whole pipeline over the canonical workload.
fn event(criterion: &mut Criterion) {
    let plan = Plan::new(SEED, &[BATCH]).expect("the engine does not stop");
    let mark = plan.mark(BATCH);
    assert!(mark.record_count < SEGMENT_RECORDS, "a roll would be timed");
    let (mut bare, (mut kept, dir)) = (Desk::new(&plan, NoRecorder), journaled(&plan));
    bare.apply(&plan.events);
    kept.apply(&plan.events);
    let hashes = (bare.pipeline.state_hash(), kept.pipeline.state_hash());
    assert_eq!(hashes, (mark.state_hash, mark.state_hash), "the answer is wrong");
    drop((kept, dir));
    let mut group = batches(criterion, "event", BATCH);
    let mut ring = Ring::new(RING_SLOT_COUNT, 0);
    group.bench_function("floor: begin in the ring", |bencher| {
        bencher.iter(|| {
            for event in &plan.events {
                black_box(ring.begin(*event));
            }
        });
    });
    group.bench_function("bare", |bencher| {
        let setup = || Desk::new(&plan, NoRecorder);
        let work = |desk: &mut Desk<NoRecorder>| desk.apply(&plan.events);
        bencher.iter_batched_ref(setup, work, BatchSize::PerIteration);
    });
    group.bench_function("journaled", |bencher| {
        let work = |(desk, _): &mut (Desk<JournalRecorder>, TempDir)| desk.apply(&plan.events);
        bencher.iter_batched_ref(|| journaled(&plan), work, BatchSize::PerIteration);
    });
    let mut books: Vec<NaiveBook> = (0..desk::INSTRUMENT_COUNT).map(|_| NaiveBook::new()).collect();
    let mut set = |events: &[Event]| {
        for event in events.iter().filter(|event| event.kind == Kind::LEVEL) {
            set_all(&mut books[usize::from(event.instrument)], std::slice::from_ref(event));
        }
    };
    set(&plan.opening);
    group.bench_function("rival: naive books and nothing behind them", |bencher| {
        bencher.iter(|| set(&plan.events));
    });
    group.finish();
}

criterion_group! {
    name = micro;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(600))
        .sample_size(20)
        .nresamples(10_000);
    targets = hop, append, book, decode, risk, oms, event
}
criterion_main!(micro);
