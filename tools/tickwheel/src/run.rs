//! `tickwheel run`: the engine on real time, against a venue behind sockets or the generated market.
//!
//! ```text
//!   tw-feed (market data) --inbound ring--> tw-core --outbound ring--> tw-orders (order entry)
//!        ^                      ^   ^          |                           |  |
//!        |                      |   +----------|-------- reports ----------+  |
//!        |   tw-supervisor (this thread: clock, signals, watch)               |
//!        |                      journal <---+--- tw-snapshot (follower)       |
//!        +--------------- venue: `tickwheel venue` as a child, or elsewhere <-+
//! ```
//! Without `[wire]` one thread, tw-market, holds the generated market and the paper venue.

mod alarms;
mod audit;
mod beside;
pub(crate) mod connected;
mod exchange;
pub(crate) mod guarded;
pub(crate) mod local_venue;
pub(crate) mod operator;
mod rotation;
mod snapshots;
mod supervisor;
mod wire_world;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, anyhow};
use clap::Args;
use config::Config;
use engine::border::{self, Depth, InboundConsumer, InboundProducer};
use engine::clock::Clock;
use engine::event::{BreakerState, Mode};
use engine::idle::{IdlePolicy, Idler};
use engine::pipeline::Pipeline;
use engine::pipeline::core_thread::{Core, CoreSettings};
use engine::risk::RiskState;
use engine::stats::{Identity, KillFlag, StatsWriter};
use paper::{PaperConfig, PaperVenue};

use crate::{compose, doctor, preflight, report, session};

use exchange::Exchange;
use snapshots::Snapshots;
use supervisor::{Parts, Plan, Supervisor};
use wire_world::WireWorld;
use world::World;

/// Arguments of `tickwheel run`.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct RunArgs {
    /// Configuration file instead of a built-in profile.
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    config: Option<PathBuf>,
    /// Built-in profile.
    #[arg(long, default_value = "paper")]
    profile: String,
    /// Where journal and stats are kept; default: a directory under the user's state directory.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Stop after this time, such as 30s or 5m; default: run until Ctrl-C.
    #[arg(long, value_name = "TIME", value_parser = report::parse_duration)]
    duration: Option<u64>,
    /// Seed of the local venue, or of the generated market and the paper venue, instead of the configured ones.
    #[arg(long)]
    seed: Option<u64>,
    /// Per cent of the market's configured rates: 1000 is ten times as busy.
    #[arg(long, value_name = "PERCENT")]
    speed: Option<u32>,
    /// Trade against a venue that was started elsewhere: the address of its REST interface (scheme, host and port).
    /// Needs --key-file where the configuration names none.
    #[arg(long, value_name = "URL")]
    venue_url: Option<String>,
    /// File with the API key for --venue-url: `api_key = ".."`, `secret = ".."`, readable by its owner alone.
    #[arg(long, value_name = "FILE", requires = "venue_url")]
    key_file: Option<String>,
    /// Idle policy instead of the configured one: spin, yield or park.
    #[arg(long)]
    idle: Option<String>,
    /// Decide everything, send nothing.
    #[arg(long)]
    dry_run: bool,
    /// Where balances differ from the venue's for a reason that you know (a deposit): take the venue's side, once.
    #[arg(long)]
    accept_balances: bool,
    /// Lift the halt that an earlier session left (a dead thread, a dead venue, a drawdown): you know why it came.
    #[arg(long)]
    resume: bool,
    /// Print one JSON object at the end, and nothing else on standard output.
    #[arg(long)]
    json: bool,
}

/// Busy threads of a run: core, feed and orders (or market), supervisor. Journal helper and follower mostly sleep.
const BUSY_THREAD_COUNT: usize = 4;

/// Runs the command.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let (mut config, origin) = session::read_config(args.config.as_deref(), &args.profile)?;
    override_config(&mut config, args)?;
    let text = config.to_toml();
    let mut config = Config::parse(&text, &origin)?;
    let mode = config.mode(&origin)?;
    check_runnable(&config, &origin, mode)?;
    let dir = args.data_dir.clone().unwrap_or_else(crate::stat::default_data_dir);
    if mode == Mode::Live {
        for line in preflight::gate(&mut config, &origin, &dir, &Clock::new())? {
            eprintln!("live: {line}");
        }
    }
    start(args, &config, &origin, mode, &dir)
}

