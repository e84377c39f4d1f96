//! Tests of the stats file: what is written is read, and damage never panics.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hdrhistogram::Histogram;
use proptest::prelude::*;

use super::layout::{HopSlot, StatsFile};
use super::memory::Memory;
use super::process::{parse_namespace, parse_start_ticks};
use super::*;

const IDENTITY: Identity<'static> = Identity {
    instance: "paper-1",
    engine_version: "0.1.0",
    commit: "0123abcd",
    mode: "paper",
    journal_dir: "/data/journal",
};
const NOW_NS: u64 = 1_700_000_000_000_000_000;

fn fresh() -> (tempfile::TempDir, PathBuf, StatsWriter) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let writer = StatsWriter::create(&path, &IDENTITY, NOW_NS).unwrap();
    (dir, path, writer)
}

/// A file in which every section has something.
fn full() -> (tempfile::TempDir, PathBuf, StatsWriter) {
    let (dir, path, writer) = fresh();
    let handle = writer.handle();
    let core = handle.register_thread("core", 1_000_000_000, Some(3), NOW_NS).unwrap();
    handle.register_thread("market", 2_000_000_000, None, NOW_NS).unwrap();
    core.beat(NOW_NS + 5);
    writer.set_state(RunState::Running, NOW_NS);
    writer.add(CounterId::FeedEvents, 1234);
    writer.set_limit(CounterId::InboundDepth, 4096);
    writer.set(CounterId::InboundDepth, 17);
    writer.set_signed(CounterId::PnlRealised, -250_000_000);
    handle.inc(CounterId::FramesReceived);
    for value in [0, 1, 45, 45, 2047, 2048, 70_000, 1_000_000] {
        writer.record(HopId::TickToOrder, value);
    }
    handle.record(HopId::Decode, 150);
    writer.error(7, NOW_NS + 1, format_args!("gap of {} in {}", 3, "BTCUSDT"));
    for sequence in 0..300 {
        let stall = Stall { at_ns: NOW_NS, sequence, duration_ns: 16_000, ..Stall::default() };
        writer.stall(&Stall { minor_faults: 1, stage: Some(HopId::Journal), ..stall }.judged());
    }
    writer.name_instrument(0, "BTCUSDT", "binance-spot", 2, 5);
    writer.update_instrument(0, &instrument_values(9));
    writer.name_strategy(0, "momentum");
    let values = StrategyValues { state: StrategyState::Enabled, fills: 4, ..Default::default() };
    writer.update_strategy(0, &values);
    (dir, path, writer)
}

/// Values that all follow from one number, so that a mixture of two rows is seen.
fn instrument_values(seed: i64) -> InstrumentValues {
    InstrumentValues {
        bid_price: seed,
        bid_quantity: seed + 1,
        ask_price: seed + 2,
        ask_quantity: seed + 3,
        state: BookState::Live,
        position: -seed,
        average_price: seed + 4,
        realised_e8: -seed - 1,
        unrealised_e8: seed + 5,
        last_price: seed + 6,
        last_quantity: seed + 7,
        updated_ns: seed.unsigned_abs(),
        orders_open: seed.unsigned_abs() + 1,
    }
}

