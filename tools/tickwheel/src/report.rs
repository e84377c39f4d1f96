//! Numbers for people: counts, rates, durations, hashes, latency tables, progress bars.

use std::io::IsTerminal as _;

use engine::event::OrderState;
use engine::money::Money;
use engine::pipeline::Pipeline;
use engine::stats::{HopId, Snapshot};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

/// `1,234,567`
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if 0 < index && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Things per second, whole.
pub(crate) fn rate(count: u64, wall_ns: u64) -> u64 {
    let per_second = u128::from(count) * 1_000_000_000 / u128::from(wall_ns.max(1));
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

/// A hash as 16 hexadecimal digits.
pub(crate) fn hash_text(hash: u64) -> String {
    format!("{hash:016x}")
}

/// `12 ns`, `3.4 us`, `5.6 ms`, `7.8 s`: three digits are enough for a person.
pub(crate) fn duration_text(ns: u64) -> String {
    let (unit, name) = match ns {
        0..=999 => return format!("{ns} ns"),
        1_000..=999_999 => (1_000, "us"),
        1_000_000..=999_999_999 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    format!("{}.{} {name}", ns / unit, ns % unit * 10 / unit)
}

/// `30s`, `5m`, `2h`, `500ms` in nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit_ns: u64 = match unit {
        "ms" => 1_000_000,
        "s" | "" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(format!("\"{text}\": use a number with ms, s, m or h, such as 30s")),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit_ns))
        .filter(|ns| 0 < *ns)
        .ok_or_else(|| format!("\"{text}\": use a number with ms, s, m or h, such as 30s"))
}

/// Money with two decimals and its sign, rounded towards minus infinity.
pub(crate) fn money_text(money: Money) -> String {
    let cents = money.0.div_euclid(10_000_000_000);
    let sign = if cents < 0 { "-" } else { "+" };
    let magnitude = cents.unsigned_abs();
    let whole = u64::try_from(magnitude / 100).unwrap_or(u64::MAX);
    format!("{sign}{}.{:02}", count(whole), magnitude % 100)
}

/// A progress bar that is silent where nobody looks.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(wanted: bool, total: u64, template: &str) -> Progress {
        let bar = if wanted && std::io::stderr().is_terminal() {
            ProgressBar::new(total)
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        bar.set_style(style);
        Progress { bar }
    }

    /// Progress in records.
    pub(crate) fn records(wanted: bool, total: u64) -> Progress {
        let template = "{bar:40} {human_pos} of {human_len} records, {per_sec}, {eta} left";
        Progress::new(wanted, total, template)
    }

    /// Progress in bytes of a file.
    pub(crate) fn bytes(wanted: bool, total: u64) -> Progress {
        let template = "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        Progress::new(wanted, total, template)
    }

    pub(crate) fn set(&mut self, position: u64) {
        self.bar.set_position(position);
    }

    pub(crate) fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What a session did, for its last page and for machines.
#[derive(Debug)]
pub(crate) struct SessionReport {
    /// Inbound events of this session.
    pub(crate) events: u64,
    /// Inbound events of all sessions in the journal.
    pub(crate) events_total: u64,
    /// Orders sent in this session.
    pub(crate) orders: u64,
    /// Fills in this session.
    pub(crate) fills: u64,
    /// Records in the journal.
    pub(crate) records: u64,
    /// Hash of everything.
    pub(crate) state_hash: u64,
    /// Journal directory.
    pub(crate) journal: String,
    /// How the journal was left.
    pub(crate) journal_state: String,
    /// Wall time of the session.
    pub(crate) wall_ns: u64,
    /// More keys for machines.
    pub(crate) more: Value,
}

impl SessionReport {
    /// The stable keys, and the rest.
    pub(crate) fn to_json(&self, pipeline: &Pipeline) -> Value {
        let mut value = json!({
            "events": self.events,
            "events_total": self.events_total,
            "orders": self.orders,
            "fills": self.fills,
            "records": self.records,
            "state_hash": hash_text(self.state_hash),
            "journal": self.journal,
            "journal_state": self.journal_state,
            "wall_seconds": format!("{}.{:03}", self.wall_ns / 1_000_000_000, self.wall_ns / 1_000_000 % 1_000),
            "events_per_second": rate(self.events, self.wall_ns),
            "pnl": pnl_json(pipeline),
        });
        if let (Some(object), Some(more)) = (value.as_object_mut(), self.more.as_object()) {
            for (key, item) in more {
                object.insert(key.clone(), item.clone());
            }
        }
        value
    }

