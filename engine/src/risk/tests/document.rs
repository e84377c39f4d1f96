//! The document of the rules says what the code does.

use crate::risk::Rule;

#[test]
fn the_document_lists_exactly_the_rules_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/RISK_RULES.md");
    let text = std::fs::read_to_string(path).unwrap();
    let told: Vec<[String; 3]> = text
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, code, name, unit, _key, why, tune, _] = cells[..] else { return None };
            code.parse::<u16>().ok()?;
            assert!(!why.is_empty(), "{line}");
            assert!(!tune.is_empty(), "{line}");
            Some([code.to_string(), name.trim_matches('`').to_string(), unit.to_string()])
        })
        .collect();
    let known: Vec<[String; 3]> = Rule::ALL
        .iter()
        .map(|rule| {
            [rule.code().to_string(), rule.name().to_string(), rule.unit().name().to_string()]
        })
        .collect();
    assert_eq!(told, known);
}

#[test]
fn every_rule_comes_back_from_its_code_and_names_are_unique() {
    for (index, rule) in Rule::ALL.iter().enumerate() {
        assert_eq!(Rule::from_code(rule.code()), Some(*rule));
        assert_eq!(rule.index(), index);
        assert!(!rule.why().is_empty());
        assert!(Rule::ALL[..index].iter().all(|other| other.name() != rule.name()));
    }
    assert_eq!(Rule::from_code(0), None);
}