#[test]
fn what_the_engine_writes_a_reader_sees() {
    let (_dir, path, _writer) = full();
    let reader = StatsReader::open(&path).unwrap();
    let snapshot = reader.snapshot().unwrap();

    assert_eq!(snapshot.engine.instance, "paper-1");
    assert_eq!(snapshot.engine.commit, "0123abcd");
    assert_eq!(snapshot.engine.journal_dir, "/data/journal");
    assert_eq!(snapshot.engine.process, ProcessId::this());
    assert_eq!(snapshot.engine.process.exists(), Some(true));
    assert_eq!(snapshot.engine.state, RunState::Running);
    assert_eq!(snapshot.threads.len(), 2);
    assert_eq!(snapshot.threads[0].name, "core");
    assert_eq!(snapshot.threads[0].pinned_cpu, Some(3));
    assert_eq!(snapshot.threads[0].beat_count, 1);
    assert_eq!(snapshot.last_beat_ns(), NOW_NS + 5);
    assert_eq!(snapshot.counter(CounterId::FeedEvents), 1234);
    assert_eq!(snapshot.counter(CounterId::InboundDepth), 17);
    assert_eq!(snapshot.limit(CounterId::InboundDepth), Some(4096));
    assert_eq!(snapshot.limit(CounterId::FeedEvents), None);
    assert_eq!(snapshot.counter_signed(CounterId::PnlRealised), -250_000_000);
    assert_eq!(snapshot.counter(CounterId::FramesReceived), 1);
    let hop = snapshot.hop(HopId::TickToOrder).unwrap();
    assert_eq!(hop.count(), 8);
    assert_eq!(hop.max_ns, 1_000_000);
    assert_eq!(hop.value_at_ppm(500_000), 45);
    assert_eq!(hop.value_at_ppm(1_000_000), 1_000_000);
    assert_eq!(snapshot.hop(HopId::Decode).unwrap().count(), 1);
    assert_eq!(snapshot.errors.len(), 1);
    assert_eq!(snapshot.errors[0].text, "gap of 3 in BTCUSDT");
    assert_eq!(snapshot.instruments.len(), 1);
    assert_eq!(snapshot.instruments[0].symbol, "BTCUSDT");
    assert_eq!(snapshot.instruments[0].venue, "binance-spot");
    assert_eq!(snapshot.instruments[0].values, instrument_values(9));
    assert!(snapshot.instruments[0].is_whole);
    assert_eq!(snapshot.strategies[0].name, "momentum");
    assert_eq!(snapshot.strategies[0].values.fills, 4);

    assert_eq!(parse_bytes(&fs::read(&path).unwrap()).unwrap(), snapshot);
}

#[test]
fn a_fill_is_late_above_100_ms_and_too_late_above_500_ms() {
    let (_dir, path, writer) = fresh();
    let ms = 1_000_000;
    let rows = [
        (0, None),
        (100 * ms, None),
        (100 * ms + 1, Some(CounterId::FillsLate)),
        (500 * ms, Some(CounterId::FillsLate)),
        (500 * ms + 1, Some(CounterId::FillsTooLate)),
        (u64::MAX, Some(CounterId::FillsTooLate)),
    ];
    for (took_ns, want) in rows {
        assert_eq!(judge_fill(took_ns), want, "{took_ns}");
        writer.handle().record_fill(took_ns);
    }
    let snapshot = StatsReader::open(&path).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.counter(CounterId::FillsLate), 2);
    assert_eq!(snapshot.counter(CounterId::FillsTooLate), 2);
    assert_eq!(snapshot.hop(HopId::TickToFill).unwrap().count(), 6);
}

#[test]
fn the_newest_stalls_are_kept_in_order_and_all_are_counted() {
    let (_dir, path, _writer) = full();
    let snapshot = StatsReader::open(&path).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.stall_count, 300);
    assert_eq!(snapshot.counter(CounterId::Stalls), 300);
    let sequences: Vec<u64> = snapshot.stalls.iter().map(|stall| stall.sequence).collect();
    assert_eq!(sequences, (300 - 256..300).collect::<Vec<u64>>());
    assert_eq!(snapshot.stalls[0].cause, StallCause::MinorFault);
    assert_eq!(snapshot.stalls[0].stage, Some(HopId::Journal));
}

#[test]
fn a_stall_is_blamed_on_the_gravest_cause() {
    let quiet = Stall { duration_ns: 20_000, ..Stall::default() };
    assert_eq!(quiet.judged().cause, StallCause::Unexplained);
    let batch = Stall { batch_count: 5000, ..quiet };
    assert_eq!(batch.judged().cause, StallCause::LongBatch);
    let minor = Stall { minor_faults: 1, ..batch };
    assert_eq!(minor.judged().cause, StallCause::MinorFault);
    let preempted = Stall { switches_involuntary: 1, ..minor };
    assert_eq!(preempted.judged().cause, StallCause::Preempted);
    let major = Stall { major_faults: 1, ..preempted };
    assert_eq!(major.judged().cause, StallCause::MajorFault);
}

