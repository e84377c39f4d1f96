//! An engine as it could be, for the tests of pictures and texts.

use std::path::Path;

use engine::stats::{
    BookState, CounterId, Heartbeat, HopId, Identity, InstrumentValues, RunState, Stall,
    StatsWriter, StrategyState, StrategyValues,
};

/// When the sample engine started: 2026-11-21 10:00:00 UTC.
pub(crate) const START_NS: u64 = 1_795_255_200_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// Names, scales and prices of the instruments.
const INSTRUMENTS: [(&str, u32, u32, i64); 5] = [
    ("BTCUSDT", 2, 5, 9_123_450),
    ("ETHUSDT", 2, 4, 312_345),
    ("SOLUSDT", 2, 3, 18_765),
    ("ADAUSDT", 4, 1, 4_567),
    ("DOGEUSDT", 5, 0, 12_345),
];

/// The sample engine.
pub(crate) struct Sample {
    /// Its stats.
    pub(crate) writer: StatsWriter,
    /// Its threads.
    pub(crate) beats: Vec<Heartbeat>,
}

/// Creates a stats file with everything that does not change.
pub(crate) fn start(path: &Path, start_ns: u64) -> Sample {
    let identity = Identity {
        instance: "paper-1",
        engine_version: "0.1.0",
        commit: "3d72135",
        mode: "paper",
        journal_dir: "/var/lib/tickwheel/journal",
    };
    let writer = StatsWriter::create(path, &identity, start_ns).expect("a writable directory");
    let handle = writer.handle();
    let mut beats = Vec::new();
    for (name, age_ns_max, cpu) in [
        ("core", SECOND_NS, Some(1)),
        ("market", SECOND_NS, None),
        ("supervisor", 3 * SECOND_NS, None),
        ("journal", 3 * SECOND_NS, None),
        ("snapshot", 60 * SECOND_NS, None),
    ] {
        beats.push(handle.register_thread(name, age_ns_max, cpu, start_ns).expect("a free row"));
    }
    for (id, limit) in [
        (CounterId::InboundDepth, 65_536),
        (CounterId::CoreDepth, 4_096),
        (CounterId::OutboundDepth, 4_096),
        (CounterId::OutboundHeld, 1_024),
        (CounterId::OrdersOpen, 64),
        (CounterId::DailyLoss, 500_000_000_000),
        (CounterId::Drawdown, 250_000_000_000),
        (CounterId::NotionalOpen, 10_000_000_000_000),
        (CounterId::JournalSegmentRecords, 1_048_576),
        (CounterId::JournalDiskFree, 2 << 30),
        (CounterId::CycleMax, 10_000),
        (CounterId::BooksBad, 5),
    ] {
        writer.set_limit(id, limit);
    }
    for (index, (symbol, price_scale, quantity_scale, _)) in INSTRUMENTS.iter().enumerate() {
        writer.name_instrument(index, symbol, "synthetic", *price_scale, *quantity_scale);
    }
    writer.name_strategy(0, "momentum");
    writer.name_strategy(1, "market-maker");
    writer.set_state(RunState::Running, start_ns);
    Sample { writer, beats }
}

