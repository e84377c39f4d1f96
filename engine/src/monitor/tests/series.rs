//! The window: ranks, rounding, ends, and every figure against a twin that keeps all samples.

use proptest::prelude::*;

use crate::monitor::series::{Loss, Series, Swing, Tail, Volatility};
use crate::state::{Loader, Saver, State};

use super::naive;

fn series_of(sample_count: usize, profits: &[i64]) -> Series {
    let mut series = Series::new(sample_count, 940_000);
    for profit in profits {
        series.push(*profit);
    }
    series
}

/// Profits whose changes are `changes`.
fn profits(changes: &[i64]) -> Vec<i64> {
    let mut profits = vec![0];
    for change in changes {
        profits.push(profits[profits.len() - 1] + change);
    }
    profits
}

#[track_caller]
fn check_var(change_count: i64, var: Option<i64>, cvar: Option<i64>) {
    // Losses of 1, 2, 3 .. in a mixed order; the worst are the last.
    let changes: Vec<i64> = (1..=change_count).map(|n| -(n * 11 % (change_count + 1))).collect();
    let mut sorted = changes.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=change_count).map(|n| n - change_count - 1).collect::<Vec<i64>>());
    let tail = series_of(200, &profits(&changes)).tail();
    assert_eq!(tail.map(|tail| tail.var_95.historical), var, "var of {change_count}");
    assert_eq!(tail.map(|tail| tail.cvar_95.historical), cvar, "cvar of {change_count}");
}

#[test]
fn the_rank_of_the_value_at_risk_grows_with_every_twenty_changes() {
    check_var(19, None, None);
    check_var(20, Some(20), Some(20));
    check_var(22, Some(21), Some(22)); // Worst 22 and 21: mean 21.5, rounded up.
    check_var(40, Some(39), Some(40));
    check_var(41, Some(39), Some(40));
    check_var(61, Some(58), Some(60)); // 61, 60, 59, 58: mean 59.5.
}

#[test]
fn a_window_without_losses_has_no_value_at_risk() {
    let tail = series_of(40, &profits(&[3; 25])).tail().unwrap();
    assert_eq!((tail.var_95.historical, tail.cvar_95.historical), (0, 0));
    // The volatility is 3: 4.93 and 6.19, both rounded up.
    assert_eq!((tail.var_95.parametric, tail.cvar_95.parametric), (5, 7));
}

#[test]
fn volatility_is_the_root_mean_square_rounded_down() {
    assert_eq!(series_of(20, &[]).volatility(), None);
    assert_eq!(series_of(20, &[5]).volatility(), None);
    let first = Volatility { rolling: 4, weighted: 4 };
    assert_eq!(series_of(20, &[5, 1]).volatility(), Some(first));
    // Squares 16 and 100: mean 58, root 7.6; weighted (0.94 * 16 + 0.06 * 100) = 21.04, rounded to 21.
    let second = Volatility { rolling: 7, weighted: 4 };
    assert_eq!(series_of(20, &[5, 1, 11]).volatility(), Some(second));
    // 15 and 224 beside 0: mean of squares 112, root 10.58; weighted 0.06 * 50,176 + 0.94 * 225 = 3,222.06.
    let third = Volatility { rolling: 158, weighted: 56 };
    assert_eq!(series_of(20, &[0, 15, 239]).volatility(), Some(third));
}

#[test]
fn parametric_figures_are_the_quantile_of_the_normal_distribution_rounded_up() {
    // Changes of one million up and down: the volatility is exactly that.
    let changes: Vec<i64> =
        (0..20).map(|n| if n % 2 == 0 { 1_000_000 } else { -1_000_000 }).collect();
    let tail = series_of(20, &profits(&changes)).tail().unwrap();
    let parametric = |loss: Loss| loss.parametric;
    assert_eq!(parametric(tail.var_95), 1_644_854);
    assert_eq!(parametric(tail.cvar_95), 2_062_713);
    assert_eq!(tail.var_95.historical, 1_000_000);
}

