//! Both ways side by side: on every frame the scanner says what the tape says, or nothing.

use engine::event::Event;
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::Money;
use proptest::prelude::*;

use crate::decode::{DecodeError, Decoder, FrameKind, Limits};

fn decoder(venue: Venue) -> Decoder {
    let instrument = |symbol: &str, price_scale, quantity_scale| Instrument {
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
    };
    let table = InstrumentTable::new(vec![
        instrument("BTCUSDT", 2, 5),
        instrument("BTCUSD", 1, 8),
        instrument("PEPEUSDT", 8, 0),
        instrument("1000000MOGUSDT", 4, 3),
        instrument("BTCUSDT_26062700", 2, 3),
        instrument("FINEUSDT", 9, 3),
    ])
    .unwrap();
    Decoder::new(venue, &table)
        .with_source(7)
        .with_snapshot_instrument(Some(0))
        .with_limits(Limits { frame_size_bytes_max: 1 << 16, levels_max: 6 })
}

type Answer = Result<(FrameKind, Vec<Event>), DecodeError>;

fn answer(decoder: &mut Decoder, frame: &[u8]) -> Answer {
    let (kind, events) = decoder.decode_events(&mut frame.to_vec(), 42)?;
    Ok((kind, events.to_vec()))
}

/// Both answers are one; says whether the scanner gave it.
fn both_ways(frame: &[u8]) -> Result<[bool; 2], TestCaseError> {
    let mut is_scanned = [false; 2];
    for (venue, is_scanned) in
        [Venue::BinanceSpot, Venue::BinanceUsdm].into_iter().zip(&mut is_scanned)
    {
        let mut fast = decoder(venue);
        let mut slow = decoder(venue).with_tape_only();
        let wanted = answer(&mut slow, frame);
        prop_assert_eq!(answer(&mut fast, frame), wanted, "{}", String::from_utf8_lossy(frame));
        *is_scanned = fast.tape_count() == 0;
    }
    Ok(is_scanned)
}

const SPOT_TRADE: &str = r#"{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}"#;
const USDM_TRADE: &str = r#"{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}"#;
const AGGREGATE: &str = r#"{"e":"aggTrade","E":1,"s":"BTCUSDT","a":7,"p":"61837.6","q":"0.020","f":1,"l":2,"T":3,"m":false,"M":true}"#;
const SPOT_QUOTE: &str = r#"{"u":400900217,"s":"BTCUSD","b":"25.3","B":"31.21000000","a":"25.40000000","A":"40.66000000"}"#;
const USDM_QUOTE: &str = r#"{"e":"bookTicker","u":5123107839020,"s":"1000000MOGUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}"#;
const SPOT_DEPTH: &str = r#"{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":157,"u":160,"b":[["2680.10","10"],["2679.00","0.00000000"]],"a":[["2681.5","0.0001"]]}"#;
const USDM_DEPTH: &str = r#"{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"PEPEUSDT","U":10,"u":12,"pu":9,"b":[],"a":[["0.00001234","123456789012.00"]]}"#;
const SNAPSHOT: &str =
    r#"{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.01","12.0"]]}"#;
const USDM_SNAPSHOT: &str =
    r#"{"lastUpdateId":5123107832006,"E":1,"T":2,"bids":[],"asks":[["4.01","12.000"]]}"#;

/// Each frame, and at which venues (spot, futures) it is scanned.
const FRAMES: [(&str, [bool; 2]); 9] = [
    (SPOT_TRADE, [true, true]),
    (USDM_TRADE, [true, true]),
    (AGGREGATE, [true, true]),
    (SPOT_QUOTE, [true, true]),
    (USDM_QUOTE, [true, true]),
    (SPOT_DEPTH, [true, false]),
    (USDM_DEPTH, [false, true]),
    (SNAPSHOT, [true, true]),
    (USDM_SNAPSHOT, [true, true]),
];

