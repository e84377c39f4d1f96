//! The catalogue against its document and its runbooks.

use std::path::Path;

use super::*;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

/// The row of an alarm in `docs/ALARMS.md`.
fn row(code: Code) -> String {
    let (number, name, severity) = (code.number(), code.name(), code.severity().name());
    let (ends, runbook) = (code.ending().words(), code.runbook());
    let meaning = code.meaning();
    format!(
        "| {number} | `{name}` | {severity} | {ends} | [{runbook}](runbooks/{runbook}) | {meaning} |"
    )
}

#[test]
fn the_document_lists_every_alarm_and_no_other() {
    let text = std::fs::read_to_string(Path::new(DOCS).join("ALARMS.md")).unwrap();
    let written: Vec<&str> = text
        .lines()
        .filter(|line| {
            line.strip_prefix("| ").is_some_and(|rest| rest.starts_with(char::is_numeric))
        })
        .collect();
    let expected: Vec<String> = Code::ALL.iter().map(|code| row(*code)).collect();
    assert_eq!(written, expected, "docs/ALARMS.md, the list");
}

#[test]
fn every_runbook_is_there_and_says_something() {
    for code in Code::ALL {
        let path = Path::new(DOCS).join("runbooks").join(code.runbook());
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(200 < text.len(), "{code:?}: {}", path.display());
    }
}

#[test]
fn codes_and_names_are_found_again() {
    for code in Code::ALL {
        assert_eq!(Code::from_number(code.number()), Some(*code));
        assert_eq!(Code::from_text(code.name()), Some(*code));
        assert_eq!(Code::from_text(&code.number().to_string()), Some(*code));
        let text = serde_json::to_string(code).unwrap();
        assert_eq!(serde_json::from_str::<Code>(&text).unwrap(), *code);
    }
    assert_eq!(Code::from_number(100), None);
    assert_eq!(Code::from_text("no-such-alarm"), None);
    assert!(serde_json::from_str::<Code>("100").is_err());
    assert!(Code::ALL.is_sorted(), "in the order of the codes");
}

#[test]
fn names_and_severities_are_what_they_were() {
    // Codes are in files and in people's heads: this line changes when one is added, and never else.
    let all: Vec<String> = Code::ALL
        .iter()
        .map(|code| format!("{} {} {}", code.number(), code.name(), code.severity().name()))
        .collect();
    assert_eq!(all.len(), 66);
    let last = ["704 reconcile-needed WARNING", "705 guard-trouble CRITICAL"];
    assert_eq!(all[..2], ["101 breaker-safe PAGE", "102 breaker-killed PAGE"]);
    assert_eq!(all[64..], last);
}

#[test]
fn severities_are_read_in_any_case() {
    let check = |text: &str, expected| assert_eq!(Severity::from_name(text), expected, "{text}");
    check("page", Some(Severity::Page));
    check("WARNING", Some(Severity::Warning));
    check("loud", None);
}
