//! The guard from the side of a run: what it must know, what it did while nobody traded, and its process.
//!
//! ```text
//!   start:  wait until a guard that cancels for the last engine is done
//!           session.json (where, whose key file, how long to wait) --> any guard of this directory
//!           guard.log --> what it did --> told, and journaled as text
//!           [guard] start = true: `tickwheel guard --once` as a child that outlives a killed engine
//! ```

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use config::Config;
use config::guard::GuardSection;
use engine::border::InboundProducer;
use engine::clock::Clock;
use engine::event::{Event, Mode, TextTopic, session};
use engine::stats::ProcessId;
use guard::beat::{Beat, Phase};
use guard::record::{self, Act};
use guard::session::{Habits, Session, VERSION};
use serde_json::json;

use super::connected::Connected;
use super::local_venue::Account;

/// How long a start waits for a guard that is cancelling.
const GUARD_WAIT_NS_MAX: u64 = 15_000_000_000;
/// Pause between two looks at it.
const PAUSE: Duration = Duration::from_millis(10);
/// How long a guard may take until it watches.
const START_WAIT_NS_MAX: u64 = 20_000_000_000;
/// Acts that a start puts into the journal.
const ACT_COUNT_MAX: usize = 2;
/// Name of the local venue's key file in its directory.
const LOCAL_KEY_NAME: &str = "key.toml";
const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// Waits until a guard of this directory has nothing to do for an earlier engine: two that cancel and trade on one
/// account would be in each other's way.
pub(crate) fn wait_for_guard(dir: &Path, clock: &Clock) {
    let start_ns = clock.now_ns();
    while let Some(beat) = Beat::read(dir).filter(|beat| beat.is_alive(clock.now_ns())) {
        let is_busy = match beat.phase {
            Phase::Acting => true,
            // It may not have noticed yet.
            Phase::Watching => beat.engine.is_some_and(|engine| {
                let process = ProcessId {
                    pid: engine.pid,
                    start_ticks: engine.start_ticks,
                    namespace: beat.namespace,
                };
                process.exists() == Some(false)
            }),
            Phase::Idle => false,
        };
        if !is_busy {
            return;
        }
        if GUARD_WAIT_NS_MAX < clock.now_ns() - start_ns {
            eprintln!(
                "the guard is still cancelling orders of an earlier engine: the session starts beside it, \
                 and its reconciler asks for those orders"
            );
            return;
        }
        std::thread::park_timeout(PAUSE);
    }
}

/// What the guard did since the last start, in words; it also becomes part of the journal, because it belongs to the
/// history of this engine. To be called before the core runs: the ring has room.
fn journal_untold(dir: &Path, producer: &mut InboundProducer, now_ns: u64) -> Vec<String> {
    let acts = match record::take_untold(dir) {
        Ok(acts) => acts,
        Err(error) => return vec![format!("guard.log cannot be read: {error}")],
    };
    // The last ones; the rest stays in guard.log.
    let told = acts.iter().skip(acts.len().saturating_sub(ACT_COUNT_MAX));
    told.map(|act| {
        let run: Vec<Event> = session::text(TextTopic::Guard, &brief(act))
            .into_iter()
            .map(|event| event.at(now_ns))
            .collect();
        match producer.publish_run(&run) {
            Ok(()) => act.words(),
            Err(full) => format!("{} (not journaled: {full})", act.words()),
        }
    })
    .collect()
}

/// Journals what the guard did since the last start and tells it, unless only machines listen.
pub(crate) fn tell_untold(dir: &Path, producer: &mut InboundProducer, now_ns: u64, is_json: bool) {
    for words in journal_untold(dir, producer, now_ns) {
        if !is_json {
            println!("guard: {words}");
        }
    }
}

/// An act in one JSON object that fits a run of events.
fn brief(act: &Act) -> String {
    let value = json!({
        "why": act.why,
        "outcome": act.outcome.name(),
        "pid": act.engine.pid,
        "engine_start_ns": act.engine.start_ns,
        "noticed_ns": act.noticed_ns,
        "clean_ns": act.clean_ns,
        "orders_cancelled": act.orders_cancelled,
        "orders_left": act.orders_left,
        "requests": act.requests,
        "failures": act.failures.len(),
    });
    value.to_string()
}

