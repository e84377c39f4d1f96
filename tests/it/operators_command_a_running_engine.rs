//! `tickwheel ctl` beside `tickwheel run`, both the real binary: commands, answers, exit codes, evidence.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use config::operator::OperatorSection;
use engine::event::{CommandCode, Kind, TextTopic, session};
use serde_json::Value;
use simulator::binary::{Ended, Place, Running, command};
use simulator::{compose, scratch};

const SECOND_NS: u64 = 1_000_000_000;
/// A debug build among many other tests on a busy machine.
const WAIT_NS_MAX: u64 = 120 * SECOND_NS;

#[track_caller]
fn has_keys(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "no key {key} in {value}");
    }
}

/// `tickwheel ctl` for an engine, to its end. Standard input is no terminal.
fn ctl(place: &Place, words: &[&str]) -> Ended {
    let mut command = command(&["ctl"]);
    command.args(words).arg("--data-dir").arg(&place.data);
    Running::start(&mut command).end()
}

/// A command with a reason that does not ask back.
fn act(place: &Place, words: &[&str]) -> Ended {
    ctl(place, &[words, &["--reason", "a scenario", "--yes", "--json", "--wait", "100s"]].concat())
}

fn status(place: &Place) -> Value {
    ctl(place, &["status", "--json"]).expect(0).json()
}

/// An engine that has traded, and its picture while it held something.
fn start(place: &Place) -> (Running, Value) {
    let mut running = Running::start(&mut place.run_command(&["--speed", "1000"]));
    let socket = place.data.join("control.sock");
    assert!(running.wait_for(WAIT_NS_MAX, || socket.exists()), "the socket is there");
    let mut picture = Value::Null;
    let holds = running.wait_for(WAIT_NS_MAX, || {
        picture = status(place);
        !picture["positions"].as_array().unwrap().is_empty()
    });
    assert!(holds, "it holds something: {picture}");
    (running, picture)
}

/// Who holds how much of what; what it is worth moves with the market.
fn holdings(picture: &Value) -> Vec<[String; 3]> {
    let positions = picture["positions"].as_array().unwrap().iter();
    positions
        .map(|it| ["strategy", "instrument", "quantity"].map(|key| it[key].to_string()))
        .collect()
}

#[test]
fn one_operator_does_everything_and_leaves_evidence() {
    let place = Place::new(401, |_| {});
    let (running, picture) = start(&place);
    let socket = place.data.join("control.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the socket is for the engine's user");
    let symbol = pictures_have_their_keys(&place, &picture);

    // What changes something needs a reason; what cannot be undone asks back, and nobody is there to ask.
    ctl(&place, &["kill", "--yes"]).expect(2);
    ctl(&place, &["kill", "--reason", "a scenario"]).expect(2);
    ctl(&place, &["trip", "somewhere", "--reason", "a scenario"]).expect(2);

    switches_and_limits(&place);
    orders_are_judged(&place, &symbol);
    act(&place, &["trip", &format!("instrument:{symbol}")]).expect(0);
    assert_eq!(status(&place)["scopes"][0]["state"], "SAFE");
    a_kill_is_lifted_by_a_rearm_alone(&place);

    running.interrupt();
    running.end().expect(0);
    assert!(!socket.exists(), "the socket goes with its engine");
    evidence_is_left(&place);
}

/// The keys that programs rely on. The symbol of an instrument that is held.
fn pictures_have_their_keys(place: &Place, status: &Value) -> String {
    has_keys(
        status,
        &[
            "state",
            "open_orders",
            "positions",
            "trip",
            "reason",
            "since_ns",
            "kill_phase",
            "engine",
            "scopes",
        ],
    );
    assert_eq!((&status["state"], &status["engine"]), (&"NORMAL".into(), &"alive".into()));
    let position = &status["positions"][0];
    has_keys(position, &["strategy", "instrument", "quantity", "notional"]);
    let limits = ctl(place, &["limits", "show", "--json"]).expect(0).json();
    has_keys(
        &limits["limits"][0],
        &["limit", "of", "now", "configured", "ceiling", "soft", "used", "percent"],
    );
    position["instrument"].as_str().unwrap().to_string()
}

fn switches_and_limits(place: &Place) {
    act(place, &["disable", "nobody"]).expect(2);
    let flags = || ctl(place, &["flags", "--json"]).expect(0).json();
    let name = flags()["strategies"][0]["strategy"].as_str().unwrap().to_string();
    act(place, &["disable", &name]).expect(0);
    assert_eq!(flags()["strategies"][0]["enabled"], false);
    act(place, &["enable", &name]).expect(0);
    assert_eq!(flags()["strategies"][0]["enabled"], true);
    let set = act(place, &["limits", "set", "orders_open_max", "20"]).expect(0).json();
    assert_eq!((&set["now"], &set["limit"]), (&"20".into(), &"orders_open_max".into()));
    let above = act(place, &["limits", "set", "orders_open_max", "100000"]).expect(1).json();
    assert_eq!(above["answer"], "above-ceiling");
}

