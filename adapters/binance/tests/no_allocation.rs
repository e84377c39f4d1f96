//! A decoder that has seen its largest frame allocates nothing for the frames that follow, neither way,
//! and a book never does.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use binance::{Capture, Decoder};
use engine::book::{Book, DirectBook};
use engine::event::{Event, Kind};
use engine::instrument::{Instrument, InstrumentTable, Venue};
use engine::money::Money;

thread_local! {
    static ALLOCATION_COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread.
struct Counting;

#[expect(
    unsafe_code,
    reason = "an allocator cannot be written without; it only counts and forwards"
)]
// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATION_COUNT.set(ALLOCATION_COUNT.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATION_COUNT.set(ALLOCATION_COUNT.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn decoding_and_the_book_allocate_nothing_after_the_first_round() {
    let table = InstrumentTable::new(vec![Instrument {
        venue: Venue::BinanceSpot,
        symbol: "TESTUSDT".to_string(),
        price_scale: 2,
        quantity_scale: 5,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }])
    .unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/spot_small.capture");
    let mut capture = Capture::open(path).unwrap();
    let mut frames = Vec::new();
    while let Some(line) = capture.next() {
        frames.push(line.unwrap().frame.to_vec());
    }
    check(Decoder::new(Venue::BinanceSpot, &table), &frames);
    check(Decoder::new(Venue::BinanceSpot, &table).with_tape_only(), &frames);
    // The counter counts.
    let before = ALLOCATION_COUNT.get();
    drop(std::hint::black_box(vec![1u8]));
    assert_eq!(ALLOCATION_COUNT.get() - before, 1);
}

#[track_caller]
fn check(mut decoder: Decoder, frames: &[Vec<u8>]) {
    let mut rounds = [frames.to_vec(), frames.to_vec()];
    let mut book = DirectBook::new();
    let mut event_count = 0u64;
    let mut apply = |event: Event| {
        event_count += 1;
        if event.kind == Kind::LEVEL {
            book.set(event.side(), event.price, event.quantity).expect("the level fits the book");
        }
    };
    let mut allocation_counts = Vec::new();
    for round in &mut rounds {
        let before = ALLOCATION_COUNT.get();
        for frame in round {
            decoder.decode(frame, 1, &mut apply).expect("the frame is sound");
        }
        allocation_counts.push(ALLOCATION_COUNT.get() - before);
    }
    assert!(1_000 < event_count);
    assert_eq!(allocation_counts[1], 0, "{allocation_counts:?}");
}
