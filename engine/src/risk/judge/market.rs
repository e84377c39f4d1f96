//! Rules about the market: a live and fresh reference, a price near every reference, a market that makes sense.

use crate::event::{BookState, Side};
use crate::market::InstrumentMarket;

use super::super::exposure::mid_twice;
use super::super::limit_key::{LimitKey, UNLIMITED};
use super::super::window::Span;
use super::{Asked, Refusal, Rule, clamped};

/// `amount` in 1e-4 of `of`, rounded up: what a refusal tells.
#[cold]
fn in_bps(amount: i128, of: i128) -> i64 {
    let scaled = amount * 10_000;
    clamped(scaled.div_euclid(of) + i128::from(scaled.rem_euclid(of) != 0))
}

/// `amount` is at most `limit` 1e-4 of `of`, compared as products so that nothing is rounded.
#[inline(always)]
fn within_bps(rule: Rule, amount: i128, of: i64, limit: i64) -> Result<(), Refusal> {
    if amount * 10_000 <= i128::from(limit) * i128::from(of) {
        return Ok(());
    }
    Err(Refusal { rule, measured: in_bps(amount, i128::from(of)), limit })
}

/// How far twice a price is beyond another, seen from the side that trades at it.
#[inline(always)]
fn beyond(side: Side, price: i64, other_twice: i64) -> i128 {
    let beyond = 2 * i128::from(price) - i128::from(other_twice);
    match side {
        Side::Buy => beyond,
        Side::Sell => -beyond,
    }
}

/// A live, fresh reference and a price near it.
#[inline]
pub(super) fn near(asked: &Asked<'_>, market: Option<&InstrumentMarket>) -> Result<(), Refusal> {
    let (event, limits) = (asked.event, asked.limits);
    let live = BookState::Live.code();
    let state = market.map_or(0, |market| market.state.code());
    let reference = market
        .filter(|_| state == live)
        .and_then(|market| Some((market.heard_ns, mid_twice(market)?)));
    let Some((heard_ns, mid_twice)) = reference else {
        let (measured, limit) = (i64::from(state), i64::from(live));
        return Err(Refusal { rule: Rule::NoReference, measured, limit });
    };
    let age_ns = event.time_ns.saturating_sub(heard_ns);
    if limits.reference_age_ns_max < age_ns {
        let measured = clamped(i128::from(age_ns));
        let limit = clamped(i128::from(limits.reference_age_ns_max));
        return Err(Refusal { rule: Rule::StaleReference, measured, limit });
    }
    // Above zero: towards the market, and through it.
    let through = beyond(asked.side, event.price, mid_twice);
    let limit = if 0 < through { limits.collar_bps } else { limits.passive_bps };
    within_bps(Rule::Collar, through.abs(), mid_twice, limit)
}

/// A market that makes sense, and a price near its other references. `near` has passed.
#[inline]
pub(super) fn reasonable(
    asked: &Asked<'_>,
    market: Option<&InstrumentMarket>,
    span: Option<Span>,
) -> Result<(), Refusal> {
    let controls = asked.controls;
    let Some(market) = market else { return Ok(()) };
    let Some(mid_twice) = mid_twice(market) else { return Ok(()) };
    let spread_max = controls.get(LimitKey::Spread);
    if spread_max != UNLIMITED {
        let spread = i128::from(market.top.ask_price) - i128::from(market.top.bid_price);
        within_bps(Rule::Spread, 2 * spread, mid_twice, spread_max)?;
    }
    let jump_max = controls.get(LimitKey::Jump);
    if let Some(span) = span
        && jump_max != UNLIMITED
    {
        let fall = i128::from(span.high_twice) - i128::from(mid_twice);
        let rise = i128::from(mid_twice) - i128::from(span.low_twice);
        within_bps(Rule::Jump, fall.max(rise), mid_twice, jump_max)?;
    }
    let price = asked.event.price;
    let trade_max = controls.get(LimitKey::CollarTrade);
    if trade_max != UNLIMITED && 0 < market.trade_price {
        let trade_twice = market.trade_price.saturating_mul(2);
        let through = beyond(asked.side, price, trade_twice);
        within_bps(Rule::CollarTrade, through, trade_twice, trade_max)?;
    }
    let window_max = controls.get(LimitKey::CollarWindow);
    if let Some(span) = span
        && window_max != UNLIMITED
    {
        // A buy above everything that was, a sell below everything that was.
        let reference_twice = match asked.side {
            Side::Buy => span.high_twice,
            Side::Sell => span.low_twice,
        };
        let through = beyond(asked.side, price, reference_twice);
        within_bps(Rule::CollarWindow, through, reference_twice, window_max)?;
    }
    Ok(())
}
