//! Positions, round trips and worth: a table by hand, and everything against the naive twin.

use proptest::prelude::*;

use super::desk::{Desk, ONE_E8, config, currency, fee, fill, in_kind, table};
use super::naive::Naive;
use crate::event::{Event, Kind, NO_STRATEGY};
use crate::market::InstrumentMarket;
use crate::money::Money;
use crate::monitor::Metric;

/// One row a line: `signed quantity @ price fee`, with `kind` behind it for a fee in kind; then what the
/// end of a round trip came to in whole units, or `-`.
#[track_caller]
fn check(instrument: u16, lines: &str) {
    let mut desk = Desk::new(config());
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (trade, wanted) = line.split_once('|').unwrap();
        let words: Vec<&str> = trade.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<i64>().unwrap();
        let make = if words.get(4) == Some(&"kind") { in_kind } else { fill };
        assert!(desk.hear(make(0, instrument, number(0), number(2))).is_empty());
        let said = desk.hear(fee(0, instrument, number(3) * ONE_E8));
        let ended = said.iter().find(|event| event.code == Metric::LossSingle.code());
        let told = ended.map_or("-".to_string(), |event| (event.quantity / ONE_E8).to_string());
        assert_eq!(told, wanted.trim(), "{line}");
    }
}

#[test]
fn a_round_trip_ends_flat_or_on_the_other_side_and_counts_its_fees() {
    check(
        0,
        "  10 @ 100 1 | -
           10 @ 110 1 | -
           -5 @ 120 1 | -
          -15 @ 100 1 | -4
          -10 @ 100 2 | -
           10 @  90 0 | 98
           10 @  90 1 | -
          -15 @ 100 3 | 96
            5 @ 100 7 | -7",
    );
}

#[test]
fn less_than_a_lot_is_no_position() {
    // Bought 100, of which 3 are kept: a sale of 90 leaves crumbs of 7, which are no position in lots of 10.
    check(
        1,
        "100 @ 10 0      | -
          -3 @ 10 0 kind | -
         -90 @ 12 0      | 180
          -7 @ 10 0 kind | -
          50 @ 10 0      | -
         -41 @ 11 0      | 41
           1 @ 10 0      | -",
    );
}

#[test]
fn a_fee_in_kind_neither_begins_nor_ends_a_round_trip() {
    // The second line alone leaves nothing, the fourth more than a lot of a short; neither is a trade.
    check(
        1,
        " 10 @ 10 0      | -
         -10 @ 12 0 kind | -
         -20 @ 10 0      | 20
         -20 @ 10 0 kind | -
          20 @ 10 0      | -",
    );
}

#[test]
fn what_no_table_holds_moves_nothing() {
    let mut desk = Desk::new(config());
    desk.trade(0, 3, 10, 100);
    desk.hear(fill(0, 0, 0, 100));
    assert_eq!(desk.hear(fee(0, 3, ONE_E8)), []);
    desk.sample();
    assert_eq!(desk.figures().equity, 1_000 * ONE_E8);
    // A strategy that no table holds is one of the strangers' row.
    desk.trade(77, 0, 1, 100);
    desk.trade(NO_STRATEGY, 0, 1, 100);
    desk.mark(0, 105);
    desk.sample();
    assert_eq!(desk.figures().equity, 1_010 * ONE_E8);
    assert_eq!(desk.figures().gross, 210 * ONE_E8);
}

#[test]
fn a_position_is_worth_its_mark_and_the_last_known_one_while_the_market_is_silent() {
    let mut desk = Desk::new(config());
    desk.trade(0, 0, 2, 100);
    desk.sample();
    assert_eq!(desk.figures().equity, 1_000 * ONE_E8, "the price of the fill stands in");
    desk.equity(110);
    assert_eq!(desk.figures().equity, 1_020 * ONE_E8);
    desk.equity(0);
    assert_eq!(desk.figures().equity, 1_020 * ONE_E8, "the last mark stays");
    desk.market.get_mut(0).unwrap().trade_price = 90;
    desk.sample();
    assert_eq!(desk.figures().equity, 980 * ONE_E8, "the last trade is a mark");
    // A second fill is no mark.
    desk.trade(0, 0, 1, 500);
    desk.sample();
    assert_eq!(desk.figures().equity, (1_000 - 200 - 500 + 270) * ONE_E8);
}

