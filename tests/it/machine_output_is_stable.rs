//! What programs may rely on: the keys of `--json` and the exit codes of every command.

use serde_json::Value;
use simulator::binary::{Ended, Place, Running, command};
use simulator::scratch;

#[track_caller]
fn has_keys(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "no key {key} in {value}");
    }
}

fn ask(words: &[&str], place: &Place) -> Ended {
    let mut command = command(words);
    command.arg(&place.data);
    Running::start(&mut command).end()
}

#[test]
fn keys_and_exit_codes_of_every_command() {
    let place = Place::new(181, |_| {});
    let ended = place.run(&["--duration", "1s", "--speed", "1000"]).expect(0);
    has_keys(&ended.json(), &["events", "orders", "fills", "state_hash", "journal"]);
    assert_eq!(ended.stdout.lines().count(), 1, "one JSON object and nothing else");

    let replay = ask(&["replay", "--json"], &place).expect(0).json();
    let keys =
        ["events", "decisions_compared", "first_divergence", "state_hash", "events_per_second"];
    has_keys(&replay, &keys);
    let until = ask(&["replay", "--json", "--until", "500"], &place).expect(0).json();
    assert_eq!((&until["records"], &until["last_sequence"]), (&500.into(), &500.into()));
    has_keys(&until, &keys);

    let verify = ask(&["journal", "verify", "--json"], &place).expect(0).json();
    has_keys(&verify, &["ok", "records", "case", "damage"]);
    let info = ask(&["journal", "info", "--json"], &place).expect(0).json();
    has_keys(&info, &["case", "records", "sessions", "segments"]);
    let repair = ask(&["journal", "repair", "--json"], &place).expect(0).json();
    has_keys(&repair, &["case", "steps", "done", "quarantined"]);
    assert_eq!(repair["steps"], Value::Array(Vec::new()), "nothing to mend");

    let events = scratch::events_of(&place.journal());
    let dump = ask(&["journal", "dump", "--json"], &place).expect(0);
    assert_eq!(dump.stdout.lines().count(), events.len());
    for (line, event) in dump.stdout.lines().zip(&events) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&line["sequence"], &line["kind"]),
            (&event.sequence.into(), &event.kind.name().into())
        );
        assert_eq!((&line["price"], &line["id"]), (&event.price.into(), &event.id.into()));
    }

    let mut stat = command(&["stat", "--json", "--data-dir"]);
    stat.arg(&place.data);
    Running::start(&mut stat).end().expect(0).json();
    let mut doctor = command(&["doctor", "--json", "--data-dir"]);
    doctor.arg(&place.data);
    let doctor = Running::start(&mut doctor).end();
    assert!(matches!(doctor.code, Some(0 | 1)), "{doctor:#?}");
    doctor.json();

    let mut controls = command(&["controls", "report", "--json", "--data-dir"]);
    controls.arg(&place.data);
    let controls = Running::start(&mut controls).end().expect(0).json();
    has_keys(&controls, &["build", "config_hash", "controls", "summary"]);
    assert_eq!(controls["controls"].as_array().map(Vec::len), Some(36));

    // The life of the first order, from market event to its end.
    let send = events.iter().find(|event| event.kind.is_outbound()).expect("somebody traded");
    let sequence = send.sequence.to_string();
    let told = ask(&["replay", "--json", "--explain", &sequence], &place).expect(0);
    assert!(
        told.stdout.contains(&format!("{:016x}", send.id))
            || told.stdout.contains(&send.id.to_string()),
        "{told:#?}"
    );
}

#[test]
fn journals_that_differ_are_told_apart_at_the_first_record() {
    let (one, two) = (Place::new(183, |_| {}), Place::new(185, |_| {}));
    for place in [&one, &two] {
        place.run(&["--duration", "300ms"]).expect(0);
    }
    let mut diff = command(&["journal", "diff", "--json"]);
    diff.arg(&one.data).arg(&two.data);
    let told = Running::start(&mut diff).end().expect(1).json();
    assert_eq!(told["same"], false);
    assert!(told["first_difference"]["sequence"].as_u64().is_some(), "{told}");
    let mut diff = command(&["journal", "diff", "--json"]);
    diff.arg(&one.data).arg(&one.data);
    assert_eq!(Running::start(&mut diff).end().expect(0).json()["same"], true);
}
