//! The same engine on its own thread, behind the rings of the product, fed from a script.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engine::border::{self, Polled};
use engine::clock::Clock;
use engine::event::Event;
use engine::idle::{IdlePolicy, Idler};
use engine::pipeline::Pipeline;
use engine::pipeline::core_thread::{Core, CoreEnd, CoreSettings};
use engine::pipeline::recorder::JournalRecorder;
use engine::stats::{Identity, StatsWriter};

/// How the thread runs. Nothing of it may change what the engine does.
#[derive(Clone, Copy, Debug)]
pub struct Threading {
    /// Slots of the inbound ring.
    pub inbound_slots: usize,
    /// Slots of the outbound ring.
    pub outbound_slots: usize,
    /// Most events of one poll.
    pub batch_count_max: u64,
    /// What the core does when there is nothing to do.
    pub idle: IdlePolicy,
    /// The producer pauses after so many events; 0 never.
    pub pause_every: usize,
}

/// Plays `script` through a core thread. The last event must end the session. Returns what the core
/// thread gives back and what left through the outbound ring.
pub fn play(
    script: &[Event],
    pipeline: Pipeline,
    recorder: JournalRecorder,
    stats_path: &Path,
    threading: Threading,
) -> (CoreEnd, Vec<Event>) {
    let clock = Clock::new();
    let identity = Identity {
        instance: "simulator",
        engine_version: "0.1.0",
        commit: "simulator",
        mode: "paper",
        journal_dir: "-",
    };
    let stats = StatsWriter::create(stats_path, &identity, clock.now_ns())
        .expect("the temporary directory takes a stats file");
    let idler = Idler::new(threading.idle);
    let count = pipeline.instruments().count();
    let (mut producer, inbound, inbound_depth) =
        border::inbound(threading.inbound_slots, count, idler.waker());
    let (outbound, mut requests, outbound_depth) = border::outbound(threading.outbound_slots);
    let settings =
        CoreSettings { batch_count_max: threading.batch_count_max, ..CoreSettings::default() };
    let abandon = Arc::new(AtomicBool::new(false));
    let core = Core {
        pipeline,
        recorder,
        inbound,
        inbound_depth,
        outbound,
        outbound_depth,
        stats,
        clock,
        idler,
        settings,
        kill_flag: None,
        abandon,
    };
    let mut left = Vec::new();
    let end = std::thread::scope(|scope| {
        let core = std::thread::Builder::new()
            .name("core".to_string())
            .spawn_scoped(scope, move || core.run())
            .expect("a thread can be started");
        for (index, event) in script.iter().enumerate() {
            while producer.publish(event).is_err() && !core.is_finished() {
                requests.poll(|event| left.push(*event));
                std::thread::yield_now();
            }
            requests.poll(|event| left.push(*event));
            if 0 < threading.pause_every && index % threading.pause_every == 0 {
                std::thread::park_timeout(std::time::Duration::from_micros(200));
            }
        }
        while requests.poll(|event| left.push(*event)) != Polled::Closed {
            std::thread::yield_now();
        }
        core.join().expect("the core thread catches its panics")
    });
    (end, left)
}
