//! A sample of the runs of `engine/examples/risk_runs`: no exposure above a limit, whatever a venue does.

#[path = "../examples/risk_runs/rig.rs"]
mod rig;

use rig::{Run, Tally};

#[test]
fn no_exposure_is_above_a_limit_but_by_what_a_hostile_venue_does_on_its_own() {
    let mut tally = Tally::default();
    for seed in 1..=1_500 {
        let outcome = Run::new(seed, &mut tally).live(60);
        assert_eq!(outcome, Ok(()), "seed {seed}");
    }
    // The runs are what they claim to be.
    for (name, count) in [
        ("approvals", tally.approvals),
        ("late fills", tally.late),
        ("fills of too much", tally.over),
        ("fills of nobody's orders", tally.unknown),
        ("executions told twice", tally.twice),
        ("fills during changes", tally.during_change),
    ] {
        assert!(500 < count, "{name}: {count}");
    }
    assert!(90 <= tally.position_highest, "limits are reached: {}", tally.position_highest);
    assert!(140_000 <= tally.gross_highest, "limits are reached: {}", tally.gross_highest);
}
