//! The one place that reads a clock, for threads at the edges. The core reads none.
//!
//! ```text
//!  counter (TSC) --base, rate--> nanoseconds since the Unix epoch
//!                     ^
//!        discipline(), once a second by the supervisor, against CLOCK_MONOTONIC
//! ```
//!
//! Reading the counter costs a fraction of a system call, but its rate is only known to some parts
//! per million after a short calibration: a second in a few days. So the supervisor compares it
//! with the kernel's monotonic clock once a second and changes the *rate*, never the time: the
//! error is gone a second later, and time neither jumps nor stands still.
//!
//! The wall clock is read once, at construction. A later step of the wall clock (an operator, a
//! leap second) does not reach the engine; [`Clock::wall_error_ns`] says how far it went.
//!
//! **Invariant:** the time of one `Clock` value never goes backwards.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds in a second.
const SECOND_NS: u64 = 1_000_000_000;
/// The rate is never bent by more than this many parts per million; NTP keeps to the same bound.
const BEND_PPM_MAX: u64 = 500;
/// The base rate may be corrected by at most this many parts per million of the calibration.
const RATE_PPM_MAX: u64 = 1000;

/// A source of time for one thread: clone it for each. Not `Sync`, because it remembers the last
/// time that it gave.
pub struct Clock {
    source: Source,
    last_ns: Cell<u64>,
}

#[derive(Clone)]
enum Source {
    Counter(Arc<Counter>),
    Manual(Arc<AtomicU64>),
}

/// A counter and how it becomes time. Shared by all clones of a clock.
struct Counter {
    counter: quanta::Clock,
    /// Sequence lock of the two words and the rate below; odd while they change.
    lock: AtomicU64,
    base_raw: AtomicU64,
    base_ns: AtomicU64,
    /// Nanoseconds per 2^32 counts.
    rate: AtomicU64,
    /// The rate as calibrated at the start.
    rate_start: u64,
    /// Wall clock and monotonic clock of the kernel at the start.
    wall_start_ns: u64,
    monotonic_start: Instant,
    /// Counter and kernel time at the last discipline.
    anchor_raw: AtomicU64,
    anchor_ns: AtomicU64,
}

impl Clock {
    /// A clock on the fastest counter of this machine. Calibration takes up to 0.2 s, once a
    /// process.
    pub fn new() -> Self {
        let counter = quanta::Clock::new();
        let rate = counter.delta_as_nanos(0, 1 << 32).max(1);
        let wall_start_ns = wall_ns();
        let monotonic_start = monotonic();
        let raw = counter.raw();
        Self::from_source(Source::Counter(Arc::new(Counter {
            counter,
            lock: AtomicU64::new(0),
            base_raw: AtomicU64::new(raw),
            base_ns: AtomicU64::new(wall_start_ns),
            rate: AtomicU64::new(rate),
            rate_start: rate,
            wall_start_ns,
            monotonic_start,
            anchor_raw: AtomicU64::new(raw),
            anchor_ns: AtomicU64::new(wall_start_ns),
        })))
    }

    /// A clock that stands still until it is told to move, for tests and for replay.
    pub fn manual(start_ns: u64) -> (Self, ManualTime) {
        let time = Arc::new(AtomicU64::new(start_ns));
        (Self::from_source(Source::Manual(Arc::clone(&time))), ManualTime(time))
    }

    fn from_source(source: Source) -> Self {
        Self { source, last_ns: Cell::new(0) }
    }

    /// Nanoseconds since the Unix epoch. Never less than this value gave before.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        let now_ns = match &self.source {
            Source::Counter(counter) => counter.now_ns().1,
            Source::Manual(time) => time.load(Ordering::Acquire),
        };
        // Counters of two processors, or two rates, may differ by a nanosecond.
        let now_ns = now_ns.max(self.last_ns.get());
        self.last_ns.set(now_ns);
        now_ns
    }

    /// The bare counter, for measuring: cheaper than [`Clock::now_ns`], and turned into time by
    /// [`Clock::elapsed_ns`].
    #[inline]
    pub fn raw(&self) -> u64 {
        match &self.source {
            Source::Counter(counter) => counter.counter.raw(),
            Source::Manual(time) => time.load(Ordering::Acquire),
        }
    }

    /// Nanoseconds between two readings of [`Clock::raw`]; 0 when they are the wrong way round.
    #[inline]
    pub fn elapsed_ns(&self, start_raw: u64, end_raw: u64) -> u64 {
        let counts = end_raw.saturating_sub(start_raw);
        match &self.source {
            Source::Counter(counter) => scale(counts, counter.rate.load(Ordering::Relaxed)),
            Source::Manual(_) => counts,
        }
    }

    /// Corrects the rate. To be called by one thread, about once a second. Returns how far this
    /// clock was ahead of the kernel's (negative: behind).
    pub fn discipline(&self) -> i64 {
        match &self.source {
            Source::Counter(counter) => counter.discipline(counter.kernel_ns()),
            Source::Manual(_) => 0,
        }
    }

    /// How far the wall clock is ahead of this clock now: grows when somebody steps it.
    pub fn wall_error_ns(&self) -> i64 {
        match &self.source {
            Source::Counter(counter) => difference(wall_ns(), counter.now_ns().1),
            Source::Manual(_) => 0,
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Clock {
    /// Another value on the same time, which keeps its own last reading.
    fn clone(&self) -> Self {
        Self::from_source(self.source.clone())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::Counter(_) => "Clock::Counter",
            Source::Manual(_) => "Clock::Manual",
        })
    }
}

