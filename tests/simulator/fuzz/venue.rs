//! What a venue sends, and files of it.

use std::cell::RefCell;
use std::io::Cursor;

use binance::{Capture, Decoder, FrameKind, LineError};
use engine::event::{Event, Kind, Side};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::Money;

const PROBE: &str = r#"{"e":"trade","s":"BTCUSDT","t":7,"p":"61837.63","q":"0.02","m":true}"#;

thread_local! {
    /// Kept between inputs, because what one frame leaves behind is what we look for.
    static DECODERS: RefCell<[Decoder; 2]> =
        RefCell::new([decoder(Venue::BinanceSpot), decoder(Venue::BinanceUsdm)]);
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

/// Any bytes as a frame: an answer, a sound run or none, and no trace in the next frame.
pub(super) fn decode(data: &[u8]) {
    DECODERS.with_borrow_mut(|decoders| {
        for decoder in decoders {
            if let Ok((kind, run)) = decoder.decode_events(&mut data.to_vec(), 42) {
                assert_run_is_sound(kind, run);
            }
            let mut probe = PROBE.as_bytes().to_vec();
            let (kind, run) = decoder.decode_events(&mut probe, 1).expect("the probe is sound");
            assert_eq!((kind, run.len(), run[0].price), (FrameKind::Trade, 1, 6_183_763));
            assert_eq!((run[0].side(), run[0].quantity), (Side::Sell, 2_000_000));
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
