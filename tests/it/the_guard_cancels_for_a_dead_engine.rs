//! The guard, as a process, over a real venue: an engine that is killed or stands still leaves no order there; one
//! that ended in order is left alone; orders of others are not touched.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use simulator::binary::{Place, Running, command};
use simulator::compose;
use simulator::venue_process::VenueProcess;

const SECOND_NS: u64 = 1_000_000_000;
/// No condition takes longer, even on a busy machine with a debug build.
const WAIT_NS_MAX: u64 = 120 * SECOND_NS;

/// Whether an order at the venue is named as engines name theirs.
fn is_engines(order: &Value) -> bool {
    order["clientOrderId"].as_str().is_some_and(|name| name.starts_with("tw"))
}

/// A venue, an engine's place and the key file of its account.
struct Scene {
    venue: VenueProcess,
    place: Place,
    key: String,
}

impl Scene {
    fn new(seed: u64, change: impl FnOnce(&mut config::Config)) -> Scene {
        let venue = VenueProcess::start(&["--seed", &seed.to_string(), "--fee-ppm", "100"]);
        let mut settings = compose::lively_wire(seed);
        // Far from the market, so that quotes rest until they are cancelled.
        for strategy in &mut settings.strategy {
            if let config::schema::StrategySection::MarketMaker(maker) = strategy {
                maker.spread_ticks_min = 1_500;
                maker.requote_ticks = 400;
            }
        }
        // Guards of these tests are started by hand; the machine may be busy with other tests.
        let guard = config::guard::GuardSection { dead_ms_max: 5_000, ..Default::default() };
        settings.guard = Some(guard);
        change(&mut settings);
        let place = Place::with(&settings);
        let key = place.directory.path().join("key.toml");
        let (name, secret) = venue.account(0);
        std::fs::write(&key, format!("api_key = \"{name}\"\nsecret = \"{secret}\"\n")).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        Scene { venue, place, key: key.display().to_string() }
    }

    fn engine(&self) -> Running {
        let more = ["--venue-url", self.venue.rest(), "--key-file", &self.key];
        Running::start(&mut self.place.run_command(&more))
    }

    fn guard(&self, more: &[&str]) -> Running {
        let mut command = command(&["guard", "--json", "--data-dir"]);
        Running::start(command.arg(&self.place.data).args(more))
    }

    /// Open orders of an account at the venue, as the venue itself knows them.
    fn open(&self, account: u64) -> Vec<Value> {
        let state = self.venue.state();
        let is_open = |order: &&Value| {
            let is_working = matches!(order["status"].as_str(), Some("NEW" | "PARTIALLY_FILLED"));
            order["account"] == account && is_working
        };
        state["orders"].as_array().unwrap().iter().filter(is_open).cloned().collect()
    }

    /// Waits until the engine has an order at the venue.
    fn wait_for_orders(&self, engine: &mut Running) {
        // The state of the venue is large: asking for it all the time would keep it from trading.
        let has_orders = || {
            let reader = engine::stats::StatsReader::open(&self.place.stats());
            let snapshot = reader.and_then(|reader| reader.snapshot()).ok();
            let count =
                |s: engine::stats::Snapshot| s.counter(engine::stats::CounterId::OrdersOpen);
            0 < snapshot.map_or(0, count) && self.open(0).iter().any(is_engines)
        };
        assert!(engine.wait_for(WAIT_NS_MAX, has_orders), "the engine has no order at the venue");
    }

