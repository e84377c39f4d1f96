//! Wire to wire over loopback: last byte of a depth frame in, first byte of the order out; floors beside it.
//!
//! `cargo bench -p benches --bench wire_to_wire [-- --quick] [-- --only NAME,NAME] [-- --reports DIR]`
//! `[-- --interval-us N] [-- --rounds N] [-- --samples N] [-- --tls]`.
//! `cargo test --benches` runs each way with a few orders and checks them; no run prints a time whose orders are
//! not one for each frame, each with a name of its own.

#![expect(clippy::print_stdout, reason = "a bench tells people what it measured")]
#![expect(clippy::float_arithmetic, reason = "ratios in a report")]
#![expect(clippy::cast_precision_loss, reason = "ratios in a report")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, anyhow};
use benches::host::Machine;
use benches::latency::{self, Percentiles};
use benches::wire::engine::{Inside, Threads, Variant, Wait};
use benches::wire::venue::{Seen, Venue};
use benches::wire::{Load, Shared, engine as whole, floors};
use benches::{argument, is_measuring};
use engine::clock::Clock;
use engine::idle::IdlePolicy;
use engine::stats::HopId;
use hdrhistogram::Histogram;
use rustls::{ClientConfig, ServerConfig};
use wire::tls::{TlsRoots, client_config, server_config};

/// Bytes of an order frame before one was seen.
const ORDER_SIZE_BYTES: usize = 520;
/// Blocks that may be repeated in a row.
const RETRY_COUNT_MAX: usize = 3;
const NS_MAX: u64 = 60_000_000_000;

/// One way to answer frames.
#[derive(Clone, Copy, Debug)]
enum Way {
    Echo,
    Reply { spins: bool },
    Engine(Variant),
}

const fn variant(name: &'static str, threads: Threads, wait: Wait, core: IdlePolicy) -> Way {
    Way::Engine(Variant { name, threads, wait, core })
}

/// Every way; those without threads of an engine first.
const WAYS: [Way; 12] = [
    Way::Echo,
    Way::Reply { spins: false },
    Way::Reply { spins: true },
    variant("three-pause", Threads::Three, Wait::Pause, IdlePolicy::Yield),
    variant("three-bell", Threads::Three, Wait::Bell, IdlePolicy::Yield),
    variant("three-bell-park", Threads::Three, Wait::Bell, IdlePolicy::Park),
    variant("three-spin", Threads::Three, Wait::Spin, IdlePolicy::Spin),
    variant("two-bell", Threads::Two, Wait::Bell, IdlePolicy::Yield),
    variant("two-bell-park", Threads::Two, Wait::Bell, IdlePolicy::Park),
    variant("two-spin", Threads::Two, Wait::Spin, IdlePolicy::Spin),
    variant("one-poll", Threads::One, Wait::Bell, IdlePolicy::Yield),
    variant("one-spin", Threads::One, Wait::Spin, IdlePolicy::Spin),
];

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Way::Echo => "echo",
            Way::Reply { spins: false } => "reply-poll",
            Way::Reply { spins: true } => "reply-spin",
            Way::Engine(variant) => variant.name,
        }
    }

    /// Threads that are busy while nothing happens, and how the rest waits.
    const fn threads(self) -> &'static str {
        match self {
            Way::Echo => "1: blocking read",
            Way::Reply { spins: false } => "1: epoll",
            Way::Reply { spins: true } => "1 busy",
            Way::Engine(Variant { threads, wait, core, .. }) => match (threads, wait, core) {
                (Threads::Three, Wait::Pause, _) => {
                    "3: feed epoll, core yields (busy), orders pause 50 us"
                }
                (Threads::Three, Wait::Bell, IdlePolicy::Park) => {
                    "3: feed epoll, core parks, orders epoll + bell"
                }
                (Threads::Three, Wait::Bell, _) => {
                    "3: feed epoll, core yields (busy), orders epoll + bell"
                }
                (Threads::Three, _, _) => "3 busy",
                (Threads::Two, Wait::Bell, IdlePolicy::Park) => {
                    "2: sockets epoll + bell, core parks"
                }
                (Threads::Two, Wait::Bell, _) => "2: sockets epoll + bell, core yields (busy)",
                (Threads::Two, _, _) => "2 busy",
                (Threads::One, Wait::Bell, _) => "1: epoll",
                (Threads::One, _, _) => "1 busy",
            },
        }
    }

    /// The floor that waits as this does.
    const fn floor(self) -> &'static str {
        match self {
            Way::Echo | Way::Reply { .. } => "",
            Way::Engine(Variant { wait: Wait::Spin, .. }) => "reply-spin",
            Way::Engine(_) => "reply-poll",
        }
    }
}

