//! `guard.log` and `alarms/guard.jsonl`: what the guard did and why, one JSON object a line, for people, for the
//! alarms and for the next start of the engine.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::watch::EngineId;

/// Name of the log in the data directory.
pub const LOG_NAME: &str = "guard.log";
/// How far the engine has read the log.
pub const TOLD_NAME: &str = "guard.told";
/// Name of the file of alarms.
pub const ALARMS_NAME: &str = "alarms/guard.jsonl";
/// Most of the log that is read at once; older entries were told by earlier starts.
const READ_SIZE_BYTES_MAX: u64 = 1 << 20;

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It has only begun.
    Begun,
    /// No order of the engine is left, and none can arrive.
    Clean,
    /// The engine works again; the rest is its own.
    CameBack,
    /// Another engine has started in this directory; its reconciler takes over.
    Superseded,
    /// The local venue ended with its engine.
    VenueGone,
    /// The guard was told to end before it was done.
    Abandoned,
}

impl Outcome {
    /// Whether nothing is left to do for that engine.
    pub const fn is_final(self) -> bool {
        match self {
            Outcome::Clean | Outcome::VenueGone => true,
            Outcome::Begun | Outcome::CameBack | Outcome::Superseded | Outcome::Abandoned => false,
        }
    }

    /// Name in tools.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Begun => "begun",
            Outcome::Clean => "clean",
            Outcome::CameBack => "came-back",
            Outcome::Superseded => "superseded",
            Outcome::VenueGone => "venue-gone",
            Outcome::Abandoned => "abandoned",
        }
    }
}

/// What a guard did for one engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// When this was written, ns since the epoch.
    pub time_ns: u64,
    /// For which engine.
    pub engine: EngineId,
    /// Why, as a stable name.
    pub why: String,
    /// Why, in words.
    pub detail: String,
    /// When it was noticed.
    pub noticed_ns: u64,
    /// The last beat of the engine's core before that.
    pub last_beat_ns: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Orders whose cancel the venue confirmed.
    pub orders_cancelled: usize,
    /// Orders of the engine at the last look.
    pub orders_left: usize,
    /// Orders of others at the last look.
    pub strangers: usize,
    /// Requests that were sent.
    pub requests: u64,
    /// From the notice to the first look that found no order of the engine.
    pub clean_ns: Option<u64>,
    /// Answers of the venue by kind.
    pub answers: BTreeMap<String, u64>,
    /// What went wrong, each once.
    pub failures: Vec<String>,
}

impl Act {
    /// In one line, for people.
    pub fn words(&self) -> String {
        let clean = self.clean_ns.map_or_else(
            || format!("{} orders were left", self.orders_left),
            |ns| format!("none was left {} ms after the notice", ns / 1_000_000),
        );
        let detail = &self.detail;
        let cancelled = match self.orders_cancelled {
            1 => "1 order cancelled".to_string(),
            count => format!("{count} orders cancelled"),
        };
        format!("{detail}: {cancelled}, {clean} ({})", self.outcome.name())
    }
}

/// What a line of the alarm file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// An engine is lost, and its orders are being cancelled.
    Acting,
    /// That has not worked for the time that it may take.
    CannotCancel,
    /// An act is over.
    Acted,
    /// The guard itself cannot work as it should.
    Trouble,
}

impl Call {
    /// Code in the file: the name of the alarm that it becomes.
    pub const fn code(self) -> &'static str {
        match self {
            Call::Acting => "guard-acting",
            Call::CannotCancel => "guard-cannot-cancel",
            Call::Acted => "guard-acted",
            Call::Trouble => "guard-trouble",
        }
    }

    /// How bad it is.
    pub const fn severity(self) -> &'static str {
        match self {
            Call::Acting | Call::CannotCancel => "PAGE",
            Call::Acted | Call::Trouble => "CRITICAL",
        }
    }
}

/// A line of the alarm file. Tellers make their messages of its names and numbers, never of `text`.
#[derive(Debug, Serialize)]
struct Alarm<'a> {
    time_ns: u64,
    code: &'a str,
    severity: &'a str,
    why: &'a str,
    outcome: &'a str,
    orders_cancelled: usize,
    orders_left: usize,
    requests: u64,
    text: &'a str,
    runbook: &'a str,
}

fn append(path: &Path, line: &impl Serialize) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut text = serde_json::to_string(line).map_err(std::io::Error::other)?;
    text.push('\n');
    let mut file = File::options().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())?;
    // Few lines, each of which somebody will want to read after a power cut.
    file.sync_data()
}

/// Appends to the log.
pub fn log(dir: &Path, act: &Act) -> std::io::Result<()> {
    append(&dir.join(LOG_NAME), act)
}

