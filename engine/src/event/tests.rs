//! Tests of the event layout and the constructors.

use super::*;

#[test]
fn every_kind_code_is_used_once() {
    for (index, (kind, name)) in Kind::ALL.iter().enumerate() {
        for (other, other_name) in &Kind::ALL[index + 1..] {
            assert_ne!(kind, other, "{name} and {other_name} share a code");
            assert_ne!(name, other_name);
        }
        assert_eq!(Kind::from_name(name), Some(*kind));
    }
}

#[test]
fn a_text_comes_back_from_its_run() {
    for text in ["", "x", "exactly twenty-eight bytes!!", "more than twenty-eight bytes of text"] {
        let run = session::text(TextTopic::Config, text);
        let mut bytes = Vec::new();
        for (index, event) in run.iter().enumerate() {
            assert_eq!(event.is_last(), index + 1 == run.len());
            bytes.extend_from_slice(session::text_chunk(event));
        }
        assert_eq!(bytes, text.as_bytes());
    }
}

#[test]
fn a_fill_report_comes_back_from_its_two_events() {
    let told = order::Execution {
        order_id: 7,
        side: Side::Sell,
        price: 101,
        quantity: 3,
        cumulative_quantity: 5,
        fee_e8: -12,
        execution_id: 99,
        maker: true,
    };
    let [first, detail] = order::fill_report(4, &told);
    assert!(!first.is_last());
    assert!(detail.is_last());
    assert_eq!(order::execution(&first, &detail), told);
}

#[test]
fn order_terms_survive_their_code_and_unknown_codes_are_refused() {
    for code in 0..=u16::MAX {
        if let Some(terms) = OrderTerms::from_code(code) {
            assert_eq!(terms.code(), code);
        }
    }
    assert_eq!(OrderTerms::from_code(0), None);
    assert_eq!(OrderTerms::from_code(OrderTerms::LIMIT_IOC.code()), Some(OrderTerms::LIMIT_IOC));
}

#[test]
fn a_scope_survives_its_tag_and_no_other_tag_is_a_scope() {
    let scopes = [
        Scope::All,
        Scope::Venue(1),
        Scope::Venue(255),
        Scope::Strategy(0),
        Scope::Strategy(65_535),
        Scope::Instrument(0),
        Scope::Instrument(1_023),
    ];
    for scope in scopes {
        assert_eq!(Scope::from_tag(scope.tag()), Some(scope));
    }
    for tag in [1, 0xffff, (1 << 16) | 256, 4 << 16, 1 << 24, u32::MAX] {
        assert_eq!(Scope::from_tag(tag), None, "{tag:#x}");
    }
}

#[test]
fn a_scope_covers_its_own_and_nothing_else() {
    let all = [(1, 0, 0), (2, 0, 0), (1, 3, 0), (1, 0, 4)];
    for (scope, covered) in [
        (Scope::All, [true, true, true, true]),
        (Scope::Venue(1), [true, false, true, true]),
        (Scope::Venue(2), [false, true, false, false]),
        (Scope::Strategy(3), [false, false, true, false]),
        (Scope::Strategy(1), [false; 4]),
        (Scope::Instrument(4), [false, false, false, true]),
        (Scope::Instrument(3), [false; 4]),
    ] {
        let found = all.map(|(venue, source, index)| scope.covers(venue, source, index));
        assert_eq!(found, covered, "{scope}");
    }
}

#[test]
fn a_tag_says_kind_and_number_of_a_scope() {
    for (scope, tag) in [
        (Scope::All, 0),
        (Scope::Venue(3), 0x0001_0003),
        (Scope::Strategy(0xabcd), 0x0002_abcd),
        (Scope::Instrument(0x1234), 0x0003_1234),
    ] {
        assert_eq!(scope.tag(), tag, "{scope}");
    }
}

#[test]
fn every_command_has_a_number_and_a_name_of_its_own() {
    let known: Vec<CommandCode> = (0..=u16::MAX).filter_map(CommandCode::from_code).collect();
    assert_eq!(known.len(), 22);
    let mut names: Vec<&str> = known.iter().map(|code| code.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), known.len());
    for code in known {
        assert_eq!(CommandCode::from_code(code as u16), Some(code));
    }
}