#[test]
fn leftovers_do_not_block_a_start_and_old_readers_keep_the_old_file() {
    let (_dir, path, first) = fresh();
    first.add(CounterId::Trades, 1);
    let old = StatsReader::open(&path).unwrap();
    assert!(!old.is_superseded());
    // What kill -9 in the middle of a creation leaves behind.
    fs::write(path.with_extension("tws.new"), b"half").unwrap();

    let second = StatsWriter::create(&path, &IDENTITY, NOW_NS + 1).unwrap();
    second.add(CounterId::Trades, 2);
    first.add(CounterId::Trades, 10);

    assert!(old.is_superseded());
    assert_eq!(old.snapshot().unwrap().counter(CounterId::Trades), 11);
    let new = StatsReader::open(&path).unwrap();
    assert_eq!(new.snapshot().unwrap().counter(CounterId::Trades), 2);
    assert!(!path.with_extension("tws.new").exists());
}

#[test]
fn a_data_directory_gets_a_link_to_shared_memory_that_is_reused() {
    let dir = tempfile::tempdir().unwrap();
    let first = StatsWriter::create_in(dir.path(), &IDENTITY, NOW_NS).unwrap();
    first.add(CounterId::Trades, 5);
    let target = fs::canonicalize(first.path()).unwrap();
    let second = StatsWriter::create_in(dir.path(), &IDENTITY, NOW_NS).unwrap();
    assert_eq!(fs::canonicalize(second.path()).unwrap(), target);
    let reader = StatsReader::open(dir.path()).unwrap();
    assert_eq!(reader.snapshot().unwrap().counter(CounterId::Trades), 0);
    fs::remove_file(target).unwrap();
}

#[test]
fn a_missing_directory_is_an_error_with_its_path() {
    let error = StatsWriter::create("/nowhere/at/all/x.tws".as_ref(), &IDENTITY, 0).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all/x.tws"), "{error}");
    let error = StatsReader::open("/nowhere/at/all/x.tws".as_ref()).unwrap_err();
    assert!(matches!(error, StatsReadError::Missing { .. }), "{error}");
}

#[test]
fn a_file_that_shrinks_under_a_reader_is_an_error_and_no_signal() {
    let (_dir, path, _writer) = full();
    let reader = StatsReader::open(&path).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(5000).unwrap();
    let error = reader.snapshot().unwrap_err().to_string();
    assert!(error.contains("5000 bytes"), "{error}");
    let error = StatsReader::open(&path).unwrap_err().to_string();
    assert!(error.contains("5000 bytes"), "{error}");
    assert!(error.contains("stats.tws"), "{error}");
}

#[test]
fn every_wrong_length_is_refused() {
    let (_dir, path, _writer) = full();
    let mut bytes = fs::read(&path).unwrap();
    for length in (0..5000).chain((5000..bytes.len()).step_by(997)) {
        let found = u64::try_from(length).unwrap();
        let expected = u64::try_from(FILE_BYTES).unwrap();
        let refused = parse_bytes(&bytes[..length]).unwrap_err();
        assert_eq!(refused, StatsDamage::Length { found, expected });
    }
    bytes.push(0);
    assert!(matches!(parse_bytes(&bytes), Err(StatsDamage::Length { .. })));
}

#[test]
fn foreign_magic_version_and_length_are_named() {
    let (_dir, path, _writer) = full();
    let good = fs::read(&path).unwrap();
    for (offset, is_expected) in [
        (0, (|d| matches!(d, StatsDamage::Magic { .. })) as fn(StatsDamage) -> bool),
        (8, |d| matches!(d, StatsDamage::Version { found: 253, expected: 2 })),
        (16, |d| matches!(d, StatsDamage::HeaderLength { .. })),
    ] {
        let mut bytes = good.clone();
        bytes[offset] ^= 0xff;
        assert!(is_expected(parse_bytes(&bytes).unwrap_err()), "offset {offset}");
    }
}

