//! Frames by hand, garbage by chance.

use engine::event::{Kind, market};
use engine::instrument::Instrument;
use engine::money::Money;
use proptest::prelude::*;

use super::*;

fn instrument(venue: Venue, symbol: &str, price_scale: u8, quantity_scale: u8) -> Instrument {
    Instrument {
        venue,
        symbol: symbol.to_string(),
        price_scale,
        quantity_scale,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }
}

fn table() -> InstrumentTable {
    InstrumentTable::new(vec![
        instrument(Venue::BinanceSpot, "BTCUSDT", 2, 5),
        instrument(Venue::BinanceUsdm, "BTCUSDT", 1, 3),
        instrument(Venue::BinanceSpot, "ETHUSDT", 2, 4),
    ])
    .unwrap()
}

fn spot() -> Decoder {
    Decoder::new(Venue::BinanceSpot, &table()).with_source(3)
}

fn usdm() -> Decoder {
    Decoder::new(Venue::BinanceUsdm, &table())
}

fn decode(decoder: &mut Decoder, frame: &str) -> Result<(FrameKind, Vec<Event>), DecodeError> {
    let mut events = Vec::new();
    let kind = decoder.decode(&mut frame.as_bytes().to_vec(), 42, &mut |e| events.push(e));
    if kind.is_err() {
        assert!(events.is_empty(), "a refused frame gave events");
    }
    Ok((kind?, events))
}

fn stamped(event: Event, source: u16) -> Event {
    Event { time_ns: 42, source, ..event }
}

const SPOT_TRADE: &str = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}"#;
const SPOT_DEPTH: &str = r#"{"e":"depthUpdate","E":1723161255208,"s":"ETHUSDT","U":157,"u":160,"b":[["2680.10","10"],["2679.00","0.00000000"]],"a":[["2681.5","0.0001"]]}"#;
const USDM_DEPTH: &str = r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":10,"u":12,"pu":9,"b":[],"a":[["61800.3","0.014"]]}}"#;
const SPOT_QUOTE: &str = r#"{"u":400900217,"s":"BTCUSDT","b":"25.35000000","B":"31.21000000","a":"25.36000000","A":"40.66000000"}"#;
const SPOT_SNAPSHOT: &str = r#"{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.01000000","12.00000000"]]}"#;

#[test]
fn a_trade_names_its_aggressor() {
    let (kind, events) = decode(&mut spot(), SPOT_TRADE).unwrap();
    assert_eq!(kind, FrameKind::Trade);
    let want = market::trade(0, Side::Sell, 6_183_763, 2_000, 3_735_683_259);
    assert_eq!(events, [stamped(want, 3)]);
    let bought = SPOT_TRADE.replace("\"m\":true", "\"m\":false");
    assert_eq!(decode(&mut spot(), &bought).unwrap().1[0].side(), Side::Buy);
    let aggregate = r#"{"e":"aggTrade","s":"BTCUSDT","a":7,"p":"61837.6","q":"0.020","f":1,"l":2,"T":3,"m":false}"#;
    let (_, events) = decode(&mut usdm(), aggregate).unwrap();
    assert_eq!(events, [stamped(market::trade(1, Side::Buy, 618_376, 20, 7), 0)]);
}

#[test]
fn a_depth_update_is_a_header_and_its_levels_and_ends_with_last() {
    let (kind, events) = decode(&mut spot(), SPOT_DEPTH).unwrap();
    assert_eq!(kind, FrameKind::Depth);
    let ids = DepthIds { first: 157, last: 160, previous: DepthIds::NO_PREVIOUS };
    let want = [
        market::depth(2, ids, 3, false),
        market::level(2, Side::Buy, 268_010, 100_000, false),
        market::level(2, Side::Buy, 267_900, 0, false),
        market::level(2, Side::Sell, 268_150, 1, true),
    ];
    assert_eq!(events, want.map(|event| stamped(event, 3)));
    let (_, events) = decode(&mut usdm(), USDM_DEPTH).unwrap();
    assert_eq!(market::depth_ids(&events[0]), DepthIds { first: 10, last: 12, previous: 9 });
    assert_eq!(events[1], stamped(market::level(1, Side::Sell, 618_003, 14, true), 0));
}

#[test]
fn a_depth_update_without_levels_is_one_event() {
    let empty = r#"{"e":"depthUpdate","s":"BTCUSDT","U":1,"u":1,"b":[],"a":[]}"#;
    let (_, events) = decode(&mut spot(), empty).unwrap();
    assert_eq!(events.len(), 1);
    assert!(events[0].is_last());
}

#[test]
fn a_quote_is_two_events_with_and_without_a_kind() {
    let (kind, events) = decode(&mut spot(), SPOT_QUOTE).unwrap();
    assert_eq!(kind, FrameKind::Quote);
    let want = [
        market::quote(0, Side::Buy, 2_535, 3_121_000, 400_900_217),
        market::quote(0, Side::Sell, 2_536, 4_066_000, 400_900_217),
    ];
    assert_eq!(events, want.map(|event| stamped(event, 3)));
    let futures = r#"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5,"s":"BTCUSDT","b":"0.0","B":"0.000","a":"61800.30","A":"2.510","T":1,"E":1}}"#;
    let (kind, events) = decode(&mut usdm(), futures).unwrap();
    assert_eq!(kind, FrameKind::Quote);
    assert_eq!((events[0].price, events[0].quantity), (0, 0));
}

