//! The catalogue says what the sources say, the document says what the catalogue says, and verdicts are honest.

use std::path::{Path, PathBuf};

use engine::risk::Rule;
use serde_json::json;

use super::catalogue::{self, Owner};
use super::results::{Outcome, Place, Results};
use super::{Report, Row, Verdict, evidence, render, row, values};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(root().join(path)).ok()
}

/// Whether a source has a test function of that name: a function, or a table of a macro that makes one.
fn has_test(source: &str, name: &str) -> bool {
    source.lines().map(str::trim_start).any(|line| {
        line.strip_prefix("fn ").is_some_and(|rest| rest.starts_with(&format!("{name}(")))
            || line.strip_prefix(name).is_some_and(|rest| rest.starts_with(": "))
    })
}

/// All files of the configuration in one text.
fn config_sources() -> String {
    let folder = root().join("config/src");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

#[test]
fn every_path_test_rule_and_key_of_the_catalogue_exists() {
    let config = config_sources();
    let mut wrong = Vec::new();
    for control in catalogue::all() {
        let number = control.number;
        for path in control.code.iter().filter(|path| !root().join(path).exists()) {
            wrong.push(format!("{number}: no file {path}"));
        }
        for code in control.rules.iter().filter(|code| Rule::from_code(**code).is_none()) {
            wrong.push(format!("{number}: no rule {code}"));
        }
        for key in control.keys {
            let last = key.rsplit('.').next().unwrap();
            if !config.contains(&format!("pub {last}: ")) {
                wrong.push(format!("{number}: no key {key}"));
            }
        }
        for test in control.tests {
            let (path, name) = test.split_once("::").unwrap();
            if !read(path).is_some_and(|source| has_test(&source, name)) {
                wrong.push(format!("{number}: no test {test}"));
            }
            if Place::of(test).is_none() {
                wrong.push(format!("{number}: {test} is in no package"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_catalogue_has_every_number_once_and_says_who_keeps_what() {
    let numbers: Vec<u8> = catalogue::all().map(|control| control.number).collect();
    assert_eq!(numbers, (1..=36).collect::<Vec<u8>>());
    for control in catalogue::all() {
        for text in [control.name, control.rule, control.does, control.open] {
            assert!(!text.contains(['|', '\n']), "{}: {text}", control.number);
        }
        for text in [control.does, control.open].iter().filter(|text| !text.is_empty()) {
            assert!(text.ends_with('.'), "{}: {text}", control.number);
        }
        let is_whole = control.owner == Owner::Engine;
        assert!(is_whole || !control.open.is_empty(), "{}: what is the firm's?", control.number);
        assert!(control.owner == Owner::Firm || !control.tests.is_empty(), "{}", control.number);
    }
}

#[test]
fn every_rule_of_the_gate_serves_a_control() {
    let served: Vec<u16> = catalogue::all().flat_map(|control| control.rules.to_vec()).collect();
    // Reconciliation and sheer counts are asked for by no regulator, and by us.
    let own = ["venue-locked", "orders-open", "strategy-orders-open"];
    for rule in Rule::ALL.iter().filter(|rule| !own.contains(&rule.name())) {
        assert!(served.contains(&rule.code()), "{} serves no control", rule.name());
    }
}

/// The row of a control in the document.
fn document_row(control: &catalogue::Control) -> String {
    let code = control.code.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(" ");
    let open = if control.open.is_empty() { "-" } else { control.open };
    let (number, name, rule) = (control.number, control.name, control.rule);
    let (owner, does) = (control.owner.name(), control.does);
    format!("| {number} | {name} | {rule} | {owner} | {does} | {open} | {code} |")
}

#[test]
fn the_document_lists_exactly_the_controls_of_the_catalogue() {
    const DOCUMENT: &str = "docs/CONTROLS.md";
    let text = read(DOCUMENT).unwrap();
    let is_row = |line: &&str| {
        let first = line.strip_prefix("| ").and_then(|rest| rest.split(' ').next());
        first.is_some_and(|number| number.parse::<u8>().is_ok())
    };
    let told: Vec<&str> = text.lines().filter(is_row).collect();
    let known: Vec<String> = catalogue::all().map(document_row).collect();
    if told != known && std::env::var_os("BLESS").is_some() {
        let head: Vec<&str> = text.lines().take_while(|line| !is_row(line)).collect();
        let tail = text.lines().skip(head.len()).skip_while(|line| is_row(line));
        let lines: Vec<&str> =
            head.iter().copied().chain(known.iter().map(String::as_str)).chain(tail).collect();
        std::fs::write(root().join(DOCUMENT), lines.join("\n") + "\n").unwrap();
        return;
    }
    assert_eq!(told, known, "run the test with BLESS=1 to write the table of the document anew");
}

#[track_caller]
fn check(settings: &serde_json::Value, key: &str, wanted: &str) {
    assert_eq!(values::present(settings, key), wanted, "{key}");
}

#[test]
fn values_are_found_by_their_dotted_keys() {
    let settings = json!({
        "risk": {
            "account": { "loss_daily_max": "500", "hours": ["mon", "tue"] },
            "instrument": [
                { "symbol": "BTCUSDT", "collar_bps": 50 },
                { "symbol": "ETHUSDT", "collar_bps": 40, "restricted": true },
            ],
            "none": null,
        },
        "operator": [{ "name": "anna", "role": "risk" }],
    });
    check(&settings, "risk.account.loss_daily_max", "500");
    check(&settings, "risk.instrument.collar_bps", "BTCUSDT 50, ETHUSDT 40");
    check(&settings, "risk.instrument.restricted", "ETHUSDT true");
    check(&settings, "risk.account.hours", "[mon, tue]");
    check(&settings, "risk.account", "configured (2 keys)");
    check(&settings, "risk.instrument", "2 configured");
    check(&settings, "operator.role", "anna risk");
    check(&settings, "risk.none", "not configured");
    check(&settings, "risk.account.loss_daily_max.deeper", "not configured");
    check(&settings, "monitor.capital", "not configured");
}

#[test]
fn a_test_is_run_where_it_lives() {
    #[track_caller]
    fn check(test: &str, wanted: Option<[&str; 3]>) {
        let place = Place::of(test);
        let told = place.as_ref().map(|p| [p.package.as_str(), p.target.as_str(), p.name.as_str()]);
        assert_eq!(told, wanted, "{test}");
    }
    check("engine/src/risk/tests/boundaries.rs::a", Some(["engine", "--lib", "a"]));
    check("engine/tests/risk_with_oms.rs::a", Some(["engine", "--test risk_with_oms", "a"]));
    check("engine/tests/links/main.rs::a", Some(["engine", "--test links", "a"]));
    check("adapters/audit/src/verify/tests.rs::a", Some(["audit", "--lib", "a"]));
    check("tests/it/contract.rs::a", Some(["simulator", "--test it", "a"]));
    check("tests/simulator/random.rs::a", Some(["simulator", "--lib", "a"]));
    check("tools/tickwheel/src/evidence.rs::a", Some(["tickwheel", "--bin tickwheel", "a"]));
    check("docs/CONTROLS.md", None);
    check("docs/CONTROLS.md::a", None);
}

const LINES: &str = r#"
{"test":"a.rs::one","passed":false,"build":"0.1.0 (aa)","time_ns":1767225600000000000}
{"test":"a.rs::one","passed":true,"build":"0.1.0 (bb)","time_ns":1767225661000000000}
{"test":"a.rs::two","passed":false,"build":"0.1.0 (bb)","time_ns":1767225661000000000}
"#;

#[test]
fn the_last_result_of_a_test_counts_and_a_broken_line_is_named() {
    let results = Results::parse(LINES).unwrap();
    let one = results.of("a.rs::one");
    let wanted = Outcome::Known {
        passed: true,
        build: "0.1.0 (bb)".to_string(),
        time: "2026-01-01T00:01:01Z".to_string(),
    };
    assert_eq!(one, wanted);
    assert!(results.of("a.rs::two").has_failed());
    assert_eq!(results.of("a.rs::three"), Outcome::Unknown);
    let error = Results::parse("\n{\"test\":1}\n").unwrap_err();
    assert!(format!("{error:#}").starts_with("line 2:"), "{error:#}");
}

fn outcome(passed: bool) -> Outcome {
    Outcome::Known { passed, build: "b".to_string(), time: "t".to_string() }
}

#[test]
fn a_verdict_is_the_worst_of_its_tests_and_drills() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("evidence")).unwrap();
    let write = |time_ns: u64, passed: bool| {
        let build = json!({ "version": "0.1.0", "commit": "cc", "binary": "00" });
        let drill =
            json!({ "kind": "kill-drill", "build": build, "time_ns": time_ns, "passed": passed });
        let path = dir.path().join(format!("evidence/kill-drill-{time_ns:020}.json"));
        std::fs::write(path, drill.to_string()).unwrap();
    };
    let kill = catalogue::all().find(|control| control.drills.contains(&"kill-drill")).unwrap();
    let with = |outcomes: &[Outcome]| {
        let drills = evidence::read(dir.path());
        let mut row = row(kill, &json!({}), &Results::default(), &drills);
        row.tests = outcomes.iter().map(|outcome| ("a.rs::t", outcome.clone())).collect();
        row
    };
    let verdict = |outcomes: &[Outcome]| with(outcomes).verdict();
    assert_eq!(verdict(&[outcome(true), outcome(true)]), Verdict::Proven);
    assert_eq!(verdict(&[outcome(true), Outcome::Unknown]), Verdict::Unproven);
    assert_eq!(verdict(&[outcome(false), Outcome::Unknown]), Verdict::Failed);
    write(1_767_225_600_000_000_000, false);
    assert_eq!(verdict(&[outcome(true)]), Verdict::Failed);
    write(1_767_225_661_000_000_000, true);
    assert_eq!(verdict(&[outcome(true)]), Verdict::Proven, "the last drill counts");
    std::fs::write(dir.path().join("evidence/broken.json"), "{").unwrap();
    let row = with(&[outcome(true)]);
    let (_, drill) = row.drills.iter().find(|(kind, _)| *kind == "kill-drill").unwrap();
    let drill = drill.as_ref().unwrap();
    assert_eq!((drill.build.as_str(), drill.time.as_str()), ("0.1.0 (cc)", "2026-01-01T00:01:01Z"));
}

#[test]
fn all_three_forms_tell_every_control() {
    let config = config::Config::parse(config::profile("paper").unwrap(), "paper").unwrap();
    let settings = serde_json::to_value(&config).unwrap();
    let results = Results::parse(LINES).unwrap();
    let rows: Vec<Row> =
        catalogue::all().map(|control| row(control, &settings, &results, &[])).collect();
    let report = Report {
        build: "0.1.0 (aa)".to_string(),
        origin: "profile paper".to_string(),
        config_hash: crate::evidence::hex(&[1, 255]),
        time: evidence::date(1_767_225_600_000_000_000),
        results: None,
        rows,
    };
    let (text, markdown, value) =
        (render::text(&report), render::markdown(&report), render::json(&report));
    for control in catalogue::all() {
        for form in [&text, &markdown] {
            assert!(form.contains(control.name) && form.contains(control.does));
            assert!(form.contains(control.open) && form.contains(control.rule));
        }
    }
    assert!(text.contains("risk.account.loss_daily_max = 500"), "{text}");
    assert!(text.contains("2026-01-01T00:00:00Z") && text.contains("hash 01ff"));
    let controls = value["controls"].as_array().unwrap();
    assert_eq!(controls.len(), 36);
    assert_eq!(controls[0]["number"], 1);
    assert_eq!(controls[1]["rules"][0], json!({ "code": 115, "name": "order-notional" }));
    assert_eq!(value["summary"]["failed"], 0);
    assert_eq!(value["summary"]["proven"], 0, "nothing is proven without results");
}
