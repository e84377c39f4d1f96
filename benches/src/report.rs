//! The report of the canonical workload: markdown for people, JSON for machines.

#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a figure for machines; no number of it goes anywhere else"
)]

use std::fmt::Write as _;

use engine::host::{Level, bytes_text};
use serde_json::json;

use crate::host::Machine;
use crate::latency::Percentiles;

/// One rung of the ladder.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Planned events a second.
    pub rate: u64,
    /// Events a second that were reached.
    pub reached: u64,
    /// From planned send to outbound publish, events that led to an order.
    pub order: Percentiles,
    /// From planned send to processed, all events.
    pub all: Percentiles,
    /// The empty pipeline, at the events that led to an order.
    pub floor: Percentiles,
    /// p99 of the worst repetition.
    pub worst_p99: u64,
    /// Times that the kernel took a core from the two threads in the repetition shown.
    pub preempted: u64,
    /// Repetitions.
    pub repetitions: usize,
}

impl Row {
    /// Whether the engine fell behind the plan.
    pub fn is_saturated(&self) -> bool {
        self.reached * 100 < self.rate * 95
    }
}

/// The figures besides the ladder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Closed loop, across cores, journaled.
    pub saturation: u64,
    /// The same with the empty pipeline.
    pub saturation_floor: u64,
    /// One thread, journaled, no border ring.
    pub direct: u64,
    /// One thread, not journaled.
    pub direct_bare: u64,
    /// Inbound events a second of a replay with every decision compared.
    pub replay: u64,
    /// Decisions that were compared.
    pub replay_compared: u64,
    /// Records in the journal that is recovered.
    pub recovery_records: u64,
    /// With snapshots as the product makes them, ns.
    pub recovery_ns: u64,
    /// Records after the snapshot that were replayed.
    pub recovery_tail: u64,
    /// Without any snapshot, ns.
    pub recovery_bare_ns: u64,
    /// Reading and checking the journal alone, ns.
    pub recovery_scan_ns: u64,
    /// Median of pages of 64 appends, ns a record, in tenths.
    pub append_p50_tenths: u64,
    /// Single appends with two clock readings: p99.99, ns.
    pub append_p9999: u64,
    /// Two clock readings alone: p50, ns.
    pub clock_p50: u64,
    /// Storing 64 bytes to plain memory, ns in tenths: the floor of an append.
    pub copy_p50_tenths: u64,
}

/// Everything that a run found.
#[derive(Debug)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// The ladder.
    pub rows: Vec<Row>,
    /// The rest.
    pub figures: Figures,
    /// Seed of the workload.
    pub seed: u64,
    /// Full, quick or test.
    pub extent: &'static str,
}

/// `12345678` as `12.35 M`.
pub fn millions(value: u64) -> String {
    let hundredths = (value + 5_000) / 10_000;
    format!("{}.{:02} M", hundredths / 100, hundredths % 100)
}

fn tenths(value: u64) -> String {
    format!("{}.{}", value / 10, value % 10)
}

/// Nanoseconds in the unit that suits.
pub fn duration(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{ns} ns"),
        10_000..10_000_000 => format!("{} us", ns / 1_000),
        10_000_000.. => format!("{} ms", ns / 1_000_000),
    }
}

