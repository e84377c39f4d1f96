//! Wire to wire: a venue of a few lines that looks from outside, two floors, and the whole engine between sockets.
//!
//! ```text
//!   writer --depth frame i--> [ stream socket ] --> floor or engine --> [ order socket ] --> reader
//!     |  planned, written (ns)                                                                 | seen (ns)
//!     +------------------------- marks, by i modulo 1,024 <------------------------------------+
//! ```
//! Best bid of frame `i` is a price that says `i`; the order must carry it, so that every order is known to
//! answer its frame, and no frame is answered twice or left out.
//!
//! **Invariant:** frames are written when the plan says, whether or not the ones before were answered.

pub mod engine;
pub mod floors;
pub mod script;
pub mod venue;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ::engine::clock::Clock;
use ::engine::instrument::{Instrument, InstrumentTable, Venue};
use ::engine::money::Money;

/// Places in the tables of times; more than can be on their way.
pub const MARK_COUNT: u64 = 1024;
/// What is traded.
pub const SYMBOL: &str = "BTCUSDT";
/// Decimal places of its price.
pub const PRICE_SCALE: u8 = 2;
/// Decimal places of its quantity.
pub const QUANTITY_SCALE: u8 = 5;
/// The key of the bench.
pub const API_KEY: &str = "benchbenchbenchbenchbenchbenchbenchbenchbenchbenchbenchbenchbe64";
/// Its secret, which opens nothing.
pub const SECRET: &str = "secretsecretsecretsecretsecretsecretsecretsecretsecretsecretse64";

/// How much one block measures.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Time between two frames.
    pub interval_ns: u64,
    /// Orders before the first that is measured.
    pub warm_count: u64,
    /// Orders that are measured.
    pub sample_count: u64,
}

/// Times of one frame, written by the one and read by the other side of the venue.
#[derive(Debug, Default)]
struct Mark {
    planned_ns: AtomicU64,
    written_ns: AtomicU64,
}

/// What the threads of one block share.
#[derive(Debug)]
pub struct Shared {
    load: Load,
    marks: Vec<Mark>,
    /// Frames that were written.
    sent_count: AtomicU64,
    /// Enough was measured: no more frames.
    is_done: AtomicBool,
    /// The clients shall end.
    pub is_stopped: AtomicBool,
}

impl Shared {
    /// For one block.
    pub fn new(load: Load) -> Shared {
        Shared {
            load,
            marks: (0..MARK_COUNT).map(|_| Mark::default()).collect(),
            sent_count: AtomicU64::new(0),
            is_done: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
        }
    }

    fn mark(&self, index: u64) -> &Mark {
        let place = usize::try_from(index % MARK_COUNT).expect("below the count");
        &self.marks[place]
    }

    /// Whether the clients shall end.
    pub fn stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }
}

/// The one instrument.
pub fn instruments() -> InstrumentTable {
    InstrumentTable::new(vec![Instrument {
        venue: Venue::BinanceSpot,
        symbol: SYMBOL.to_string(),
        price_scale: PRICE_SCALE,
        quantity_scale: QUANTITY_SCALE,
        tick: 1,
        lot: 1,
        notional_min: Money::ZERO,
        maker_fee_e8: 100_000,
        taker_fee_e8: 100_000,
        multiplier: 1,
    }])
    .expect("the table is sound")
}

/// Waits for a time: sleeps while it is far, spins when it is near.
fn wait_until(clock: &Clock, at_ns: u64) {
    const NEAR_NS: u64 = 120_000;
    loop {
        let left_ns = at_ns.saturating_sub(clock.now_ns());
        if left_ns == 0 {
            return;
        }
        if NEAR_NS < left_ns {
            std::thread::park_timeout(std::time::Duration::from_nanos(left_ns - NEAR_NS));
        } else {
            std::hint::spin_loop();
        }
    }
}