/// One block.
struct Block {
    outside: Histogram<u64>,
    plan: Histogram<u64>,
    inside: Histogram<u64>,
}

fn histogram(values: &[u64]) -> Histogram<u64> {
    let mut histogram = Histogram::new_with_max(NS_MAX, 3).expect("the bounds are sound");
    for value in values {
        histogram.record((*value).min(NS_MAX)).expect("within the bounds");
    }
    histogram
}

#[derive(Clone)]
struct Tls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Tls {
    fn make() -> anyhow::Result<Tls> {
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate()?;
        let authority = params.self_signed(&key)?.pem();
        let issuer = rcgen::Issuer::new(params, key);
        let leaf_key = rcgen::KeyPair::generate()?;
        let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_string()])?
            .signed_by(&leaf_key, &issuer)?;
        Ok(Tls {
            server: server_config(leaf.pem().as_bytes(), leaf_key.serialize_pem().as_bytes())?,
            client: client_config(TlsRoots::Pem(authority.as_bytes()))?,
        })
    }
}

struct Bench {
    clock: Clock,
    scratch: PathBuf,
    load: Load,
    order_size_bytes: usize,
    depth_hops: Vec<(&'static str, Vec<(HopId, engine::stats::Counts)>)>,
    given_up_count: usize,
}

impl Bench {
    /// A block; where the machine starved a thread for so long that the engine reached a limit and left a
    /// frame without an order, another one.
    fn block_at_last(&mut self, way: Way, tls: Option<&Tls>) -> anyhow::Result<Block> {
        let mut left_count = if is_measuring() { RETRY_COUNT_MAX } else { 0 };
        loop {
            match self.block(way, tls) {
                Err(error) if 0 < left_count => {
                    println!("{}, once more: {error:#}", way.name());
                    self.given_up_count += 1;
                    left_count -= 1;
                }
                outcome => return outcome,
            }
        }
    }