fn combined(stream: &str, frame: &str) -> String {
    format!(r#"{{"stream":"{stream}","data":{frame}}}"#)
}

#[track_caller]
fn check(frame: &str, wanted: [bool; 2]) {
    assert_eq!(both_ways(frame.as_bytes()).unwrap(), wanted, "{frame}");
}

#[test]
fn what_the_venue_sends_is_scanned_bare_and_combined() {
    for (frame, wanted) in FRAMES {
        check(frame, wanted);
        for stream in ["btcusdt@trade", "btcusdt@depth@100ms", "btcusdt@depth20", "pepeusdt@x"] {
            check(&combined(stream, frame), wanted);
        }
    }
}

#[test]
fn a_field_that_nobody_asks_for_may_stand_anywhere_but_first() {
    for (frame, wanted) in FRAMES {
        for (at, _) in frame.match_indices(",\"") {
            // Between price and quantity of a level there are no fields.
            if frame[at + 2..].starts_with(|first: char| first.is_ascii_digit()) {
                continue;
            }
            let before =
                [&frame[..at], ",\"st\":1,\"nq\":\"0.5\",\"ok\":null", &frame[at..]].concat();
            let scanned = both_ways(before.as_bytes()).unwrap();
            // The origin of a trade is known, so it is not passed over to find the next field.
            if !frame[at + 2..].starts_with("X\":") {
                assert_eq!(scanned, wanted, "{before}");
            }
        }
        check(&frame.replacen(",\"", ",\"code\":1,\"", 1), [false, false]);
    }
}

#[test]
fn what_is_out_of_the_ordinary_is_left_to_the_tape() {
    for frame in [
        "",
        "{}",
        "{\"u\":1}",
        &SPOT_TRADE.replace(':', ": "),
        &SPOT_TRADE.replace("BTCUSDT", "BTCUSDT\\u0000"),
        &SPOT_TRADE.replace("BTCUSDT", "BTCUSDT\0"),
        &SPOT_TRADE.replace("BTCUSDT", "btcusdt"),
        &SPOT_TRADE.replace("BTCUSDT", "BTCUSDT_26062700"),
        &SPOT_TRADE.replace("BTCUSDT", "FINEUSDT"),
        &SPOT_TRADE.replace("BTCUSDT", ""),
        &SPOT_TRADE.replace("61837.63000000", "61837.631"),
        &SPOT_TRADE.replace("61837.63000000", "61837.630000000"),
        &SPOT_TRADE.replace("61837.63000000", "0.00000000"),
        &SPOT_TRADE.replace("61837.63000000", "-1.0"),
        &SPOT_TRADE.replace("61837.63000000", "92233720368547758.08"),
        &SPOT_TRADE.replace("1723161255343", "01723161255343"),
        &SPOT_TRADE.replace("1723161255343", "1723161255343000000"),
        &SPOT_TRADE.replace("1723161255343", "1.5"),
        &SPOT_TRADE.replace("3735683259", "00"),
        &SPOT_TRADE.replace("true", "null"),
        &USDM_TRADE.replace("MARKET", "NA"),
        &SPOT_DEPTH.replace("157", "161"),
        &SPOT_DEPTH.replace("\"a\":", "\"b\":"),
        &format!("{SPOT_TRADE} "),
        &format!("{SPOT_TRADE}}}"),
        &combined("btc\\u0075sdt@trade", SPOT_TRADE),
        &combined("btc\u{e9}@trade", SPOT_TRADE),
        &combined("btc\u{1f}@trade", SPOT_TRADE),
        // In the word that holds the closing quote, too.
        &combined("x\u{1f}", SPOT_TRADE),
        &combined("x\u{e9}", SPOT_TRADE),
        &combined("x\\/", SPOT_TRADE),
    ] {
        check(frame, [false, false]);
    }
}

#[test]
fn numbers_of_every_length_are_scanned() {
    for whole in 1..=15 {
        for places in 0..=8 {
            let (nines, zeros) = ("9".repeat(whole), "0".repeat(places));
            let text = if places == 0 { nines } else { format!("{nines}.{zeros}") };
            check(
                &SPOT_TRADE.replace("61837.63000000", &text).replace("0.02000000", "1.00001"),
                [true; 2],
            );
            // At the end of a frame there is no whole word behind a number.
            let depth =
                r#"{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":1,"b":[],"a":[["1","QQ"]]}"#;
            let wanted = whole <= 13;
            check(&depth.replace("QQ", &text), [wanted, false]);
        }
    }
    for length in 1..=18 {
        let id = "9".repeat(length);
        check(&SPOT_TRADE.replace("3735683259", &id), [true; 2]);
        check(&USDM_QUOTE.replace("\"E\":1723161256313", &format!("\"E\":{id}")), [true; 2]);
    }
}

#[test]
fn a_cut_frame_is_never_scanned() {
    for (frame, _) in FRAMES {
        let frame = combined("btcusdt@trade", frame);
        for length in 0..frame.len() {
            check(&frame[..length], [false, false]);
        }
    }
}

#[test]
fn too_many_levels_are_refused_as_ever() {
    let levels = [r#"["2680.10","1.5"]"#; 4].join(",");
    let frame = SPOT_DEPTH.replace(r#"["2680.10","10"],["2679.00","0.00000000"]"#, &levels);
    check(&frame, [true, false]);
    check(&frame.replace(r#""a":["#, r#""a":[["2690.0","1.0"],["2691.0","1.0"],"#), [false, false]);
}

/// A change of a frame that may leave it good, bad or another one.
#[derive(Clone, Debug)]
enum Edit {
    /// Two fields of one object change places.
    Swap(prop::sample::Index, prop::sample::Index),
    /// A field is there once more, or a new one.
    Add(prop::sample::Index, String),
    Remove(prop::sample::Index),
    /// Another text for a number: at least one byte, mostly digits.
    Number(prop::sample::Index, String),
    Byte(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
}

/// Places of the fields of the innermost object, as far as commas before quotes tell them.
fn fields(frame: &str) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for part in frame.split(',') {
        let begins = part.trim_start_matches('{').starts_with('"') && part.contains("\":");
        match fields.last_mut() {
            Some(last) if !begins => {
                last.push(',');
                last.push_str(part);
            }
            Some(_) | None => fields.push(part.to_string()),
        }
    }
    fields
}

/// Places of runs of digits and points.
fn numbers(frame: &str) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, _) in frame.match_indices(|c: char| c.is_ascii_digit() || c == '.') {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end = at + 1,
            Some(_) | None => runs.push(at..at + 1),
        }
    }
    runs
}

fn edited(frame: &str, edit: &Edit) -> String {
    let mut bytes = frame.as_bytes().to_vec();
    let inner = frame.trim_start_matches('{').trim_end_matches('}');
    let mut fields = fields(inner);
    match edit {
        Edit::Swap(one, other) => {
            let count = fields.len();
            fields.swap(one.index(count), other.index(count));
        }
        Edit::Add(at, field) if field.is_empty() => {
            fields.push(fields[at.index(fields.len())].clone());
        }
        Edit::Add(at, field) => fields.insert(at.index(fields.len()), field.clone()),
        Edit::Remove(at) => drop(fields.remove(at.index(fields.len()))),
        Edit::Number(at, text) => {
            let numbers = numbers(frame);
            if !numbers.is_empty() {
                bytes.splice(numbers[at.index(numbers.len())].clone(), text.bytes());
            }
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        Edit::Byte(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        Edit::Insert(at, byte) => {
            bytes.insert(at.index(bytes.len()), *byte);
            return String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    format!("{{{}}}", fields.join(","))
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = any::<prop::sample::Index>;
    let byte =
        prop_oneof![any::<u8>(), prop::sample::select(b"\"{}[],:.0-\\ e\0tumbaABXT".to_vec())];
    let field = prop_oneof![
        Just(String::new()),
        prop::sample::select(vec![
            r#""st":1"#,
            r#""X":"MARKET""#,
            r#""X":"NA""#,
            r#""e":"trade""#,
            r#""code":3"#,
            r#""v":-1"#,
            r#""v":1.5"#,
            r#""v":[1,2]"#,
            r#""v":"a\"b""#,
            r#""stream":"x""#,
            r#""T":7"#,
            r#""b":[]"#,
            r#""m":true"#,
            r#""pu":3"#,
            r#""lastUpdateId":5"#,
            r#""data":{}"#,
            r#""v":"""#,
        ])
        .prop_map(str::to_string),
    ];
    let number = prop_oneof![
        "[0-9]{1,24}",
        "[0-9]{1,10}\\.[0-9]{1,10}",
        "0\\.0{1,9}[0-9]?",
        "[-+0-9.e]{1,8}",
    ];
    prop_oneof![
        2 => (index(), index()).prop_map(|(one, other)| Edit::Swap(one, other)),
        2 => (index(), field).prop_map(|(at, field)| Edit::Add(at, field)),
        1 => index().prop_map(Edit::Remove),
        4 => (index(), number).prop_map(|(at, number)| Edit::Number(at, number)),
        2 => (index(), byte.clone()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
        1 => (index(), byte).prop_map(|(at, byte)| Edit::Insert(at, byte)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]

    #[test]
    fn the_scanner_says_what_the_tape_says_or_nothing(
        (frame, _) in prop::sample::select(FRAMES.to_vec()),
        stream in prop::option::of(prop::sample::select(vec![
            "btcusdt@trade", "btcusdt@depth@100ms", "btcusd@depth5@100ms", "@depth5", "x", "",
        ])),
        is_edited_inside in any::<bool>(),
        edits in proptest::collection::vec(edit(), 0..4),
    ) {
        let mut frame = frame.to_string();
        if let (false, Some(stream)) = (is_edited_inside, stream) {
            frame = combined(stream, &frame);
        }
        for edit in &edits {
            if !frame.is_empty() {
                frame = edited(&frame, edit);
            }
        }
        if let (true, Some(stream)) = (is_edited_inside, stream) {
            frame = combined(stream, &frame);
        }
        both_ways(frame.as_bytes())?;
    }

    #[test]
    fn well_formed_depth_is_scanned_whatever_its_numbers(
        levels in proptest::collection::vec(("[1-9][0-9]{0,8}\\.[0-9]{1,2}0{0,6}", "[0-9]{1,9}\\.[0-9]{1,5}0{0,3}"), 0..6),
        bid_count in any::<prop::sample::Index>(),
        first in 0u64..1_000_000_000_000_000_000,
    ) {
        let list = |levels: &[(String, String)]| {
            let levels: Vec<String> = levels.iter().map(|(p, q)| format!(r#"["{p}","{q}"]"#)).collect();
            levels.join(",")
        };
        let (bids, asks) = levels.split_at(bid_count.index(levels.len() + 1));
        let frame = format!(
            r#"{{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":{first},"u":{first},"b":[{}],"a":[{}]}}"#,
            list(bids),
            list(asks)
        );
        prop_assert_eq!(both_ways(frame.as_bytes())?, [true, false], "{}", frame);
    }
}