#[test]
fn no_single_damaged_byte_makes_a_reader_panic() {
    let (_dir, path, _writer) = full();
    let image = Memory::copy_of(&fs::read(&path).unwrap()).unwrap();
    let words = image.words();
    let hops_at = std::mem::offset_of!(StatsFile, hops) / 8;
    // Every byte up to the histograms, and each 61st word of the histograms with a walking byte.
    let targets = (0..hops_at)
        .flat_map(|word| (0..8).map(move |byte| (word, byte)))
        .chain((hops_at..words.len()).step_by(61).map(|word| (word, word % 8)));
    let mut refused = 0;
    for (word, byte) in targets {
        let good = words[word].load(Ordering::Relaxed);
        words[word].store(good ^ (0xff << (8 * byte)), Ordering::Relaxed);
        match reader::parse(&image) {
            Ok(snapshot) => exercise(&snapshot),
            Err(damage) => {
                assert!(!damage.to_string().is_empty());
                refused += 1;
            }
        }
        words[word].store(good, Ordering::Relaxed);
    }
    assert_eq!(refused, 24, "exactly the bytes of magic, version and length are refused");
}

#[test]
fn noise_behind_a_good_header_does_not_make_a_reader_panic() {
    let (_dir, path, _writer) = full();
    let image = Memory::copy_of(&fs::read(&path).unwrap()).unwrap();
    for seed in 1..=4_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for word in &image.words()[3..] {
            // xorshift64: any noise will do, as long as a failure can be repeated.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Small numbers reach the known codes, large ones the overflows.
            word.store(if state.is_multiple_of(3) { state % 4 } else { state }, Ordering::Relaxed);
        }
        let snapshot = reader::parse(&image).unwrap();
        exercise(&snapshot);
        for row in &snapshot.hops {
            assert!(row.counts.to_hdr().max() <= VALUE_NS_MAX, "seed {seed}");
        }
    }
}

/// Everything that is computed from foreign numbers.
fn exercise(snapshot: &Snapshot) {
    for row in &snapshot.hops {
        for ppm in [0, 500_000, 999_999, 1_000_000] {
            let _value: u64 = row.counts.value_at_ppm(ppm);
        }
        let _mean: u64 = row.counts.mean_ns();
        let mut sum = row.counts.clone();
        sum.merge(&snapshot.hops[0].counts);
        let _rest: Counts = sum.since(&row.counts);
    }
    for exists in [None, Some(true), Some(false)] {
        assert!(!snapshot.liveness(exists, NOW_NS).name().is_empty());
    }
}

#[test]
fn text_from_a_damaged_file_cannot_control_a_terminal() {
    let (_dir, path, writer) = fresh();
    writer.error(1, NOW_NS, format_args!("red \u{1b}[31m text"));
    let snapshot = StatsReader::open(&path).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.errors[0].text, "red \u{fffd}[31m text");
}

#[test]
fn an_error_is_one_row_however_often_it_comes() {
    let (_dir, path, writer) = fresh();
    let handle = writer.handle();
    for turn in 0..1000 {
        handle.error(5, NOW_NS + turn, format_args!("session lost"));
    }
    handle.error(6, NOW_NS, format_args!("session lost"));
    let rows = StatsReader::open(&path).unwrap().snapshot().unwrap().errors;
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].code, rows[0].count), (5, 1000));
    assert_eq!((rows[0].first_ns, rows[0].last_ns), (NOW_NS, NOW_NS + 999));
    assert_eq!((rows[1].code, rows[1].count), (6, 1));
}

#[test]
fn a_running_number_in_a_text_does_not_flood_the_error_log() {
    let (_dir, path, writer) = fresh();
    for number in 0..10_000 {
        writer.error(5, NOW_NS, format_args!("record {number} is bad"));
    }
    for code in 100..200 {
        writer.error(code, NOW_NS, format_args!("another"));
    }
    let snapshot = StatsReader::open(&path).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.errors.len(), ERROR_MAX);
    assert_eq!(snapshot.errors[0].similar_count, 10_000 - 8);
    let kept = u64::try_from(ERROR_MAX).unwrap() - 8;
    assert_eq!(snapshot.errors_dropped, 100 - kept);
}