    fn block(&mut self, way: Way, tls: Option<&Tls>) -> anyhow::Result<Block> {
        let shared = Arc::new(Shared::new(self.load));
        let venue = Venue::start(&shared, &self.clock, tls.map(|tls| Arc::clone(&tls.server)))?;
        let address = venue.address;
        let dir = tempfile::tempdir_in(&self.scratch)?;
        let size_bytes = self.order_size_bytes;
        let client = {
            let (shared, clock) = (Arc::clone(&shared), self.clock.clone());
            let (client, path) = (tls.map(|tls| Arc::clone(&tls.client)), dir.path().to_path_buf());
            std::thread::spawn(move || -> anyhow::Result<Inside> {
                let only = |ns| Inside { wire_to_wire_ns: ns, hops: Vec::new() };
                let both = (&shared, &clock);
                match way {
                    Way::Echo => floors::echo(address, size_bytes, &shared, &clock).map(only),
                    Way::Reply { spins } => floors::reply(address, client, spins, both).map(only),
                    Way::Engine(variant) => {
                        whole::run(&variant, address, client.as_ref(), both, &path)
                    }
                }
            })
        };
        let seen = venue.finish(|| !client.is_finished());
        shared.is_stopped.store(true, Ordering::Release);
        let inside = client.join().map_err(|_| anyhow!("{} panicked", way.name()));
        Venue::close(address);
        let inside = inside?.with_context(|| way.name().to_string())?;
        let seen: Seen = seen.with_context(|| way.name().to_string())?;
        if !matches!(way, Way::Echo) && tls.is_none() {
            self.order_size_bytes = seen.order_size_bytes;
        }
        if !inside.hops.is_empty() && tls.is_none() {
            self.depth_hops.push((way.name(), inside.hops));
        }
        let warm = usize::try_from(self.load.warm_count)?;
        let measured = inside.wire_to_wire_ns.get(warm..).unwrap_or_default();
        Ok(Block {
            outside: histogram(&seen.from_write_ns),
            plan: histogram(&seen.from_plan_ns),
            inside: histogram(measured),
        })
    }
}

/// All blocks of a way.
struct Row {
    way: Way,
    tls: bool,
    blocks: Vec<Block>,
}

fn merged(blocks: &[Block], of: Measured) -> Percentiles {
    let mut all = Histogram::new_with_max(NS_MAX, 3).expect("the bounds are sound");
    for block in blocks {
        all.add(of(block)).expect("the same bounds");
    }
    Percentiles::of(&all)
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn us(ns: u64) -> String {
    format!("{:.1}", ns as f64 / 1e3)
}

/// The best block: what the way costs when nobody takes the cores away.
fn best(row: &Row, quantile: f64, of: Measured) -> u64 {
    row.blocks.iter().map(|block| of(block).value_at_quantile(quantile)).min().unwrap_or(0)
}

type Measured = fn(&Block) -> &Histogram<u64>;

const OUTSIDE: Measured = |block| &block.outside;
const PLAN: Measured = |block| &block.plan;
const INSIDE: Measured = |block| &block.inside;

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a string");
}

fn label(row: &Row) -> String {
    format!("{}{}", row.way.name(), if row.tls { ", TLS" } else { "" })
}

fn outside(rows: &[Row], out: &mut String) {
    line(
        out,
        "### Outside: microseconds from the write of the depth frame to the first byte of the order\n\n\
         | way | threads and how they wait | p50 | p90 | p99 | p99.9 | max | from plan p50 | p99.9 \
         | best block p50 | p99.9 |\n|---|---|---|---|---|---|---|---|---|---|---|",
    );
    for row in rows {
        let (all, plan) = (merged(&row.blocks, OUTSIDE), merged(&row.blocks, PLAN));
        let figures = [all.p50, all.p90, all.p99, all.p999, all.max, plan.p50, plan.p999];
        let bests = [best(row, 0.5, OUTSIDE), best(row, 0.999, OUTSIDE)];
        let cells: Vec<String> = figures.into_iter().chain(bests).map(us).collect();
        line(out, &format!("| {} | {} | {} |", label(row), row.way.threads(), cells.join(" | ")));
    }
}

fn inside(rows: &[Row], out: &mut String) {
    line(
        out,
        "\n### Inside: microseconds from the read that completed the frame to the end of the write of the order\n\n\
         | way | p50 | p90 | p99 | p99.9 | max | best block p50 | p99.9 |\n|---|---|---|---|---|---|---|---|",
    );
    for row in rows {
        let all = merged(&row.blocks, INSIDE);
        let figures = [all.p50, all.p90, all.p99, all.p999, all.max];
        let bests = [best(row, 0.5, INSIDE), best(row, 0.999, INSIDE)];
        let cells: Vec<String> = figures.into_iter().chain(bests).map(us).collect();
        line(out, &format!("| {} | {} |", label(row), cells.join(" | ")));
    }
}

/// Best block to best block, and the median of blocks that were taken side by side.
fn ratio(row: &Row, floor: &Row, quantile: f64, of: Measured) -> String {
    let value = |block: &Block| of(block).value_at_quantile(quantile).max(1) as f64;
    let beside = row.blocks.iter().zip(&floor.blocks).map(|(ours, its)| value(ours) / value(its));
    let beside = sorted(beside.collect());
    let bests = best(row, quantile, of) as f64 / best(floor, quantile, of).max(1) as f64;
    let median = beside.get(beside.len() / 2).copied().unwrap_or(f64::NAN);
    format!("{bests:.2}, {median:.2}")
}

fn ratios(rows: &[Row], out: &mut String) {
    line(
        out,
        "\n### To the decode-and-reply floor that waits alike: best block to best block, median of blocks side by side\n\n\
         | way | floor | outside p50 (wanted 1.3) | p99.9 (wanted 2) | inside p50 | p99.9 |\n|---|---|---|---|---|---|",
    );
    for row in rows.iter().filter(|row| !row.way.floor().is_empty()) {
        let is_floor = |other: &&Row| other.way.name() == row.way.floor() && other.tls == row.tls;
        let Some(floor) = rows.iter().find(is_floor) else { continue };
        let cells: Vec<String> = [(0.5, OUTSIDE), (0.999, OUTSIDE), (0.5, INSIDE), (0.999, INSIDE)]
            .into_iter()
            .map(|(quantile, of)| ratio(row, floor, quantile, of))
            .collect();
        line(out, &format!("| {} | {} | {} |", label(row), row.way.floor(), cells.join(" | ")));
    }
}

fn hops(bench: &Bench) -> String {
    let mut out = String::from(
        "\n### Hops of the product's stats file, median of the last block, microseconds\n\n\
         | way | receipt to published (decode) | receipt to core | receipt to outbound ring | a busy turn of the core |\n\
         |---|---|---|---|---|\n",
    );
    let mut told: Vec<&str> = Vec::new();
    for (name, hops) in bench.depth_hops.iter().rev() {
        if told.contains(name) {
            continue;
        }
        told.push(name);
        let cell = |id| {
            let counts = hops.iter().find(|(hop, _)| *hop == id).map(|(_, counts)| counts);
            counts.map_or_else(|| "-".to_string(), |counts| us(counts.value_at_ppm(500_000)))
        };
        let cells = [HopId::Decode, HopId::InboundWait, HopId::TickToOrder, HopId::Cycle].map(cell);
        writeln!(out, "| {name} | {} |", cells.join(" | ")).expect("a string");
    }
    out
}

fn number(name: &str, usual: u64) -> anyhow::Result<u64> {
    argument(name).map_or(Ok(usual), |text| text.parse().with_context(|| format!("{name} {text}")))
}

fn main() -> anyhow::Result<()> {
    let is_full = is_measuring();
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let with_tls = !is_full || std::env::args().any(|argument| argument == "--tls");
    let (warm, samples, rounds) = match (is_full, is_quick) {
        (false, _) => (8, 40, 1),
        (true, true) => (200, 500, 3),
        (true, false) => (500, 3_000, 7),
    };
    let load = Load {
        interval_ns: number("--interval-us", 1_000)? * 1_000,
        warm_count: warm,
        sample_count: number("--samples", samples)?,
    };
    let rounds = number("--rounds", rounds)?;
    let only = argument("--only");
    let is_wanted = |way: &Way| {
        only.as_ref().is_none_or(|names| names.split(',').any(|name| name == way.name()))
    };
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let machine = Machine::collect(&scratch, false);
    let clock = Clock::new();
    let mut bench = Bench {
        clock,
        scratch,
        load,
        order_size_bytes: ORDER_SIZE_BYTES,
        depth_hops: Vec::new(),
        given_up_count: 0,
    };
    let tls = with_tls.then(Tls::make).transpose()?;
    let plain = WAYS.into_iter().filter(is_wanted).map(|way| (way, false));
    let secured = |way: &Way| {
        !matches!(way, Way::Echo)
            && tls.is_some()
            && (only.is_some()
                || matches!(
                    way.name(),
                    "reply-poll" | "reply-spin" | "three-bell" | "one-poll" | "one-spin"
                ))
    };
    let secure = WAYS.into_iter().filter(is_wanted).filter(secured).map(|way| (way, true));
    let mut rows: Vec<Row> =
        plain.chain(secure).map(|(way, tls)| Row { way, tls, blocks: Vec::new() }).collect();
    for round in 0..rounds {
        for row in &mut rows {
            let block = bench.block_at_last(row.way, tls.as_ref().filter(|_| row.tls))?;
            if is_full {
                let p50 = us(block.outside.value_at_quantile(0.5));
                println!(
                    "round {round}: {}{} p50 {p50} us",
                    row.way.name(),
                    if row.tls { " TLS" } else { "" }
                );
            }
            row.blocks.push(block);
        }
    }
    if !is_full {
        println!("{} ways: one order for each frame, each name once", rows.len());
        return Ok(());
    }
    finish(&bench, &machine, &rows)
}

fn finish(bench: &Bench, machine: &Machine, rows: &[Row]) -> anyhow::Result<()> {
    let load = bench.load;
    let mut tables = String::new();
    outside(rows, &mut tables);
    inside(rows, &mut tables);
    ratios(rows, &mut tables);
    let load_average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let text = format!(
        "# Wire to wire, {}\n\n{} cores, {}, commit {}, load averages at the end {}\n\n\
         A depth frame of 18 levels every {} us by plan, {} orders a block after {} of warm-up, {} blocks of each \
         way in turn, {} given up and repeated; an order frame has {} bytes.\n\n{}{}",
        machine.date,
        machine.facts.processor_count,
        machine.processor,
        machine.commit,
        load_average.trim(),
        load.interval_ns / 1_000,
        load.sample_count,
        load.warm_count,
        rows.first().map_or(0, |row| row.blocks.len()),
        bench.given_up_count,
        bench.order_size_bytes,
        tables,
        hops(bench),
    );
    println!("{text}");
    if let Some(dir) = argument("--reports") {
        let dir = PathBuf::from(dir);
        std::fs::create_dir_all(&dir)?;
        std::fs::write(dir.join(format!("{}-wire.md", machine.date)), &text)?;
        for row in rows {
            let mut all = Histogram::new_with_max(NS_MAX, 3)?;
            for block in &row.blocks {
                all.add(&block.outside)?;
            }
            let secure = if row.tls { "-tls" } else { "" };
            let name = format!("{}-wire-{}{secure}.hgrm", machine.date, row.way.name());
            latency::write_hgrm(&dir.join(name), &all)?;
        }
    }
    Ok(())
}