/// A manual order of an absurd size is refused by the gate that judges strategies too.
fn orders_are_judged(place: &Place, symbol: &str) {
    let refused = act(place, &["order", "buy", "1000000", symbol, "1"]).expect(1).json();
    assert_eq!(refused["answer"], "refused");
    let why = &format!("#{}", refused["refused"]["sequence"]);
    let why = ctl(place, &["why", why, "--json"]).expect(0).json();
    assert_eq!(why["rule"], refused["refused"]["rule"]);
    has_keys(&why, &["measured", "limit", "unit", "why", "config", "wanted"]);
    ctl(place, &["why", "last"]).expect(0);
    ctl(place, &["why", "0000000000000009"]).expect(2);
}

fn a_kill_is_lifted_by_a_rearm_alone(place: &Place) {
    let killed = act(place, &["kill"]).expect(0).json();
    has_keys(
        &killed,
        &[
            "state",
            "orders_cancelled",
            "positions_flat",
            "elapsed_us",
            "kill_phase",
            "trip",
            "command",
        ],
    );
    assert_eq!(
        (&killed["state"], &killed["positions_flat"]),
        (&"KILLED".into(), &true.into()),
        "{killed}"
    );
    let after = status(place);
    assert_eq!((&after["state"], &after["open_orders"]), (&"KILLED".into(), &0.into()));
    assert_eq!(after["reason"], "operator");
    let scopes = after["scopes"].as_array().unwrap();
    let all = scopes.iter().find(|it| it["scope"] == "all").unwrap();
    assert_eq!((&all["by"], &all["why"]), (&"local".into(), &"a scenario".into()));
    act(place, &["resume"]).expect(1);
    act(place, &["rearm", "--trip", "99"]).expect(1);
    act(place, &["rearm"]).expect(0);
    assert_eq!(status(place)["state"], "NORMAL");
}

/// What is left when the engine has ended: its last picture, a replay that agrees, who said what and why.
fn evidence_is_left(place: &Place) {
    let ended = ctl(place, &["status", "--json"]).expect(1).json();
    assert_eq!((&ended["engine"], &ended["answered"]), (&"stopped".into(), &false.into()));
    ctl(place, &["flags"]).expect(2);
    let replay = place.about(&["replay"]).expect(0).json();
    assert_eq!(replay["first_divergence"], Value::Null);
    let commands = commands(place);
    let verbs: Vec<&str> = commands.iter().filter_map(|it| it["verb"].as_str()).collect();
    for verb in ["disable", "enable", "limits-set", "order", "trip", "kill", "rearm"] {
        assert!(verbs.contains(&verb), "{verb} is not in {verbs:?}");
    }
    for it in &commands {
        assert_eq!((&it["actor"], &it["reason"]), (&"local".into(), &"a scenario".into()), "{it}");
    }
    let events = scratch::events_of(&place.journal());
    let is_kill = |event: &&engine::event::Event| {
        event.kind == Kind::COMMAND && event.code == CommandCode::Kill as u16
    };
    let kill = events.iter().find(is_kill).unwrap();
    let told = ctl(place, &["why", &format!("#{}", kill.sequence), "--json"]).expect(0).json();
    let given = &told["given"];
    assert_eq!((&given["actor"], &given["reason"]), (&"local".into(), &"a scenario".into()));
}

/// The texts of all commands in a journal.
fn commands(place: &Place) -> Vec<Value> {
    let mut texts = Vec::new();
    let mut text = Vec::new();
    for event in scratch::events_of(&place.journal()) {
        if event.kind != Kind::TEXT || event.code != TextTopic::Command as u16 {
            continue;
        }
        text.extend_from_slice(session::text_chunk(&event));
        if event.is_last() {
            texts.push(serde_json::from_slice(&std::mem::take(&mut text)).unwrap());
        }
    }
    texts
}