#[test]
fn a_long_error_text_is_cut_between_characters() {
    let (_dir, path, writer) = fresh();
    let long = "\u{20ac}".repeat(100);
    writer.error(1, NOW_NS, format_args!("a{long}"));
    let rows = StatsReader::open(&path).unwrap().snapshot().unwrap().errors;
    assert_eq!(rows[0].text, format!("a{}", "\u{20ac}".repeat(39)));
    assert!(rows[0].text.len() <= ERROR_TEXT_BYTES_MAX);
}

#[test]
fn errors_of_many_threads_are_all_counted() {
    let (_dir, path, writer) = fresh();
    thread::scope(|scope| {
        for _ in 0..4 {
            let handle = writer.handle();
            scope.spawn(move || {
                for turn in 0..5000_u32 {
                    handle.error(turn % 20, NOW_NS, format_args!("kind {}", turn % 20));
                }
            });
        }
    });
    let snapshot = StatsReader::open(&path).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.errors.len(), 20);
    let total: u64 = snapshot.errors.iter().map(|row| row.count).sum();
    assert_eq!(total + snapshot.errors_dropped, 20_000);
    assert!(snapshot.errors.iter().all(|row| row.count == 1000));
}

#[test]
fn a_reader_never_sees_half_a_row() {
    let (_dir, path, writer) = fresh();
    writer.name_instrument(0, "BTCUSDT", "x", 2, 5);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let is_done = &is_done;
        scope.spawn(move || {
            let mut seed = 0;
            while !is_done.load(Ordering::Relaxed) {
                seed += 1;
                writer.update_instrument(0, &instrument_values(seed));
            }
        });
        let reader = StatsReader::open(&path).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        let mut torn = None;
        // Bounded, and long enough that the race happens on one core, too.
        for _ in 0..200_000 {
            let rows = reader.instrument(0).unwrap();
            if rows.is_whole && rows.values != InstrumentValues::default() {
                seen.insert(rows.values.bid_price);
                if rows.values != instrument_values(rows.values.bid_price) {
                    torn = Some(rows.values);
                }
            }
        }
        // First of all: a failure must not leave the writer running.
        is_done.store(true, Ordering::Relaxed);
        assert_eq!(torn, None);
        assert!(10 < seen.len(), "only {} different rows were seen", seen.len());
    });
}

#[test]
fn a_row_whose_writer_died_is_given_back_and_marked() {
    let (_dir, path, _writer) = full();
    let image = Memory::copy_of(&fs::read(&path).unwrap()).unwrap();
    image.instruments[0].lock.fetch_add(1, Ordering::Relaxed);
    let snapshot = reader::parse(&image).unwrap();
    assert_eq!(snapshot.instruments[0].symbol, "BTCUSDT");
    assert!(!snapshot.instruments[0].is_whole);
}

#[test]
fn threads_beyond_the_last_row_get_none() {
    let (_dir, path, writer) = fresh();
    let handle = writer.handle();
    for index in 0..THREAD_MAX {
        assert!(handle.register_thread(&format!("t{index}"), 1, None, NOW_NS).is_some());
    }
    assert!(handle.register_thread("one more", 1, None, NOW_NS).is_none());
    let snapshot = StatsReader::open(&path).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.threads.len(), THREAD_MAX);
    assert_eq!(snapshot.threads[31].name, "t31");
}

#[test]
fn instruments_and_strategies_beyond_the_last_row_are_left_out() {
    let (_dir, path, writer) = fresh();
    assert!(!writer.name_instrument(INSTRUMENT_MAX, "X", "v", 0, 0));
    assert!(!writer.name_strategy(STRATEGY_MAX, "s"));
    writer.update_instrument(INSTRUMENT_MAX, &instrument_values(1));
    writer.update_strategy(STRATEGY_MAX, &StrategyValues::default());
    let snapshot = StatsReader::open(&path).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.instruments, []);
    assert_eq!(snapshot.strategies, []);
}

