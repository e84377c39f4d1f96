//! The table: names and numbers are fixed, and no row drops what may have been acknowledged.

use super::*;

#[test]
fn numbers_and_names_of_cases_never_change() {
    let found: Vec<String> =
        Case::ALL.iter().map(|case| format!("{} {case}", case.code())).collect();
    assert_eq!(
        found,
        [
            "1 empty-directory",
            "2 clean-end",
            "3 unclean-end",
            "4 torn-tail-cut",
            "5 tail-completed",
            "6 hole-cut",
            "20 bit-rot-refused",
            "21 hole-refused",
            "22 sequence-break-refused",
            "23 missing-segment-refused",
            "24 segment-length-refused",
            "25 header-damaged-refused",
            "26 foreign-version-refused",
            "27 foreign-journal-refused",
            "28 chain-damaged-refused",
            "29 tail-truncated-refused",
            "30 unreadable-refused",
            "31 tampered-refused",
        ]
    );
}

fn situations() -> Vec<Situation> {
    let mut all = Vec::new();
    let kinds = [
        StopKind::Blank,
        StopKind::Whole,
        StopKind::Torn,
        StopKind::BadCheck,
        StopKind::SequenceBreak(9),
    ];
    let afters = [After::Nothing, After::Records, After::Pieces, After::Stray];
    let mut stops = vec![None];
    stops.extend(kinds.iter().flat_map(|kind| afters.map(|after| Some((*kind, after)))));
    for stop in stops {
        for bits in 0..16_u8 {
            all.push(Situation {
                stop,
                below_mark: bits & 1 != 0,
                closed: bits & 2 != 0,
                durability: if bits & 4 != 0 { Durability::Power } else { Durability::Process },
                live: bits & 8 != 0,
            });
        }
    }
    all
}

#[test]
fn nothing_below_the_mark_or_before_a_close_is_ever_given_up() {
    for situation in situations() {
        let case = decide(&situation);
        if situation.below_mark {
            assert!(case.is_refused(), "{situation:?} {case}");
        }
        if situation.closed && !situation.live {
            assert!(case.is_refused() || case == Case::CleanEnd, "{situation:?} {case}");
        }
    }
}

#[test]
fn a_commit_word_is_never_dropped_under_process_durability() {
    for situation in situations() {
        let Some((kind, after)) = situation.stop else { continue };
        let committed = matches!(kind, StopKind::BadCheck | StopKind::SequenceBreak(_))
            || matches!(after, After::Records | After::Stray);
        if committed && situation.durability == Durability::Process && !situation.live {
            assert!(decide(&situation).is_refused(), "{situation:?}");
        }
    }
}

#[test]
fn a_plain_crash_is_never_refused() {
    for durability in [Durability::Process, Durability::Power] {
        for (kind, expected) in [
            (StopKind::Blank, Case::UncleanEnd),
            (StopKind::Whole, Case::TailCompleted),
            (StopKind::Torn, Case::TornTailCut),
        ] {
            let stop = Some((kind, After::Nothing));
            let situation =
                Situation { stop, below_mark: false, closed: false, durability, live: false };
            assert_eq!(decide(&situation), expected);
        }
    }
}

#[test]
fn a_writer_at_work_is_neither_damage_nor_a_clean_end() {
    for situation in situations() {
        let Some((kind, after)) = situation.stop else { continue };
        let in_progress = matches!(kind, StopKind::Blank | StopKind::Whole | StopKind::Torn);
        if !situation.live || !in_progress || situation.below_mark {
            continue;
        }
        let untouched = situation.closed && kind == StopKind::Blank && after == After::Nothing;
        let expected = if untouched { Case::CleanEnd } else { Case::UncleanEnd };
        assert_eq!(decide(&situation), expected, "{situation:?}");
    }
}