#[test]
fn a_snapshot_goes_to_the_instrument_that_was_asked_for() {
    assert_eq!(decode(&mut spot(), SPOT_SNAPSHOT), Err(DecodeError::NoInstrument));
    let mut decoder = spot().with_snapshot_instrument(Some(2));
    let (kind, events) = decode(&mut decoder, SPOT_SNAPSHOT).unwrap();
    assert_eq!(kind, FrameKind::Snapshot);
    assert_eq!(events.len(), 3);
    assert!(events[0].has(flags::SNAPSHOT));
    assert!(events.iter().all(|event| event.instrument == 2));
    let ids = DepthIds { first: 1_027_024, last: 1_027_024, previous: DepthIds::NO_PREVIOUS };
    assert_eq!(market::depth_ids(&events[0]), ids);
    // The only instrument of a venue needs no choice; an instrument of another venue is none.
    assert!(decode(&mut usdm(), &SPOT_SNAPSHOT.replace("4.01", "4.1")).is_ok());
    let mut decoder = usdm().with_snapshot_instrument(Some(0));
    assert_eq!(decode(&mut decoder, SPOT_SNAPSHOT), Err(DecodeError::NoInstrument));
}

#[test]
fn a_partial_book_replaces_the_book() {
    let spot_part = format!(r#"{{"stream":"ethusdt@depth20@100ms","data":{SPOT_SNAPSHOT}}}"#);
    let (kind, events) = decode(&mut spot(), &spot_part).unwrap();
    assert_eq!((kind, events[0].instrument), (FrameKind::Snapshot, 2));
    let usdm_part = USDM_DEPTH.replace("btcusdt@depth@0ms", "btcusdt@depth5");
    let (kind, events) = decode(&mut usdm(), &usdm_part).unwrap();
    assert_eq!(kind, FrameKind::Snapshot);
    assert!(events[0].has(flags::SNAPSHOT));
    assert_eq!(market::depth_ids(&events[0]).first, 12);
}

#[test]
fn what_is_no_market_data_gives_no_events() {
    for (frame, want) in [
        (r#"{"result":null,"id":1}"#, FrameKind::Answer),
        (r#"{"result":["btcusdt@depth"],"id":"x"}"#, FrameKind::Answer),
        (r#"{"code":2,"msg":"Invalid request","id":1}"#, FrameKind::Refusal { code: 2 }),
        (r#"{"code":-1121,"msg":"Invalid symbol."}"#, FrameKind::Refusal { code: -1121 }),
        (
            r#"{"id":1,"status":400,"error":{"code":-1100,"msg":""}}"#,
            FrameKind::Refusal { code: -1100 },
        ),
        (r#"{"e":"serverShutdown","E":1770123456789}"#, FrameKind::ServerShutdown),
        (
            r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}"#,
            FrameKind::ServerShutdown,
        ),
        (r#"{"event":{"e":"serverShutdown","E":1}}"#, FrameKind::ServerShutdown),
        (
            r#"{"e":"trade","s":"BTCUSDT","t":1,"p":"0","q":"0","X":"NA","m":true}"#,
            FrameKind::OffBookTrade,
        ),
    ] {
        assert_eq!(decode(&mut spot(), frame), Ok((want, Vec::new())), "{frame}");
    }
}

#[track_caller]
fn check_refused(frame: &str, code: u16, message: &str) {
    let error = decode(&mut spot(), frame).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (code, message), "{frame}");
}

#[test]
fn a_refusal_has_a_number_and_names_what_is_wrong() {
    check_refused("[]", 3, "frame is not a JSON object");
    check_refused("7", 3, "frame is not a JSON object");
    check_refused(r#"{"e":"kline","s":"BTCUSDT"}"#, 4, "unknown message kind \"kline\"");
    check_refused(r#"{"x":1}"#, 4, "unknown message kind \"\"");
    check_refused(&SPOT_TRADE.replace("\"p\"", "\"P\""), 5, "field \"p\" is missing");
    check_refused(&SPOT_TRADE.replace("true", "1"), 6, "field \"m\" is not true or false");
    check_refused(&SPOT_TRADE.replace("3735683259", "1.5"), 6, "field \"t\" is not a whole number");
    check_refused(&SPOT_TRADE.replace("\"T\"", "\"t\""), 7, "field \"t\" is there twice");
    check_refused(
        &SPOT_TRADE.replace("BTCUSDT", "BTCUSDC"),
        8,
        "symbol \"BTCUSDC\" is not configured",
    );
    check_refused(
        &SPOT_TRADE.replace("0.02000000", "0.0x"),
        10,
        "field \"q\": not a decimal number: \"0.0x\"",
    );
    check_refused(
        &SPOT_TRADE.replace("61837.63000000", "61837.631"),
        11,
        "field \"p\": \"61837.631\" is finer than 2 decimal places",
    );
    check_refused(
        &SPOT_TRADE.replace("61837.63000000", "92233720368547758.08"),
        12,
        "field \"p\": \"92233720368547758.08\" is out of range at 2 decimal places",
    );
    check_refused(&SPOT_TRADE.replace("61837.63000000", "0"), 13, "field \"p\" must be above zero");
    check_refused(
        &SPOT_TRADE.replace("3735683259", "18446744073709551615"),
        13,
        "field \"t\" must be within 64 bits",
    );
    check_refused(&SPOT_DEPTH.replace("157", "161"), 13, "field \"u\" must be at least \"U\"");
    check_refused(&SPOT_DEPTH.replace("157", "-1"), 13, "field \"U\" must be zero or above");
    // The last level is bad: those before it must not come out.
    check_refused(
        &SPOT_DEPTH.replace("0.0001", "-0.0001"),
        13,
        "field \"a\" must be zero or above",
    );
    check_refused(
        &SPOT_DEPTH.replace("\"2681.5\",", ""),
        6,
        "field \"a\" is not a list of [price, quantity]",
    );
    let futures_without_previous = decode(&mut usdm(), &USDM_DEPTH.replace("pu", "pv"));
    assert_eq!(futures_without_previous, Err(DecodeError::FieldMissing { field: "pu" }));
}

#[test]
fn broken_json_is_refused_and_the_next_frame_is_fine() {
    let mut decoder = spot();
    for length in 0..SPOT_DEPTH.len() {
        let error = decode(&mut decoder, &SPOT_DEPTH[..length]).unwrap_err();
        assert_eq!(error.code(), 2, "cut at {length}: {error}");
    }
    let nested = "[".repeat(100_000);
    assert_eq!(decode(&mut decoder, &nested).unwrap_err().code(), 2);
    let nested = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    assert_eq!(decode(&mut decoder, &nested).unwrap_err().code(), 2);
    assert_eq!(decode(&mut decoder, SPOT_DEPTH).unwrap().1.len(), 4);
}

#[test]
fn limits_are_kept() {
    let limits = Limits { frame_size_bytes_max: SPOT_DEPTH.len(), levels_max: 3 };
    let mut decoder = spot().with_limits(limits);
    assert!(decode(&mut decoder, SPOT_DEPTH).is_ok());
    let longer = format!("{SPOT_DEPTH} ");
    assert_eq!(decode(&mut decoder, &longer).unwrap_err().code(), 1);
    let mut decoder = spot().with_limits(Limits { levels_max: 2, ..limits });
    let error = decode(&mut decoder, SPOT_DEPTH).unwrap_err();
    assert_eq!(error, DecodeError::TooManyLevels { level_count: 3, levels_max: 2 });
}

#[test]
fn escapes_in_keys_and_texts_are_understood() {
    let escaped = SPOT_TRADE.replace("\"s\":\"BTC", "\"\\u0073\":\"\\u0042TC");
    assert_eq!(decode(&mut spot(), &escaped), decode(&mut spot(), SPOT_TRADE));
}

fn assert_run_is_sound(kind: FrameKind, events: &[Event]) {
    let Some((last, others)) = events.split_last() else { return };
    assert!(last.is_last());
    assert!(others.iter().all(|event| !event.is_last()));
    assert!(events.iter().all(|event| event.time_ns == 42 && event.instrument == last.instrument));
    if matches!(kind, FrameKind::Depth | FrameKind::Snapshot) {
        assert_eq!(events[0].kind, Kind::DEPTH);
        assert_eq!(usize::try_from(events[0].tag).unwrap(), others.len());
        assert!(events[1..].iter().all(|event| event.kind == Kind::LEVEL));
    }
}

fn frame() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![SPOT_TRADE, SPOT_DEPTH, USDM_DEPTH, SPOT_QUOTE, SPOT_SNAPSHOT])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_give_an_answer(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let table = table();
        let mut decoder = Decoder::new(Venue::BinanceSpot, &table);
        let answer = decoder.decode_events(&mut bytes, 42).map(|(kind, _)| kind);
        prop_assert!(answer.is_err());
    }

    #[test]
    fn damaged_frames_give_an_answer_and_leave_no_trace(
        original in frame(),
        damage in proptest::collection::vec(
            (any::<prop::sample::Index>(), prop_oneof![any::<u8>(), prop::sample::select(b"\"{}[],:.0-\\e".to_vec())]),
            1..6,
        ),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = original.as_bytes().to_vec();
        for (index, byte) in &damage {
            let index = index.index(bytes.len());
            bytes[index] = *byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        for mut decoder in [spot().with_snapshot_instrument(Some(0)), usdm()] {
            let untouched = decode(&mut decoder, original);
            if let Ok((kind, events)) = decoder.decode_events(&mut bytes.clone(), 42) {
                assert_run_is_sound(kind, events);
            }
            prop_assert_eq!(decode(&mut decoder, original), untouched);
        }
    }
}