#[test]
fn a_killed_engine_stays_killed_over_kill_nine_and_says_so_when_it_is_dead() {
    let place = Place::new(402, |_| {});
    let (running, _) = start(&place);
    act(&place, &["kill"]).expect(0);
    let alive = status(&place);
    running.kill();
    running.end();

    let dead = ctl(&place, &["status", "--json"]).expect(1).json();
    assert_eq!((&dead["engine"], &dead["state"]), (&"dead".into(), &"KILLED".into()));
    assert_eq!(holdings(&dead), holdings(&alive), "the journal says what the engine said");
    assert_eq!((&dead["trip"], &dead["reason"]), (&alive["trip"], &alive["reason"]));
    let text = ctl(&place, &["status"]).expect(1).stdout;
    assert!(text.contains("dead") && text.contains("nobody answers"), "{text}");
    let nobody = act(&place, &["kill"]).expect(2);
    assert!(nobody.stderr.contains("the engine is dead"), "{}", nobody.stderr);

    // The next engine takes the dead socket over and is still killed.
    let mut running = Running::start(&mut place.run_command(&["--speed", "1000"]));
    let answers = || ctl(&place, &["status", "--json"]).code == Some(0);
    assert!(running.wait_for(WAIT_NS_MAX, answers));
    assert_eq!(status(&place)["state"], "KILLED");
    act(&place, &["rearm"]).expect(0);
    assert_eq!(status(&place)["state"], "NORMAL");
    running.interrupt();
    running.end().expect(0);
}

fn key_hash(place: &Place, name: &str) -> (String, String) {
    let file = place.directory.path().join(format!("{name}.key")).display().to_string();
    let made =
        Running::start(&mut command(&["ctl", "key", &file, "--json"])).end().expect(0).json();
    (file, made["key_hash"].as_str().unwrap().to_string())
}

#[test]
fn a_kill_is_lifted_by_two_persons_and_a_viewer_changes_nothing() {
    let mut settings = compose::lively(403);
    settings.control.get_or_insert_default().two_person = true;
    let place = Place::with(&settings);
    let mut files = Vec::new();
    for (name, role) in [("ann", "admin"), ("bob", "admin"), ("dee", "view")] {
        let (file, hash) = key_hash(&place, name);
        files.push(file);
        let (name, role) = (name.to_string(), role.to_string());
        settings.operator.push(OperatorSection { name, role, uid: None, key_hash: Some(hash) });
    }
    std::fs::write(&place.config, settings.to_toml()).unwrap();
    let by =
        |who: usize, words: &[&str]| act(&place, &[words, &["--key-file", &files[who]]].concat());
    let look = |who: usize| ctl(&place, &["status", "--json", "--key-file", &files[who]]);
    let mut running = Running::start(&mut place.run_command(&["--speed", "1000"]));
    assert!(running.wait_for(WAIT_NS_MAX, || look(0).code == Some(0)));

    look(2).expect(0);
    let denied = by(2, &["kill"]).expect(5).json();
    assert_eq!(denied["outcome"], "not-permitted");
    act(&place, &["kill"]).expect(5);
    by(0, &["kill"]).expect(0);
    let waits = by(0, &["rearm"]).expect(4).json();
    let number = waits["command"].to_string();
    assert_eq!(look(0).expect(0).json()["state"], "KILLED");
    assert_eq!(by(0, &["confirm", &number]).expect(1).json()["answer"], "same-person");
    by(2, &["confirm", &number]).expect(5);
    by(1, &["confirm", &number]).expect(0);
    assert_eq!(look(1).expect(0).json()["state"], "NORMAL");
    running.interrupt();
    running.end().expect(0);
    assert_eq!(place.about(&["replay"]).expect(0).json()["first_divergence"], Value::Null);

    let said = commands(&place);
    let refused: Vec<&Value> = said.iter().filter(|it| it.get("refused").is_some()).collect();
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert!(refused.iter().any(|it| it["actor"] == "dee" && it["verb"] == "kill"));
    assert!(refused.iter().any(|it| it["actor"] == "?"));
    // No key is in anything that the engine wrote.
    let keys: Vec<String> =
        files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let mut folders = vec![place.data.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path()).unwrap();
                for key in &keys {
                    let found = bytes.windows(64).any(|window| window == key.trim().as_bytes());
                    assert!(!found, "a key is in {}", entry.path().display());
                }
            }
        }
    }
}

