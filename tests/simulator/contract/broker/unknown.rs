//! Clauses about outcomes that are not known, and about refusals for now.

use engine::event::{Kind, ReportCode};

use super::{Bench, BrokerDouble, BrokerTrouble};
use crate::contract::{Held, MS_NS, ensure};

pub(super) fn answers_query<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    let id = bench.work()?;
    let half = bench.double.prices().quantity / 2;
    bench.double.sell_to_us(half);
    bench.until("a fill", |ears| ears.traded(id) == half)?;
    bench.ask(Kind::SEND_QUERY, id, (0, 0));
    bench.until("working", |ears| ears.did_say(id, ReportCode::Working))?;
    let told = bench.ears.last(id, ReportCode::Working).map(|event| event.quantity);
    ensure(told == Some(half), || format!("told {told:?} of {half}"))?;
    bench.ends()
}

pub(super) fn denies<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    let id = bench.next_id();
    bench.ask(Kind::SEND_QUERY, id, (0, 0));
    bench.until("an answer", |ears| !ears.said(id).is_empty())?;
    let word = bench.settle(id)?;
    ensure(word == ReportCode::NotFound, || format!("the last word is {}", word.name()))?;
    bench.ends()
}

/// One order under `trouble`: settled as the engine does it, and there `count` times.
fn check<D: BrokerDouble>(trouble: BrokerTrouble, count: usize) -> Held {
    let mut bench = Bench::<D>::up()?;
    bench.double.trouble(trouble)?;
    let id = bench.place();
    let word = bench.settle(id)?;
    let seen = bench.seen(id);
    let is_working = [ReportCode::Acked, ReportCode::Working].contains(&word);
    let is_absent = [ReportCode::NotFound, ReportCode::Rejected].contains(&word);
    let agrees = if count == 0 { is_absent } else { is_working };
    ensure(seen.len() == count, || format!("{count} expected at the venue: {seen:?}"))?;
    ensure(agrees, || format!("the last word is {}; {}", word.name(), bench.ears.story()))?;
    // Whatever was on its way has arrived; the next order is like any other.
    bench.pass(100 * MS_NS);
    ensure(bench.seen(id).len() == count, || format!("at the venue: {:?}", bench.seen(id)))?;
    let next = bench.place();
    let word = bench.settle(next)?;
    ensure(word == ReportCode::Acked, || format!("the next order: {}", word.name()))?;
    bench.ends()
}

pub(super) fn lost_order<D: BrokerDouble>() -> Held {
    check::<D>(BrokerTrouble::LosesOrder, 0)
}

pub(super) fn lost_answer<D: BrokerDouble>() -> Held {
    check::<D>(BrokerTrouble::LosesAnswer, 1)
}

pub(super) fn error_before<D: BrokerDouble>() -> Held {
    check::<D>(BrokerTrouble::ErrorBefore, 0)
}

pub(super) fn error_after<D: BrokerDouble>() -> Held {
    check::<D>(BrokerTrouble::ErrorAfter, 1)
}

pub(super) fn code_unknown<D: BrokerDouble>() -> Held {
    check::<D>(BrokerTrouble::CodeUnknown, 1)
}

pub(super) fn cut_before<D: BrokerDouble>() -> Held {
    check::<D>(BrokerTrouble::CutBefore, 0)
}

pub(super) fn cut_after<D: BrokerDouble>() -> Held {
    check::<D>(BrokerTrouble::CutAfter, 1)
}

pub(super) fn garbage<D: BrokerDouble>() -> Held {
    check::<D>(BrokerTrouble::Garbage, 1)
}

pub(super) fn keeps_limits<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    bench.double.trouble(BrokerTrouble::Limited)?;
    let id = bench.place();
    let word = bench.settle(id)?;
    ensure(word == ReportCode::Rejected, || format!("the last word is {}", word.name()))?;
    let refused_ns = bench.double.now_ns();
    // Until the venue's second is over each order is refused here and now, by ourselves.
    loop {
        let next = bench.place();
        let word = bench.settle(next)?;
        if word != ReportCode::Rejected {
            break;
        }
        bench.pass(20 * MS_NS);
    }
    let took_ns = bench.double.now_ns().saturating_sub(refused_ns);
    ensure(900 * MS_NS < took_ns, || format!("sent again after {took_ns} ns, not a second"))?;
    bench.ends()
}

pub(super) fn wrong_clock<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    bench.double.trouble(BrokerTrouble::ClockAhead)?;
    for _ in 0..3 {
        let id = bench.place();
        let word = bench.settle(id)?;
        let seen = bench.seen(id);
        let is_working = [ReportCode::Acked, ReportCode::Working].contains(&word);
        ensure(seen.len() == usize::from(is_working), || {
            format!("told {}, at the venue {seen:?}", word.name())
        })?;
        bench.pass(100 * MS_NS);
    }
    bench.ends()
}