fn check_runnable(config: &Config, origin: &str, mode: Mode) -> anyhow::Result<()> {
    if mode == Mode::Backtest {
        return Err(anyhow!(
            "{origin}: engine.mode = \"backtest\" cannot be run: it is for `tickwheel backtest`"
        ));
    }
    match &config.wire {
        None if mode == Mode::Live => {
            Err(anyhow!("{origin}: engine.mode = \"live\" without [wire]: there is no venue"))
        }
        None if config.market.instrument.is_empty() => Err(anyhow!(
            "{origin}: neither [wire] nor [[market.instrument]]: there is no market to run on"
        )),
        Some(wire) if wire.network == "local" && mode == Mode::Live => Err(anyhow!(
            "{origin}: engine.mode = \"live\" with wire.network = \"local\": the local venue is for paper"
        )),
        Some(wire)
            if matches!(wire.network.as_str(), "us" | "production") && mode == Mode::Paper =>
        {
            Err(anyhow!(
                "{origin}: wire.network = \"{}\" is real money: engine.mode is \"dry-run\" there (as it is \
                 where none is named), or \"live\" after a preflight",
                wire.network
            ))
        }
        Some(_) | None => Ok(()),
    }
}

/// Another venue than the configured one.
pub(crate) fn point_at(
    config: &mut Config,
    url: &str,
    key_file: Option<&String>,
) -> anyhow::Result<()> {
    let urls = connected::urls_of(url)?;
    let wire = config.wire.as_mut().ok_or_else(|| {
        anyhow!(
            "--venue-url: the configuration has no [wire], its market is generated in the process"
        )
    })?;
    wire.network = "url".to_string();
    (wire.rest_url, wire.stream_url, wire.ws_api_url) =
        (Some(urls.rest), Some(urls.stream), Some(urls.ws_api));
    if key_file.is_some() {
        wire.key_file = key_file.cloned();
    }
    Ok(())
}

fn override_config(config: &mut Config, args: &RunArgs) -> anyhow::Result<()> {
    if let Some(url) = &args.venue_url {
        point_at(config, url, args.key_file.as_ref())?;
    }
    if let Some(wire) = &mut config.wire {
        if let Some(seed) = args.seed {
            wire.local.seed = seed;
        }
        if let Some(speed) = args.speed {
            wire.local.speed_percent = speed;
        }
    }
    if let Some(seed) = args.seed {
        config.market.seed = seed;
        config.paper.seed = seed;
    }
    if let Some(speed) = args.speed {
        config.market.speed_percent = speed;
    }
    if let Some(idle) = &args.idle {
        config.engine.idle.clone_from(idle);
    }
    if args.dry_run {
        config.engine.mode = Mode::DryRun.name().to_string();
    }
    Ok(())
}

fn start(
    args: &RunArgs,
    config: &Config,
    origin: &str,
    mode: Mode,
    dir: &Path,
) -> anyhow::Result<ExitCode> {
    let clock = Clock::new();
    let journal_dir = dir.join("journal");
    let (idle, pin, idle_why) = placement(config);
    guarded::wait_for_guard(dir, &clock);
    // The venue first: without it there is no session to open, and nothing to take back.
    let connected = match &config.wire {
        Some(wire) => Some(connected::Connected::find(wire, config, origin, dir, &clock)?),
        None => None,
    };
    let input = match &connected {
        Some(connected) => connected.input(),
        None => format!("generated market, seed {}", config.market.seed),
    };
    let wanted = session::Wanted { config, origin, mode, input: &input, now_ns: clock.now_ns() };
    let mut opened = session::open(&journal_dir, &wanted)?;
    let snapshots = Snapshots::start(
        &journal_dir,
        std::mem::take(&mut opened.follower),
        opened.pipeline.head(),
        &config.journal,
    )?;
    if !args.json {
        print_start(config, dir, &opened, &format!("{} ({idle_why})", idle.name()), pin);
    }
    let (stats, guard) =
        stats_and_guard(connected.as_ref(), (config, mode), (dir, &journal_dir), &clock)?;
    let idler = Idler::new(idle);
    let (mut producer, inbound, inbound_depth) = inbound_ring(config, &opened.pipeline, &idler);
    let (mut outbound, requests, outbound_depth) =
        border::outbound(slots(config.engine.outbound_slots));
    if let Some(connected) = connected.as_ref().filter(|_| !args.json) {
        println!("venue: {}", connected.describe());
    }
    guarded::tell_untold(dir, &mut producer, clock.now_ns(), args.json);
    let now = (idle, clock.now_ns());
    let mut world = world(connected, (config, origin, mode), &opened.pipeline, now)?;
    let baseline = supervisor::Baseline::of(&opened.pipeline);
    let edges = (&producer, &clock, &stats);
    let mut beside = beside_jobs(config, mode, (dir, &journal_dir), &opened, edges)?;
    beside.extend(world.take_rotation());
    opened.start(clock.now_ns(), &mut outbound)?;
    let abandon = Arc::new(AtomicBool::new(false));
    let core = Core {
        pipeline: opened.pipeline,
        recorder: opened.recorder,
        inbound,
        inbound_depth,
        outbound,
        outbound_depth,
        stats,
        clock: clock.clone(),
        idler,
        settings: CoreSettings { pin, ..CoreSettings::default() },
        kill_flag: Some(KillFlag::create_in(dir)?),
        abandon: Arc::clone(&abandon),
    };
    let plan = Plan {
        duration_ns: args.duration,
        clock_interval_ns: u64::from(config.engine.clock_interval_ms) * 1_000_000,
        json: args.json,
        accept_balances: args.accept_balances,
        resume: args.resume,
        journal_dir,
        baseline,
        session: opened.manifest.session,
        journal: core.recorder.writer().watch(),
    };
    let parts = Parts { core, world, requests, producer, snapshots, guard, beside };
    Supervisor::start(plan, parts, clock)?.watch()
}

