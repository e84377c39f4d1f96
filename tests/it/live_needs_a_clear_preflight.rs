//! `mode = "live"` starts only after a preflight without a failing line: each failing line keeps it from starting, and
//! what starts is capped to the first day. The venue is a local one that was started elsewhere.

use std::os::unix::fs::PermissionsExt as _;

use config::Config;
use config::guard::GuardSection;
use config::live::{LiveSection, RampStep};
use config::operator::OperatorSection;
use serde_json::Value;
use simulator::binary::{Ended, Place, Running, command};
use simulator::venue_process::VenueProcess;
use simulator::{compose, scratch};

/// A live configuration for a venue, with everything but evidence.
fn live(venue: &VenueProcess, key: &str) -> Config {
    let mut settings = compose::lively_wire(51);
    settings.engine.mode = "live".to_string();
    let wire = settings.wire.as_mut().unwrap();
    wire.network = "url".to_string();
    let line = venue.line();
    let text = |name: &str| line[name].as_str().map(str::to_string);
    (wire.rest_url, wire.stream_url, wire.ws_api_url) =
        (text("rest"), text("stream"), text("ws_api"));
    wire.key_file = Some(key.to_string());
    settings.guard = Some(GuardSection { start: true, dead_ms_max: 5_000, ..Default::default() });
    let step = |from_day, notional: &str| RampStep {
        from_day,
        instruments_max: 2,
        order_notional_max: "100".parse().unwrap(),
        notional_max: notional.parse().unwrap(),
        orders_daily_max: 200,
    };
    settings.live = Some(LiveSection {
        // This machine is busy with other tests.
        clock_offset_us_max: 500_000,
        dry_run_days_min: 1,
        ramp: vec![step(1, "500"), step(4, "1000")],
        ..LiveSection::default()
    });
    settings.operator = vec![OperatorSection {
        name: "ada".to_string(),
        role: "admin".to_string(),
        uid: Some(rustix::process::getuid().as_raw()),
        key_hash: None,
    }];
    settings
}

struct Scene {
    venue: VenueProcess,
    place: Place,
}

impl Scene {
    fn new() -> Scene {
        let venue = VenueProcess::start(&["--seed", "51", "--fee-ppm", "100"]);
        let directory = scratch::directory();
        let place = Place::with(&compose::lively_wire(51));
        let key = place.directory.path().join("key.toml");
        let (name, secret) = venue.account(0);
        std::fs::write(&key, format!("api_key = \"{name}\"\nsecret = \"{secret}\"\n")).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let settings = live(&venue, &key.display().to_string());
        Config::parse(&settings.to_toml(), "live").unwrap();
        std::fs::write(&place.config, settings.to_toml()).unwrap();
        drop(directory);
        Scene { venue, place }
    }

    /// `tickwheel` with `words` about this configuration and data directory.
    fn about(&self, words: &[&str]) -> Ended {
        let mut command = command(words);
        command.arg("--config").arg(&self.place.config).arg("--data-dir").arg(&self.place.data);
        Running::start(&mut command).end()
    }

    /// Items that fail.
    fn failing(&self) -> Vec<String> {
        let ended = self.about(&["preflight", "--json"]);
        let told = ended.json();
        let failing: Vec<String> = told["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["verdict"] == "FAIL")
            .map(|item| item["item"].as_str().unwrap().to_string())
            .collect();
        assert_eq!(told["clear"], failing.is_empty(), "{told}");
        assert_eq!(ended.code, Some(i32::from(!failing.is_empty())), "{ended:?}");
        failing
    }
}

#[test]
fn live_starts_only_when_every_line_of_the_preflight_passes() {
    let scene = Scene::new();
    let place = &scene.place;
    assert_eq!(scene.failing(), ["kill-drill", "reconcile", "approval", "dry-run", "alarms"]);
    let refused = place.run(&["--duration", "1s"]).expect(1);
    for word in ["kill-drill", "approval", "NOT clear"] {
        assert!(refused.stderr.contains(word), "\"{word}\" is not in {}", refused.stderr);
    }
    assert!(!place.journal().exists(), "nothing was started");

    // A day of rehearsal, reconciled with the venue.
    place.run(&["--duration", "4s", "--dry-run"]).expect(0);
    assert_eq!(scene.failing(), ["kill-drill", "approval", "alarms"]);
    let drill = scene.about(&["drill", "kill", "--json"]).expect(0).json();
    assert_eq!(drill["passed"], true, "{drill}");
    assert_eq!(drill["figures"]["state_after_restart"], "KILLED", "{drill}");
    assert_eq!(scene.failing(), ["approval", "alarms"]);

    // Who may not, may not; what nobody can waive, nobody can.
    let by = |name| ["--operator", name, "--reason", "reviewed with the desk"];
    let stranger = scene.about(&[&["preflight", "approve"][..], &by("eve")].concat()).expect(1);
    assert!(stranger.stderr.contains("eve"), "{stranger:?}");
    let waive = |item| [&["preflight", "waive", "--item", item][..], &by("ada")].concat();
    let never = scene.about(&waive("approval")).expect(1);
    assert!(never.stderr.contains("cannot be waived"), "{never:?}");
    scene.about(&waive("alarms")).expect(0);
    scene.about(&[&["preflight", "approve"][..], &by("ada")].concat()).expect(0);
    assert_eq!(scene.failing(), Vec::<String>::new());

    // It trades, with the caps of the first day.
    let ended = place.run(&["--duration", "3s"]).expect(0);
    assert!(ended.stderr.contains("order_notional_max: 13000 becomes 100"), "{}", ended.stderr);
    let events = scratch::events_of(&place.journal());
    let starts = events.iter().filter(|e| e.kind == engine::event::Kind::SESSION_START);
    let modes: Vec<u16> = starts.map(|event| event.code).collect();
    let expected = [engine::event::Mode::DryRun, engine::event::Mode::Live].map(|mode| mode as u16);
    assert_eq!(modes, expected);
    assert_eq!(place.about(&["replay"]).expect(0).json()["first_divergence"], Value::Null);

    // Another configuration is not the approved one.
    let text = std::fs::read_to_string(&place.config).unwrap();
    let changed = text.replacen("orders_open_max = 64", "orders_open_max = 63", 1);
    assert_ne!(text, changed);
    std::fs::write(&place.config, changed).unwrap();
    let failing = scene.failing();
    assert!(failing.contains(&"approval".to_string()), "{failing:?}");
    drop(scene.venue);
}
