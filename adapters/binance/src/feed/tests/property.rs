//! Random feeds: whatever two connections lose, repeat, delay and reorder, a book that the engine believes is
//! the true one, and when the trouble is over it is believed again.

use engine::instrument::Venue;
use proptest::prelude::*;

use super::super::config::{FeedLinkConfig, FeedPolicy};
use super::super::line::LineState;
use super::rig::{MS_NS, Rig, config};

/// Lines of two sources.
const LINES: [usize; 2] = [0, 2];

/// What happens next; numbers choose a line or an age.
#[derive(Clone, Debug)]
enum Step {
    /// The market moves and a new update is under way to both lines.
    Update,
    /// The oldest update under way to a line arrives.
    Arrive(usize),
    /// It is lost.
    Lose(usize),
    /// It arrives twice.
    Twice(usize),
    /// It changes places with the one behind it.
    Swap(usize),
    /// An earlier one arrives again.
    Again(usize, usize),
    /// A line is cut, or comes back.
    Cut(usize),
    Open(usize),
    /// The snapshot that is asked for is answered with the book of so many changes ago.
    Snapshot(usize),
    SnapshotFails,
    /// The ring has no room for a while.
    Full(bool),
    /// It has room for so many events and then none.
    Room(usize),
    /// Milliseconds.
    Pass(u64),
    /// The venue wants to close the connection.
    Shutdown(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let line = 0..2_usize;
    prop::collection::vec(
        prop_oneof![
            8 => Just(Step::Update),
            12 => line.clone().prop_map(Step::Arrive),
            1 => line.clone().prop_map(Step::Lose),
            1 => line.clone().prop_map(Step::Twice),
            1 => line.clone().prop_map(Step::Swap),
            1 => (line.clone(), 0..5_usize).prop_map(|(line, back)| Step::Again(line, back)),
            1 => line.clone().prop_map(Step::Cut),
            3 => line.clone().prop_map(Step::Open),
            4 => (0..12_usize).prop_map(Step::Snapshot),
            1 => Just(Step::SnapshotFails),
            1 => any::<bool>().prop_map(Step::Full),
            1 => (1..30_usize).prop_map(Step::Room),
            3 => (1..80_u64).prop_map(Step::Pass),
            1 => line.prop_map(Step::Shutdown),
        ],
        0..120,
    )
}

/// Frames under way to each source; both of its connections hear the same.
struct Network {
    under_way: [Vec<String>; 2],
    arrived: [Vec<String>; 2],
}

impl Network {
    /// Sends a frame to the open connections of a source.
    fn deliver(&mut self, rig: &mut Rig, side: usize, frame: &str) {
        for line in [LINES[side], LINES[side] + 1] {
            if rig.open[line] {
                rig.frame(line, frame);
            }
        }
        self.arrived[side].push(frame.to_string());
    }

    fn step(&mut self, rig: &mut Rig, step: &Step) {
        match *step {
            Step::Update => {
                let frame = rig.next_update();
                self.under_way.iter_mut().for_each(|queue| queue.push(frame.clone()));
            }
            Step::Arrive(side) | Step::Twice(side) if !self.under_way[side].is_empty() => {
                let frame = self.under_way[side].remove(0);
                self.deliver(rig, side, &frame);
                if matches!(step, Step::Twice(_)) {
                    self.deliver(rig, side, &frame);
                }
            }
            Step::Lose(side) if !self.under_way[side].is_empty() => {
                self.under_way[side].remove(0);
            }
            Step::Swap(side) if 1 < self.under_way[side].len() => self.under_way[side].swap(0, 1),
            Step::Again(side, back) => {
                let arrived = &self.arrived[side];
                if let Some(place) = arrived.len().checked_sub(back + 1) {
                    let frame = arrived[place].clone();
                    self.deliver(rig, side, &frame);
                }
            }
            Step::Cut(side) => {
                for line in [LINES[side], LINES[side] + 1] {
                    if rig.open[line] {
                        rig.cut(line);
                    }
                }
            }
            Step::Open(side) => Network::open_wanted(rig, side),
            Step::Snapshot(back) if !rig.fetches.is_empty() => {
                rig.answer(rig.world.last_id().saturating_sub(back));
            }
            Step::SnapshotFails => {
                if let Some(token) = rig.fetches.pop_front() {
                    rig.machine.snapshot_failed(token, rig.now_ns);
                    rig.settle();
                }
            }
            Step::Full(is_full) => rig.sink.is_full = is_full,
            Step::Room(count) => {
                rig.sink.is_full = false;
                rig.sink.room = Some(count);
            }
            Step::Pass(ms) => rig.pass(ms * MS_NS),
            Step::Shutdown(side) => {
                let frame = "{\"e\":\"serverShutdown\",\"E\":1}";
                if rig.open[LINES[side]] {
                    rig.frame(LINES[side], frame);
                }
            }
            Step::Arrive(_)
            | Step::Twice(_)
            | Step::Lose(_)
            | Step::Swap(_)
            | Step::Snapshot(_) => {}
        }
    }

    /// Opens the connections that the machine wants.
    fn open_wanted(rig: &mut Rig, side: usize) {
        for line in [LINES[side], LINES[side] + 1] {
            let is_wanted = rig.machine.state.lines[line].state == LineState::Connecting;
            if is_wanted && !rig.open[line] {
                rig.open(line);
            }
        }
    }
}

/// Runs the steps, then lets the trouble end. Returns how often a live book was compared.
fn run(venue: Venue, policy: FeedPolicy, steps: &[Step]) -> u64 {
    let config = FeedLinkConfig { engine_buffer_event_count_max: 64, ..config(venue, policy) };
    let mut rig = Rig::new(&config);
    let mut network = Network { under_way: Default::default(), arrived: Default::default() };
    for step in steps {
        network.step(&mut rig, step);
    }
    rig.sink.is_full = false;
    rig.sink.room = None;
    for queue in &mut network.under_way {
        queue.clear();
    }
    // The trouble is over: everything opens, arrives in order, and snapshots are fresh.
    for _ in 0..400 {
        for side in 0..2 {
            Network::open_wanted(&mut rig, side);
        }
        network.step(&mut rig, &Step::Update);
        for side in 0..2 {
            network.step(&mut rig, &Step::Arrive(side));
        }
        while !rig.fetches.is_empty() {
            rig.answer(rig.world.last_id());
        }
        rig.pass(50 * MS_NS);
    }
    assert!(rig.is_live(), "{:?}", rig.machine.status());
    let symbol = rig.machine.status().symbols[0];
    assert_eq!(symbol.last_id, i64::try_from(rig.world.last_id()).unwrap());
    rig.live_check_count
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_spot_book_of_two_feeds_is_true_or_marked(steps in steps()) {
        prop_assert!(0 < run(Venue::BinanceSpot, FeedPolicy::BetterOfAll, &steps));
    }

    #[test]
    fn a_spot_book_with_failover_is_true_or_marked(steps in steps()) {
        prop_assert!(0 < run(Venue::BinanceSpot, FeedPolicy::Failover, &steps));
    }

    #[test]
    fn a_spot_book_of_one_feed_is_true_or_marked(steps in steps()) {
        prop_assert!(0 < run(Venue::BinanceSpot, FeedPolicy::PrimaryOnly, &steps));
    }

    #[test]
    fn a_futures_book_of_two_feeds_is_true_or_marked(steps in steps()) {
        prop_assert!(0 < run(Venue::BinanceUsdm, FeedPolicy::BetterOfAll, &steps));
    }
}