fn slots(count: u32) -> usize {
    usize::try_from(count).expect("32 bits fit a usize")
}

/// The ring of everything that the core hears.
fn inbound_ring(
    config: &Config,
    pipeline: &Pipeline,
    idler: &Idler,
) -> (InboundProducer, InboundConsumer, Depth) {
    let instrument_count = pipeline.instruments().count();
    border::inbound(slots(config.engine.inbound_slots), instrument_count, idler.waker())
}

/// The threads beside the engine, to be started with it.
fn beside_jobs(
    config: &Config,
    mode: Mode,
    (data_dir, journal_dir): (&Path, &Path),
    opened: &session::Opened,
    (producer, clock, stats): (&InboundProducer, &Clock, &StatsWriter),
) -> anyhow::Result<Vec<beside::Job>> {
    beside::jobs(&beside::Context {
        data_dir,
        journal_dir,
        config,
        mode,
        session: opened.manifest.session,
        first_sequence: opened.pipeline.head() + 1,
        pipeline: &opened.pipeline,
        producer,
        clock,
        stats: &stats.handle(),
        stats_path: stats.path(),
    })
}

/// The stats file, and what watches it: a guard finds the session's file before the engine's heart beats.
fn stats_and_guard(
    connected: Option<&connected::Connected>,
    (config, mode): (&Config, Mode),
    (dir, journal_dir): (&Path, &Path),
    clock: &Clock,
) -> anyhow::Result<(StatsWriter, Option<guarded::GuardProcess>)> {
    if let Some(connected) = connected {
        guarded::write_session(connected, (config, mode), dir, clock.now_ns())?;
    }
    let stats = stats_file(config, mode, (dir, journal_dir), clock.now_ns())?;
    // In dry-run nothing is sent, so nothing must be cancelled.
    let is_wanted = mode != Mode::DryRun && config.guard.as_ref().is_some_and(|guard| guard.start);
    let guard = match connected {
        Some(connected) if is_wanted => Some(guarded::GuardProcess::start(connected, dir, clock)?),
        Some(_) | None => None,
    };
    Ok((stats, guard))
}

fn stats_file(
    config: &Config,
    mode: Mode,
    (dir, journal_dir): (&Path, &Path),
    now_ns: u64,
) -> anyhow::Result<StatsWriter> {
    let identity = Identity {
        instance: &config.engine.name,
        engine_version: compose::VERSION,
        commit: compose::COMMIT,
        mode: mode.name(),
        journal_dir: &journal_dir.display().to_string(),
    };
    StatsWriter::create_in(dir, &identity, now_ns)
        .with_context(|| format!("make the stats file in {}", dir.display()))
}

