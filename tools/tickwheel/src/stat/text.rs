//! The stats as plain text: once, for people and for logs.

use std::fmt::{self, Write};

use engine::stats::{CounterId, CounterRow, HopId, Kind, Liveness, ThreadState, Unit};

use super::Reading;
use super::numbers::{clock_time, counter, decimal, duration, grouped, money, short, utc};

/// Appends to a text.
fn say(text: &mut String, words: fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a text takes everything");
}

/// Columns as wide as their widest cell; the first is left-aligned, the others right-aligned.
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Nothing when there is only the head.
    fn write(&self, title: &str, text: &mut String) {
        if self.rows.len() == 1 {
            return;
        }
        let column_count = self.rows[0].len();
        let widths: Vec<usize> = (0..column_count)
            .map(|column| self.rows.iter().map(|row| row[column].chars().count()).max())
            .map(|width| width.unwrap_or(0))
            .collect();
        say(text, format_args!("\n{title}\n"));
        for row in &self.rows {
            let mut line = String::new();
            for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match index {
                    0 => say(&mut line, format_args!("  {cell:<width$}")),
                    _ => say(&mut line, format_args!("  {cell:>width$}")),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
}

/// Everything that is not zero.
pub(super) fn report(reading: &Reading) -> String {
    let mut text = head(reading);
    threads(reading, &mut text);
    counters(reading, &mut text);
    hops(reading, &mut text);
    instruments(reading, &mut text);
    strategies(reading, &mut text);
    trouble(reading, &mut text);
    text
}

/// Only errors and stalls.
pub(super) fn errors(reading: &Reading) -> String {
    let mut text = head(reading);
    let length = text.len();
    trouble(reading, &mut text);
    if text.len() == length {
        text.push_str("no errors, no stalls\n");
    }
    text
}

/// The percentile distribution of one hop, as `HdrHistogram` tools read it. In nanoseconds.
pub(super) fn hgrm(reading: &Reading, hop: HopId) -> String {
    let counts = reading.snapshot.hop(hop).cloned().unwrap_or_default();
    let total = counts.count();
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut seen = 0_u64;
    for (index, count) in &counts.buckets {
        seen = seen.saturating_add(*count);
        let value_ns = engine::stats::bucket_range(*index).1.min(counts.max_ns);
        let left = total - seen.min(total);
        // Twelve decimal places of a share, and two of its inverse, in integers.
        let share = u128::from(seen) * 1_000_000_000_000 / u128::from(total.max(1));
        let value = format!("{value_ns}.000");
        let share = format!("{}.{:012}", share / 1_000_000_000_000, share % 1_000_000_000_000);
        let inverse = match (u128::from(total) * 100).checked_div(u128::from(left)) {
            Some(inverse) => format!("{}.{:02}", inverse / 100, inverse % 100),
            None => "inf".into(),
        };
        say(&mut text, format_args!("{value:>12} {share:>14} {seen:>10} {inverse:>14}\n"));
    }
    let histogram = counts.to_hdr();
    let (mean, deviation) = (histogram.mean(), histogram.stdev());
    let max = format!("{}.000", counts.max_ns);
    say(&mut text, format_args!("#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]\n"));
    say(&mut text, format_args!("#[Max     = {max:>12}, Total count    = {total:>12}]\n"));
    text.push_str("#[Buckets =           26, SubBuckets     =         2048]\n");
    text
}

fn head(reading: &Reading) -> String {
    let engine = &reading.snapshot.engine;
    let beat = utc(reading.snapshot.last_beat_ns());
    let age = duration(reading.beat_age_ns());
    let verdict = match &reading.liveness {
        Liveness::Alive => format!("alive, last heartbeat {age} ago"),
        Liveness::Stalled { thread, age_ns } => {
            format!("STALLED: thread `{thread}` has not answered for {}", duration(*age_ns))
        }
        Liveness::ThreadDead { thread } => format!("THREAD DEAD: `{thread}` has panicked"),
        Liveness::Stopped => format!("stopped in good order at {}", utc(engine.end_ns)),
        Liveness::Failed => format!("FAILED: a broken invariant, at {}", utc(engine.end_ns)),
        Liveness::Dead => format!("DEAD: gone without a word, last heartbeat {beat}"),
    };
    format!(
        "{} ({})  {verdict}\npid {}, started {}, up {}, version {} {}\njournal {}\n",
        engine.instance,
        engine.mode,
        engine.process.pid,
        utc(engine.start_ns),
        clock_time(reading.uptime_ns()),
        engine.engine_version,
        engine.commit,
        engine.journal_dir,
    )
}

fn threads(reading: &Reading, text: &mut String) {
    // Nobody was left to say that the threads of a killed process have ended.
    let is_gone = reading.liveness == Liveness::Dead;
    let mut table = Table::new(&["thread", "state", "last beat", "beats", "cpu", "tid"]);
    for row in &reading.snapshot.threads {
        let age_ns = reading.now_ns.saturating_sub(row.last_beat_ns);
        table.row(vec![
            row.name.clone(),
            if is_gone && row.state == ThreadState::Alive { "gone" } else { row.state.name() }
                .into(),
            format!("{} ago", duration(age_ns)),
            grouped(row.beat_count),
            row.pinned_cpu.map_or_else(|| "any".into(), |cpu| cpu.to_string()),
            row.tid.to_string(),
        ]);
    }
    table.write("Threads", text);
}

fn counters(reading: &Reading, text: &mut String) {
    let uptime_ns = reading.uptime_ns();
    let mut table = Table::new(&["counter", "value", "limit", "unit", "a second"]);
    let is_used = |row: &&CounterRow| row.value != 0 || row.limit.is_some();
    for row in reading.snapshot.counters.iter().filter(is_used) {
        let unit = row.id.unit();
        let grown = u128::from(row.value) * 1_000_000_000;
        let rate = grown.checked_div(u128::from(uptime_ns)).unwrap_or(0);
        table.row(vec![
            row.id.name().into(),
            if row.id == CounterId::TradingState {
                super::numbers::trading_state(row.value).into()
            } else {
                counter(row.value, unit)
            },
            row.limit.map(|limit| counter(limit, unit)).unwrap_or_default(),
            match unit {
                Unit::Bytes | Unit::Nanoseconds | Unit::EpochNanoseconds => "",
                Unit::MoneyE8 => "money",
                Unit::Events | Unit::Orders | Unit::Count | Unit::Sequence | Unit::Code => {
                    unit.name()
                }
            }
            .into(),
            match row.id.kind() {
                Kind::Total => short(u64::try_from(rate).unwrap_or(u64::MAX)),
                Kind::Gauge => String::new(),
            },
        ]);
    }
    table.write("Counters (rates are means since the start)", text);
}

fn hops(reading: &Reading, text: &mut String) {
    let mut table =
        Table::new(&["hop", "count", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"]);
    for row in reading.snapshot.hops.iter().filter(|row| !row.counts.buckets.is_empty()) {
        let counts = &row.counts;
        let mut cells =
            vec![row.id.name().to_owned(), grouped(counts.count()), duration(counts.mean_ns())];
        for ppm in [500_000, 900_000, 990_000, 999_000, 999_900] {
            cells.push(duration(counts.value_at_ppm(ppm)));
        }
        cells.push(duration(counts.max_ns));
        table.row(cells);
    }
    table.write("Latency since the start", text);
}

fn instruments(reading: &Reading, text: &mut String) {
    let mut table = Table::new(&[
        "instrument",
        "venue",
        "book",
        "bid",
        "ask",
        "last",
        "position",
        "realised",
        "unrealised",
        "open",
    ]);
    for row in &reading.snapshot.instruments {
        let values = &row.values;
        let price = |value, quantity: i64| {
            if quantity == 0 { "-".into() } else { decimal(value, row.price_scale) }
        };
        table.row(vec![
            if row.is_whole { row.symbol.clone() } else { format!("{} (torn)", row.symbol) },
            row.venue.clone(),
            values.state.name().into(),
            price(values.bid_price, values.bid_quantity),
            price(values.ask_price, values.ask_quantity),
            price(values.last_price, values.last_quantity),
            decimal(values.position, row.quantity_scale),
            money(values.realised_e8),
            money(values.unrealised_e8),
            values.orders_open.to_string(),
        ]);
    }
    table.write("Instruments", text);
}

fn strategies(reading: &Reading, text: &mut String) {
    let mut table = Table::new(&[
        "strategy",
        "state",
        "intents",
        "refused",
        "orders",
        "fills",
        "realised",
        "unrealised",
        "fees",
    ]);
    for row in &reading.snapshot.strategies {
        let values = &row.values;
        table.row(vec![
            row.name.clone(),
            values.state.name().into(),
            grouped(values.intents),
            grouped(values.refused),
            grouped(values.orders),
            grouped(values.fills),
            money(values.realised_e8),
            money(values.unrealised_e8),
            money(values.fees_e8),
        ]);
    }
    table.write("Strategies", text);
}

fn trouble(reading: &Reading, text: &mut String) {
    let snapshot = &reading.snapshot;
    let mut table = Table::new(&["error", "count", "code", "first", "last"]);
    for row in &snapshot.errors {
        table.row(vec![
            row.text.clone(),
            if row.similar_count == 0 {
                grouped(row.count)
            } else {
                format!("{} (+{} similar)", grouped(row.count), grouped(row.similar_count))
            },
            row.code.to_string(),
            utc(row.first_ns),
            utc(row.last_ns),
        ]);
    }
    table.write("Errors", text);
    if 0 < snapshot.errors_dropped {
        let dropped = grouped(snapshot.errors_dropped);
        say(text, format_args!("  and {dropped} errors that found no row\n"));
    }
    let mut table = Table::new(&[
        "stall",
        "duration",
        "sequence",
        "stage",
        "batch",
        "minor",
        "major",
        "preempted",
        "cause",
    ]);
    for row in snapshot.stalls.iter().rev() {
        table.row(vec![
            utc(row.at_ns),
            duration(row.duration_ns),
            grouped(row.sequence),
            row.stage.map_or("?", HopId::name).into(),
            grouped(row.batch_count),
            row.minor_faults.to_string(),
            row.major_faults.to_string(),
            row.switches_involuntary.to_string(),
            row.cause.name().into(),
        ]);
    }
    let title = format!("Stalls, newest first ({} since the start)", snapshot.stall_count);
    table.write(&title, text);
}