#[test]
fn liveness_follows_state_process_and_beats() {
    let (_dir, path, writer) = full();
    let handle = writer.handle();
    let read = || StatsReader::open(&path).unwrap().snapshot().unwrap();
    let snapshot = read();
    let second = 1_000_000_000;

    assert_eq!(snapshot.liveness(Some(true), NOW_NS + second), Liveness::Alive);
    assert_eq!(snapshot.liveness(Some(false), NOW_NS), Liveness::Dead);
    let late = snapshot.liveness(Some(true), NOW_NS + second + 6);
    assert_eq!(late, Liveness::Stalled { thread: "core".into(), age_ns: second + 1 });
    // In another container only the beats speak: one late thread is a stall, all late is death.
    let late = snapshot.liveness(None, NOW_NS + second + 6);
    assert_eq!(late, Liveness::Stalled { thread: "core".into(), age_ns: second + 1 });
    assert_eq!(snapshot.liveness(None, NOW_NS + 9 * second), Liveness::Dead);

    let dead = handle.register_thread("journal", second, None, NOW_NS).unwrap();
    dead.set_state(ThreadState::Dead, NOW_NS);
    let verdict = read().liveness(Some(true), NOW_NS);
    assert_eq!(verdict, Liveness::ThreadDead { thread: "journal".into() });
    assert_eq!(dead.state(), ThreadState::Dead);

    writer.set_state(RunState::Stopped, NOW_NS + 7);
    assert_eq!(read().liveness(Some(false), NOW_NS), Liveness::Stopped);
    assert_eq!(read().engine.end_ns, NOW_NS + 7);
    handle.set_state(RunState::Failed, NOW_NS + 8);
    assert_eq!(read().liveness(Some(true), NOW_NS), Liveness::Failed);
}

#[test]
fn a_reused_process_id_is_not_the_engine() {
    let this = ProcessId::this();
    assert_eq!(this.exists(), Some(true));
    assert_eq!(ProcessId { start_ticks: this.start_ticks + 1, ..this }.exists(), Some(false));
    assert_eq!(ProcessId { pid: u32::MAX, ..this }.exists(), Some(false));
    assert_eq!(ProcessId { namespace: this.namespace + 1, ..this }.exists(), None);
}

#[test]
fn process_files_are_parsed_whatever_the_command_is_called() {
    let stat = |name, state| {
        format!("42 ({name}) {state} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20 21")
    };
    assert_eq!(parse_start_ticks(&stat("tickwheel", "S")), Some(777));
    assert_eq!(parse_start_ticks(&stat(") R 1 (", "S")), Some(777));
    assert_eq!(parse_start_ticks(&stat("tickwheel", "Z")), None);
    assert_eq!(parse_start_ticks(""), None);
    assert_eq!(parse_start_ticks("42 (x) S 1"), None);
    assert_eq!(parse_namespace("pid:[4026531836]"), Some(4_026_531_836));
    assert_eq!(parse_namespace("pid:4026531836"), None);
}

#[test]
fn names_are_distinct_and_fit_for_machines() {
    let names: Vec<&str> = CounterId::ALL.iter().map(|id| id.name()).collect();
    let hops: Vec<&str> = HopId::ALL.iter().map(|id| id.name()).collect();
    for names in [names, hops] {
        let distinct: std::collections::BTreeSet<&&str> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        for name in names {
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            assert!(name.bytes().all(fits), "{name}");
        }
    }
    assert_eq!(CounterId::from_name("fills"), Some(CounterId::Fills));
    assert_eq!(HopId::from_name("tick_to_order"), Some(HopId::TickToOrder));
    assert_eq!(HopId::from_name("nothing"), None);
}

#[test]
fn buckets_cover_all_values_without_gap_or_overlap() {
    let mut next = 0;
    for index in 0..BUCKET_MAX {
        let (lowest, highest) = bucket_range(index);
        assert_eq!(lowest, next);
        assert_eq!(bucket_index(lowest), index);
        assert_eq!(bucket_index(highest), index);
        next = highest + 1;
    }
    assert_eq!(next - 1, VALUE_NS_MAX);
    assert_eq!(bucket_index(u64::MAX), BUCKET_MAX - 1);
}

