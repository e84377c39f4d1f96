//! The market of the bench: what each depth frame, snapshot and answer says.

use std::fmt::Write as _;

use super::{MARK_COUNT, SYMBOL};

/// Price of mark 0.
pub const PRICE_BASE: i64 = 6_000_000;
/// Levels that change in each frame besides the two of the mark, by side.
const DEEP_COUNT: i64 = 8;
/// Ids of one frame.
const IDS_PER_FRAME: u64 = 20;
/// Id before the first frame.
const ID_BASE: u64 = 1_000;

fn mark_price(index: u64) -> i64 {
    PRICE_BASE + i64::try_from(index % MARK_COUNT).expect("below the count")
}

/// The mark of a price.
pub fn mark_of(price: i64) -> Option<u64> {
    u64::try_from(price - PRICE_BASE).ok().filter(|mark| *mark < MARK_COUNT)
}

fn push_level(out: &mut String, price: i64, quantity: u64) {
    let comma = if out.ends_with('[') { "" } else { "," };
    let (whole, cents) = (price.div_euclid(100), price.rem_euclid(100));
    write!(out, "{comma}[\"{whole}.{cents:02}000000\",\"{quantity}.00000000\"]").expect("a string");
}

/// Levels away from the touch; their quantities change with each frame.
fn deep(out: &mut String, index: u64, step: i64) {
    for place in 1..=DEEP_COUNT {
        let away = u64::try_from(place).expect("above zero");
        push_level(out, PRICE_BASE + step * place * 100, 1 + (index + away) % 7);
    }
}

/// Writes depth frame `index`.
pub fn depth(index: u64, event_ms: u64, out: &mut String) {
    let first = ID_BASE + index * IDS_PER_FRAME + 1;
    let last = first + IDS_PER_FRAME - 1;
    out.clear();
    write!(
        out,
        "{{\"stream\":\"btcusdt@depth@100ms\",\"data\":{{\"e\":\"depthUpdate\",\"E\":{event_ms},\
         \"s\":\"{SYMBOL}\",\"U\":{first},\"u\":{last},\"b\":["
    )
    .expect("a string");
    push_level(out, mark_price(index), 1);
    if 0 < index {
        push_level(out, mark_price(index - 1), 0);
    }
    deep(out, index, -1);
    out.push_str("],\"a\":[");
    deep(out, index, 30);
    out.push_str("]}}");
}

/// The book after `count` frames.
pub fn snapshot(count: u64) -> String {
    let last = ID_BASE + count * IDS_PER_FRAME;
    let mut out = format!("{{\"lastUpdateId\":{last},\"bids\":[");
    let index = count.saturating_sub(1);
    if 0 < count {
        push_level(&mut out, mark_price(index), 1);
    }
    deep(&mut out, index, -1);
    out.push_str("],\"asks\":[");
    deep(&mut out, index, 30);
    out.push_str("]}");
    out
}

/// The value behind `"key":` in a text of ours, without quotes.
pub fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let start = text.find(&format!("\"{key}\":"))? + key.len() + 3;
    let rest = text[start..].trim_start_matches('"');
    rest.split(['"', ',', '}']).next()
}

/// The answer to a request that is no order.
pub fn answer(text: &str, now_ms: u64) -> Option<String> {
    let id = field(text, "id")?;
    let result = match field(text, "method")? {
        "time" => format!("{{\"serverTime\":{now_ms}}}"),
        "userDataStream.subscribe.signature" => "{\"subscriptionId\":0}".to_string(),
        "account.status" => "{\"balances\":[]}".to_string(),
        _ => "[]".to_string(),
    };
    Some(format!("{{\"id\":{id},\"status\":200,\"result\":{result},\"rateLimits\":[]}}"))
}

/// The answer to an order: it met nobody and is over.
pub fn expired(text: &str, venue_id: u64, now_ms: u64) -> Option<String> {
    let (id, price) = (field(text, "id")?, field(text, "price")?);
    let (name, quantity) = (field(text, "newClientOrderId")?, field(text, "quantity")?);
    Some(format!(
        "{{\"id\":{id},\"status\":200,\"result\":{{\"symbol\":\"{SYMBOL}\",\"orderId\":{venue_id},\
         \"orderListId\":-1,\"clientOrderId\":\"{name}\",\"transactTime\":{now_ms},\"price\":\"{price}\",\
         \"origQty\":\"{quantity}\",\"executedQty\":\"0.00000000\",\"origQuoteOrderQty\":\"0.00000000\",\
         \"cummulativeQuoteQty\":\"0.00000000\",\"status\":\"EXPIRED\",\"timeInForce\":\"IOC\",\
         \"type\":\"LIMIT\",\"side\":\"BUY\",\"workingTime\":{now_ms},\
         \"selfTradePreventionMode\":\"NONE\"}},\"rateLimits\":[]}}"
    ))
}

/// The price in an order, in units of its scale.
pub fn price(text: &str) -> Option<i64> {
    let written = field(text, "price")?;
    let (whole, places) = written.split_once('.').unwrap_or((written, ""));
    let cents = format!("{places:0<2}");
    Some(whole.parse::<i64>().ok()? * 100 + cents.get(..2)?.parse::<i64>().ok()?)
}
