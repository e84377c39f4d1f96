//! What a venue sends, and files of it.

use std::cell::RefCell;
use std::io::Cursor;

use binance::{Capture, Decoder, FrameKind, LineError};
use engine::event::{Event, Kind, Side};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::Money;

const PROBE: &str = r#"{"e":"trade","E":1,"s":"BTCUSDT","t":7,"p":"61837.63","q":"0.02","m":true}"#;

thread_local! {
    /// Kept between inputs, because what one frame leaves behind is what we look for.
    static DECODERS: RefCell<[[Decoder; 2]; 2]> =
        RefCell::new([both_ways(Venue::BinanceSpot), both_ways(Venue::BinanceUsdm)]);
}

/// One that scans what it can, and one that never does.
fn both_ways(venue: Venue) -> [Decoder; 2] {
    [decoder(venue), decoder(venue).with_tape_only()]
}

fn decoder(venue: Venue) -> Decoder {
    let table = InstrumentTable::new(vec![Instrument {
        venue,
        symbol: "BTCUSDT".to_string(),
        price_scale: 2,
        quantity_scale: 8,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }])
    .expect("the instrument is sound");
    Decoder::new(venue, &table)
}

/// Any bytes as a frame: an answer, a sound run or none, both ways the same, and no trace in the next frame.
pub(super) fn decode(data: &[u8]) {
    DECODERS.with_borrow_mut(|decoders| {
        for [fast, slow] in decoders {
            let mut copies = [data.to_vec(), data.to_vec()];
            let [scanned, taped] = &mut copies;
            let answers = [fast.decode_events(scanned, 42), slow.decode_events(taped, 42)];
            let [answer, other] = &answers;
            assert_eq!(answer, other, "the scanner differs from the tape");
            if let Ok((kind, run)) = answer {
                assert_run_is_sound(*kind, run);
            }
            let tape_count = fast.tape_count();
            let mut probe = PROBE.as_bytes().to_vec();
            let (kind, run) = fast.decode_events(&mut probe, 1).expect("the probe is sound");
            assert_eq!((kind, run.len(), run[0].price), (FrameKind::Trade, 1, 6_183_763));
            assert_eq!((run[0].side(), run[0].quantity), (Side::Sell, 2_000_000));
            assert_eq!(fast.tape_count(), tape_count, "the probe is scanned");
        }
    });
}

fn assert_run_is_sound(kind: FrameKind, run: &[Event]) {
    let Some((last, others)) = run.split_last() else { return };
    assert!(last.is_last());
    assert!(others.iter().all(|event| !event.is_last()));
    assert!(run.iter().all(|event| event.instrument == 0 && event.time_ns == 42));
    if matches!(kind, FrameKind::Depth | FrameKind::Snapshot) {
        assert_eq!(run[0].kind, Kind::DEPTH);
        assert_eq!(usize::try_from(run[0].tag), Ok(others.len()));
        assert!(run[1..].iter().all(|event| 0 < event.price && 0 <= event.quantity));
    }
}

/// Any bytes as a capture: lines in order with times in order, at most one error of the file, an end.
pub(super) fn capture(data: &[u8]) {
    let mut capture = Capture::from_reader(Cursor::new(data.to_vec()));
    let line_count = data.split(|byte| *byte == b'\n').count();
    let line_count = u64::try_from(line_count).expect("a count fits 64 bits");
    let (mut number_before, mut time_before) = (0, 0);
    while let Some(next) = capture.next() {
        let number = match next {
            Ok(line) => {
                assert!(!line.frame.is_empty());
                assert!(time_before <= line.receive_ns);
                time_before = line.receive_ns;
                line.number
            }
            Err(LineError::Damaged { line, .. }) => panic!("memory is not damaged, line {line}"),
            Err(error) => error.line(),
        };
        assert!(number_before < number);
        assert!(number <= line_count);
        number_before = number;
    }
    assert!(capture.next().is_none());
}

/// The first lines of the adapter's own captures.
pub(super) fn capture_seeds() -> Vec<Vec<u8>> {
    let spot = include_bytes!("../../../adapters/binance/testdata/spot_small.capture");
    let usdm = include_bytes!("../../../adapters/binance/testdata/usdm_small.capture");
    let head = |bytes: &[u8]| {
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').take(12);
        lines.flatten().copied().collect()
    };
    vec![head(spot), head(usdm)]
}
