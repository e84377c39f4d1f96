//! Data directories and sessions: find the journal, bring the engine back, start the next session.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use config::Config;
use engine::event::Mode;
use engine::gateway::Outlet;
use engine::pipeline::manifest::Manifest;
use engine::pipeline::recorder::JournalRecorder;
use engine::pipeline::recovery::{self, RecoveryError};
use engine::pipeline::replay::{self, Replay, ReplayError};
use engine::pipeline::{Edges, NoProbe, Pipeline, Recorder as _};

use crate::{compose, exit};

/// An error that carries its exit code.
#[derive(Debug)]
pub(crate) struct Coded {
    code: u8,
    message: String,
}

impl Coded {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Coded {
        Coded { code, message: message.into() }
    }
}

impl std::fmt::Display for Coded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Coded {}

/// Exit code for an error: what it says itself, 3 for damaged journals, else wrong use.
pub(crate) fn exit_code_of(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(coded) = cause.downcast_ref::<Coded>() {
            return coded.code;
        }
        if let Some(error) = cause.downcast_ref::<RecoveryError>() {
            return match error {
                RecoveryError::Journal(journal::RecoverError::Refused(_)) => exit::DAMAGED,
                RecoveryError::Replay(error) => exit_code_of_replay(error),
                RecoveryError::Journal(_)
                | RecoveryError::Reader(_)
                | RecoveryError::Writer(_)
                | RecoveryError::Append(_)
                | RecoveryError::State(_) => exit::USAGE,
            };
        }
        if let Some(error) = cause.downcast_ref::<ReplayError>() {
            return exit_code_of_replay(error);
        }
    }
    exit::USAGE
}

fn exit_code_of_replay(error: &ReplayError) -> u8 {
    match error {
        ReplayError::Diverged(_) => exit::NO,
        ReplayError::Build { .. } => exit::USAGE,
        ReplayError::NoSession { .. }
        | ReplayError::OutOfSequence { .. }
        | ReplayError::Manifest(_)
        | ReplayError::State { .. }
        | ReplayError::Fault(_) => exit::DAMAGED,
    }
}

/// Where the journal of a data directory is. A directory that holds segments itself is taken as it is.
pub(crate) fn journal_dir(dir: &Path) -> PathBuf {
    let inner = dir.join("journal");
    let has_segments = dir.join(journal::segment_file_name(1)).exists();
    if has_segments || !inner.is_dir() { dir.to_path_buf() } else { inner }
}

/// The journal in `dir` for a command that reads one; an error that says what is not there.
pub(crate) fn existing_journal_dir(dir: &Path) -> anyhow::Result<PathBuf> {
    if !dir.is_dir() {
        return Err(anyhow!("{}: no such directory", dir.display()));
    }
    let found = journal_dir(dir);
    let has_files = std::fs::read_dir(&found)
        .with_context(|| format!("read {}", found.display()))?
        .flatten()
        .any(|entry| entry.path().extension().is_some_and(|ext| ext == "twj" || ext == "twc"));
    if !has_files {
        return Err(anyhow!("{}: holds no journal (no *.twj files)", dir.display()));
    }
    Ok(found)
}

/// What a session continues from, for the first lines of a run.
#[derive(Debug, Clone)]
pub(crate) struct Continued {
    /// Name of the journal's recovery case.
    pub(crate) case: &'static str,
    /// Last sequence before this session.
    pub(crate) last_sequence: u64,
    /// Snapshot that was used, 0 for none.
    pub(crate) snapshot_sequence: u64,
    /// Records replayed after it.
    pub(crate) replayed_count: u64,
    /// Decisions that completed a cascade which a crash had cut off.
    pub(crate) completed_count: usize,
    /// Where cut bytes were put.
    pub(crate) quarantined: Vec<PathBuf>,
    /// Snapshots that could not be used.
    pub(crate) snapshots_skipped: Vec<String>,
}

/// An engine ready to apply the first event of a new session.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) pipeline: Pipeline,
    pub(crate) recorder: JournalRecorder,
    /// A replay at the same place, for the snapshot follower.
    pub(crate) follower: Replay,
    pub(crate) manifest: Manifest,
    pub(crate) continued: Continued,
}

/// What a new session is.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) config: &'a Config,
    /// Name of the configuration in errors.
    pub(crate) origin: &'a str,
    pub(crate) mode: Mode,
    /// Where its input comes from.
    pub(crate) input: &'a str,
    /// ns since the epoch.
    pub(crate) now_ns: u64,
}