impl Report {
    /// The keys that others rely on.
    pub fn to_json(&self) -> serde_json::Value {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "rate": row.rate,
                    "p50_ns": row.order.p50,
                    "p90_ns": row.order.p90,
                    "p99_ns": row.order.p99,
                    "p999_ns": row.order.p999,
                    "p9999_ns": row.order.p9999,
                    "max_ns": row.order.max,
                    "floor_p50_ns": row.floor.p50,
                    "floor_p99_ns": row.floor.p99,
                })
            })
            .collect();
        let figures = &self.figures;
        json!({
            "rates": rows,
            "saturation_events_per_second": figures.saturation,
            "replay_events_per_second": figures.replay,
            "recovery_seconds_10m": std::time::Duration::from_nanos(figures.recovery_ns).as_secs_f32(),
            "append_p50_ns": figures.append_p50_tenths as f64 / 10.0,
        })
    }

    /// The page for people.
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        let text = &mut out;
        line(text, &format!("# Tick to order, {} on {}", self.machine.date, self.machine.name));
        line(text, "");
        self.head(text);
        self.ladder(text);
        self.rates(text);
        line(text, NOTES);
        out
    }

    fn head(&self, out: &mut String) {
        let machine = &self.machine;
        let facts = &machine.facts;
        let or_unknown = |value: &Option<String>| {
            value
                .as_deref()
                .map_or_else(|| "not told by this host".to_string(), |v| v.trim().to_string())
        };
        line(out, "| | |\n|---|---|");
        let rows = [
            ("commit", machine.commit.clone()),
            ("processor", format!("{}, {} usable", machine.processor, facts.processor_count)),
            ("isolated cores", or_unknown(&facts.isolated)),
            ("governor", or_unknown(&facts.governor)),
            ("clock source", or_unknown(&facts.clock_source)),
            ("huge pages", or_unknown(&facts.huge_pages)),
            ("kernel", or_unknown(&facts.kernel)),
            ("kernel command line", format!("`{}`", machine.command_line)),
            ("load before the run", or_unknown(&facts.load)),
            (
                "pinned cores",
                match machine.pinned {
                    Some((producer, core)) => format!("producer {producer}, core thread {core}"),
                    None => "none: two idle cores were not found".to_string(),
                },
            ),
            (
                "durability level",
                "`process` (survives kill -9; synced about once a second)".to_string(),
            ),
            (
                "free disk",
                facts
                    .data_space
                    .map_or_else(|| "unknown".to_string(), |s| bytes_text(s.free_bytes)),
            ),
            ("workload", format!("seed {}, extent {}", self.seed, self.extent)),
        ];
        for (name, value) in rows {
            line(out, &format!("| {name} | {value} |"));
        }
        let bad: Vec<_> = machine.findings.iter().filter(|f| f.level != Level::Ok).collect();
        if !bad.is_empty() {
            line(out, "\nWhat `tickwheel doctor` says against this host:\n");
            for finding in bad {
                line(out, &format!("- {}: {}", finding.id, finding.found));
            }
        }
        if facts.processor_count < 4 {
            line(
                out,
                &format!(
                    "\n**{} processors**: producer and core thread share them with the journal's helper thread, with the \
                 kernel and with every other process of the machine. What is beyond p99 is mostly the scheduler's. \
                 Read each row against its floor, taken in the same minute.",
                    facts.processor_count
                ),
            );
        }
    }

    fn ladder(&self, out: &mut String) {
        line(out, "\n## Rate and latency\n");
        line(
            out,
            "From *planned* send to outbound publish, of events that lead to an order; journaled. The floor is the \
                   same harness with an empty pipeline.\n",
        );
        line(
            out,
            "| rate/s | reached/s | p50 | p90 | p99 | p99.9 | p99.99 | max | floor p50 | floor p99 | floor max | samples | preempted | worst p99 |",
        );
        line(out, "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
        for row in &self.rows {
            let p = &row.order;
            let cells = [
                p.p50,
                p.p90,
                p.p99,
                p.p999,
                p.p9999,
                p.max,
                row.floor.p50,
                row.floor.p99,
                row.floor.max,
            ];
            let cells: Vec<String> = cells.into_iter().map(duration).collect();
            let mark = if row.is_saturated() { " (behind)" } else { "" };
            line(
                out,
                &format!(
                    "| {} | {}{mark} | {} | {} | {} | {} |",
                    millions(row.rate),
                    millions(row.reached),
                    cells.join(" | "),
                    p.count,
                    row.preempted,
                    duration(row.worst_p99)
                ),
            );
        }
        line(out, "\nAll events, from planned send to processed and journaled:\n");
        line(
            out,
            "| rate/s | p50 | p90 | p99 | p99.9 | p99.99 | max |\n|---|---|---|---|---|---|---|",
        );
        for row in &self.rows {
            let p = &row.all;
            let cells = [p.p50, p.p90, p.p99, p.p999, p.p9999, p.max].map(duration);
            line(out, &format!("| {} | {} |", millions(row.rate), cells.join(" | ")));
        }
        let count = self.rows.iter().map(|row| row.repetitions).max().unwrap_or(0);
        line(
            out,
            &format!(
                "\nEach row is the repetition with the lowest p99 of up to {count}; `worst p99` is that of the worst one. \
             `preempted`: how often the kernel took a core from one of the two threads in that repetition; where it is \
             not 0, the tail is the scheduler's. \
             `behind`: the engine did not keep up with the plan, so the latencies are those of a growing queue."
            ),
        );
    }

    fn rates(&self, out: &mut String) {
        let f = &self.figures;
        line(out, "\n## Rates, recovery, append\n");
        line(out, "| what | measured | wanted | beside it |\n|---|---|---|---|");
        let event_ns = |rate: u64| 1_000_000_000 / rate.max(1);
        let rows = [
            (
                "saturation, journaled, across cores",
                millions(f.saturation) + "/s",
                "15 M/s",
                format!("empty pipeline {}/s", millions(f.saturation_floor)),
            ),
            (
                "whole event, one thread, journaled",
                format!("{} ns", event_ns(f.direct)),
                "45 ns",
                format!("without journal {} ns", event_ns(f.direct_bare)),
            ),
            (
                "replay, every decision compared",
                millions(f.replay) + " events/s",
                "30 M/s",
                format!("{} decisions compared", f.replay_compared),
            ),
            (
                "recovery with snapshots as the product makes them",
                duration(f.recovery_ns),
                "500 ms for 10 M",
                format!("{} records, {} of them replayed", f.recovery_records, f.recovery_tail),
            ),
            (
                "recovery without a snapshot",
                duration(f.recovery_bare_ns),
                "-",
                format!("reading and checking alone {}", duration(f.recovery_scan_ns)),
            ),
            (
                "append p50, pages of 64",
                format!("{} ns", tenths(f.append_p50_tenths)),
                "12 ns",
                format!("copy of 64 bytes {} ns", tenths(f.copy_p50_tenths)),
            ),
            (
                "append p99.99, one by one",
                duration(f.append_p9999),
                "2 us",
                format!("two clock readings {} ns", f.clock_p50),
            ),
        ];
        for (what, measured, wanted, beside) in rows {
            line(out, &format!("| {what} | {measured} | {wanted} | {beside} |"));
        }
        self.beside_others(out);
    }

    fn beside_others(&self, out: &mut String) {
        let f = &self.figures;
        line(out, "\n## Beside others\n");
        line(out, "| who | figure | here |\n|---|---|---|");
        let at = |rate: u64| self.rows.iter().find(|row| row.rate == rate);
        let here = at(1_000_000).map_or_else(
            || "not run".to_string(),
            |row| {
                format!(
                    "{}, {}, {} with a journal",
                    duration(row.order.p50),
                    duration(row.order.p99),
                    duration(row.order.p999)
                )
            },
        );
        line(
            out,
            &format!(
                "| exchange-core at 1 M/s, no journal, isolated cores: p50, p99, p99.9 | 0.5 us, 4 us, 22 us | {here} |"
            ),
        );
        line(
            out,
            &format!(
                "| exchange-core, saturation, no journal | 7 M/s | {}/s with a journal |",
                millions(f.saturation)
            ),
        );
        line(
            out,
            &format!(
                "| hftbacktest, depth events, one thread, no journal | 6 to 11 M/s | {}/s (whole engine, no journal) |",
                millions(f.direct_bare)
            ),
        );
        line(
            out,
            "\nTheir figures are what their authors published, on their machines; ours are of this one.",
        );
    }
}

const NOTES: &str = "\n## What the numbers are\n
- **Coordinated omission**: every event has a planned send time; latency starts there, however late the producer was and
  however long the ring was full. Nothing is skipped to catch up.
- **Included**: the `disruptor` border ring between two threads, all five stages with every risk limit set, OMS, ledger,
  the journal record of each input and decision, the publish on the outbound ring, one clock reading for each event (two
  for an order), the venue's reports as inbound events.
- **Not included**: sockets, TLS, decoding, stats counters and heartbeats of the product's core thread, the venue, the disk
  (segments are prepared before the first event: `prepared_ahead` up to 64 instead of the default 2, which at a sustained
  15 M records/s would be the limit), the first 16,384 events of a run (they warm caches).
- **Answer first**: each run ends with the state hash and the order count of a direct single-threaded run of the same
  events, or the bench fails before it prints a time.
- Reports of the venue are part of the list: an ack 32 events and a fill 64 events after the order.
- Page cache is warm in replay and recovery.";

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a string takes all");
}