    /// The page for people.
    pub(crate) fn print(&self, pipeline: &Pipeline) {
        let per_second = rate(self.events, self.wall_ns);
        println!(
            "\nevents   {} ({}/s, {})",
            count(self.events),
            count(per_second),
            duration_text(self.wall_ns)
        );
        println!(
            "orders   {} sent, {} fills, {} open",
            count(self.orders),
            count(self.fills),
            pipeline.oms().open_count()
        );
        print_refusals(pipeline);
        print_positions(pipeline);
        println!(
            "journal  {} ({} records, {})",
            self.journal,
            count(self.records),
            self.journal_state
        );
        println!("state    {}", hash_text(self.state_hash));
    }
}

fn pnl_json(pipeline: &Pipeline) -> Value {
    let totals = pipeline.ledger().totals(pipeline.market(), |_| true);
    json!({
        "realised": totals.realised.to_string(),
        "unrealised": totals.unrealised.to_string(),
        "fees": totals.fees.to_string(),
        "net": totals.net().to_string(),
    })
}

fn print_refusals(pipeline: &Pipeline) {
    let refused: Vec<String> = pipeline
        .gate()
        .refused_counts()
        .filter(|(_, number)| 0 < *number)
        .map(|(rule, number)| format!("{} {}", rule.name(), count(number)))
        .collect();
    if !refused.is_empty() {
        println!("refused  {}", refused.join(", "));
    }
    let unknown = pipeline.oms().open_orders().filter(|o| o.state == OrderState::Unknown).count();
    if 0 < unknown {
        println!("unknown  {unknown} orders whose fate the venue has not told");
    }
}

fn print_positions(pipeline: &Pipeline) {
    println!(
        "\n{:<16} {:<10} {:>14} {:>12} {:>12} {:>10} {:>8}",
        "strategy", "instrument", "position", "realised", "unrealised", "fees", "fills"
    );
    let names: Vec<&str> = pipeline.host().strategies().map(|(name, _, _)| name).collect();
    for row in pipeline.ledger().rows().filter(|row| row.position.is_used()) {
        let Some(instrument) = pipeline.instruments().get(row.instrument) else { continue };
        let name = names.get(usize::from(row.source)).copied().unwrap_or("(none)");
        let unrealised = pipeline.ledger().unrealised(&row, pipeline.market());
        println!(
            "{:<16} {:<10} {:>14} {:>12} {:>12} {:>10} {:>8}",
            name,
            instrument.symbol,
            engine::money::format_scaled(row.position.quantity, instrument.quantity_scale),
            money_text(row.position.realised),
            unrealised.map_or_else(|| "?".to_string(), money_text),
            money_text(row.position.fees),
            count(row.position.fill_count),
        );
    }
    let totals = pipeline.ledger().totals(pipeline.market(), |_| true);
    println!(
        "{:<16} {:<10} {:>14} {:>12} {:>12} {:>10} {:>8}   net {}",
        "total",
        "",
        "",
        money_text(totals.realised),
        money_text(totals.unrealised),
        money_text(totals.fees),
        count(totals.fill_count),
        money_text(totals.net())
    );
}

/// Percentiles of the table, in parts per million.
const PERCENTILES: [(u32, &str); 5] =
    [(500_000, "p50"), (900_000, "p90"), (990_000, "p99"), (999_000, "p99.9"), (999_900, "p99.99")];

/// The latency table of a session, every hop that was measured.
pub(crate) fn print_latency(snapshot: &Snapshot) {
    print!("\n{:<16} {:>12}", "latency", "count");
    for (_, name) in PERCENTILES {
        print!(" {name:>9}");
    }
    println!(" {:>9}", "max");
    for hop in HopId::ALL {
        let Some(counts) = snapshot.hop(*hop).filter(|counts| 0 < counts.count()) else { continue };
        print!("{:<16} {:>12}", hop.name(), count(counts.count()));
        for (ppm, _) in PERCENTILES {
            print!(" {:>9}", duration_text(counts.value_at_ppm(ppm)));
        }
        println!(" {:>9}", duration_text(counts.value_at_ppm(1_000_000)));
    }
}

/// The same for machines.
pub(crate) fn latency_json(snapshot: &Snapshot) -> Value {
    let mut hops = serde_json::Map::new();
    for hop in HopId::ALL {
        let Some(counts) = snapshot.hop(*hop).filter(|counts| 0 < counts.count()) else { continue };
        let mut row = serde_json::Map::new();
        row.insert("count".to_string(), json!(counts.count()));
        for (ppm, name) in PERCENTILES {
            let key = format!("{}_ns", name.replace('.', ""));
            row.insert(key, json!(counts.value_at_ppm(ppm)));
        }
        row.insert("max_ns".to_string(), json!(counts.value_at_ppm(1_000_000)));
        hops.insert(hop.name().to_string(), Value::Object(row));
    }
    Value::Object(hops)
}
