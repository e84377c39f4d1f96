//! What every feed owes the engine, as clauses over a double.
//!
//! The ears are the engine's own feed stage and book, so that "the book is good" means what it means in a
//! session: live, and level by level what the venue has.

mod ears;

use engine::event::{BookState, FeedCode};

use super::{BOUND_NS, Clause, Held, MS_NS, Stop, ensure};
pub use ears::{FeedEars, Levels, table};

/// How a double is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedStart {
    /// As usual.
    Usual,
    /// Connections are replaced several times a second.
    RenewsOften,
}

/// What a venue can do to a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedTrouble {
    /// Every connection is reset.
    Cut,
    /// Every connection stays open, answers pings and says nothing.
    Mute,
    /// One update is never sent.
    Gap,
    /// One update is sent again.
    Duplicate,
    /// One update overtakes another.
    Reorder,
    /// One message is not what the venue's documents allow.
    Garbage,
    /// One update is never sent, and the next whole book is refused for a second: too many requests.
    GapAndLimit,
}

/// A feed, with a venue that can be troubled.
pub trait FeedDouble: Sized {
    /// A feed that connects with its first turns.
    fn start(start: FeedStart) -> Result<Self, Stop>;
    /// The time that the feed sees.
    fn now_ns(&self) -> u64;
    /// One turn of everything.
    fn turn(&mut self, ears: &mut FeedEars);
    /// Changes the venue's market a little; at its own pace, when it is called often.
    fn move_market(&mut self);
    /// The venue's book of the one instrument, in units of the instrument.
    fn truth(&self) -> Levels;
    /// Troubles the feed.
    fn trouble(&mut self, trouble: FeedTrouble) -> Held;
    /// Whether that has happened.
    fn has_happened(&self) -> bool;
    /// Ends the feed in order.
    fn stop(&mut self, ears: &mut FeedEars) -> Held;
}

/// The clauses.
#[rustfmt::skip]
pub fn clauses<D: FeedDouble>() -> Vec<Clause> {
    let clause = |name, says, check| Clause { name, says, check };
    vec![
        clause("feed-becomes-live", "a start leads to a whole book without help", becomes_live::<D>),
        clause("feed-tells-connections", "each connection is told with its number, without an instrument", tells_connections::<D>),
        clause("feed-tells-a-cut", "a cut is told at once, and the book comes back by itself", tells_a_cut::<D>),
        clause("feed-judges-silence-on-data", "an open connection that only answers pings is told as mute and made anew", judges_silence::<D>),
        clause("feed-hides-no-gap", "a missing update is seen as a gap; the book is whole again by itself", hides_no_gap::<D>),
        clause("feed-keeps-the-order", "updates that overtake each other never make a book wrong", keeps_the_order::<D>),
        clause("feed-drops-duplicates", "an update that was told is not told again", drops_duplicates::<D>),
        clause("feed-puts-garbage-aside", "a message that is not understood is quarantined; nothing of it is published", puts_garbage_aside::<D>),
        clause("feed-keeps-limits", "a refusal for too many requests is waited out", keeps_limits::<D>),
        clause("feed-marks-what-it-drops", "without room in the ring the book is a gap, never wrong", marks_what_it_drops::<D>),
        clause("feed-renews-without-a-gap", "a planned reconnect overlaps: the book stays live", renews_without_a_gap::<D>),
        clause("feed-tells-its-end", "after the end no book is live", tells_its_end::<D>),
    ]
}

/// Updates after the first whole book before something goes wrong.
const UPDATE_COUNT: u64 = 5;

/// Attempts to see a gap, and how long each is waited for.
const GAP_TRY_COUNT_MAX: usize = 10;
/// See there.
const GAP_WAIT_NS: u64 = 2_000 * MS_NS;

/// A double and what it told.
struct Bench<D> {
    double: D,
    ears: FeedEars,
}

impl<D: FeedDouble> Bench<D> {
    fn live(start: FeedStart) -> Result<Bench<D>, Stop> {
        let mut bench = Bench { double: D::start(start)?, ears: FeedEars::new() };
        bench.until("the first whole book", FeedEars::is_live)?;
        // A snapshot may be ahead of its stream: what were to go missing now would not be missed.
        let count = bench.ears.depth_count;
        bench.until("updates", |ears| count + UPDATE_COUNT < ears.depth_count)?;
        Ok(bench)
    }

    fn turn(&mut self) {
        self.double.move_market();
        self.double.turn(&mut self.ears);
    }

    /// Turns in a moving market until `done` says so.
    fn until(&mut self, what: &str, done: impl Fn(&FeedEars) -> bool) -> Held {
        let start_ns = self.double.now_ns();
        while !done(&self.ears) {
            self.turn();
            let took_ns = self.double.now_ns().saturating_sub(start_ns);
            ensure(took_ns < BOUND_NS, || format!("{what}: not in time; {}", self.ears.story()))?;
        }
        Ok(())
    }

    /// Troubles the feed, and waits until it has happened.
    fn trouble(&mut self, trouble: FeedTrouble) -> Held {
        self.double.trouble(trouble)?;
        let start_ns = self.double.now_ns();
        while !self.double.has_happened() {
            self.turn();
            let took_ns = self.double.now_ns().saturating_sub(start_ns);
            ensure(took_ns < BOUND_NS, || format!("{trouble:?} does not happen"))?;
        }
        Ok(())
    }

    /// Troubles the feed until a gap is seen. One that meets a connection which is just made anew is healed by
    /// that, so it may take more than one.
    fn until_gap(&mut self, trouble: FeedTrouble) -> Held {
        for _ in 0..GAP_TRY_COUNT_MAX {
            self.trouble(trouble)?;
            let start_ns = self.double.now_ns();
            while self.double.now_ns().saturating_sub(start_ns) < GAP_WAIT_NS {
                if self.ears.was(BookState::Gap) {
                    return Ok(());
                }
                self.turn();
            }
        }
        Err(Stop::Broken(format!("no gap is seen; {}", self.ears.story())))
    }

