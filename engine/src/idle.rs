//! What a thread does when there is nothing to do: spin, yield or park.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam::sync::{Parker, Unparker};

/// Idle policy of the core thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdlePolicy {
    /// Never gives the core away. Lowest latency; wants a core of its own.
    Spin,
    /// Spins a little, then gives the core to whoever waits. For machines with too few cores.
    Yield,
    /// Spins a little, then sleeps until a producer wakes it. For laptops.
    Park,
}

impl IdlePolicy {
    /// Name in configuration and reports.
    pub const fn name(self) -> &'static str {
        match self {
            IdlePolicy::Spin => "spin",
            IdlePolicy::Yield => "yield",
            IdlePolicy::Park => "park",
        }
    }

    /// The policy of that name.
    pub fn from_name(name: &str) -> Option<IdlePolicy> {
        [IdlePolicy::Spin, IdlePolicy::Yield, IdlePolicy::Park]
            .into_iter()
            .find(|policy| policy.name() == name)
    }

    /// What suits a machine of `core_count` cores when `thread_count` threads want to run.
    /// Spinning on a machine with fewer cores than busy threads starves the producers that the core
    /// waits for.
    pub const fn for_host(core_count: usize, thread_count: usize) -> IdlePolicy {
        if thread_count < core_count { IdlePolicy::Spin } else { IdlePolicy::Yield }
    }
}

/// Rounds of spinning before `Yield` and `Park` give way. About 2 us; arbitrary, shorter than a
/// context switch and longer than the gap between the events of a burst.
const SPIN_ROUND_COUNT: u32 = 128;
/// A parked thread looks again after this even if nobody woke it, so that a lost wake-up costs
/// a millisecond and not the session.
const PARK_MAX: Duration = Duration::from_millis(1);

/// Wakes a parked thread. Cheap while the thread is not parked: one relaxed load.
#[derive(Clone, Debug)]
pub struct Waker {
    parked: Arc<AtomicBool>,
    unparker: Unparker,
}

impl Waker {
    /// To be called after something was published.
    #[inline]
    pub fn wake(&self) {
        if self.parked.load(Ordering::Relaxed) {
            self.unparker.unpark();
        }
    }
}

/// The idle side of one thread.
#[derive(Debug)]
pub struct Idler {
    policy: IdlePolicy,
    rounds: u32,
    parker: Parker,
    parked: Arc<AtomicBool>,
}

impl Idler {
    /// An idler with the given policy.
    pub fn new(policy: IdlePolicy) -> Idler {
        Idler { policy, rounds: 0, parker: Parker::new(), parked: Arc::new(AtomicBool::new(false)) }
    }

    /// A handle for the producers.
    pub fn waker(&self) -> Waker {
        Waker { parked: Arc::clone(&self.parked), unparker: self.parker.unparker().clone() }
    }

    /// There was work: start spinning from the beginning next time.
    #[inline]
    pub fn worked(&mut self) {
        self.rounds = 0;
    }

    /// There was no work.
    #[inline]
    pub fn idle(&mut self) {
        if self.policy == IdlePolicy::Spin || self.rounds < SPIN_ROUND_COUNT {
            self.rounds = self.rounds.saturating_add(1);
            std::hint::spin_loop();
            return;
        }
        match self.policy {
            IdlePolicy::Spin => {}
            IdlePolicy::Yield => std::thread::yield_now(),
            IdlePolicy::Park => {
                self.parked.store(true, Ordering::SeqCst);
                self.parker.park_timeout(PARK_MAX);
                self.parked.store(false, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_too_few_cores_yields() {
        assert_eq!(IdlePolicy::for_host(2, 4), IdlePolicy::Yield);
        assert_eq!(IdlePolicy::for_host(8, 4), IdlePolicy::Spin);
        for policy in [IdlePolicy::Spin, IdlePolicy::Yield, IdlePolicy::Park] {
            assert_eq!(IdlePolicy::from_name(policy.name()), Some(policy));
        }
    }

    #[test]
    fn a_parked_thread_comes_back_by_itself_and_when_woken() {
        let mut idler = Idler::new(IdlePolicy::Park);
        let waker = idler.waker();
        for _ in 0..SPIN_ROUND_COUNT + 3 {
            idler.idle();
        }
        waker.wake();
        assert!(!idler.parked.load(Ordering::Relaxed));
    }
}
