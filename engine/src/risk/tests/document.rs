//! The document of the rules says what the code does.

use crate::risk::{LimitKey, RULE_COUNT, Rule};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/RISK_RULES.md");

/// The rows of a table of the document whose first cell is a number.
fn rows(text: &str, columns: usize) -> Vec<String> {
    text.lines()
        .map(|line| line.trim_matches('|').trim())
        .filter(|row| row.split(" | ").count() == columns)
        .filter(|row| row.split(' ').next().is_some_and(|code| code.parse::<u16>().is_ok()))
        .map(str::to_string)
        .collect()
}

/// Compares; with `BLESS=1` in the environment the table of the document is written anew instead.
fn check(columns: usize, known: &[String]) {
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let told = rows(&text, columns);
    if told != known && std::env::var_os("BLESS").is_some() {
        let mut lines: Vec<String> = Vec::new();
        let mut written = false;
        for line in text.lines() {
            if rows(line, columns).is_empty() {
                lines.push(line.to_string());
            } else if !written {
                written = true;
                lines.extend(known.iter().map(|row| format!("| {row} |")));
            }
        }
        std::fs::write(DOCUMENT, lines.join("\n") + "\n").unwrap();
        return;
    }
    assert_eq!(told, known, "run the test with BLESS=1 to write the table of the document anew");
}

#[test]
fn the_document_lists_exactly_the_rules_of_the_code() {
    check(7, &Rule::ALL.iter().map(|rule| rule.row()).collect::<Vec<_>>());
}

#[test]
fn the_document_lists_exactly_the_limits_that_a_command_may_change() {
    let row = |key: &LimitKey| {
        let owner = format!("{:?}", key.owner()).to_lowercase();
        format!("{} | `{}` | {owner} | {}", key.code(), key.name(), key.unit().name())
    };
    check(4, &LimitKey::ALL.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn every_rule_comes_back_from_its_code_and_names_are_unique() {
    let mut seen = [false; RULE_COUNT];
    for (place, rule) in Rule::ALL.iter().enumerate() {
        assert_eq!(Rule::from_code(rule.code()), Some(*rule));
        assert!(!std::mem::replace(&mut seen[rule.index()], true));
        for text in [rule.why(), rule.tune(), rule.key(), rule.default()] {
            assert!(!text.is_empty() && !text.contains('|'), "{}", rule.name());
        }
        assert!(Rule::ALL[..place].iter().all(|other| other.name() != rule.name()));
    }
    assert_eq!(Rule::from_code(0), None);
    for key in LimitKey::ALL {
        assert_eq!(LimitKey::from_code(key.code()), Some(*key));
        assert_eq!(LimitKey::from_name(key.name()), Some(*key));
    }
}