/// What brings the world to this engine.
fn world(
    connected: Option<connected::Connected>,
    (config, origin, mode): (&Config, &str, Mode),
    pipeline: &Pipeline,
    (idle, now_ns): (IdlePolicy, u64),
) -> anyhow::Result<World> {
    if let Some(connected) = connected {
        let wire = WireWorld::new(connected, config, pipeline, (idle, now_ns))?;
        return Ok(World::Wire(Box::new(wire)));
    }
    // The market begins where the last session left it, so that positions are valued without a jump.
    let exchange = Exchange::new(config, origin, mode, pipeline, now_ns)?;
    Ok(World::Generated(Box::new(exchange)))
}

/// Idle policy and core, and why.
fn placement(config: &Config) -> (IdlePolicy, Option<usize>, String) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let (idle, why) = if let Some(idle) = IdlePolicy::from_name(&config.engine.idle) {
        (idle, "configured".to_string())
    } else {
        let idle = IdlePolicy::for_host(cores.len(), BUSY_THREAD_COUNT);
        let need = BUSY_THREAD_COUNT + 1;
        (idle, format!("{} cores; spin wants {need}", cores.len()))
    };
    let pin = match config.engine.core.as_str() {
        "none" => None,
        "auto" => cores.last().map(|core| core.id),
        number => number.parse().ok(),
    };
    (idle, pin, why)
}

fn print_start(
    config: &Config,
    dir: &Path,
    opened: &session::Opened,
    idle: &str,
    pin: Option<usize>,
) {
    let continued = &opened.continued;
    println!("tickwheel {}, {} in {}", compose::VERSION_TEXT, config.engine.name, dir.display());
    println!("{}", doctor::short_form(dir));
    let pin = pin.map_or_else(|| "not pinned".to_string(), |core| format!("pinned to core {core}"));
    println!("core: {pin}, idle {idle}, durability {}", config.journal.durability);
    if continued.last_sequence == 0 {
        println!("session 1: a new journal");
    } else {
        println!(
            "session {}: continues after record {} ({}; snapshot of record {}, {} records replayed)",
            opened.manifest.session,
            report::count(continued.last_sequence),
            continued.case,
            report::count(continued.snapshot_sequence),
            report::count(continued.replayed_count),
        );
    }
    let state = opened.pipeline.gate().state();
    if state != RiskState::Active {
        println!(
            "trading is {} since an earlier session; where its reason is gone, --resume lifts it",
            state.name()
        );
    }
    print_held(&opened.pipeline);
    if 0 < continued.completed_count {
        println!(
            "recovery: {} decisions completed the cascade that was cut off",
            continued.completed_count
        );
    }
    for path in &continued.quarantined {
        println!("recovery: bytes beyond the last good record are kept in {}", path.display());
    }
    for skipped in &continued.snapshots_skipped {
        println!("recovery: not used: {skipped}");
    }
}

/// Scopes that an earlier session left tripped, paused or killed, and what lifts each.
fn print_held(pipeline: &Pipeline) {
    let held = pipeline.control().scopes().filter(|scope| scope.state != BreakerState::Normal);
    for scope in held {
        let lifts = if scope.is_latched {
            "tickwheel ctl rearm (docs/runbooks/kill.md)"
        } else if scope.state == BreakerState::Killed {
            "nothing: its positions are being closed, then it goes on"
        } else if scope.is_paused {
            "tickwheel ctl resume"
        } else {
            "tickwheel ctl approve, then the quiet period (docs/runbooks/breaker-tripped.md)"
        };
        println!(
            "{} is {} since an earlier session ({}, trip {}); what lifts it: {lifts}",
            scope.scope,
            scope.state.name(),
            scope.reason.name(),
            scope.trip
        );
    }
}

/// The paper venue of a configuration.
pub(crate) fn paper_venue(config: &Config, origin: &str, mode: Mode) -> anyhow::Result<PaperVenue> {
    let paper = &config.paper;
    let settings = PaperConfig {
        seed: paper.seed,
        latency_out_ns: u64::from(paper.latency_out_us) * 1_000,
        latency_in_ns: u64::from(paper.latency_in_us) * 1_000,
        latency_jitter_ns: u64::from(paper.latency_jitter_us) * 1_000,
        source: exchange::PAPER_SOURCE,
        ..PaperConfig::default()
    };
    let table = config.instruments(origin)?;
    PaperVenue::new(settings, table, mode).with_context(|| format!("{origin}: [paper]"))
}