    /// Lines of guard.log that say how an act ended.
    fn acts(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.place.data.join("guard.log")).unwrap_or_default();
        let acts = text.lines().map(|line| serde_json::from_str(line).unwrap());
        acts.filter(|act: &Value| act["outcome"] != "begun").collect()
    }

    fn wait_for_acts(&self, guard: &mut Running, count: usize) -> Vec<Value> {
        assert!(
            guard.wait_for(WAIT_NS_MAX, || count <= self.acts().len()),
            "the guard did not act: {:?}",
            self.acts()
        );
        self.acts()
    }

    fn beat(&self) -> Value {
        let text = std::fs::read_to_string(self.place.data.join("guard.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn wait_for_phase(&self, guard: &mut Running, phase: &str) {
        let reached = guard.wait_for(WAIT_NS_MAX, || self.beat()["phase"] == phase);
        assert!(reached, "the guard is not {phase}: {}", self.beat());
    }
}

#[test]
fn a_killed_engine_leaves_no_order_and_its_next_start_tells_what_the_guard_did() {
    let scene = Scene::new(41, |_| {});
    let mut guard = scene.guard(&[]);
    let mut engine = scene.engine();
    scene.wait_for_orders(&mut engine);
    scene.wait_for_phase(&mut guard, "watching");
    engine.kill();
    engine.end();
    let act = scene.wait_for_acts(&mut guard, 1).remove(0);
    assert_eq!((&act["why"], &act["outcome"]), (&json!("gone"), &json!("clean")), "{act}");
    assert!(0 < act["orders_cancelled"].as_u64().unwrap(), "{act}");
    assert_eq!(scene.open(0), Vec::<Value>::new());
    // Written after the act itself.
    let alarms = scene.place.data.join("alarms/guard.jsonl");
    let told = || std::fs::read_to_string(&alarms).is_ok_and(|text| text.contains("guard-acted"));
    assert!(guard.wait_for(WAIT_NS_MAX, told), "nobody was told of the act");

    // The next session is reconciled with what the guard did, has it in its journal, and ends in order: no new act.
    scene
        .place
        .run(&["--venue-url", scene.venue.rest(), "--key-file", &scene.key, "--duration", "3s"])
        .expect(0);
    let dump = scene.place.about(&["replay"]).expect(0).json();
    assert_eq!(dump["first_divergence"], Value::Null);
    let events = simulator::scratch::events_of(&scene.place.journal());
    let topic = engine::event::TextTopic::Guard as u16;
    let text: Vec<u8> = events
        .iter()
        .filter(|event| event.kind == engine::event::Kind::TEXT && event.code == topic)
        .flat_map(|event| engine::event::session::text_chunk(event).to_vec())
        .collect();
    let told: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!((&told["why"], &told["outcome"]), (&json!("gone"), &json!("clean")));
    let books = simulator::bookkeeper::Bookkeeper::of(&events);
    assert_eq!(books.open_count(), 0, "orders that the guard cancelled are settled");
    scene.wait_for_phase(&mut guard, "idle");
    assert_eq!(scene.acts().len(), 1, "an orderly end is no death");
    guard.interrupt();
    guard.end().expect(0);
}

#[test]
fn an_engine_that_stands_still_is_cancelled_for_and_left_alone_when_it_works_again() {
    let scene = Scene::new(43, |_| {});
    let mut guard = scene.guard(&[]);
    let mut engine = scene.engine();
    scene.wait_for_orders(&mut engine);
    scene.wait_for_phase(&mut guard, "watching");
    engine.pause();
    let act = scene.wait_for_acts(&mut guard, 1).remove(0);
    assert_eq!((&act["why"], &act["outcome"]), (&json!("stuck"), &json!("clean")), "{act}");
    assert_eq!(scene.open(0), Vec::<Value>::new());
    engine.resume();
    scene.wait_for_phase(&mut guard, "watching");
    engine.interrupt();
    engine.end();
    scene.wait_for_phase(&mut guard, "idle");
    guard.interrupt();
    guard.end().expect(0);
}

#[test]
fn a_venue_that_fails_is_asked_again_and_orders_of_others_stay() {
    let scene = Scene::new(45, |_| {});
    // The same account trades by hand.
    let stranger = scene.venue.place_order(0, ("BTCUSDT", "BUY"), ("55000.00", "0.01000"));
    assert!(stranger["orderId"].is_u64(), "{stranger}");
    let mut guard = scene.guard(&[]);
    let mut engine = scene.engine();
    scene.wait_for_orders(&mut engine);
    scene.wait_for_phase(&mut guard, "watching");
    scene.venue.add_faults(
        r#"{"on":"request","channel":"rest","method":"order.cancel","nth":1,"do":"status","status":503}
           {"on":"request","channel":"rest","method":"order.cancel","nth":2,"do":"cut","accepted":true}
           {"on":"request","channel":"rest","method":"openOrders.status","nth":2,"do":"status","status":500}"#,
    );
    engine.kill();
    engine.end();
    let act = scene.wait_for_acts(&mut guard, 1).remove(0);
    assert_eq!(act["outcome"], "clean", "{act}");
    assert_eq!(act["strangers"], 1, "{act}");
    assert!(!act["failures"].as_array().unwrap().is_empty(), "no fault was met: {act}");
    let left = scene.open(0);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["orderId"], stranger["orderId"], "the order of another hand is untouched");
    guard.interrupt();
    guard.end().expect(0);
}

#[test]
fn a_guard_that_comes_late_finds_the_dead_engine_and_does_its_work_once() {
    let scene = Scene::new(47, |_| {});
    let mut engine = scene.engine();
    scene.wait_for_orders(&mut engine);
    engine.kill();
    engine.end();
    assert!(!scene.open(0).is_empty(), "nobody has cancelled");
    let first = scene.guard(&["--once"]).end().expect(0);
    assert!(first.stdout.contains("\"acted\""), "{first:?}");
    assert_eq!(scene.open(0), Vec::<Value>::new());
    // A second one sees that it was done.
    let second = scene.guard(&["--once"]).end().expect(0);
    assert!(!second.stdout.contains("acting"), "{second:?}");
    assert_eq!(scene.acts().len(), 1);
}

#[test]
fn a_run_starts_its_guard_which_outlives_it_and_is_the_only_one() {
    let scene = Scene::new(49, |settings| {
        settings.guard.as_mut().unwrap().start = true;
    });
    let mut engine = scene.engine();
    scene.wait_for_orders(&mut engine);
    let another = scene.guard(&["--once"]).end().expect(2);
    assert!(another.stderr.contains("guard.lock is locked"), "{another:?}");
    engine.kill();
    engine.end();
    // The child of the run acts and ends; a start waits for it.
    let more = ["--venue-url", scene.venue.rest(), "--key-file", &scene.key, "--duration", "2s"];
    scene.place.run(&more).expect(0);
    let acts = scene.acts();
    assert_eq!(acts.len(), 1, "{acts:?}");
    assert_eq!(acts[0]["outcome"], "clean");
}