#[test]
fn worth_is_rounded_down_and_what_is_lost_at_the_stops_up() {
    let mut desk = Desk::new(config());
    // FINE: cents and hundred-thousandths, so one unit is 10^-7; at 0.03 half of 3 * 10^-7.
    desk.trade_for(fill(0, 2, 10, 3), 0);
    desk.market.get_mut(2).unwrap().top.bid_price = 1;
    desk.market.get_mut(2).unwrap().top.bid_quantity = 1;
    desk.market.get_mut(2).unwrap().top.ask_price = 2;
    desk.market.get_mut(2).unwrap().top.ask_quantity = 1;
    desk.sample();
    let figures = desk.figures();
    assert_eq!((figures.gross, figures.net), (150, 150));
    assert_eq!(figures.at_stop, 2, "one percent of 1.5 * 10^-6 is 1.5 units of 10^-8");
    desk.trade_for(fill(0, 2, -30, 3), 0);
    desk.sample();
    let figures = desk.figures();
    assert_eq!((figures.gross, figures.net, figures.at_stop), (300, -300, 3));
}

#[test]
fn heat_uses_the_stop_of_each_strategy() {
    let mut desk = Desk::new(crate::monitor::MonitorConfig {
        stop_bps: 100,
        strategy_stop_bps: vec![None, Some(500)],
        ..config()
    });
    desk.trade(0, 0, 5, 100);
    desk.trade(1, 0, -2, 100);
    desk.sample();
    // 500 * 1 % and 200 * 5 % of 1,000.
    let figures = desk.figures();
    assert_eq!((figures.at_stop, figures.heat_ppm), (15 * ONE_E8, 15_000));
    assert_eq!((figures.gross, figures.net), (700 * ONE_E8, 300 * ONE_E8));
    // The operators' own row and strangers have the stop of the section.
    desk.trade(2, 0, 1, 100);
    desk.trade(NO_STRATEGY, 0, 1, 100);
    desk.sample();
    assert_eq!(desk.figures().at_stop, 17 * ONE_E8);
    // Nothing is left: heat without equity is the largest number.
    desk.trade_for(fill(0, 0, 1, 100), 5_000 * ONE_E8);
    desk.sample();
    assert_eq!(desk.figures().heat_ppm, i64::MAX);
    let mut flat = Desk::new(config());
    flat.trade_for(fill(0, 0, 1, 100), 5_000 * ONE_E8);
    flat.trade(0, 0, -1, 100);
    flat.sample();
    assert_eq!((flat.figures().heat_ppm, flat.figures().equity), (0, -4_000 * ONE_E8));
}

#[test]
fn numbers_beyond_every_account_stop_at_the_ends() {
    let mut desk = Desk::new(config());
    for _ in 0..3 {
        desk.trade_for(fill(0, 0, i64::MAX, i64::MAX), i64::MAX);
        desk.mark(0, i64::MAX / 4);
        desk.sample();
        assert_eq!(desk.figures().gross, i64::MAX);
        desk.trade_for(fill(0, 0, -i64::MAX, i64::MAX), i64::MIN);
        desk.trade_for(fill(1, 2, -i64::MAX, i64::MIN), 0);
        desk.sample();
    }
    let figures = desk.figures();
    assert!(figures.equity <= figures.peak);
    assert_eq!(figures.peak.saturating_sub(figures.equity), figures.drawdown);
}

#[derive(Clone, Debug)]
enum Op {
    Trade { source: u16, instrument: u16, signed: i64, price: i64, kind: Option<i64>, fee: i64 },
    Mark(u16, i64),
    Sample,
}

fn op() -> impl Strategy<Value = Op> {
    let source = prop_oneof![Just(0_u16), Just(1), Just(2), Just(NO_STRATEGY)];
    let quantity =
        prop_oneof![-40_i64..40, Just(10), Just(-10)].prop_map(|q| if q == 0 { 7 } else { q });
    let kind =
        proptest::option::weighted(0.2, -3_i64..4).prop_map(|kind| kind.filter(|kind| *kind != 0));
    let trade = (source, 0_u16..3, quantity, 50_i64..150, kind, -300_i64..900).prop_map(
        |(source, instrument, signed, price, kind, fee)| Op::Trade {
            source,
            instrument,
            signed,
            price,
            kind,
            fee,
        },
    );
    prop_oneof![5 => trade, 3 => (0_u16..3, 0_i64..200).prop_map(|(i, mid)| Op::Mark(i, mid)), 3 => Just(Op::Sample)]
}

