//! `tickwheel ctl kill --flag`: a kill by one word in shared memory, for an engine that does not answer.
//!
//! The core thread looks at the word itself: no socket, ring or other thread has to live. Who it was and why cannot stand
//! in the record then; the reason is asked for all the same, and printed with what was done.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use engine::clock::Clock;
use engine::event::{Event, KillPhase, Scope};
use engine::stats::{KillFlag, StatsReader};
use journal::Tail;
use operator::protocol::check_reason;
use operator::{Arguments, Verb, View, peer};
use serde_json::json;

use super::ask::{Asking, data_dir};
use super::{Common, confirm, offline};
use crate::exit;
use crate::session::{self, Coded};

/// How long to look for the end of the kill.
const WAIT_NS: u64 = 10_000_000_000;
/// Pause between two looks at the journal.
const PAUSE: Duration = Duration::from_millis(2);

/// Runs the command.
pub(super) fn run(common: &Common, scope: &str) -> anyhow::Result<ExitCode> {
    if scope != "all" {
        return Err(Coded::new(exit::USAGE, "the kill flag has no scope").into());
    }
    let reason = common.reason.clone().unwrap_or_default();
    check_reason(&reason).map_err(|why| Coded::new(exit::USAGE, why))?;
    let dir = data_dir(common);
    let flag = KillFlag::open_in(&dir).context("an engine of this data directory makes it")?;
    if !common.yes {
        confirm::require_terminal(Verb::Kill)?;
        let picture = offline::status(&dir).context("look at the engine")?;
        let arguments = Arguments { flatten: Some(true), ..Arguments::default() };
        if !confirm::ask(&Asking { verb: Verb::Kill, arguments }, &picture)? {
            return Err(Coded::new(exit::NO, "nothing was done").into());
        }
    }
    let clock = Clock::new();
    let start_ns = clock.now_ns();
    flag.set(peer::own_uid(), start_ns);
    let view = watch(&dir, &clock, start_ns + common.wait.unwrap_or(WAIT_NS));
    let view = view.context("the flag is set; the journal cannot be read")?;
    Ok(tell(common, &view, start_ns, &reason))
}

fn is_over(view: &View, start_ns: u64) -> bool {
    view.kill.is_some_and(|kill| {
        start_ns <= kill.at_ns && matches!(kill.phase, KillPhase::Done | KillPhase::Late)
    })
}

/// Follows the journal until the kill is over, or nothing more is waited for.
fn watch(dir: &Path, clock: &Clock, until_ns: u64) -> anyhow::Result<View> {
    let start_ns = clock.now_ns();
    let mut view = offline::view(dir)?;
    let mut tail = Tail::open(&session::existing_journal_dir(dir)?, view.sequence + 1)?;
    while !is_over(&view, start_ns) && clock.now_ns() < until_ns {
        let records = tail.poll()?;
        for record in records {
            let event: &Event = bytemuck::cast_ref(record);
            view.apply(event);
        }
        if records.is_empty() {
            std::thread::park_timeout(PAUSE);
        }
    }
    Ok(view)
}

fn tell(common: &Common, view: &View, start_ns: u64, reason: &str) -> ExitCode {
    let stats = StatsReader::open(&data_dir(common)).and_then(|reader| reader.snapshot()).ok();
    let is_done =
        is_over(view, start_ns) && view.kill.is_some_and(|kill| kill.phase == KillPhase::Done);
    let mut data = view.kill_report_json(Scope::All, stats.as_ref());
    let text = if is_done {
        "the flag is set, and the kill is done"
    } else {
        "the flag is set; the engine has not finished the kill: it is dead, stuck, or the venue does not answer"
    };
    if common.json {
        data["outcome"] = json!(if is_done { "done" } else { "late" });
        data["text"] = json!(text);
        data["reason"] = json!(reason);
        println!("{data:#}");
    } else {
        println!("{text} ({reason})");
        println!("  state {}, orders cancelled {}", data["state"], data["orders_cancelled"]);
    }
    ExitCode::from(if is_done { exit::GOOD } else { exit::NO })
}
