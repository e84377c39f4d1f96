//! Tests of the ledger: a table by hand, and every row against a naive decimal model.

use proptest::prelude::*;
use rust_decimal::{Decimal, RoundingStrategy};

use super::*;
use crate::instrument::tests::btcusdt;
use crate::ring::Ring;

fn table() -> InstrumentTable {
    let fine = Instrument {
        symbol: "FINE".to_string(),
        price_scale: 6,
        quantity_scale: 6,
        multiplier: 10,
        ..btcusdt()
    };
    InstrumentTable::new(vec![btcusdt(), fine]).unwrap()
}

fn fill(source: u16, instrument: u16, side: Side, price: i64, quantity: i64) -> Event {
    let mut event = Event::new(Kind::FILL);
    event.source = source;
    event.instrument = instrument;
    event.price = price;
    event.quantity = quantity;
    event.id = 77;
    event.flags = side.flag() | flags::LAST;
    event
}

fn fee(of: &Event, fee_e8: i64) -> Event {
    let mut event = Event { kind: Kind::FEE, quantity: fee_e8, price: 0, ..*of };
    event.flags = flags::LAST;
    event
}

/// Applies events; returns what the ledger said.
fn apply(ledger: &mut Ledger, events: &[Event]) -> Vec<Event> {
    let mut said = Vec::new();
    for event in events {
        let mut ring = Ring::new(8, 0);
        let cause = *event;
        ring.begin(cause);
        ledger.apply(&cause, &mut Emitter::new(&mut ring, &cause));
        said.extend((2..=ring.head()).map(|sequence| *ring.get(sequence)));
    }
    said
}

/// Lines `buy|sell quantity @ price fee | quantity basis realised fees`, in BTCUSDT units and money.
#[track_caller]
fn check(lines: &str) {
    let mut ledger = Ledger::new(1, table());
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [side, quantity, "@", price, paid, "|", wanted @ ..] = &words[..] else {
            panic!("not a line of this table: {line}")
        };
        let side = if *side == "buy" { Side::Buy } else { Side::Sell };
        let one = fill(0, 0, side, price.parse().unwrap(), quantity.parse().unwrap());
        let said = apply(&mut ledger, &[one, fee(&one, paid.parse().unwrap())]);
        let position = *ledger.position(0, 0).unwrap();
        let got = format!(
            "{} {} {} {}",
            position.quantity, position.basis, position.realised, position.fees
        );
        assert_eq!(got, wanted.join(" "), "{line}");
        let [told] = said[..] else { panic!("one POSITION a fee: {said:?}") };
        assert_eq!(told.kind, Kind::POSITION);
        assert_eq!((told.quantity, told.id), (position.quantity, 77), "{line}");
        assert_eq!(told.price, position.realised.to_event(), "{line}");
    }
}

#[test]
fn average_cost_is_released_in_proportion_and_a_flip_closes_first() {
    // Prices in cents, quantities in 1e-5 BTC: 100000 @ 10000 is one coin at 100.
    check(
        "buy  100000 @ 10000 1000  | 100000 100 0 0.00001
         buy  100000 @ 11000 0     | 200000 210 0 0.00001
         sell  50000 @ 12000 0     | 150000 157.5 7.5 0.00001
         sell 250000 @ 10000 -500  | -100000 -100 0 0.000005
         buy   50000 @ 9000  0     | -50000 -50 5 0.000005
         buy   50000 @ 9000  0     | 0 0 10 0.000005",
    );
}

#[test]
fn thirds_of_a_cost_leave_nothing_behind() {
    // 3e-6 units at the finest scale: a third of the basis is no whole number of 1e-12.
    let mut ledger = Ledger::new(1, table());
    apply(&mut ledger, &[fill(0, 1, Side::Buy, 1, 1), fill(0, 1, Side::Buy, 3, 2)]);
    assert_eq!(ledger.position(0, 1).unwrap().basis, Money(70));
    apply(&mut ledger, &[fill(0, 1, Side::Sell, 0, 1)]);
    assert_eq!(ledger.position(0, 1).unwrap().basis, Money(47), "23 released, not 23.3");
    apply(&mut ledger, &[fill(0, 1, Side::Sell, 0, 1)]);
    assert_eq!(ledger.position(0, 1).unwrap().basis, Money(24), "23 of 47, not 23.5");
    apply(&mut ledger, &[fill(0, 1, Side::Sell, 0, 1)]);
    let position = ledger.position(0, 1).unwrap();
    assert_eq!((position.basis, position.realised), (Money::ZERO, Money(-70)));
}

