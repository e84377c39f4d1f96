//! Clauses about the link, pulls, restarts and signatures.

use engine::event::{Event, Kind, LinkCode, ReportCode, flags};

use super::{Bench, BrokerDouble, BrokerTrouble};
use crate::contract::{Held, MS_NS, Stop, ensure};

/// Number of the pulls of clauses.
const PULL: u64 = 7;

pub(super) fn says_up<D: BrokerDouble>() -> Held {
    D::has_link()?;
    let mut bench = Bench::<D>::up()?;
    let id = bench.work()?;
    ensure(bench.ears.link_count(LinkCode::Up, 0) == 1, || bench.ears.story())?;
    ensure(bench.seen(id).len() == 1, || format!("at the venue: {:?}", bench.seen(id)))
}

/// The link goes down under `trouble` and comes up again; then an order works.
fn check_down<D: BrokerDouble>(trouble: BrokerTrouble) -> Result<Bench<D>, Stop> {
    let mut bench = Bench::<D>::up()?;
    bench.double.trouble(trouble)?;
    bench.until("link down", |ears| 0 < ears.link_count(LinkCode::Down, 0))?;
    bench.until("link up again", |ears| 1 < ears.link_count(LinkCode::Up, 0))?;
    Ok(bench)
}

pub(super) fn tells_a_cut<D: BrokerDouble>() -> Held {
    let mut bench = check_down::<D>(BrokerTrouble::Cut)?;
    bench.work()?;
    bench.ends()
}

pub(super) fn judges_silence<D: BrokerDouble>() -> Held {
    let mut bench = check_down::<D>(BrokerTrouble::Mute)?;
    bench.work()?;
    bench.ends()
}

/// Asks for everything and waits for the end of it.
fn pull<D: BrokerDouble>(bench: &mut Bench<D>, number: u64) -> Held {
    bench.ask(Kind::SEND_PULL, number, (0, 0));
    bench.until("the end of the pull", |ears| {
        0 < ears.link_count(LinkCode::PullEnd, number)
            + ears.link_count(LinkCode::PullFailed, number)
    })?;
    let frame = [LinkCode::PullBegin, LinkCode::PullEnd, LinkCode::PullFailed]
        .map(|code| bench.ears.link_count(code, number));
    ensure(frame == [1, 1, 0], || format!("begin, end, failed: {frame:?}"))
}

pub(super) fn pulls_everything<D: BrokerDouble>() -> Held {
    let mut bench = Bench::<D>::up()?;
    bench.double.stranger()?;
    let id = bench.work()?;
    let half = bench.double.prices().quantity / 2;
    bench.double.sell_to_us(half);
    bench.until("a fill", |ears| ears.traded(id) == half)?;
    let start = bench.ears.heard.len();
    pull(&mut bench, PULL)?;
    let rows = &bench.ears.heard[start..];
    let at = |code: LinkCode| {
        let is_it = |code: LinkCode| {
            move |event: &Event| event.kind == Kind::LINK && event.code == code as u16
        };
        rows.iter().position(is_it(code)).unwrap_or(usize::MAX)
    };
    let inside = at(LinkCode::PullBegin)..at(LinkCode::PullEnd);
    let count = |wanted: &dyn Fn(&Event) -> bool| {
        let found = rows.iter().enumerate().filter(|(_, event)| wanted(event));
        found.filter(|(place, _)| inside.contains(place)).count()
    };
    let ours = count(&|event| event.kind == Kind::VENUE_ORDER && event.id == id);
    let strange = count(&|event| event.kind == Kind::VENUE_ORDER && event.has(flags::STRANGER));
    let working = count(&|event| {
        event.kind == Kind::REPORT
            && event.id == id
            && event.code == ReportCode::Working as u16
            && event.quantity == half
    });
    let balances = count(&|event| event.kind == Kind::VENUE_BALANCE && event.is_last());
    let told = [ours, strange, working, balances];
    ensure(told == [1, 1, 1, 2], || {
        format!("ours, strangers, working, assets: {told:?}; {}", bench.ears.story())
    })?;
    bench.ends()
}

pub(super) fn pulls_missed_fills<D: BrokerDouble>() -> Held {
    D::has_link()?;
    let mut bench = Bench::<D>::up()?;
    let id = bench.work()?;
    let half = bench.double.prices().quantity / 2;
    bench.double.trouble(BrokerTrouble::Cut)?;
    bench.double.sell_to_us(half);
    bench.until("link up again", |ears| 1 < ears.link_count(LinkCode::Up, 0))?;
    pull(&mut bench, PULL)?;
    pull(&mut bench, PULL + 1)?;
    let traded = bench.ears.traded(id);
    ensure(traded == half, || format!("{traded} told of {half}"))?;
    bench.ends()
}

pub(super) fn survives_a_restart<D: BrokerDouble>() -> Held {
    D::has_link()?;
    let mut bench = Bench::<D>::up()?;
    let id = bench.work()?;
    bench.double.trouble(BrokerTrouble::Restart)?;
    bench.until("link up again", |ears| 1 < ears.link_count(LinkCode::Up, 0))?;
    bench.ask(Kind::SEND_QUERY, id, (0, 0));
    bench.until("an answer", |ears| ears.did_say(id, ReportCode::Working))?;
    bench.ask(Kind::SEND_CANCEL, id, (0, 0));
    bench.until("cancelled", |ears| ears.did_say(id, ReportCode::Cancelled))?;
    bench.ends()
}

pub(super) fn knows_an_earlier_life<D: BrokerDouble>() -> Held {
    D::has_link()?;
    let mut bench = Bench::<D>::up()?;
    let answered = bench.work()?;
    bench.double.trouble(BrokerTrouble::LosesAnswer)?;
    let unanswered = bench.place();
    // It has reached the venue when the answer is lost.
    while !bench.double.has_happened() {
        bench.pass(MS_NS);
    }
    bench.double.reborn()?;
    bench.until("link up again", |ears| 1 < ears.link_count(LinkCode::Up, 0))?;
    let start = bench.ears.heard.len();
    for id in [answered, unanswered] {
        bench.ask(Kind::SEND_QUERY, id, (0, 0));
        bench.until("working", |ears| {
            let is_it = |event: &Event| event.kind == Kind::REPORT && event.id == id;
            let told = ears.heard[start..].iter().rev().find(|event| is_it(event));
            told.is_some_and(|event| event.code == ReportCode::Working as u16)
        })?;
        let seen = bench.seen(id);
        ensure(seen.len() == 1 && seen[0].is_open, || format!("at the venue: {seen:?}"))?;
    }
    bench.ends()
}

pub(super) fn signs<D: BrokerDouble>() -> Held {
    let golden = D::golden()?;
    ensure(!golden.is_empty(), || "no signed request to compare".to_string())?;
    for (what, expected, found) in golden {
        ensure(expected == found, || format!("{what}: {found} instead of {expected}"))?;
    }
    Ok(())
}
