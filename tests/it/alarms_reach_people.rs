//! Alarms of a real engine: by its own thread, by the watch that stands by when it is killed, over the next start.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use config::alarm::{AlarmsSection, WebhookSection};
use config::guard::GuardSection;
use engine::clock::Clock;
use engine::stats::{CounterId, StatsReader};
use serde_json::Value;
use simulator::binary::{Place, Running, command};
use simulator::venue_process::VenueProcess;
use simulator::{compose, scratch};
use wire::poller::{Stopper, Turn};
use wire::server::peers::Peers;
use wire::server::{PeerId, Reply, Request, Response, Server, Service};

/// Part of the webhook's address: a secret.
const CANARY: &str = "canary-4711";
/// How long a step may take on a machine that is busy with other tests.
const LONG_NS: u64 = 120_000_000_000;

/// A web server that takes everything and remembers it.
#[derive(Debug, Default)]
struct Ears {
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Service for Ears {
    fn request(&mut self, _: &mut Peers, _: PeerId, request: &Request<'_>, _: u64) -> Reply {
        let is_ours = request.target.contains(CANARY) && request.method == "POST";
        let body = serde_json::from_slice(request.body).unwrap_or(Value::Null);
        self.bodies.lock().unwrap().push(body);
        Reply::Respond(Response::new(if is_ours { 200 } else { 404 }))
    }

    fn upgraded(&mut self, _: &mut Peers, _: PeerId, _: &str, _: u64) {}

    fn text(&mut self, _: &mut Peers, _: PeerId, _: &[u8], _: u64) {}

    fn closed(&mut self, _: &mut Peers, _: PeerId) {}

    fn on_time(&mut self, _: &mut Peers, _: u64) {}

    fn deadline_ns(&self) -> Option<u64> {
        None
    }
}

struct Hook {
    url: String,
    bodies: Arc<Mutex<Vec<Value>>>,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Hook {
    fn start() -> Hook {
        let mut server = Server::new().unwrap();
        let (_, address) = server.listen("127.0.0.1:0".parse().unwrap(), None).unwrap();
        let (mut ears, stopper) = (Ears::default(), server.stopper());
        let bodies = Arc::clone(&ears.bodies);
        let thread = std::thread::spawn(move || {
            let (clock, wait) = (Clock::new(), Duration::from_millis(100));
            while server.run_once(wait, &clock, &mut ears).unwrap() == Turn::Continue {}
        });
        let url = format!("http://{address}/{CANARY}");
        Hook { url, bodies, stopper, thread: Some(thread) }
    }

    /// `raised engine-dead` and the like, in the order in which they came.
    fn told(&self) -> Vec<String> {
        let bodies = self.bodies.lock().unwrap();
        let notices =
            bodies.iter().flat_map(|body| body["alarms"].as_array().into_iter().flatten());
        notices.map(told_of).collect()
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        drop(self.stopper.stop());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn told_of(notice: &Value) -> String {
    let word = |key: &str| notice[key].as_str().unwrap_or_default();
    format!("{} {}", word("what"), word("name"))
}

/// Alarms that go to a hook; the address is in a file of its own.
fn alarms_to(hook: &Hook, secrets: &Path) -> AlarmsSection {
    let file = secrets.join("hook-url");
    std::fs::write(&file, &hook.url).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    AlarmsSection {
        console: false,
        cool_down_s: 0,
        webhook: vec![WebhookSection {
            name: "hook".to_string(),
            url_secret: format!("file:{}", file.display()),
            shape: "plain".to_string(),
            severity_min: "warning".to_string(),
            ca_file: None,
            timeout_ms: 10_000,
        }],
        ..AlarmsSection::default()
    }
}

/// A place whose alarms go to a hook.
fn place(hook: &Hook, secrets: &Path) -> Place {
    Place::new(77, |config| config.alarms = Some(alarms_to(hook, secrets)))
}

fn history(place: &Place) -> Vec<Value> {
    let text = std::fs::read_to_string(place.data.join("alarms/alarms.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn alarms(place: &Place, words: &[&str]) -> Running {
    let mut command = command(&[&["alarms"], words].concat());
    if !matches!(words.first(), Some(&"test")) {
        command.arg("--data-dir").arg(&place.data);
    }
    if matches!(words.first(), Some(&("test" | "watch"))) {
        command.arg("--config").arg(&place.config);
    }
    Running::start(&mut command)
}

#[test]
fn a_killed_engine_is_told_by_the_watch_that_stands_by_and_the_next_start_ends_it() {
    let hook = Hook::start();
    let secrets = scratch::directory();
    let place = place(&hook, secrets.path());
    let mut engine = Running::start(&mut place.run_command(&["--speed", "1000"]));
    let has_begun =
        || history(&place).iter().any(|notice| told_of(notice) == "raised session-start");
    assert!(engine.wait_for(LONG_NS, has_begun), "{:#?}", engine.end());
    // The engine tells its alarms itself, so this one stands by.
    let mut watch = alarms(&place, &["watch"]);
    watch.let_run(1_500_000_000);
    let before = history(&place).len();
    engine.let_run(500_000_000);
    let clock = Clock::new();
    let killed_ns = clock.now_ns();
    engine.kill();
    engine.end();
    let is_told = || hook.told().contains(&"raised engine-dead".to_string());
    assert!(watch.wait_for(LONG_NS, is_told), "{:?} {:#?}", hook.told(), watch.end());
    println!("told after {} ms, {before} notices before", (clock.now_ns() - killed_ns) / 1_000_000);
    let listed = alarms(&place, &["--json"]).end().expect(1).json();
    let names: Vec<&str> = listed["alarms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"engine-dead"), "{listed}");
    watch.interrupt();
    let ended = watch.end().expect(0);
    assert!(!format!("{ended:?}").contains(CANARY));

    // The next engine goes on with the same alarms.
    let ended = place.run(&["--duration", "4s", "--speed", "500"]).expect(0);
    assert!(!format!("{ended:?}").contains(CANARY));
    let all = history(&place);
    let of = |wanted: &str| all.iter().filter(|notice| told_of(notice) == wanted).count();
    for wanted in ["raised engine-dead", "cleared engine-dead", "raised unclean-end"] {
        assert_eq!(of(wanted), 1, "{wanted}: {all:#?}");
        assert_eq!(hook.told().iter().filter(|told| *told == wanted).count(), 1, "{wanted}");
    }
    assert_eq!((of("raised session-start"), of("raised session-end")), (2, 1));
    let numbers: Vec<u64> = all.iter().map(|notice| notice["notice"].as_u64().unwrap()).collect();
    let expected: Vec<u64> = (1..).take(numbers.len()).collect();
    assert_eq!(numbers, expected, "each notice once");
    no_canary_below(&place.data);
}

/// An engine at a venue, with its guard, that has orders there; and how it is started.
fn guarded(seed: u64, hook: &Hook, secrets: &Path) -> (VenueProcess, Place, Vec<String>, Running) {
    let venue = VenueProcess::start(&["--seed", &seed.to_string(), "--fee-ppm", "100"]);
    let mut settings = compose::lively_wire(seed);
    settings.alarms = Some(alarms_to(hook, secrets));
    settings.guard = Some(GuardSection { start: true, dead_ms_max: 5_000, ..Default::default() });
    let place = Place::with(&settings);
    let key = secrets.join("key.toml");
    let (name, secret) = venue.account(0);
    std::fs::write(&key, format!("api_key = \"{name}\"\nsecret = \"{secret}\"\n")).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let key = key.display().to_string();
    let at_venue = ["--venue-url", venue.rest(), "--key-file", &key].map(str::to_string).to_vec();
    let words: Vec<&str> = at_venue.iter().map(String::as_str).collect();
    let mut engine = Running::start(&mut place.run_command(&words));
    let is_trading = || {
        let snapshot = StatsReader::open(&place.stats()).and_then(|stats| stats.snapshot());
        snapshot.is_ok_and(|it| 0 < it.counter(CounterId::OrdersOpen))
    };
    assert!(engine.wait_for(LONG_NS, is_trading), "{:#?}", engine.end());
    (venue, place, at_venue, engine)
}

/// The engine is killed with orders at a venue: its guard cancels them, the watch that stands by tells that, and the
/// next session's reconciliation ends the last of it.
#[test]
fn what_a_guard_does_for_a_killed_engine_is_told_without_the_engine() {
    let hook = Hook::start();
    let secrets = scratch::directory();
    let (_venue, place, at_venue, engine) = guarded(79, &hook, secrets.path());
    let mut watch = alarms(&place, &["watch"]);
    watch.let_run(500_000_000);
    engine.kill();
    engine.end();
    let told = |wanted: &str| hook.told().contains(&wanted.to_string());
    let are_told = || told("raised guard-acted") && told("raised reconcile-needed");
    assert!(watch.wait_for(LONG_NS, are_told), "{:?} {:#?}", hook.told(), watch.end());
    assert!(told("raised guard-acting"), "{:?}", hook.told());
    let all = history(&place);
    let acted = all.iter().find(|notice| told_of(notice) == "raised guard-acted").unwrap();
    let text = acted["text"].as_str().unwrap();
    assert!(text.starts_with("clean (gone): ") && text.ends_with(" cancelled, 0 left"), "{text}");
    watch.interrupt();
    watch.end().expect(0);

    let mut words: Vec<&str> = at_venue.iter().map(String::as_str).collect();
    words.extend(["--duration", "3s"]);
    place.run(&words).expect(0);
    let all = history(&place);
    let of = |wanted: &str| all.iter().filter(|notice| told_of(notice) == wanted).count();
    for wanted in ["raised guard-acting", "raised guard-acted", "cleared reconcile-needed"] {
        assert_eq!(of(wanted), 1, "{wanted}: {all:#?}");
    }
}

/// The whole engine stands still and holds its alarms: the watch tells what the guard did as its deputy, and no more
/// once the engine tells its alarms itself.
#[test]
fn what_a_guard_does_for_an_engine_that_stands_still_is_told_by_a_deputy() {
    let hook = Hook::start();
    let secrets = scratch::directory();
    let (_venue, place, _, engine) = guarded(81, &hook, secrets.path());
    let mut watch = alarms(&place, &["watch"]);
    watch.let_run(500_000_000);
    engine.pause();
    let told = |wanted: &str| hook.told().contains(&wanted.to_string());
    let are_told = || told("raised guard-acting") && told("raised guard-acted");
    assert!(watch.wait_for(LONG_NS, are_told), "{:?} {:#?}", hook.told(), watch.end());
    let own = history(&place);
    assert!(own.iter().all(|notice| told_of(notice) != "raised guard-acted"), "{own:#?}");
    engine.resume();
    let is_own = || history(&place).iter().any(|notice| told_of(notice) == "raised guard-acted");
    assert!(watch.wait_for(LONG_NS, is_own), "{:#?}", watch.end());
    engine.interrupt();
    engine.end();
    watch.interrupt();
    watch.end().expect(0);
}

/// The address of the hook stands in nothing that the engine wrote.
fn no_canary_below(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            no_canary_below(&path);
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

#[test]
fn a_try_says_which_channel_takes_it() {
    let hook = Hook::start();
    let secrets = scratch::directory();
    let place = place(&hook, secrets.path());
    let report = alarms(&place, &["test", "--json"]).end().expect(0).json();
    assert_eq!(report["channels"][0]["channel"], "hook");
    assert_eq!(report["channels"][0]["taken"], true);
    assert_eq!(hook.told(), ["raised test"]);
    drop(hook);
    let ended = alarms(&place, &["test", "--json"]).end().expect(1);
    assert_eq!(ended.json()["channels"][0]["error"], "no connection");
    assert!(!format!("{ended:?}").contains(CANARY));
    // Others can read the secret: it is not used.
    let file = secrets.path().join("hook-url");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ended = alarms(&place, &["test", "--json"]).end().expect(1);
    let error = ended.json()["channels"][0]["error"].clone();
    assert_eq!(error, "the configuration of the channel cannot work");
}

#[test]
fn what_is_asked_of_a_place_without_alarms_is_answered_in_words() {
    let place = Place::new(78, |_| {});
    let ended = alarms(&place, &["--json"]).end().expect(2);
    assert!(ended.stderr.contains("no alarms are kept"), "{ended:?}");
    let ended = alarms(&place, &["silence", "kill-used", "--for", "1h"]).end().expect(2);
    assert!(ended.stderr.contains("no alarms are kept"), "{ended:?}");
    let ended = alarms(&place, &["silence", "nothing", "--for", "1h"]).end().expect(2);
    assert!(ended.stderr.contains("no alarm \"nothing\""), "{ended:?}");
    let ended = alarms(&place, &["test"]).end().expect(2);
    assert!(ended.stderr.contains("no [alarms]"), "{ended:?}");
}