#[test]
fn a_swing_sees_its_window_and_nothing_older() {
    let swing = |range, change| Swing { range, change };
    assert_eq!(series_of(20, &[]).swing(3), swing(0, 0));
    assert_eq!(series_of(20, &[7]).swing(3), swing(0, 0));
    assert_eq!(series_of(20, &[7, 1, 9]).swing(3), swing(8, 2));
    assert_eq!(series_of(20, &[100, 7, 1, 9, 4]).swing(3), swing(8, -3));
    // The window wraps around the ring in every way that there is.
    for more in 0..45 {
        let mut profits: Vec<i64> = vec![500; more];
        profits.extend([7, 1, 9, 4]);
        assert_eq!(series_of(20, &profits).swing(3), swing(8, -3), "{more}");
        assert_eq!(series_of(20, &profits).swing(1), swing(5, -5), "{more}");
    }
}

#[test]
fn changes_beyond_belief_are_clamped_and_nothing_wraps() {
    let most = 1_i64 << 53;
    let wild = [i64::MIN, i64::MAX, i64::MIN, 0, i64::MAX];
    let series = series_of(20, &wild);
    assert_eq!(series.volatility(), Some(Volatility { rolling: most, weighted: most }));
    assert_eq!(series.swing(4), Swing { range: i64::MAX, change: i64::MAX });
    // One unit less is believed.
    let series = series_of(20, &[0, most - 1, 0, 1 - most]);
    let believed = Volatility { rolling: most - 1, weighted: most - 1 };
    assert_eq!(series.volatility(), Some(believed));
    let mut series = Series::new(4_096, 999_999);
    for _ in 0..3_000 {
        series.push(i64::MIN);
        series.push(i64::MAX);
    }
    let all = Loss { historical: most, parametric: 14_815_527_722_957_740 };
    assert_eq!(series.tail().unwrap().var_95, all);
}

#[test]
fn a_shorter_window_takes_over_the_newest_samples() {
    let profits: Vec<i64> = (0..60).map(|n| n * n % 37).collect();
    let mut saver = Saver::new();
    series_of(50, &profits).save(&mut saver);
    let bytes = saver.into_bytes();
    let mut shorter = Series::new(20, 940_000);
    shorter.load(&mut Loader::new(&bytes)).unwrap();
    let made = series_of(20, &profits);
    assert_eq!(shorter.volatility(), made.volatility());
    assert_eq!((shorter.tail(), shorter.swing(20)), (made.tail(), made.swing(20)));
    assert_eq!((shorter.change_count(), shorter.taken_count()), (20, 60));
    assert_eq!(shorter.digest(), made.digest());
}

fn wanted(
    sample_count: usize,
    decay_ppm: u32,
    profits: &[i64],
) -> (Option<Volatility>, Option<Tail>) {
    let rolling = naive::volatility(sample_count, profits);
    let volatility = rolling
        .map(|rolling| Volatility { rolling, weighted: naive::weighted(decay_ppm, profits) });
    (volatility, naive::tail(sample_count, profits))
}

proptest! {
    #[test]
    fn every_figure_equals_the_twin_that_keeps_all_samples(
        sample_count in 20_usize..60,
        decay_ppm in 0_u32..1_000_000,
        swing in 1_usize..20,
        steps in proptest::collection::vec(-1_000_000_i64..1_000_000, 0..150),
    ) {
        let profits = profits(&steps);
        let mut series = Series::new(sample_count, decay_ppm);
        for (index, profit) in profits.iter().enumerate() {
            series.push(*profit);
            let so_far = &profits[..=index];
            let (volatility, tail) = wanted(sample_count, decay_ppm, so_far);
            prop_assert_eq!(series.volatility(), volatility);
            prop_assert_eq!(series.tail(), tail);
            prop_assert_eq!(series.swing(swing), naive::swing(swing, so_far));
            prop_assert_eq!(series.change_count(), index.min(sample_count));
        }
    }
}