/// A number that looks random and is the same for the same seed.
fn noise(seed: u64) -> u64 {
    let mixed = (seed ^ (seed >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33
}

/// What happens in a quarter of a second.
pub(crate) fn turn(sample: &Sample, number: u64, now_ns: u64) {
    for beat in &sample.beats {
        beat.beat(now_ns);
    }
    let writer = &sample.writer;
    stages(writer, number);
    gauges(writer, number);
    latencies(writer, number);
    rows(writer, number, now_ns);
    trouble(writer, number, now_ns);
}

fn stages(writer: &StatsWriter, number: u64) {
    let events = 150_000 + noise(number / 3) % 90_000 + 40_000 * u64::from(number % 40 < 9);
    let orders = events / 900;
    for (id, by) in [
        (CounterId::InboundConsumed, events),
        (CounterId::FeedEvents, events),
        (CounterId::StrategyEvents, events),
        (CounterId::RiskEvents, orders * 2),
        (CounterId::OmsEvents, orders * 5),
        (CounterId::JournalEvents, events + orders * 6),
        (CounterId::GatewayEvents, events + orders * 6),
        (CounterId::OutboundPublished, orders),
        (CounterId::Intents, orders + orders / 9),
        (CounterId::RiskPassed, orders),
        (CounterId::RiskRejected, orders / 9),
        (CounterId::OrdersSent, orders),
        (CounterId::OrdersAcked, orders),
        (CounterId::Fills, orders / 4),
        (CounterId::OrdersFilled, orders / 6),
        (CounterId::OrdersCancelled, orders / 2),
        (CounterId::Trades, events / 20),
    ] {
        writer.add(id, by);
    }
    writer.handle().add(CounterId::InboundPublished, events);
}

fn gauges(writer: &StatsWriter, number: u64) {
    let handle = writer.handle();
    let appended = writer.get(CounterId::JournalEvents);
    writer.set(CounterId::JournalAppended, appended);
    handle.set(CounterId::JournalSynced, appended.saturating_sub(noise(number) % 9_000));
    handle.set(CounterId::JournalSegments, appended / 1_048_576 + 1);
    writer.set(CounterId::JournalSegmentRecords, appended % 1_048_576);
    handle.set(CounterId::JournalDiskFree, 78_400_000_000);
    handle.set(CounterId::SnapshotSequence, appended / 500_000 * 500_000);
    writer.set(CounterId::InboundDepth, noise(number + 5) % 400 + 20);
    writer.set(CounterId::CoreDepth, noise(number + 6) % 40);
    writer.set(CounterId::OutboundDepth, noise(number + 7) % 5);
    writer.set(CounterId::OrdersOpen, 9 + noise(number) % 40);
    writer.set_signed(CounterId::PnlRealised, 123_456_000_000 + money(number, 1));
    writer.set_signed(CounterId::PnlUnrealised, -9_876_000_000 + money(number, 2));
    writer.set_signed(CounterId::Fees, 4_321_000_000);
    writer.set(CounterId::DailyLoss, 88_000_000_000);
    writer.set(CounterId::Drawdown, 145_000_000_000);
    writer.set(CounterId::NotionalOpen, 4_200_000_000_000);
}

fn money(number: u64, salt: u64) -> i64 {
    i64::try_from(noise(number * 7 + salt) % 9_000_000_000).expect("a small number")
}

fn latencies(writer: &StatsWriter, number: u64) {
    for sample in 0..2_000 {
        let seed = number * 2_000 + sample;
        let tail = match noise(seed) % 10_000 {
            0 => 14_000,
            1..20 => 2_100,
            20..200 => 300,
            _ => 0,
        };
        for (hop, base) in [
            (HopId::InboundWait, 110),
            (HopId::Feed, 12),
            (HopId::Strategy, 15),
            (HopId::Risk, 9),
            (HopId::Oms, 11),
            (HopId::Journal, 12),
            (HopId::Gateway, 6),
            (HopId::TickToOrder, 190),
            (HopId::Cycle, 48),
        ] {
            let jitter = noise(seed * 16 + base) % (base / 2 + 1);
            writer.record(hop, base + jitter + tail * base / 190);
        }
    }
    writer.handle().record(HopId::JournalSync, 900_000 + noise(number) % 4_000_000);
}

fn rows(writer: &StatsWriter, number: u64, now_ns: u64) {
    for (index, (_, price_scale, quantity_scale, price)) in (0..).zip(INSTRUMENTS) {
        let step = i64::try_from(noise(number * 8 + index) % 40).expect("a small number");
        let unit = 10_i64.pow(quantity_scale);
        let position = (step - 20) * unit / 10;
        let values = InstrumentValues {
            bid_price: price + step - 20,
            bid_quantity: unit,
            ask_price: price + step - 19 + i64::from(price_scale == 2),
            ask_quantity: unit * 2,
            state: if index == 3 { BookState::Stale } else { BookState::Live },
            position,
            average_price: price,
            realised_e8: 2_500_000_000 + money(number, index),
            unrealised_e8: money(number, index + 50) - 4_500_000_000,
            last_price: price + step - 20,
            last_quantity: unit / 2,
            updated_ns: now_ns - 40_000 * (index + 1),
            orders_open: index * 2,
        };
        writer.update_instrument(usize::try_from(index).expect("a small number"), &values);
    }
    for (index, state) in [(0, StrategyState::Enabled), (1, StrategyState::Enabled)] {
        let share = 3 - u64::try_from(index).expect("a small number");
        let values = StrategyValues {
            state,
            intents: number * 120 * share,
            refused: number * 8 * share,
            orders: number * 112 * share,
            fills: number * 25 * share,
            realised_e8: 61_000_000_000 + money(number, share),
            unrealised_e8: money(number, share + 9) - 4_000_000_000,
            fees_e8: 2_100_000_000,
        };
        writer.update_strategy(index, &values);
    }
}

fn trouble(writer: &StatsWriter, number: u64, now_ns: u64) {
    if number % 25 == 3 {
        let stall = Stall {
            at_ns: now_ns,
            sequence: writer.get(CounterId::JournalAppended),
            stage: Some(if number.is_multiple_of(2) { HopId::Journal } else { HopId::Strategy }),
            duration_ns: 14_000 + noise(number) % 9_000,
            batch_count: noise(number) % 60,
            minor_faults: u64::from(number.is_multiple_of(2)),
            switches_involuntary: u64::from(number % 75 == 3),
            ..Stall::default()
        };
        writer.set_max(CounterId::CycleMax, stall.duration_ns);
        writer.stall(&stall.judged());
    }
    if number % 30 == 4 {
        writer.error(201, now_ns, format_args!("ADAUSDT: gap of 3 updates, book is stale"));
    }
    if number == 9 {
        writer.error(305, now_ns, format_args!("session lost: connection reset by peer"));
    }
}