/// Appends to the file of alarms; `act` is the one that it is about.
pub fn alarm(
    dir: &Path,
    call: Call,
    act: Option<&Act>,
    (text, time_ns): (&str, u64),
) -> std::io::Result<()> {
    let alarm = Alarm {
        time_ns,
        code: call.code(),
        severity: call.severity(),
        why: act.map_or("", |act| act.why.as_str()),
        outcome: act.map_or("", |act| act.outcome.name()),
        orders_cancelled: act.map_or(0, |act| act.orders_cancelled),
        orders_left: act.map_or(0, |act| act.orders_left),
        requests: act.map_or(0, |act| act.requests),
        text,
        runbook: "docs/runbooks/guard.md",
    };
    append(&dir.join(ALARMS_NAME), &alarm)
}

/// Every act in the tail of a log. Lines that are none are passed over: a guard may have died in the middle of one.
pub fn read(dir: &Path, from: u64) -> std::io::Result<(Vec<Act>, u64)> {
    let mut file = match File::open(dir.join(LOG_NAME)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.len();
    // A log that is shorter than what was read of it is another log.
    let from = if size < from { 0 } else { from.max(size.saturating_sub(READ_SIZE_BYTES_MAX)) };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(READ_SIZE_BYTES_MAX).read_to_end(&mut bytes)?;
    let acts =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    Ok((acts.collect(), size))
}

/// The last act of a log.
pub fn last(dir: &Path) -> Option<Act> {
    read(dir, 0).ok()?.0.pop()
}

/// Ended acts that no start of the engine has told yet; they count as told from here on.
pub fn take_untold(dir: &Path) -> std::io::Result<Vec<Act>> {
    let told_path = dir.join(TOLD_NAME);
    let from = std::fs::read_to_string(&told_path)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0);
    let (mut acts, size) = read(dir, from)?;
    if size != from {
        crate::session::replace(&told_path, size.to_string().as_bytes())?;
    }
    acts.retain(|act| act.outcome != Outcome::Begun);
    Ok(acts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(outcome: Outcome, time_ns: u64) -> Act {
        Act {
            time_ns,
            engine: EngineId { pid: 1, start_ticks: 2, start_ns: 3 },
            why: "gone".to_string(),
            detail: "the engine's process is gone".to_string(),
            noticed_ns: 5,
            last_beat_ns: 4,
            outcome,
            orders_cancelled: 2,
            orders_left: 0,
            strangers: 1,
            requests: 4,
            clean_ns: Some(3_000_000),
            answers: BTreeMap::from([("200".to_string(), 4)]),
            failures: Vec::new(),
        }
    }

    #[test]
    fn an_act_is_told_once_also_when_a_line_was_cut() {
        let dir = tempfile::tempdir().unwrap();
        assert!(take_untold(dir.path()).unwrap().is_empty());
        log(dir.path(), &act(Outcome::Begun, 1)).unwrap();
        log(dir.path(), &act(Outcome::Clean, 2)).unwrap();
        assert_eq!(take_untold(dir.path()).unwrap(), [act(Outcome::Clean, 2)]);
        assert!(take_untold(dir.path()).unwrap().is_empty());
        let mut file = File::options().append(true).open(dir.path().join(LOG_NAME)).unwrap();
        file.write_all(b"{\"time_ns\":9,\"eng\n").unwrap();
        log(dir.path(), &act(Outcome::CameBack, 3)).unwrap();
        assert_eq!(take_untold(dir.path()).unwrap(), [act(Outcome::CameBack, 3)]);
        assert_eq!(last(dir.path()), Some(act(Outcome::CameBack, 3)));
        // Somebody has put the log away.
        std::fs::write(dir.path().join(LOG_NAME), "").unwrap();
        log(dir.path(), &act(Outcome::Clean, 4)).unwrap();
        std::fs::write(dir.path().join(TOLD_NAME), "999999").unwrap();
        assert_eq!(take_untold(dir.path()).unwrap(), [act(Outcome::Clean, 4)]);
    }

    #[test]
    fn an_act_is_told_in_words_and_an_alarm_names_its_runbook() {
        let words = act(Outcome::Clean, 1).words();
        for word in ["process is gone", "2 orders cancelled", "3 ms", "clean"] {
            assert!(words.contains(word), "{word}: {words}");
        }
        let dir = tempfile::tempdir().unwrap();
        alarm(dir.path(), Call::Acted, Some(&act(Outcome::Clean, 1)), ("text", 7)).unwrap();
        alarm(dir.path(), Call::Trouble, None, ("text", 8)).unwrap();
        let text = std::fs::read_to_string(dir.path().join(ALARMS_NAME)).unwrap();
        assert_eq!(text.lines().count(), 2);
        for word in [
            "\"guard-acted\"",
            "\"CRITICAL\"",
            "\"clean\"",
            "\"orders_cancelled\":2",
            "docs/runbooks/guard.md",
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}