fn marks(desk: &Desk) -> Vec<(u16, Option<i64>)> {
    let market = &desk.market;
    (0..3).map(|i| (i, market.get(i).and_then(InstrumentMarket::mark_twice))).collect()
}

fn e8(money: i128) -> i64 {
    Money(money).to_event()
}

/// Exposures of all rows that `wanted` picks: without and with sign.
fn exposure(naive: &Naive, wanted: impl Fn(&(u16, u16)) -> bool) -> (i64, i64) {
    let values: Vec<i128> =
        naive.rows().into_iter().filter(wanted).map(|row| naive.value(row)).collect();
    (e8(values.iter().map(|value| value.abs()).sum()), e8(values.iter().sum()))
}

/// Takes a sample in both and compares all figures of it.
fn compare(desk: &mut Desk, naive: &mut Naive) -> Result<(), TestCaseError> {
    naive.sample(&marks(desk));
    desk.sample();
    let (figures, profits) = (desk.figures(), &naive.profits);
    let capital = 1_000 * ONE_E8;
    let peak = capital + profits.iter().max().unwrap().max(&0);
    prop_assert_eq!((figures.equity, figures.peak), (capital + profits[profits.len() - 1], peak));
    let down = peak - figures.equity;
    prop_assert_eq!(figures.drawdown, down);
    let ppm = i128::from(down) * 1_000_000 / i128::from(peak);
    prop_assert_eq!(i128::from(figures.drawdown_ppm), ppm);
    prop_assert_eq!((figures.gross, figures.net), exposure(naive, |_| true));
    let told = desk.monitor.account.worth_of_instrument(1);
    prop_assert_eq!(
        (told.gross.to_event(), told.net.to_event()),
        exposure(naive, |row| row.1 == 1)
    );
    let told = desk.monitor.account.worth_of_source(0);
    prop_assert_eq!(
        (told.gross.to_event(), told.net.to_event()),
        exposure(naive, |row| row.0 == 0)
    );
    Ok(())
}

/// Hears a fee; the trip that ended must be the naive twin's next one.
fn pay(desk: &mut Desk, naive: &mut Naive, event: Event) -> Result<(), TestCaseError> {
    let row = (event.source, event.instrument);
    let before = naive.trips(row).len();
    naive.hear(&event);
    let ended = naive.trips(row).get(before).map(|(_, result)| e8(*result));
    let said = desk.hear(event);
    let told = said
        .iter()
        .find(|told| told.kind == Kind::MONITOR && told.code == Metric::LossSingle.code())
        .map(|told| told.quantity);
    prop_assert_eq!(told, ended);
    Ok(())
}

proptest! {
    #[test]
    fn positions_trips_and_worth_equal_the_naive_twin(ops in proptest::collection::vec(op(), 1..60)) {
        let mut desk = Desk::new(config());
        let mut naive = Naive::default();
        for op in ops {
            match op {
                Op::Trade { source, instrument, signed, price, kind, fee: paid } => {
                    let one = fill(source, instrument, signed, price);
                    desk.hear(one);
                    naive.hear(&one);
                    if let Some(kind) = kind {
                        let kept = in_kind(source, instrument, kind, price);
                        desk.hear(kept);
                        naive.hear(&kept);
                    }
                    pay(&mut desk, &mut naive, fee(source, instrument, paid * 10_000))?;
                }
                Op::Mark(instrument, mid) => desk.mark(instrument, mid),
                Op::Sample => compare(&mut desk, &mut naive)?,
            }
        }
        compare(&mut desk, &mut naive)?;
        for row in naive.rows() {
            let place = desk.monitor.account.source_index(row.0);
            let held = desk.monitor.account.quantity(usize::from(row.1), place);
            prop_assert_eq!(i128::from(held), naive.position(row).0);
        }
    }
}

#[test]
fn the_tables_of_these_tests_are_what_they_say() {
    let lots: Vec<i64> = table().iter().map(|(_, instrument)| instrument.lot).collect();
    assert_eq!(lots, [1, 10, 10]);
    assert_eq!(currency(1).to_event(), ONE_E8);
}
