//! Clauses about the life of an order while nothing goes wrong but the order of things.

use engine::event::{Kind, ReportCode};

use super::{Bench, BrokerDouble, BrokerTrouble};
use crate::contract::{Held, MS_NS, ensure};

/// Long enough that a second report would have come.
const QUIET_NS: u64 = 50 * MS_NS;

pub(super) fn acknowledges<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    let id = bench.work()?;
    bench.pass(QUIET_NS);
    let (count, seen) = (bench.ears.count(id, ReportCode::Acked), bench.seen(id));
    ensure(count == 1, || format!("acknowledged {count} times"))?;
    ensure(seen.len() == 1 && seen[0].is_open, || format!("at the venue: {seen:?}"))?;
    bench.ends()
}

pub(super) fn refuses<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    let (id, prices) = (bench.next_id(), bench.double.prices());
    bench.ask(Kind::SEND_NEW, id, (prices.rest, prices.refused_quantity));
    bench.until("rejected", |ears| ears.did_say(id, ReportCode::Rejected))?;
    let code = bench.ears.last(id, ReportCode::Rejected).map_or(0, |event| event.tag);
    ensure(code != 0, || "refused without a code".to_string())?;
    let seen = bench.seen(id);
    ensure(seen.is_empty(), || format!("at the venue: {seen:?}"))?;
    bench.ends()
}

pub(super) fn fills_a_taker<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    let (id, prices) = (bench.next_id(), bench.double.prices());
    bench.ask(Kind::SEND_NEW, id, (prices.take, prices.quantity));
    bench.until("filled", |ears| ears.traded(id) == prices.quantity)?;
    let fills = bench.ears.fills(id);
    ensure(fills.iter().all(|fill| !fill.maker), || format!("a maker's fill: {fills:?}"))?;
    bench.ends()
}

pub(super) fn tells_fills_once<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    let id = bench.work()?;
    let half = bench.double.prices().quantity / 2;
    for times in 1..=2 {
        bench.double.sell_to_us(half);
        bench.until("a fill", |ears| ears.traded(id) == half * times)?;
    }
    bench.pass(QUIET_NS);
    let fills = bench.ears.fills(id);
    let totals: Vec<i64> = fills.iter().map(|fill| fill.cumulative_quantity).collect();
    ensure(totals == [half, half * 2], || format!("totals {totals:?}"))?;
    ensure(fills.iter().all(|fill| fill.maker), || format!("a taker's fill: {fills:?}"))?;
    bench.ends()
}

pub(super) fn ignores_repeats<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    let id = bench.work()?;
    bench.double.trouble(BrokerTrouble::ReportAgain)?;
    let half = bench.double.prices().quantity / 2;
    bench.double.sell_to_us(half);
    bench.until("a fill", |ears| 0 < ears.traded(id))?;
    bench.pass(QUIET_NS);
    let traded = bench.ears.traded(id);
    ensure(traded == half, || format!("{traded} instead of {half}"))?;
    bench.ends()
}

pub(super) fn bears_late_reports<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    let id = bench.work()?;
    bench.double.trouble(BrokerTrouble::ReportLater)?;
    let half = bench.double.prices().quantity / 2;
    bench.double.sell_to_us(half);
    bench.double.sell_to_us(half);
    bench.until("both fills", |ears| ears.traded(id) == half * 2)?;
    bench.pass(QUIET_NS);
    let traded = bench.ears.traded(id);
    ensure(traded == half * 2, || format!("{traded} instead of {}", half * 2))?;
    bench.ends()
}

pub(super) fn cancels<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    let id = bench.work()?;
    bench.ask(Kind::SEND_CANCEL, id, (0, 0));
    bench.until("cancelled", |ears| ears.did_say(id, ReportCode::Cancelled))?;
    bench.pass(QUIET_NS);
    let (count, seen) = (bench.ears.count(id, ReportCode::Cancelled), bench.seen(id));
    ensure(count == 1, || format!("cancelled {count} times"))?;
    ensure(seen.iter().all(|order| !order.is_open), || format!("at the venue: {seen:?}"))?;
    bench.ends()
}

pub(super) fn answers_late_cancel<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    let (id, prices) = (bench.next_id(), bench.double.prices());
    bench.ask(Kind::SEND_NEW, id, (prices.take, prices.quantity));
    bench.until("filled", |ears| ears.traded(id) == prices.quantity)?;
    bench.pass(QUIET_NS);
    let count = bench.ears.said(id).len();
    bench.ask(Kind::SEND_CANCEL, id, (0, 0));
    bench.until("an answer to the cancel", |ears| count < ears.said(id).len())?;
    bench.ends()
}

pub(super) fn replaces<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    let id = bench.work()?;
    let prices = bench.double.prices();
    let terms = (prices.rest - 1, prices.quantity / 2);
    bench.ask(Kind::SEND_REPLACE, id, terms);
    bench.until("replaced", |ears| ears.did_say(id, ReportCode::Replaced))?;
    let told = bench.ears.last(id, ReportCode::Replaced).map(|event| (event.price, event.quantity));
    ensure(told == Some(terms), || format!("told {told:?}, asked {terms:?}"))?;
    bench.pass(QUIET_NS);
    let open: Vec<_> = bench.seen(id).into_iter().filter(|order| order.is_open).collect();
    let is_one = open.len() == 1 && (open[0].price, open[0].quantity) == terms;
    ensure(is_one, || format!("works at the venue: {open:?}"))?;
    bench.ears.check()
}

pub(super) fn never_sends_twice<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    let id = bench.work()?;
    let prices = bench.double.prices();
    bench.ask(Kind::SEND_NEW, id, (prices.rest, prices.quantity));
    bench.pass(QUIET_NS);
    let seen = bench.seen(id);
    ensure(seen.len() == 1 && seen[0].is_open, || format!("at the venue: {seen:?}"))?;
    bench.ends()
}