/// Opens the journal in `dir` (made when absent), brings the engine back and prepares a session.
pub(crate) fn open(dir: &Path, wanted: &Wanted<'_>) -> anyhow::Result<Opened> {
    let mut build = compose::pipeline;
    std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    let recovered = recovery::recover(dir, &mut build).map_err(|error| {
        let hint = hint(&error, dir);
        anyhow::Error::new(error).context(format!("open the journal in {}{hint}", dir.display()))
    })?;
    let continued = Continued {
        case: recovered.journal.case.name(),
        last_sequence: recovered.journal.last_sequence,
        snapshot_sequence: recovered.snapshot_sequence,
        replayed_count: recovered.replayed_count,
        completed_count: recovered.finished.beyond.len(),
        quarantined: recovered.journal.quarantined.clone(),
        snapshots_skipped: recovered.snapshots_skipped.clone(),
    };
    let session = recovered.finished.session + 1;
    let has_session = recovered.finished.pipeline.is_some();
    let manifest = compose::manifest(wanted.config, wanted.mode, wanted.input, session)?;
    let fresh = || compose::pipeline(&manifest).map_err(|why| anyhow!("{}: {why}", wanted.origin));
    let (pipeline, recorder) = recovery::resume(&recovered, fresh()?, options(dir, wanted))
        .with_context(|| format!("continue the journal in {}", dir.display()))?;
    let follower = if has_session {
        let mut twin = fresh()?;
        replay::take_over(&pipeline, &mut twin).context("copy the state for snapshots")?;
        Replay::resume(twin, 0, session - 1)
    } else {
        // What a start that was cut off in its manifest left is the beginning of this journal.
        let mut replay = Replay::new();
        for event in &recovered.finished.waiting {
            replay.step(event, &mut build).context("follow the unfinished start")?;
        }
        replay
    };
    Ok(Opened { pipeline, recorder, follower, manifest, continued })
}

fn hint(error: &RecoveryError, dir: &Path) -> String {
    let dir = dir.display();
    if let RecoveryError::Journal(journal::RecoverError::Refused(_)) = error {
        return format!(
            " (look with `tickwheel journal verify {dir}`, mend with `tickwheel journal repair {dir}`)"
        );
    }
    if let RecoveryError::Replay(ReplayError::Diverged(_)) = error {
        return format!(
            " (this build decides otherwise than the one that wrote it: see `tickwheel replay {dir}`)"
        );
    }
    String::new()
}

fn options(dir: &Path, wanted: &Wanted<'_>) -> journal::Options {
    let journal = &wanted.config.journal;
    let durability = match journal.durability.as_str() {
        "power" => journal::Durability::Power,
        _ => journal::Durability::Process,
    };
    let seed = format!("{} {} {}", dir.display(), wanted.now_ns, std::process::id());
    let hash = config::hash(&seed);
    let mut journal_id = [0; 16];
    journal_id.copy_from_slice(&hash[..16]);
    journal::Options {
        durability,
        // 16,384 records of 64 bytes in a MiB.
        segment_records: u64::from(journal.segment_mib) * 16_384,
        journal_id,
        created_ns: wanted.now_ns,
        engine_version: compose::VERSION.to_string(),
        git_commit: compose::COMMIT.to_string(),
        config_hash: config::hash(&wanted.config.to_toml()),
        ..journal::Options::default()
    }
}

impl Opened {
    /// Applies the manifest: from here on the session has started.
    pub(crate) fn start(&mut self, now_ns: u64, outlet: &mut impl Outlet) -> anyhow::Result<()> {
        for event in self.manifest.to_events() {
            let mut edges = Edges { recorder: &mut self.recorder, outlet, probe: &mut NoProbe };
            self.pipeline
                .apply(&event.at(now_ns), &mut edges)
                .map_err(|fault| fault_error(fault, &self.recorder))?;
        }
        Ok(())
    }
}

/// A fault in words, with what the journal says about it.
pub(crate) fn fault_error(
    fault: engine::pipeline::Fault,
    recorder: &JournalRecorder,
) -> anyhow::Error {
    let message = match recorder.error() {
        Some(error) => format!(
            "{fault}: {error}; trading has stopped, the journal is whole up to record {}",
            recorder.durable()
        ),
        None => format!("{fault}; trading has stopped"),
    };
    Coded::new(exit::NO, message).into()
}

/// Reads a configuration: a file, or a built-in profile of that name.
pub(crate) fn read_config(file: Option<&Path>, profile: &str) -> anyhow::Result<(Config, String)> {
    let (text, origin) = if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("read configuration {}", path.display()))?;
        (text, path.display().to_string())
    } else {
        let text = config::profile(profile).ok_or_else(|| {
            let known: Vec<&str> = config::PROFILES.iter().map(|(name, _)| *name).collect();
            anyhow!("no profile \"{profile}\"; there are {}", known.join(", "))
        })?;
        (text.to_string(), format!("profile {profile}"))
    };
    let config = Config::parse(&text, &origin)?;
    Ok((config, origin))
}
