//! The saved state of a pipeline, as a snapshot holds it.

use std::collections::VecDeque;
use std::sync::OnceLock;

use config::Config;
use engine::event::{Event, Kind, Mode, session};
use engine::gateway::Outlet;
use engine::instrument::InstrumentTable;
use engine::pipeline::manifest::Manifest;
use engine::pipeline::replay::{Replay, load_snapshot, save_snapshot};
use engine::pipeline::{Edges, NoProbe, Pipeline, PipelineConfig, Recorder};
use engine::strategy::Strategy;
use paper::{PaperConfig, PaperVenue};
use strategies::market_making::{MarketMaker, MarketMakerConfig};
use strategies::momentum::{Momentum, MomentumConfig};
use synthetic::{SyntheticConfig, SyntheticInstrument, SyntheticMarket};

const ORIGIN: &str = "fuzz";
/// Event time of the seeds, ns.
const START_NS: u64 = 1_700_000_000_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

fn paper() -> Config {
    let text = config::profile("generated").expect("the generated profile is built in");
    Config::parse(text, ORIGIN).expect("the paper profile is sound")
}

/// The generated profile's engine with room for few orders, so that a state is small.
fn pipeline() -> Pipeline {
    static SETTINGS: OnceLock<(PipelineConfig, InstrumentTable)> = OnceLock::new();
    let (settings, table) = SETTINGS.get_or_init(|| {
        let config = paper();
        let settings = config.pipeline(ORIGIN).expect("the paper profile makes a pipeline");
        let settings = PipelineConfig { order_count_max: 64, ..settings };
        (settings, config.instruments(ORIGIN).expect("the paper profile has instruments"))
    });
    let maker = MarketMakerConfig {
        warmup_ns: SECOND_NS / 10,
        ..MarketMakerConfig::new("maker", 0, 1_000, 10_000)
    };
    let taker = MomentumConfig {
        warmup_ns: SECOND_NS / 10,
        entry_ticks: 0.5,
        imbalance_percent_min: -100,
        ..MomentumConfig::new("taker", 0, 1_000, 10_000)
    };
    let strategies: Vec<Box<dyn Strategy>> = vec![
        Box::new(MarketMaker::new(maker, table).expect("the maker is sound")),
        Box::new(Momentum::new(taker, table).expect("the taker is sound")),
    ];
    Pipeline::new(settings.clone(), table.clone(), strategies)
}

#[derive(Default)]
struct Outbox(VecDeque<Event>);

impl Outlet for Outbox {
    fn offer(&mut self, event: &Event) -> bool {
        self.0.push_back(*event);
        true
    }
}

/// Records nothing, keeps everything.
#[derive(Default)]
struct Kept(Vec<Event>);

impl Recorder for Kept {
    fn record(&mut self, event: &Event) -> bool {
        self.0.push(*event);
        true
    }

    fn durable(&self) -> u64 {
        u64::MAX
    }
}

/// The events that a session of `span_ns` records.
fn recorded(span_ns: u64) -> Vec<Event> {
    let config = paper();
    let mut engine = pipeline();
    let (mut recorder, mut outlet) = (Kept::default(), Outbox::default());
    let table = engine.instruments().clone();
    let mut venue = PaperVenue::new(PaperConfig::default(), table.clone(), Mode::Paper)
        .expect("paper mode has a paper venue");
    let instrument = SyntheticInstrument {
        index: 0,
        price_start: 6_180_000,
        volatility_ppm: 200,
        trades_per_second: 20,
        orders_per_second: 200,
        level_count: 20,
        level_quantity: 80_000,
    };
    let settings = SyntheticConfig {
        seed: 1,
        speed_percent: 100,
        start_ns: START_NS,
        instruments: vec![instrument],
    };
    let mut market = SyntheticMarket::new(&settings, &table).expect("the market is sound");
    let manifest = Manifest {
        config: config.to_toml(),
        build: ORIGIN.to_string(),
        input: ORIGIN.to_string(),
        instruments: table,
        session: 1,
        mode: Mode::Paper,
    };
    let mut inbound: VecDeque<Event> =
        manifest.to_events().into_iter().map(|event| event.at(START_NS)).collect();
    while market.next_ns() < START_NS + span_ns {
        let now_ns = market.next_ns();
        inbound.push_back(session::clock().at(now_ns));
        market.step(&mut |event| {
            venue.on_market(&event);
            inbound.push_back(event);
        });
        venue.advance(now_ns, &mut |report| inbound.push_back(report));
        for event in inbound.drain(..) {
            let mut edges =
                Edges { recorder: &mut recorder, outlet: &mut outlet, probe: &mut NoProbe };
            engine.apply(&event, &mut edges).expect("a session of seconds has no fault");
        }
        for request in outlet.0.drain(..) {
            venue.on_request(&request, now_ns);
        }
    }
    recorder.0
}

/// Any bytes as the state of a snapshot: refused, or a state that comes back from its own bytes.
pub(super) fn load(data: &[u8]) {
    let Ok(replay) = load_snapshot(data, pipeline()) else { return };
    let saved = save_snapshot(&replay).expect("a replay with a pipeline can be saved");
    let again = load_snapshot(&saved, pipeline()).expect("its own bytes are sound");
    assert_eq!(save_snapshot(&again).as_ref(), Some(&saved));
    let hash = |replay: &Replay| replay.pipeline().map(Pipeline::state_hash);
    assert_eq!(hash(&again), hash(&replay));
}

/// States after next to nothing, a second and twenty seconds of trading.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let build = || {
        let state = |span_ns| {
            let events = recorded(span_ns);
            let has_traded = events.iter().any(|event| event.kind == Kind::FILL);
            assert!(has_traded || span_ns < SECOND_NS, "the seed has no fill in it");
            let mut replay = Replay::new();
            for event in events {
                let step = replay.step(&event, &mut |_| Ok(pipeline()));
                step.expect("a replay decides what was recorded");
            }
            let bytes = save_snapshot(&replay).expect("a session has started");
            load_snapshot(&bytes, pipeline()).expect("a seed is sound");
            bytes
        };
        vec![state(SECOND_NS / 50), state(SECOND_NS), state(20 * SECOND_NS)]
    };
    SEEDS.get_or_init(build).clone()
}
