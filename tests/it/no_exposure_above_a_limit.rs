//! Properties of the whole pipeline on random markets, with strategies that ask for anything.

use engine::event::{CommandCode, Event};
use engine::gateway::Outlet;
use engine::pipeline::recorder::MemoryRecorder;
use engine::pipeline::{Edges, NoProbe, Recorder};
use proptest::prelude::*;
use simulator::bookkeeper::Watchdog;
use simulator::gambler::Gambler;
use simulator::slicer::Runaway;
use simulator::trouble::Troubles;
use simulator::world::WorldSettings;
use simulator::{Desk, World, scratch};

/// One random world.
#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    latency_out_us: u32,
    latency_in_us: u32,
    jitter_us: u32,
    volatility_factor: u32,
    eagerness: u64,
    reject_per_million: u32,
    lost: u64,
    doubled: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let latencies = (0_u32..20_000, 0_u32..20_000, 0_u32..5_000);
    let troubles = (prop_oneof![Just(0_u64), 0_u64..50], 0_u64..50, 0_u32..100_000);
    (any::<u64>(), latencies, 1_u32..20, 1_u64..200, troubles).prop_map(
        |(seed, (out, back, jitter), factor, eagerness, (lost, doubled, rejects))| Case {
            seed: seed >> 16,
            latency_out_us: out,
            latency_in_us: back,
            jitter_us: jitter,
            volatility_factor: factor,
            eagerness,
            reject_per_million: rejects,
            lost,
            doubled,
        },
    )
}

fn desk(case: &Case) -> Desk {
    let mut desk = Desk::lively(case.seed);
    desk.config.paper.latency_out_us = case.latency_out_us;
    desk.config.paper.latency_in_us = case.latency_in_us;
    desk.config.paper.latency_jitter_us = case.jitter_us;
    // What a gambler loses must not stop the test before it began.
    let account = desk.config.risk.account.as_mut().unwrap();
    account.loss_daily_max = config::Number(1_000_000.into());
    account.drawdown_max = config::Number(2_000_000.into());
    for section in &mut desk.config.market.instrument {
        section.volatility_ppm *= case.volatility_factor;
    }
    let (seed, eagerness) = (case.seed, case.eagerness);
    desk.arranged(move |mut strategies, table| {
        strategies.push(Box::new(Gambler::new("gambler-1", table, seed ^ 1, eagerness)));
        strategies.push(Box::new(Gambler::new("gambler-2", table, seed ^ 2, eagerness)));
        let scale = table.get(0).map_or(0, |first| first.quantity_scale);
        let child = 10_i64.pow(u32::from(scale)) / 100;
        let slicer = Runaway::new("runaway", table, 0, (7 * child, child), 200_000_000);
        strategies.push(Box::new(slicer));
        strategies
    })
}

/// Runs two sessions of `case` under the eyes of a watchdog and replays what was recorded.
fn live(case: &Case, count: u64) -> Watchdog {
    let desk = desk(case);
    let limits = desk.config.limits(&desk.table(), "desk").unwrap();
    let mut watchdog = Watchdog::new(limits);
    let troubles = Troubles { lost: case.lost, doubled: case.doubled, late: 0 };
    let settings = WorldSettings {
        troubles,
        reject_per_million: case.reject_per_million,
        ..Default::default()
    };
    let mut world = World::new(&desk, desk.pipeline(), MemoryRecorder::default(), settings);
    for session in [1, 2] {
        world.start(&desk, session, &mut watchdog).unwrap();
        world.run(count / 2, &mut watchdog).unwrap();
    }
    world.command(CommandCode::CancelAll, 0, &mut watchdog).unwrap();
    world.end(2, &mut watchdog).unwrap();
    watchdog.books.agrees_with(&world.pipeline);
    let replayed = scratch::replay(&world.recorder.inner.events, &desk).unwrap();
    assert_eq!(replayed.pipeline.state_hash(), world.pipeline.state_hash());
    watchdog
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if simulator::is_slow_wanted() { 400 } else { 24 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn books_limits_ids_and_approvals_hold_in_any_world(case in cases()) {
        println!("{case:?}");
        live(&case, 16_000);
    }
}

#[test]
fn the_gamblers_get_near_their_limits_and_trade() {
    let case = Case {
        seed: 81,
        latency_out_us: 500,
        latency_in_us: 500,
        jitter_us: 200,
        volatility_factor: 3,
        eagerness: 100,
        reject_per_million: 0,
        lost: 0,
        doubled: 0,
    };
    let watchdog = live(&case, 40_000);
    println!(
        "{} sent, {} fills, {} times near a limit",
        watchdog.books.sent_count, watchdog.books.fill_count, watchdog.near_count
    );
    assert!(500 < watchdog.books.sent_count);
    assert!(200 < watchdog.books.fill_count);
    assert!(100 < watchdog.near_count, "nothing came near a limit: the test proves little");
    assert!(watchdog.books.sent_count < watchdog.outbound_count);
}

/// A recorder that claims more or less durability than there is.
#[derive(Default)]
struct Slow {
    recorded: u64,
    durable: u64,
}

impl Recorder for Slow {
    fn record(&mut self, event: &Event) -> bool {
        self.recorded = event.sequence;
        true
    }

    fn durable(&self) -> u64 {
        self.durable
    }
}

#[derive(Default)]
struct Left(Vec<u64>);

impl Outlet for Left {
    fn offer(&mut self, event: &Event) -> bool {
        self.0.push(event.sequence);
        true
    }
}

#[test]
fn nothing_leaves_beyond_what_is_durable_whenever_that_moves() {
    let case = Case {
        seed: 83,
        latency_out_us: 100,
        latency_in_us: 100,
        jitter_us: 10,
        volatility_factor: 3,
        eagerness: 100,
        reject_per_million: 0,
        lost: 0,
        doubled: 0,
    };
    let desk = desk(&case);
    let settings = WorldSettings { keeps_script: true, ..WorldSettings::default() };
    let mut world = World::new(&desk, desk.pipeline(), MemoryRecorder::default(), settings);
    world.start(&desk, 1, &mut simulator::world::Nobody).unwrap();
    world.run(8_000, &mut simulator::world::Nobody).unwrap();
    let sent: Vec<u64> = world
        .recorder
        .inner
        .events
        .iter()
        .filter(|event| event.kind.is_outbound())
        .map(|event| event.sequence)
        .collect();
    assert!(100 < sent.len());

    let (mut pipeline, mut slow, mut left) = (desk.pipeline(), Slow::default(), Left::default());
    for (index, event) in world.script.iter().enumerate() {
        if index % 37 == 0 {
            slow.durable = slow.recorded.saturating_sub(u64::try_from(index % 11).unwrap());
        }
        let (durable, before) = (slow.durable, left.0.len());
        let mut edges = Edges { recorder: &mut slow, outlet: &mut left, probe: &mut NoProbe };
        pipeline.apply(event, &mut edges).unwrap();
        assert!(left.0[before..].iter().all(|sequence| *sequence <= durable));
    }
    slow.durable = slow.recorded;
    let mut edges = Edges { recorder: &mut slow, outlet: &mut left, probe: &mut NoProbe };
    pipeline.release_pending(&mut edges).unwrap();
    assert_eq!(left.0, sent, "everything leaves once, in order");
}
