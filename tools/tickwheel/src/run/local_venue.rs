//! The local venue as a child process: started, asked where it listens, ended with the session.

use std::io::{BufRead as _, BufReader};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use config::wire::LocalSection;
use secret::Secret;
use serde::{Deserialize, Deserializer};

/// How long the venue may take until it serves.
const START_WAIT: Duration = Duration::from_secs(20);
/// How long it may take to end by itself.
const END_WAIT_MS_MAX: u32 = 3_000;

/// An account of the venue, with its secret.
#[derive(Clone, Deserialize)]
pub(crate) struct Account {
    pub(crate) api_key: String,
    #[serde(deserialize_with = "hidden")]
    pub(crate) secret: Arc<Secret>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("api_key", &self.api_key).finish_non_exhaustive()
    }
}

fn hidden<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Secret>, D::Error> {
    String::deserialize(from).map(|text| Arc::new(Secret::new(text)))
}

/// The line that `tickwheel venue --json` prints when it serves.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Served {
    pub(crate) rest: String,
    pub(crate) stream: String,
    pub(crate) ws_api: String,
    pub(crate) rest_tls: Option<String>,
    pub(crate) stream_tls: Option<String>,
    pub(crate) ws_api_tls: Option<String>,
    pub(crate) ca_file: Option<String>,
    pub(crate) accounts: Vec<Account>,
}

/// The running child. It ends when this is dropped, and when this process dies: its standard input closes.
#[derive(Debug)]
pub(crate) struct LocalVenue {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(crate) served: Served,
}

impl LocalVenue {
    /// Starts `tickwheel venue` from this very binary; its state is in `dir`.
    pub(crate) fn start(settings: &LocalSection, dir: &Path) -> anyhow::Result<LocalVenue> {
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let binary = std::env::current_exe().context("find the own binary")?;
        let mut command = Command::new(binary);
        command
            .args(["venue", "--listen", "127.0.0.1:0", "--json", "--exit-with-parent"])
            .args(["--seed", &settings.seed.to_string()])
            .args(["--speed", &settings.speed_percent.to_string()])
            .args(["--fee-ppm", &settings.fee_ppm.to_string()])
            .arg("--state")
            .arg(dir);
        if let Some(faults) = &settings.faults_file {
            command.args(["--faults", faults]);
        }
        // Ctrl-C goes to the whole group of the terminal; the venue must outlive our cancels.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the local venue")?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("the output of the local venue")?;
        let line =
            first_line(stdout).with_context(|| format!("the local venue in {}", dir.display()))?;
        // The line holds keys: where it is not what is expected, it is not repeated.
        let served = serde_json::from_str(&line).map_err(|error| {
            anyhow!("the local venue says where it serves otherwise: column {}", error.column())
        })?;
        Ok(LocalVenue { child, stdin, served })
    }

    /// Its input once more: the venue serves as long as anybody holds it.
    pub(crate) fn hold(&self) -> anyhow::Result<OwnedFd> {
        let input = self.stdin.as_ref().context("the input of the local venue")?;
        input.as_fd().try_clone_to_owned().context("hold the input of the local venue")
    }

    /// In words, if it ended though nobody told it to.
    pub(crate) fn lost(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(format!("the local venue ended: {status}")),
            Err(error) => Some(format!("the local venue cannot be watched: {error}")),
        }
    }
}

impl Drop for LocalVenue {
    fn drop(&mut self) {
        drop(self.stdin.take());
        for _ in 0..END_WAIT_MS_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        // It does not want to: its state is on disk with each answer, so nothing is lost.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The first line of the child. Whatever else it prints is read and dropped, so that it never blocks.
fn first_line(stdout: std::process::ChildStdout) -> anyhow::Result<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .name("tw-venue-out".to_string())
        .spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            if let Some(line) = lines.next() {
                drop(sender.send(line));
            }
            lines.map_while(Result::ok).for_each(drop);
        })
        .context("start a reader")?;
    match receiver.recv_timeout(START_WAIT) {
        Ok(line) => line.context("read the line that says where it listens"),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            Err(anyhow!("did not serve within {} s", START_WAIT.as_secs()))
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(anyhow!("ended before it served (its error stands above)"))
        }
    }
}