    /// The market stands still, and in the end both books are the same; none was ever wrong on the way.
    fn agrees(&mut self) -> Held {
        self.until("a live book", FeedEars::is_live)?;
        let start_ns = self.double.now_ns();
        loop {
            let truth = self.double.truth();
            if self.ears.is_live() && self.ears.levels() == truth {
                break;
            }
            self.double.turn(&mut self.ears);
            let took_ns = self.double.now_ns().saturating_sub(start_ns);
            // What a stream that stands still does not say is said with the next change.
            if 200 * MS_NS < took_ns {
                self.double.move_market();
            }
            ensure(took_ns < BOUND_NS, || {
                let (got, story) = (self.ears.levels(), self.ears.story());
                format!("the books differ: engine {got:?}, venue {truth:?}; {story}")
            })?;
        }
        self.ears.check()
    }
}

fn becomes_live<D: FeedDouble>() -> Held {
    Bench::<D>::live(FeedStart::Usual)?.agrees()
}

fn tells_connections<D: FeedDouble>() -> Held {
    let mut bench = Bench::<D>::live(FeedStart::Usual)?;
    bench.until("a connection is told", |ears| 0 < ears.line_count(FeedCode::Connected))?;
    let is_numbered = bench.ears.lines.iter().all(|(_, number)| 0 < *number);
    ensure(is_numbered, || format!("connections without a number: {}", bench.ears.story()))
}

fn tells_a_cut<D: FeedDouble>() -> Held {
    let mut bench = Bench::<D>::live(FeedStart::Usual)?;
    bench.trouble(FeedTrouble::Cut)?;
    bench.until("the book is down", |ears| ears.was(BookState::Down))?;
    bench.until("the connection's end is told", |ears| {
        0 < ears.line_count(FeedCode::Disconnected)
    })?;
    bench.agrees()
}

fn judges_silence<D: FeedDouble>() -> Held {
    let mut bench = Bench::<D>::live(FeedStart::Usual)?;
    bench.trouble(FeedTrouble::Mute)?;
    bench.until("the silence is told", |ears| 0 < ears.line_count(FeedCode::Mute))?;
    bench.until("a new connection", |ears| 1 < ears.line_count(FeedCode::Connected))?;
    bench.agrees()
}

fn hides_no_gap<D: FeedDouble>() -> Held {
    let mut bench = Bench::<D>::live(FeedStart::Usual)?;
    bench.until_gap(FeedTrouble::Gap)?;
    bench.agrees()
}

fn keeps_the_order<D: FeedDouble>() -> Held {
    let mut bench = Bench::<D>::live(FeedStart::Usual)?;
    for _ in 0..3 {
        let count = bench.ears.depth_count;
        bench.trouble(FeedTrouble::Reorder)?;
        bench.until("updates go on", |ears| count + 3 < ears.depth_count)?;
    }
    bench.agrees()
}

fn drops_duplicates<D: FeedDouble>() -> Held {
    let mut bench = Bench::<D>::live(FeedStart::Usual)?;
    for _ in 0..3 {
        let count = bench.ears.depth_count;
        bench.trouble(FeedTrouble::Duplicate)?;
        bench.until("updates go on", |ears| count + 3 < ears.depth_count)?;
    }
    bench.agrees()?;
    ensure(!bench.ears.was(BookState::Gap), || format!("a gap: {}", bench.ears.story()))
}

fn puts_garbage_aside<D: FeedDouble>() -> Held {
    let mut bench = Bench::<D>::live(FeedStart::Usual)?;
    bench.trouble(FeedTrouble::Garbage)?;
    bench.until("it is put aside", |ears| 0 < ears.quarantine_count)?;
    bench.agrees()
}

fn keeps_limits<D: FeedDouble>() -> Held {
    let mut bench = Bench::<D>::live(FeedStart::Usual)?;
    bench.until_gap(FeedTrouble::GapAndLimit)?;
    let gap_ns = bench.double.now_ns();
    bench.agrees()?;
    let took_ns = bench.double.now_ns().saturating_sub(gap_ns);
    // The refusal comes a moment after the gap, so the wait is a little shorter than its second.
    ensure(900 * MS_NS < took_ns, || format!("asked again after {took_ns} ns instead of a second"))
}

fn marks_what_it_drops<D: FeedDouble>() -> Held {
    let mut bench = Bench::<D>::live(FeedStart::Usual)?;
    let lost_count = bench.ears.lost_count;
    bench.ears.is_full = true;
    bench.until("something finds no room", |ears| lost_count < ears.lost_count)?;
    bench.ears.is_full = false;
    bench.until("the gap is seen", |ears| ears.was(BookState::Gap))?;
    bench.agrees()
}

fn renews_without_a_gap<D: FeedDouble>() -> Held {
    let mut bench = Bench::<D>::live(FeedStart::RenewsOften)?;
    bench.until("three more connections", |ears| 4 <= ears.line_count(FeedCode::Connected))?;
    bench.agrees()?;
    let states = &bench.ears.states;
    let live = states.iter().position(|state| *state == BookState::Live);
    ensure(live == Some(states.len() - 1), || format!("the book was {states:?}"))
}

fn tells_its_end<D: FeedDouble>() -> Held {
    let mut bench = Bench::<D>::live(FeedStart::Usual)?;
    bench.double.stop(&mut bench.ears)?;
    ensure(!bench.ears.is_live(), || format!("the book is live: {}", bench.ears.story()))
}