/// Leaves in `dir` what a guard must know of this session.
pub(crate) fn write_session(
    connected: &Connected,
    (config, mode): (&Config, Mode),
    dir: &Path,
    now_ns: u64,
) -> anyhow::Result<()> {
    let Some(wire) = &config.wire else { return Ok(()) };
    let section = config.guard.clone().unwrap_or_default();
    let child = connected.child.as_ref();
    let named = config.secrets.as_ref().and_then(|secrets| secrets.key.clone());
    let key_file = match (section.key_file.as_ref().or(wire.key_file.as_ref()), named, child) {
        (Some(path), _, _) => Some(absolute(Path::new(path))),
        // The guard reads it where the engine does.
        (None, Some(name), _) => Some(name),
        (None, None, Some(child)) => {
            let account =
                child.served.accounts.first().context("the local venue has no account")?;
            Some(absolute(&write_local_key(&dir.join("venue"), account)?))
        }
        (None, None, None) => None,
    };
    let ca_file = wire.ca_file.as_ref().or_else(|| child.and_then(|c| c.served.ca_file.as_ref()));
    let left = Session {
        version: VERSION,
        engine: config.engine.number,
        name: config.engine.name.clone(),
        mode: mode.name().to_string(),
        network: wire.network.clone(),
        rest_url: connected.endpoints.rest.first().context("a venue has a REST address")?.clone(),
        ca_file: ca_file.map(|path| absolute(Path::new(path))),
        // In dry-run nothing is sent, so there is nothing to cancel.
        key_file: key_file.filter(|_| mode != Mode::DryRun),
        secrets: config
            .secrets
            .as_ref()
            .map(serde_json::to_string)
            .transpose()
            .context("[secrets] as JSON")?,
        symbols: config.instrument.iter().map(|instrument| instrument.symbol.clone()).collect(),
        time_ns: now_ns,
        habits: habits(&section, config),
    };
    left.write(dir).context("tell the guard where the orders are")
}

fn habits(section: &GuardSection, config: &Config) -> Habits {
    let ns = |ms: u32| u64::from(ms) * NS_PER_MS;
    let recv_window_ms = config.wire.as_ref().map_or(2_000, |wire| wire.orders.recv_window_ms);
    Habits {
        dead_ns_max: ns(section.dead_ms_max),
        shared_account: section.shared_account,
        settle_ns: ns(config.guard_settle_ms()),
        request_ns_max: ns(section.request_ms_max),
        recv_window_ms: u64::from(recv_window_ms),
        retry_ns: ns(section.retry_ms),
        give_up_ns: u64::from(section.give_up_s) * NS_PER_S,
    }
}

/// The engine's key was exchanged: a session that is newer makes the guard read it again.
pub(crate) fn renew_session(dir: &Path, now_ns: u64) -> anyhow::Result<()> {
    let left = Session::read(dir).context("read what the guard is told")?;
    let Some(left) = left else { return Ok(()) };
    Session { time_ns: now_ns, ..left }.write(dir).context("tell the guard of another key")
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

/// The play-money key of the local venue in a file, as any other key is.
pub(crate) fn write_local_key(dir: &Path, account: &Account) -> anyhow::Result<PathBuf> {
    let path = dir.join(LOCAL_KEY_NAME);
    let write = || -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(&path)?;
        let Account { api_key, secret } = account;
        let secret = secret.expose();
        file.write_all(format!("api_key = \"{api_key}\"\nsecret = \"{secret}\"\n").as_bytes())
    };
    write().with_context(|| format!("write the local venue's key to {}", path.display()))?;
    Ok(path)
}

/// The guard as a child. It is not killed with the engine: that is what it is for.
#[derive(Debug)]
pub(crate) struct GuardProcess {
    child: Child,
}

impl GuardProcess {
    /// Starts `tickwheel guard --once` from this very binary and waits until it watches.
    pub(crate) fn start(
        connected: &Connected,
        dir: &Path,
        clock: &Clock,
    ) -> anyhow::Result<GuardProcess> {
        let binary = std::env::current_exe().context("find the own binary")?;
        let mut command = Command::new(binary);
        command.args(["guard", "--once", "--quiet", "--data-dir"]).arg(dir);
        // Ctrl-C goes to the whole group of the terminal; the guard must outlive the engine.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        // A local venue ends when nobody holds its input any more. The guard holds it too, as its own output, which
        // it does not use: so the venue is still there when the guard must cancel.
        let output = match connected.child.as_ref().map(super::local_venue::LocalVenue::hold) {
            Some(held) => Stdio::from(held?),
            None => Stdio::null(),
        };
        let child =
            command.stdin(Stdio::null()).stdout(output).spawn().context("start the guard")?;
        let mut process = GuardProcess { child };
        process.wait_until_it_watches(dir, clock)?;
        Ok(process)
    }

    fn wait_until_it_watches(&mut self, dir: &Path, clock: &Clock) -> anyhow::Result<()> {
        let start_ns = clock.now_ns();
        loop {
            let beat = Beat::read(dir);
            if beat.is_some_and(|beat| beat.pid == self.child.id()) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().context("watch the guard")? {
                anyhow::bail!("the guard ended: {status} (its error stands above)");
            }
            if START_WAIT_NS_MAX < clock.now_ns() - start_ns {
                anyhow::bail!("the guard does not watch within {} s", START_WAIT_NS_MAX / NS_PER_S);
            }
            std::thread::park_timeout(PAUSE);
        }
    }

    /// In words, if it ended though the engine runs.
    pub(crate) fn lost(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(format!("the guard ended: {status}")),
            Err(error) => Some(format!("the guard cannot be watched: {error}")),
        }
    }

    /// The session ends in order: there is nothing to guard any more.
    pub(crate) fn dismiss(mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
