//! Books rebuilt from captures, line by line against rows that another program computed.
//!
//! The small captures beside this test are made up and committed; the large ones are real and are
//! compared where the reference data lies next to the checkout.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "everything in here is a test")]

use std::path::{Path, PathBuf};

use binance::{Capture, Decoder, FrameKind};
use engine::book::row::{BOOK_ROW_HEADER, BookRowContext, book_row};
use engine::book::{Book, DirectBook, NaiveBook};
use engine::event::{Event, Kind, market};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::Money;

/// Rows are written after each so many depth updates.
const ROW_EVERY: u64 = 100;

struct Rebuild<B> {
    venue: Venue,
    book: B,
    context: BookRowContext,
    snapshot_id: Option<i64>,
    has_joined: bool,
    waiting: Vec<Vec<Event>>,
    rows: Vec<String>,
    gap_count: u64,
}

impl<B: Book> Rebuild<B> {
    fn apply_levels(&mut self, run: &[Event]) {
        for event in &run[1..] {
            assert_eq!(event.kind, Kind::LEVEL);
            self.book.set(event.side(), event.price, event.quantity).unwrap();
        }
    }

    fn snapshot(&mut self, run: &[Event]) {
        self.snapshot_id = Some(market::depth_ids(&run[0]).last);
        self.book.clear();
        self.apply_levels(run);
        for update in std::mem::take(&mut self.waiting) {
            self.update(&update);
        }
    }

    fn update(&mut self, run: &[Event]) {
        let Some(snapshot_id) = self.snapshot_id else {
            self.waiting.push(run.to_vec());
            return;
        };
        let ids = market::depth_ids(&run[0]);
        let is_futures = self.venue == Venue::BinanceUsdm;
        if !self.has_joined {
            let is_old = if is_futures { ids.last < snapshot_id } else { ids.last <= snapshot_id };
            if is_old {
                return;
            }
            self.has_joined = true;
        } else {
            let follows = if is_futures {
                ids.previous == self.context.update_id
            } else {
                ids.first == self.context.update_id + 1
            };
            self.gap_count += u64::from(!follows);
        }
        self.context.update_id = ids.last;
        self.context.receive_ns = run[0].time_ns;
        self.apply_levels(run);
        self.context.applied_count += 1;
        if self.context.applied_count.is_multiple_of(ROW_EVERY) {
            self.rows.push(book_row(&self.book, &self.context));
        }
    }
}

fn table(venue: Venue, symbol: &str) -> InstrumentTable {
    // Spot quantities come finer than the lot of 0.00001: some levels hold odd remainders.
    let (price_scale, quantity_scale) = if venue == Venue::BinanceUsdm { (1, 3) } else { (2, 8) };
    InstrumentTable::new(vec![Instrument {
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
    }])
    .unwrap()
}

fn rebuild<B: Book>(book: B, venue: Venue, symbol: &str, capture: &Path) -> Rebuild<B> {
    let table = table(venue, symbol);
    let instrument = table.get(0).unwrap();
    let context = BookRowContext {
        applied_count: 0,
        receive_ns: 0,
        update_id: 0,
        price_scale: instrument.price_scale,
        quantity_scale: instrument.quantity_scale,
    };
    let mut rebuild = Rebuild {
        venue,
        book,
        context,
        snapshot_id: None,
        has_joined: false,
        waiting: Vec::new(),
        rows: Vec::new(),
        gap_count: 0,
    };
    let mut decoder = Decoder::new(venue, &table);
    let mut capture = Capture::open(capture).unwrap();
    while let Some(line) = capture.next() {
        let line = line.unwrap();
        assert_eq!(line.raised_ns, 0);
        let number = line.number;
        let (kind, run) = decoder
            .decode_events(line.frame, line.receive_ns)
            .unwrap_or_else(|error| panic!("line {number}: {error}"));
        match kind {
            FrameKind::Depth => rebuild.update(run),
            FrameKind::Snapshot => rebuild.snapshot(run),
            FrameKind::Trade | FrameKind::Quote => {}
            FrameKind::OffBookTrade
            | FrameKind::Answer
            | FrameKind::Refusal { .. }
            | FrameKind::ServerShutdown => panic!("line {number}: {kind:?} in market data"),
        }
    }
    rebuild
}

#[track_caller]
fn check(venue: Venue, symbol: &str, capture: &Path, rows: &Path) {
    let wanted = std::fs::read_to_string(rows).unwrap();
    let mut wanted = wanted.lines();
    assert_eq!(wanted.next(), Some(BOOK_ROW_HEADER));
    let wanted: Vec<&str> = wanted.collect();
    assert!(!wanted.is_empty());
    let naive = rebuild(NaiveBook::new(), venue, symbol, capture);
    let direct = rebuild(DirectBook::new(), venue, symbol, capture);
    assert_eq!(naive.rows, wanted, "the obvious book");
    assert_eq!(direct.rows, wanted, "the fast book");
    assert_eq!((naive.gap_count, direct.gap_count), (0, 0));
    assert_eq!(naive.book.digest(), direct.book.digest());
}

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// The reference data beside the checkout or beside a folder above it.
fn reference(name: &str) -> Option<PathBuf> {
    let ways = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
    ways.map(|folder| folder.join("shared/data/binance").join(name)).find(|path| path.exists())
}

#[track_caller]
fn check_reference(venue: Venue, name: &str) {
    let (Some(capture), Some(rows)) =
        (reference(&format!("{name}.gz")), reference(&format!("{name}.book.csv")))
    else {
        println!("skipped: the reference data of {name} is not here");
        return;
    };
    check(venue, "BTCUSDT", &capture, &rows);
}

#[test]
fn small_spot_capture_gives_the_books_of_the_reference() {
    let rows = testdata("spot_small.book.csv");
    check(Venue::BinanceSpot, "TESTUSDT", &testdata("spot_small.capture"), &rows);
}

#[test]
fn small_futures_capture_gives_the_books_of_the_reference() {
    let rows = testdata("usdm_small.book.csv");
    check(Venue::BinanceUsdm, "TESTUSDT", &testdata("usdm_small.capture"), &rows);
}

#[test]
fn real_spot_capture_gives_the_books_of_the_reference() {
    check_reference(Venue::BinanceSpot, "spot_btcusdt_20240808");
}

#[test]
fn real_futures_capture_gives_the_books_of_the_reference() {
    check_reference(Venue::BinanceUsdm, "usdm_btcusdt_20240808");
}
