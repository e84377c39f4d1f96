//! The real binary: found or built once a process, run with a bound, its answers as JSON.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::Duration;

use engine::clock::Clock;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::compose;

/// No command of a scenario takes longer, even on a busy machine with a debug build.
const WAIT_NS_MAX: u64 = 180_000_000_000;
/// Pause between two looks at a child.
const PAUSE: Duration = Duration::from_millis(2);

/// The `tickwheel` of this source, built in the profile of the running test.
///
/// `TICKWHEEL_BINARY` names another one, for trying a release build.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = std::env::var_os("TICKWHEEL_BINARY") {
            return PathBuf::from(path);
        }
        build()
    })
}

fn build() -> PathBuf {
    // target/<profile>/deps/it-0123456789abcdef
    let test = std::env::current_exe().expect("a running test has a file");
    let folder = test.ancestors().nth(2).expect("cargo puts tests under target/<profile>/deps");
    let target = folder.parent().expect("a profile's folder lies in the target directory");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lie in the workspace");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package", "tickwheel", "--bin", "tickwheel"])
        .args(["--profile", profile])
        .arg("--target-dir")
        .arg(target)
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"))
        .status()
        .expect("cargo runs: it runs this test");
    assert!(status.success(), "cargo build --package tickwheel: {status}");
    folder.join("tickwheel")
}

/// A command that ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// The one JSON object on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in the output of {self:?}"))
    }

    /// The same, which must have ended with `code`.
    #[track_caller]
    #[expect(
        clippy::return_self_not_must_use,
        reason = "an assertion; the rest may be of no interest"
    )]
    pub fn expect(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// A command that runs. Killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    clock: Clock,
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What a killed child left unsaid is no error.
        let _count = pipe.read_to_end(&mut bytes).unwrap_or(0);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Running {
    /// Starts `command` with its output collected.
    pub fn start(command: &mut Command) -> Running {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary was just built");
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        Running { child, stdout, stderr, clock: Clock::new() }
    }

    /// Waits until `done` says so; false when the child ended before, or after `ns_max`.
    pub fn wait_for(&mut self, ns_max: u64, mut done: impl FnMut() -> bool) -> bool {
        let start_ns = self.clock.now_ns();
        loop {
            if done() {
                return true;
            }
            let over = ns_max <= self.clock.now_ns() - start_ns;
            if over || self.child.try_wait().expect("our own child").is_some() {
                return false;
            }
            std::thread::park_timeout(PAUSE);
        }
    }

    /// Lets it run for so long, or until it ends.
    pub fn let_run(&mut self, ns: u64) {
        self.wait_for(ns, || false);
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a crash would, with a core file where those are written.
    pub fn abort(&self) {
        self.signal(Signal::ABORT);
    }

    /// Asks it to end, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Asks an engine to throw its kill switch.
    pub fn throw_kill_switch(&self) {
        self.signal(Signal::USR1);
    }

    /// Ends it without asking.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Lets it stand still, as a process that swaps or hangs does.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        // It may have ended by itself just before.
        let _sent = kill_process(pid, signal).is_ok();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let start_ns = self.clock.now_ns();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                break status;
            }
            if WAIT_NS_MAX <= self.clock.now_ns() - start_ns {
                self.kill();
            }
            std::thread::park_timeout(PAUSE);
        };
        let text = |pipe: Option<JoinHandle<String>>| {
            pipe.map(|thread| thread.join().unwrap_or_default()).unwrap_or_default()
        };
        Ended {
            code: status.code(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.kill();
            let _status = self.child.wait().is_ok();
        }
    }
}

/// `tickwheel` with `arguments`; nothing of the user's own is read or written.
pub fn command<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(path());
    command.args(arguments).env_remove("XDG_STATE_HOME").env("HOME", "/nonexistent");
    command
}

/// Runs `tickwheel` with `arguments` to its end.
pub fn tickwheel<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Ended {
    Running::start(&mut command(arguments)).end()
}

/// A directory for one engine: `config` beside `data`.
#[derive(Debug)]
pub struct Place {
    /// The temporary directory.
    pub directory: tempfile::TempDir,
    /// The configuration file.
    pub config: PathBuf,
    /// The data directory.
    pub data: PathBuf,
}

impl Place {
    /// A place with a lively configuration, changed by `change`.
    pub fn new(seed: u64, change: impl FnOnce(&mut config::Config)) -> Place {
        let mut settings = compose::lively(seed);
        change(&mut settings);
        Place::with(&settings)
    }

    /// A place with that configuration.
    pub fn with(settings: &config::Config) -> Place {
        let directory = crate::scratch::directory();
        let config = directory.path().join("engine.toml");
        std::fs::write(&config, settings.to_toml()).expect("a temporary directory is writable");
        let data = directory.path().join("data");
        Place { directory, config, data }
    }

    /// Where the stats of a running or killed engine are.
    pub fn stats(&self) -> PathBuf {
        self.data.join("stats.tws")
    }

    /// `tickwheel run` here, with more arguments.
    pub fn run_command(&self, more: &[&str]) -> Command {
        let mut command = command(&["run", "--json"]);
        command.arg("--config").arg(&self.config).arg("--data-dir").arg(&self.data).args(more);
        command
    }

    /// `tickwheel run` here, to its end.
    pub fn run(&self, more: &[&str]) -> Ended {
        Running::start(&mut self.run_command(more)).end()
    }

    /// `tickwheel` with a command about this data directory, such as `replay`, to its end.
    pub fn about(&self, words: &[&str]) -> Ended {
        let mut command = command(words);
        command.arg(&self.data).arg("--json");
        Running::start(&mut command).end()
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.data.join("journal")
    }
}

impl Drop for Place {
    /// The stats of a killed engine lie in shared memory until the next start; here is none.
    fn drop(&mut self) {
        if let Ok(target) = std::fs::read_link(self.stats()) {
            let _removed = std::fs::remove_file(target).is_ok();
        }
    }
}
