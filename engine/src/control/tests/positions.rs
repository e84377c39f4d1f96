//! The stage's own numbers: places of rows, executions, what may be closed.

use crate::control::positions::Positions;
use crate::event::{NO_STRATEGY, Side};

#[test]
fn every_strategy_has_a_row_an_instrument_and_strangers_share_the_last() {
    let positions = Positions::new(2, 3);
    assert_eq!(positions.row_count(), 9);
    for (source, instrument) in (0..3_u16).flat_map(|source| (0..3_u16).map(move |i| (source, i))) {
        let index = positions.index(source, instrument).unwrap();
        assert_eq!(index, usize::from(source * 3 + instrument));
        assert_eq!(positions.owner(index), (source, instrument));
    }
    for source in [3, 7, NO_STRATEGY] {
        assert_eq!(positions.index(source, 1), positions.index(2, 1));
    }
    for instrument in [3, 4, u16::MAX] {
        assert_eq!(positions.index(0, instrument), None, "{instrument}");
        assert_eq!(positions.index(2, instrument), None, "{instrument}");
    }
}

#[test]
fn executions_move_their_row_and_the_net_of_their_instrument_and_a_change_of_side_begins_anew() {
    let mut positions = Positions::new(1, 2);
    let (first, other) = (positions.index(0, 1).unwrap(), positions.index(1, 1).unwrap());
    // Signed quantity and time; position and since when.
    for (signed, now_ns, position, since_ns) in
        [(5, 1, 5, 1), (3, 2, 8, 1), (-7, 3, 1, 1), (-1, 4, 0, 4), (-2, 5, -2, 5), (4, 6, 2, 6)]
    {
        positions.set_exiting(first, true);
        positions.fill(first, signed, now_ns);
        let row = positions.row(first);
        assert_eq!((row.position, row.since_ns), (position, since_ns));
        assert_eq!(row.is_exiting, since_ns != now_ns, "what is closed is not closed any more");
        assert_eq!(positions.lanes[1].net, i128::from(position));
        positions.set_exiting(first, false);
    }
    positions.fill(other, -10, 7);
    assert_eq!((positions.lanes[0].net, positions.lanes[1].net), (0, -8));
    assert_eq!(positions.row(first).position, 2);
}

#[test]
fn rows_that_are_being_closed_are_counted_once() {
    let mut positions = Positions::new(1, 2);
    for (index, is_exiting, count) in
        [(0, true, 1), (0, true, 1), (3, true, 2), (1, false, 2), (0, false, 1), (3, false, 0)]
    {
        positions.set_exiting(index, is_exiting);
        assert_eq!(positions.exiting_count, count);
        assert_eq!(positions.row(index).is_exiting, is_exiting);
    }
}

#[test]
fn a_row_is_due_when_it_has_a_position_and_a_limit() {
    let mut positions = Positions::new(1, 1);
    assert_eq!(positions.row(0).due_ns(60), None);
    positions.fill(0, -5, 100);
    assert_eq!(positions.row(0).due_ns(0), None);
    assert_eq!(positions.row(0).due_ns(60), Some(160));
    assert_eq!(positions.row(0).due_ns(u64::MAX), Some(u64::MAX));
    positions.fill(0, 5, 130);
    assert_eq!(positions.row(0).due_ns(60), None, "flat since then");
}

#[test]
fn a_row_is_closed_as_far_as_its_instrument_is_not_flat() {
    for (first, second, closable, other) in [
        (0, 0, None, None),
        (5, 0, Some((Side::Sell, 5)), None),
        (-5, 0, Some((Side::Buy, 5)), None),
        (5, 3, Some((Side::Sell, 5)), Some((Side::Sell, 3))),
        (5, -3, Some((Side::Sell, 2)), None),
        (5, -5, None, None),
        (5, -6, None, Some((Side::Buy, 1))),
        (i64::MIN, 0, Some((Side::Buy, i64::MAX)), None),
        (i64::MAX, i64::MAX, Some((Side::Sell, i64::MAX)), Some((Side::Sell, i64::MAX))),
    ] {
        let mut positions = Positions::new(1, 2);
        let rows = [positions.index(0, 1).unwrap(), positions.index(1, 1).unwrap()];
        positions.fill(rows[0], first, 1);
        positions.fill(rows[1], second, 1);
        // The other instrument has nothing to do with it.
        positions.fill(0, 100, 1);
        let found = rows.map(|row| positions.closable(row));
        assert_eq!(found, [closable, other], "{first} {second}");
    }
}

#[test]
fn what_nothing_happened_to_is_no_part_of_the_hash() {
    let used = |strategy_count, instrument_count| {
        let mut positions = Positions::new(strategy_count, instrument_count);
        positions.row_mut(0).position = 1;
        positions.lanes[0].shift = 1;
        positions.digest()
    };
    assert_eq!(Positions::new(1, 1).digest(), Positions::new(2, 3).digest());
    assert_eq!(used(1, 1), used(2, 3));
}