#[test]
fn fills_of_nobody_have_a_row_of_their_own() {
    let mut ledger = Ledger::new(2, table());
    apply(&mut ledger, &[fill(NO_STRATEGY, 1, Side::Buy, 5, 3), fill(1, 0, Side::Sell, 5, 3)]);
    let rows: Vec<(u16, u16, i64)> =
        ledger.rows().map(|row| (row.source, row.instrument, row.position.quantity)).collect();
    assert_eq!(rows, [(1, 0, -3), (NO_STRATEGY, 1, 3)]);
    assert_eq!(ledger.position(2, 1), ledger.position(NO_STRATEGY, 1), "the operator shares it");
    assert_eq!(ledger.position(3, 0), None);
    assert_eq!(ledger.position(0, 2), None);
}

#[test]
fn an_unmarked_position_is_told_apart_and_a_marked_one_is_valued_at_the_mid() {
    let mut ledger = Ledger::new(1, table());
    let mut market = Market::new(2);
    apply(&mut ledger, &[fill(0, 0, Side::Buy, 10_000, 100_000)]);
    let totals = ledger.totals(&market, |_| true);
    assert_eq!((totals.unmarked_count, totals.unrealised), (1, Money::ZERO));
    let known = market.get_mut(0).unwrap();
    known.top = crate::market::Top {
        bid_price: 10_100,
        bid_quantity: 1,
        ask_price: 10_101,
        ask_quantity: 1,
        update_id: 1,
    };
    let totals = ledger.totals(&market, |_| true);
    assert_eq!(totals.unmarked_count, 0);
    assert_eq!(totals.unrealised.to_string(), "1.005");
    assert_eq!(totals.net().to_string(), "1.005");
}

/// The obvious ledger: decimals, one rule at a time, one row.
#[derive(Default)]
struct Naive {
    quantity: Decimal,
    cost: Decimal,
    realised: Decimal,
    cash: Decimal,
}

impl Naive {
    fn fill(&mut self, side: Side, price: Decimal, quantity: Decimal) {
        let signed = quantity * Decimal::from(side.sign());
        self.cash -= price * signed;
        let closes = !self.quantity.is_zero()
            && self.quantity.is_sign_positive() != signed.is_sign_positive();
        if !closes {
            self.quantity += signed;
            self.cost += price * signed;
            return;
        }
        let closed = quantity.min(self.quantity.abs());
        // Not a product and then a quotient, but the cost of what stays: another way to the same number.
        let left = self.quantity.abs() - closed;
        let kept = (self.cost * left / self.quantity.abs())
            .round_dp_with_strategy(12, RoundingStrategy::ToPositiveInfinity);
        let released = self.cost - kept;
        self.realised += price * closed * -Decimal::from(side.sign()) - released;
        self.cost = kept;
        self.quantity += closed * Decimal::from(side.sign());
        if closed < quantity {
            self.fill(side, price, quantity - closed);
            self.cash += price * (quantity - closed) * Decimal::from(side.sign());
        }
    }
}

fn any_fill() -> impl Strategy<Value = (bool, i64, i64, i64)> {
    (any::<bool>(), 1i64..1_000_000, 1i64..10_000, -1000i64..1000)
}

