//! What brings the world to the core: the generated one on a thread, or feed and orders over sockets.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use anyhow::Context as _;
use engine::border::{InboundProducer, OutboundConsumer};
use engine::clock::Clock;
use engine::stats::StatsHandle;

use super::exchange::Exchange;
use super::local_venue::LocalVenue;

/// Number of the market thread in `THREAD_DEAD` commands.
const THREAD_MARKET: u32 = 1;

/// How the supervisor steers the threads.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// No more market; requests are still answered.
    pub(crate) quiet: AtomicBool,
    /// End.
    pub(crate) stop: AtomicBool,
}

/// A thread that the supervisor watches.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Name, also of its heartbeat.
    pub(crate) name: &'static str,
    /// Number in `THREAD_DEAD` commands.
    pub(crate) number: u32,
    pub(crate) thread: JoinHandle<()>,
    /// A process that ends with the session.
    pub(crate) child: Option<LocalVenue>,
}

impl Worker {
    /// What became of the child, if it is gone though it should run.
    pub(crate) fn lost_child(&mut self) -> Option<String> {
        self.child.as_mut().and_then(LocalVenue::lost)
    }

    /// Waits for the end; an error in words when the thread panicked.
    pub(crate) fn join(self) -> Result<(), String> {
        let joined = self.thread.join().map_err(|_| format!("the {} thread panicked", self.name));
        drop(self.child);
        joined
    }
}

/// What threads get.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) control: &'a Arc<Control>,
    pub(crate) requests: OutboundConsumer,
    pub(crate) producer: &'a InboundProducer,
    pub(crate) clock: &'a Clock,
    pub(crate) stats: &'a StatsHandle,
}

/// Not yet running.
#[derive(Debug)]
pub(crate) enum World {
    /// Market and venue in this process.
    Generated(Box<Exchange>),
    /// A venue behind sockets.
    Wire(Box<super::wire_world::WireWorld>),
}

impl World {
    /// The thread that looks for another key of the venue; once.
    pub(crate) fn take_rotation(&mut self) -> Option<super::beside::Job> {
        match self {
            World::Wire(wire) => wire.take_rotation(),
            World::Generated(_) => None,
        }
    }

    pub(crate) fn start(self, start: Start<'_>) -> anyhow::Result<Vec<Worker>> {
        match self {
            World::Generated(exchange) => {
                let control = Arc::clone(start.control);
                let (clock, stats) = (start.clock.clone(), start.stats.clone());
                let (producer, requests) = (start.producer.another(), start.requests);
                let thread = spawn("market", move || {
                    exchange.run(&control, requests, producer, &clock, &stats);
                })?;
                Ok(vec![Worker { name: "market", number: THREAD_MARKET, thread, child: None }])
            }
            World::Wire(wire) => wire.start(start),
        }
    }
}

/// A thread named `tw-<name>`.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(format!("tw-{name}"))
        .spawn(body)
        .with_context(|| format!("start the {name} thread"))
}