#[test]
fn garbage_at_the_socket_harms_nobody() {
    let place = Place::new(404, |_| {});
    let (running, _) = start(&place);
    let socket = place.data.join("control.sock");
    let lines: [&[u8]; 7] = [
        b"\n",
        b"\xff\xfe\x00\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"{\"version\":1,\"verb\":\"kill\"}\n",
        b"{\"version\":1,\"verb\":\"status\",\"wait_ms\":-1}\n",
        b"{\"version\":2,\"verb\":\"status\"}\n",
        &[b'['; 9_000],
    ];
    for line in lines {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(line).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(!answer.is_empty(), "even garbage is answered");
        let answers = answer.split(|byte| *byte == b'\n').filter(|answer| !answer.is_empty());
        for answer in answers.map(|answer| serde_json::from_slice::<Value>(answer).unwrap()) {
            assert_eq!((&answer["final"], &answer["outcome"]), (&true.into(), &"invalid".into()));
        }
    }
    let open: Vec<UnixStream> = (0..20).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    assert_eq!(status(&place)["state"], "NORMAL", "nothing of it did anything");
    drop(open);
    running.interrupt();
    running.end().expect(0);
    let is_command = |event: &&engine::event::Event| event.kind == Kind::COMMAND && event.id != 0;
    assert_eq!(scratch::events_of(&place.journal()).iter().filter(is_command).count(), 0);
}

#[test]
fn the_kill_flag_works_without_the_socket() {
    let mut settings = compose::lively(405);
    settings.operator_socket =
        Some(config::operator::OperatorSocketSection { enabled: false, ..Default::default() });
    let place = Place::with(&settings);
    let mut running = Running::start(&mut place.run_command(&["--speed", "1000"]));
    let has_traded = || {
        let seen = ctl(&place, &["status", "--json"]);
        seen.code == Some(1) && !seen.json()["positions"].as_array().unwrap().is_empty()
    };
    assert!(running.wait_for(WAIT_NS_MAX, has_traded), "stats and journal tell what it does");
    act(&place, &["kill"]).expect(2);
    let killed = act(&place, &["kill", "--flag"]).expect(0).json();
    assert_eq!(
        (&killed["state"], &killed["positions_flat"]),
        (&"KILLED".into(), &true.into()),
        "{killed}"
    );
    running.interrupt();
    running.end().expect(0);
    let said = commands(&place);
    let kill = said.iter().find(|text| text["verb"] == "kill").unwrap();
    assert_eq!((&kill["actor"], &kill["command"]), (&"supervisor".into(), &0.into()));
    assert_eq!(kill["reason"], "kill flag in shared memory");
    let shown = place.about(&["audit", "show", "--commands"]).expect(0).json();
    let records = shown["records"].as_array().unwrap();
    let told = records.iter().any(|it| it["said"]["reason"] == "kill flag in shared memory");
    assert!(told, "{shown}");
}

/// The engine that starts where nobody has configured anything: the paper profile.
fn start_unconfigured(place: &Place) -> Running {
    let mut command = command(&["run", "--json", "--data-dir"]);
    let mut running = Running::start(command.arg(&place.data));
    let answers = || ctl(place, &["status", "--json"]).code == Some(0);
    assert!(running.wait_for(WAIT_NS_MAX, answers), "it answers");
    running
}

#[test]
fn a_kill_by_signal_is_told_as_such_and_stays_over_a_restart() {
    let place = Place::new(406, |_| {});
    let mut running = start_unconfigured(&place);
    let mut picture = Value::Null;
    let works = running.wait_for(WAIT_NS_MAX, || {
        picture = status(&place);
        picture["open_orders"] != 0
    });
    assert!(works, "it has an order: {picture}");
    running.throw_kill_switch();
    let is_done = running.wait_for(WAIT_NS_MAX, || {
        picture = status(&place);
        picture["state"] == "KILLED" && picture["kill_phase"] == "done"
    });
    assert!(is_done, "{picture}");
    assert_eq!((&picture["reason"], &picture["open_orders"]), (&"signal".into(), &0.into()));
    let all = &picture["scopes"][0];
    assert_eq!((&all["by"], &all["why"]), (&"supervisor".into(), &"SIGUSR1".into()), "{picture}");
    running.interrupt();
    let ended = running.end().expect(0);
    assert!(ended.stderr.contains("SIGUSR1: everything is killed"), "{}", ended.stderr);

    // One command, with its words before it in the journal, and as an auditor sees it.
    let said = commands(&place);
    let [kill] = &said[..] else { panic!("one command: {said:?}") };
    assert_eq!((&kill["verb"], &kill["command"]), (&"kill".into(), &0.into()));
    assert_eq!((&kill["actor"], &kill["reason"]), (&"supervisor".into(), &"SIGUSR1".into()));
    let shown = place.about(&["audit", "show", "--commands"]).expect(0).json();
    let records = shown["records"].as_array().unwrap();
    assert!(records.iter().any(|it| it["said"]["reason"] == "SIGUSR1"), "{shown}");
    assert_eq!(place.about(&["replay"]).expect(0).json()["first_divergence"], Value::Null);

    // The next engine has no signal, and is killed all the same.
    let running = start_unconfigured(&place);
    let after = status(&place);
    assert_eq!((&after["state"], &after["open_orders"]), (&"KILLED".into(), &0.into()));
    assert_eq!((&after["trip"], &after["reason"]), (&picture["trip"], &"signal".into()));
    running.interrupt();
    running.end().expect(0);
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Running::start(&mut command(&["completions", shell])).end().expect(0).stdout;
        assert!(script.contains("rearm") && script.contains("tickwheel"), "{shell}");
    }
}