proptest! {
    #[test]
    fn every_number_equals_the_naive_decimal_model(
        fills in proptest::collection::vec(any_fill(), 1..60),
        fine in any::<bool>(),
    ) {
        let index = u16::from(fine);
        let mut ledger = Ledger::new(1, table());
        let instrument = table().get(index).unwrap().clone();
        let mut naive = Naive::default();
        let mut fees = Decimal::ZERO;
        for (is_buy, price, quantity, fee_e8) in fills {
            let side = if is_buy { Side::Buy } else { Side::Sell };
            let one = fill(0, index, side, price, quantity);
            apply(&mut ledger, &[one, fee(&one, fee_e8)]);
            let price = Decimal::new(price, u32::from(instrument.price_scale))
                * Decimal::from(instrument.multiplier);
            naive.fill(side, price, Decimal::new(quantity, u32::from(instrument.quantity_scale)));
            fees += Decimal::new(fee_e8, 8);
            let got = ledger.position(0, index).unwrap();
            prop_assert_eq!(
                Decimal::new(got.quantity, u32::from(instrument.quantity_scale)),
                naive.quantity
            );
            prop_assert_eq!(got.basis.to_decimal().unwrap(), naive.cost);
            prop_assert_eq!(got.realised.to_decimal().unwrap(), naive.realised);
            prop_assert_eq!(got.fees.to_decimal().unwrap(), fees);
            prop_assert_eq!(got.cash_flow().to_decimal().unwrap(), naive.cash);
        }
    }

    #[test]
    fn profit_is_cash_plus_value_minus_fees_to_the_last_digit(
        fills in proptest::collection::vec((0u16..4, 0u16..2, any_fill()), 1..80),
        mids in proptest::collection::vec(2i64..2_000_000, 2),
    ) {
        let mut ledger = Ledger::new(3, table());
        let mut market = Market::new(2);
        for (index, mid) in (0u16..).zip(&mids) {
            market.get_mut(index).unwrap().trade_price = *mid;
        }
        let (mut cash, mut fees) = (0i128, 0i128);
        let mut quantities = [0i64; 2];
        for (source, index, (is_buy, price, quantity, fee_e8)) in fills {
            let side = if is_buy { Side::Buy } else { Side::Sell };
            let source = if source == 3 { NO_STRATEGY } else { source };
            let one = fill(source, index, side, price, quantity);
            apply(&mut ledger, &[one, fee(&one, fee_e8)]);
            let signed = quantity * side.sign();
            quantities[usize::from(index)] += signed;
            cash -= table().get(index).unwrap().notional(price, signed).0;
            fees += i128::from(fee_e8) * 10_000;
            let value: i128 = (0u16..)
                .zip(&quantities)
                .map(|(index, net)| {
                    table().get(index).unwrap().notional(mids[usize::from(index)], *net).0
                })
                .sum();
            let totals = ledger.totals(&market, |_| true);
            prop_assert_eq!(totals.cash_flow, Money(cash));
            prop_assert_eq!(totals.value, Money(value));
            prop_assert_eq!(totals.net(), Money(cash + value - fees));
            for row in ledger.rows() {
                prop_assert!(row.position.quantity != 0 || row.position.basis == Money::ZERO);
                let net = row.position.bought - row.position.sold;
                prop_assert_eq!(net, i128::from(row.position.quantity));
            }
        }
    }

    #[test]
    fn a_loaded_ledger_goes_on_the_same(
        fills in proptest::collection::vec((0u16..3, 0u16..2, any_fill()), 0..30),
        cut in 0usize..60,
    ) {
        let events: Vec<Event> = fills
            .iter()
            .flat_map(|(source, index, (is_buy, price, quantity, fee_e8))| {
                let side = if *is_buy { Side::Buy } else { Side::Sell };
                let one = fill(*source, *index, side, *price, *quantity);
                [one, fee(&one, *fee_e8)]
            })
            .collect();
        let cut = cut.min(events.len());
        let mut ledger = Ledger::new(2, table());
        apply(&mut ledger, &events[..cut]);
        let mut saver = Saver::new();
        ledger.save(&mut saver);
        let bytes = saver.into_bytes();
        let mut other = Ledger::new(2, table());
        apply(&mut other, &[fill(0, 0, Side::Buy, 1, 1)]);
        let mut loader = Loader::new(&bytes);
        other.load(&mut loader).unwrap();
        loader.finish().unwrap();
        prop_assert_eq!(other.digest(), ledger.digest());
        prop_assert_eq!(apply(&mut ledger, &events[cut..]), apply(&mut other, &events[cut..]));
        prop_assert_eq!(other.digest(), ledger.digest());
        prop_assert!(ledger.rows().eq(other.rows()));
    }

    #[test]
    fn no_bytes_make_it_panic(
        events in proptest::collection::vec((any::<[i64; 3]>(), any::<u8>(), 0u16..4, 0u16..4), 0..40),
    ) {
        let mut ledger = Ledger::new(2, table());
        for ([price, quantity, id], flags, source, instrument) in events {
            let mut event = fill(source, instrument, Side::Buy, price, quantity);
            event.flags = flags;
            event.id = id.cast_unsigned();
            apply(&mut ledger, &[event, fee(&event, quantity)]);
        }
    }
}

proptest! {
    #[test]
    fn a_fee_in_kind_is_a_sale_that_is_no_trade(
        held in -500i64..500,
        price in 1i64..10_000,
        quantity in 1i64..1_000,
        kept in 1i64..1_000,
    ) {
        let (mut ours, mut sold) = (Ledger::new(1, table()), Ledger::new(1, table()));
        let before = fill(0, 0, if held < 0 { Side::Sell } else { Side::Buy }, 77, held.abs());
        let bought = fill(0, 0, Side::Buy, price, quantity);
        let sale = fill(0, 0, Side::Sell, price, kept);
        let in_kind = Event { flags: sale.flags | flags::IN_KIND, ..sale };
        let value = btcusdt().notional(price, kept).to_event();
        apply(&mut ours, &[before, bought, in_kind, fee(&bought, value)]);
        apply(&mut sold, &[before, bought, sale, fee(&bought, value)]);
        let (ours, sold) = (ours.position(0, 0).unwrap(), sold.position(0, 0).unwrap());
        prop_assert_eq!(ours.quantity, held + quantity - kept);
        let trades = Position { volume: sold.volume, fill_count: sold.fill_count, ..*ours };
        prop_assert_eq!(&trades, sold);
        prop_assert_eq!(ours.fill_count + 1, sold.fill_count);
        // What the sale brought is what the fee costs: the cash is that of the trades alone.
        let flow = btcusdt().notional(77, held).plus(btcusdt().notional(price, quantity));
        prop_assert_eq!(ours.cash_flow().minus(ours.fees), Money::ZERO.minus(flow));
    }
}