/// The hand that moves a manual clock.
#[derive(Clone, Debug)]
pub struct ManualTime(Arc<AtomicU64>);

impl ManualTime {
    /// Moves the time forward.
    pub fn advance(&self, by_ns: u64) {
        self.0.fetch_add(by_ns, Ordering::AcqRel);
    }

    /// Sets the time; a clock that has shown a later one goes on showing that.
    pub fn set(&self, now_ns: u64) {
        self.0.store(now_ns, Ordering::Release);
    }
}

impl Counter {
    /// The counter and the time, read together.
    #[inline]
    fn now_ns(&self) -> (u64, u64) {
        loop {
            let lock = self.lock.load(Ordering::Acquire);
            let raw = self.counter.raw();
            let base_raw = self.base_raw.load(Ordering::Relaxed);
            let base_ns = self.base_ns.load(Ordering::Relaxed);
            let rate = self.rate.load(Ordering::Relaxed);
            // SYNC POINT: the loads above belong together only if the lock did not change.
            fence(Ordering::Acquire);
            if lock.is_multiple_of(2) && lock == self.lock.load(Ordering::Relaxed) {
                return (raw, base_ns + scale(raw.saturating_sub(base_raw), rate));
            }
            // Once a second, for the time of three stores.
            std::hint::spin_loop();
        }
    }

    /// The kernel's monotonic clock on our epoch.
    fn kernel_ns(&self) -> u64 {
        self.wall_start_ns + nanoseconds(monotonic() - self.monotonic_start)
    }

    fn discipline(&self, kernel_ns: u64) -> i64 {
        let (raw, ours_ns) = self.now_ns();
        let error = difference(ours_ns, kernel_ns);
        let counts = raw.saturating_sub(self.anchor_raw.load(Ordering::Relaxed));
        let passed_ns = kernel_ns.saturating_sub(self.anchor_ns.load(Ordering::Relaxed));
        // A second needs to pass before a rate can be told from the jitter of two readings.
        if passed_ns < SECOND_NS / 2 || counts == 0 {
            return error;
        }
        let rate = corrected_rate(counts, passed_ns, error, self.rate_start);

        let lock = self.lock.load(Ordering::Relaxed);
        self.lock.store(lock.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.base_raw.store(raw, Ordering::Relaxed);
        self.base_ns.store(ours_ns, Ordering::Relaxed);
        self.rate.store(rate, Ordering::Relaxed);
        self.lock.store(lock.wrapping_add(2), Ordering::Release);
        self.anchor_raw.store(raw, Ordering::Relaxed);
        self.anchor_ns.store(kernel_ns, Ordering::Relaxed);
        error
    }
}

/// The rate that removes `error_ns` within the next second, given that the kernel counted
/// `passed_ns` while we counted `counts`.
fn corrected_rate(counts: u64, passed_ns: u64, error_ns: i64, rate_start: u64) -> u64 {
    let measured = (u128::from(passed_ns) << 32) / u128::from(counts);
    let measured = u64::try_from(measured).unwrap_or(u64::MAX);
    // A suspended virtual machine or a counter that was stopped must not become a rate.
    let slack = share(rate_start, RATE_PPM_MAX);
    let rate = measured.clamp(rate_start - slack, rate_start + slack);
    let bend = scale_by(rate, error_ns.unsigned_abs()).min(share(rate, BEND_PPM_MAX));
    if 0 < error_ns { rate - bend } else { rate + bend }
}

/// `rate x error / 1 s`.
fn scale_by(rate: u64, error_ns: u64) -> u64 {
    let product = u128::from(rate) * u128::from(error_ns) / u128::from(SECOND_NS);
    u64::try_from(product).unwrap_or(u64::MAX)
}

fn share(value: u64, parts_per_million: u64) -> u64 {
    let product = u128::from(value) * u128::from(parts_per_million) / 1_000_000;
    u64::try_from(product).unwrap_or(u64::MAX)
}

/// Counts to nanoseconds at a rate per 2^32 counts.
#[inline]
fn scale(counts: u64, rate: u64) -> u64 {
    let product = (u128::from(counts) * u128::from(rate)) >> 32;
    u64::try_from(product).unwrap_or(u64::MAX)
}

fn difference(a_ns: u64, b_ns: u64) -> i64 {
    let distance = i64::try_from(a_ns.abs_diff(b_ns)).unwrap_or(i64::MAX);
    if b_ns <= a_ns { distance } else { -distance }
}

fn wall_ns() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this module is the one that reads clocks")]
    let now = SystemTime::now();
    nanoseconds(now.duration_since(UNIX_EPOCH).expect("the wall clock is after 1970"))
}

/// `CLOCK_MONOTONIC`: paced by NTP, never stepped.
fn monotonic() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this module is the one that reads clocks")]
    let now = Instant::now();
    now
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("the clocks are before the year 2554")
}