fn counted(values: &[u64]) -> Counts {
    let bytes = vec![0; FILE_BYTES];
    let memory = Memory::copy_of(&bytes).unwrap();
    let slot: &HopSlot = &memory.hops[0];
    for value in values {
        slot.record(*value);
    }
    Counts::read(slot)
}

fn any_latency() -> impl Strategy<Value = u64> {
    // Every order of magnitude alike.
    (0..36_u32, any::<u64>()).prop_map(|(bits, noise)| noise & ((1 << bits) - 1))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn percentiles_agree_with_the_sorted_values_and_with_hdrhistogram(
        mut values in proptest::collection::vec(any_latency(), 1..300),
        ppm in 0..=1_000_000_u32,
    ) {
        let counts = counted(&values);
        values.sort_unstable();
        let length = u64::try_from(values.len()).unwrap();
        prop_assert_eq!(counts.count(), length);
        prop_assert_eq!(counts.max_ns, *values.last().unwrap());
        prop_assert_eq!(counts.sum_ns, values.iter().sum::<u64>());

        let rank = (length * u64::from(ppm)).div_ceil(1_000_000).max(1);
        let exact = values[usize::try_from(rank - 1).unwrap()];
        let ours = counts.value_at_ppm(ppm);
        prop_assert!(exact <= ours, "{} is reported as {}", exact, ours);
        prop_assert!(ours - exact <= exact / 1024, "{} is reported as {}", exact, ours);

        let mut theirs = Histogram::<u64>::new_with_bounds(1, VALUE_NS_MAX, 3).unwrap();
        for value in &values {
            theirs.record(*value).unwrap();
        }
        let converted = counts.to_hdr();
        prop_assert_eq!(converted.len(), theirs.len());
        prop_assert_eq!(converted.max(), theirs.max());
        for (a, b) in converted.iter_recorded().zip(theirs.iter_recorded()) {
            prop_assert_eq!(a.value_iterated_to(), b.value_iterated_to());
            prop_assert_eq!(a.count_at_value(), b.count_at_value());
        }
    }

    #[test]
    fn merging_equals_recording_both_and_subtracting_gives_the_rest(
        first in proptest::collection::vec(any_latency(), 0..200),
        second in proptest::collection::vec(any_latency(), 0..200),
    ) {
        let both: Vec<u64> = first.iter().chain(&second).copied().collect();
        let all = counted(&both);
        let mut merged = counted(&first);
        merged.merge(&counted(&second));
        prop_assert_eq!(&merged, &all);

        let rest = all.since(&counted(&first));
        prop_assert_eq!(&rest.buckets, &counted(&second).buckets);
        prop_assert_eq!(rest.sum_ns, counted(&second).sum_ns);
        prop_assert!(counted(&second).max_ns <= rest.max_ns);
    }
}

#[test]
fn recording_from_many_threads_loses_nothing_where_it_is_allowed() {
    let (_dir, path, writer) = fresh();
    thread::scope(|scope| {
        for _ in 0..4 {
            let handle = writer.handle();
            scope.spawn(move || {
                for value in 0..10_000 {
                    handle.record(HopId::Decode, value);
                    handle.inc(CounterId::FramesReceived);
                }
            });
        }
    });
    let snapshot = StatsReader::open(&path).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.hop(HopId::Decode).unwrap().count(), 40_000);
    assert_eq!(snapshot.counter(CounterId::FramesReceived), 40_000);
}

#[test]
fn values_above_the_highest_bucket_are_counted_and_said() {
    let counts = counted(&[VALUE_NS_MAX, VALUE_NS_MAX + 1, u64::MAX / 4]);
    assert_eq!(counts.count(), 3);
    assert_eq!(counts.clamped_count, 2);
    assert_eq!(counts.max_ns, u64::MAX / 4);
}
