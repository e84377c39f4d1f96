//! `tickwheel run` signs, `audit verify` believes it and nothing else, `audit export` tells all of it.

use std::path::Path;

use config::audit::AuditSection;
use serde_json::Value;
use simulator::binary::{Place, Running, tickwheel};
use simulator::scratch;

fn signed(seed: u64) -> (Place, String) {
    let anchor_dir = scratch::directory();
    let anchor = anchor_dir.keep().join("anchor.jsonl").display().to_string();
    let file = format!("file:{anchor}");
    let place = Place::new(seed, move |config| {
        config.audit =
            Some(AuditSection { interval_s: 1, anchor: vec![file], ..AuditSection::default() });
    });
    (place, anchor)
}

fn forget(anchor: &str) {
    let dir = Path::new(anchor).parent().expect("the file lies in a directory");
    std::fs::remove_dir_all(dir).expect("our own directory");
}

fn verify(place: &Place, anchor: &str, code: i32) -> Value {
    place.about(&["audit", "verify", "--anchor", anchor]).expect(code).json()
}

#[test]
fn a_session_is_signed_killed_verified_continued_and_exported() {
    let (place, anchor) = signed(141);
    let speed = ["--duration", "2s", "--speed", "1000"];
    place.run(&speed).expect(0);
    let report = verify(&place, &anchor, 0);
    assert_eq!(report["ok"], true);
    assert_eq!(report["signed_through"], report["records"]);
    assert!(2 <= report["checkpoints"].as_u64().unwrap(), "{report}");

    // Beside a running engine, after kill -9, and after the next session.
    let mut running = Running::start(&mut place.run_command(&["--speed", "1000"]));
    let checkpoints = place.data.join("audit").join(audit::CHECKPOINT_FILE);
    let count = || std::fs::read_to_string(&checkpoints).map_or(0, |text| text.lines().count());
    let before = count();
    assert!(running.wait_for(120_000_000_000, || before + 1 < count()), "nothing was signed");
    let live = verify(&place, &anchor, 0);
    assert_eq!(live["live"], true);
    running.kill();
    running.end();
    verify(&place, &anchor, 0);
    place.run(&speed).expect(0);
    let report = verify(&place, &anchor, 0);
    assert_eq!(report["signed_through"], report["records"]);

    let out = place.directory.path().join("export");
    let out = out.display().to_string();
    let exported = place.about(&["audit", "export", "--out", &out]).expect(0).json();
    assert_eq!((&exported["complete"], &exported["signed"]), (&true.into(), &true.into()));
    assert_eq!(exported["records"], report["records"]);
    assert_eq!(exported["sessions"], 3);
    assert!(0 < exported["orders"].as_u64().unwrap());
    let checked = tickwheel(&["audit", "verify", &out, "--json"]).expect(0).json();
    assert_eq!((&checked["ok"], &checked["complete"]), (&true.into(), &true.into()));

    // The export and the journal say the same of every fill.
    let text = std::fs::read_to_string(Path::new(&out).join("decisions.jsonl")).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let fills = scratch::events_of(&place.journal())
        .into_iter()
        .filter(|event| event.kind == engine::event::Kind::FILL);
    let told: Vec<u64> = rows
        .iter()
        .filter(|row| row["kind"] == "fill")
        .map(|row| row["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(told, fills.map(|event| event.sequence).collect::<Vec<_>>());
    let order = rows.iter().find(|row| row["kind"] == "order").expect("somebody traded");
    let order = order["order_id"].as_str().unwrap();
    let dir = place.data.display().to_string();
    let shown = tickwheel(&["audit", "show", &dir, order, "--json"]).expect(0).json();
    assert_eq!(shown["order_id"], order);
    let commands = tickwheel(&["audit", "show", &dir, "--commands"]).expect(0);
    assert!(commands.stdout.contains("stop"), "{commands:?}");
    tickwheel(&["audit", "export", &dir, "--out", &out]).expect(2);
    forget(&anchor);
}

#[test]
fn a_cut_tail_is_refused_and_a_repair_is_shown_as_one() {
    let (place, anchor) = signed(143);
    place.run(&["--duration", "1s", "--speed", "1000"]).expect(0);
    let report = verify(&place, &anchor, 0);
    let records = report["records"].as_u64().unwrap();

    // Whole in itself: an attacker who knows the format, and has no key.
    let events = scratch::events_of(&place.journal());
    let reader = journal::Reader::open(&place.journal()).unwrap();
    let identity = reader.recovery().identity.expect("a journal");
    drop(reader);
    let kept = place.directory.path().join("kept");
    std::fs::rename(place.journal(), &kept).unwrap();
    let options = journal::Options {
        segment_records: identity.segment_records,
        block_records: identity.block_records,
        journal_id: identity.journal_id,
        ..journal::Options::default()
    };
    let mut writer = journal::Writer::create(&place.journal(), options).unwrap();
    for event in &events[..events.len() - 10] {
        writer.append(bytemuck::cast_ref(event)).unwrap();
    }
    writer.close().unwrap();
    place.about(&["journal", "verify"]).expect(0);
    let cut = place.about(&["audit", "verify"]).expect(3).json();
    assert_eq!(cut["ok"], false);
    assert!(!cut["damage"].as_array().unwrap().is_empty());
    let refused = place.run(&["--duration", "1s"]).expect(3);
    assert!(refused.stderr.contains("audit"), "{refused:?}");
    std::fs::remove_dir_all(place.journal()).unwrap();
    std::fs::rename(&kept, place.journal()).unwrap();
    verify(&place, &anchor, 0);

    // An operator cuts on order.
    let keep = (records - 50).to_string();
    let words = [
        "journal",
        "repair",
        "--yes",
        "--keep-through",
        &keep,
        "--reason",
        "a drill",
        "--actor",
        "ann",
    ];
    let repaired = place.about(&words).expect(0).json();
    assert!(repaired["audit"].as_str().unwrap().contains("signed as checkpoint"), "{repaired}");
    let report = verify(&place, &anchor, 0);
    assert_eq!(report["repairs"][0]["note"], "by ann: a drill");
    place.run(&["--duration", "1s"]).expect(0);
    assert_eq!(verify(&place, &anchor, 0)["ok"], true);
    forget(&anchor);
}

#[test]
fn a_key_is_rotated_and_its_successor_goes_on() {
    let (place, anchor) = signed(145);
    let run = ["--duration", "500ms"];
    place.run(&run).expect(0);
    let rotated = place.about(&["audit", "rotate-key", "--reason", "yearly"]).expect(0).json();
    assert_eq!(rotated["kind"], "rotate");
    place.run(&run).expect(0);
    let report = verify(&place, &anchor, 0);
    let keys = report["keys"].as_array().unwrap();
    assert_eq!((keys.len(), &keys[1]), (2, &rotated["key"]));
    // A key that nobody vouched for stops the start.
    let key = place.data.join("audit").join(audit::KEY_FILE);
    std::fs::remove_file(&key).unwrap();
    audit::SigningKey::create(&key).unwrap();
    let refused = place.run(&run).expect(2);
    assert!(refused.stderr.contains("rotation"), "{refused:?}");
    forget(&anchor);
}
