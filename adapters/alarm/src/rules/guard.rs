//! Rules over what a guard did: lines of its alarm file become signals.
//!
//! ```text
//!   alarms/guard.jsonl --GuardFile--> lines --Rules::guard--> signals
//! ```
//! **Invariant:** only names that stand here and numbers are taken from the file; its words stay there.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Rules;
use crate::catalogue::Code;
use crate::notice::Signal;
use crate::subject::Subject;

/// Name of the file in the directory of the alarms.
pub const GUARD_FILE: &str = "guard.jsonl";
/// Most that is read at once; a line is some hundred bytes.
const READ_SIZE_BYTES_MAX: u64 = 1 << 20;
/// A line that is longer than this is none.
const LINE_SIZE_BYTES_MAX: usize = 1 << 16;

/// Why a guard acts, as it names it. The place in the list is the number in a signal; 0 is what is not known.
pub const WHY: [&str; 6] = ["", "gone", "failed", "left-orders", "thread-dead", "stuck"];
/// How an act ended, as a guard names it.
pub const OUTCOMES: [&str; 7] =
    ["", "begun", "clean", "came-back", "superseded", "venue-gone", "abandoned"];

/// What of a line is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct GuardLine {
    /// When it was written.
    pub time_ns: u64,
    /// Name of the alarm.
    pub code: String,
    /// Why the guard acts.
    #[serde(default)]
    pub why: String,
    /// How the act ended.
    #[serde(default)]
    pub outcome: String,
    /// Orders whose cancel the venue confirmed.
    #[serde(default)]
    pub orders_cancelled: u64,
    /// Orders of the engine at the last look.
    #[serde(default)]
    pub orders_left: u64,
}

fn number_of(names: &[&str], name: &str) -> u8 {
    let place = names.iter().position(|known| *known == name);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0)
}

/// The names behind `detail` of a guard's alarm: why, and how it ended.
pub(crate) fn named(detail: u32) -> (&'static str, &'static str) {
    let [why, outcome, _, _] = detail.to_le_bytes();
    let name = |names: &'static [&'static str], number: u8| {
        names.get(usize::from(number)).copied().filter(|name| !name.is_empty())
    };
    (name(&WHY, why).unwrap_or("unknown"), name(&OUTCOMES, outcome).unwrap_or("unknown"))
}

impl Rules {
    /// A line of a guard.
    pub fn guard(&mut self, line: &GuardLine, out: &mut Vec<Signal>) {
        let at = (0, line.time_ns);
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let detail = [number_of(&WHY, &line.why), number_of(&OUTCOMES, &line.outcome), 0, 0];
        let raise = |code| {
            let signal = Signal::raise(code, Subject::Engine, at);
            let (cancelled, left) = (signed(line.orders_cancelled), signed(line.orders_left));
            signal.with(cancelled, left, u32::from_le_bytes(detail))
        };
        match Code::from_text(&line.code) {
            Some(code @ (Code::GuardActing | Code::GuardCannotCancel | Code::GuardTrouble)) => {
                out.push(raise(code));
            }
            Some(Code::GuardActed) => {
                out.push(raise(Code::GuardActed));
                for code in [Code::GuardActing, Code::GuardCannotCancel] {
                    out.push(Signal::clear(code, Subject::Engine, at));
                }
                // An engine that works again has heard of its cancels by itself; a local venue that is gone
                // has nothing to compare with.
                if !matches!(line.outcome.as_str(), "came-back" | "venue-gone") {
                    self.state.guard_acted_ns = self.state.guard_acted_ns.max(line.time_ns);
                    out.push(raise(Code::ReconcileNeeded));
                }
            }
            Some(_) | None => {}
        }
    }
}

/// The file as far as it was read.
#[derive(Debug)]
pub struct GuardFile {
    path: PathBuf,
    offset: u64,
}

impl GuardFile {
    /// Goes on at `offset`; without one, what is there now is past.
    pub fn open(dir: &Path, offset: Option<u64>) -> GuardFile {
        let path = dir.join(GUARD_FILE);
        let end = || std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let offset = offset.unwrap_or_else(end);
        GuardFile { path, offset }
    }

    /// How far it was read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The whole lines that are new. What is no line of a guard is passed over.
    pub fn poll(&mut self) -> Vec<GuardLine> {
        let Ok(bytes) = self.read() else { return Vec::new() };
        let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            None if bytes.len() < LINE_SIZE_BYTES_MAX => return Vec::new(),
            None => bytes.len(),
        };
        self.offset += u64::try_from(whole).unwrap_or(0);
        let lines = bytes[..whole].split(|byte| *byte == b'\n');
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    fn read(&mut self) -> io::Result<Vec<u8>> {
        let size = std::fs::metadata(&self.path)?.len();
        if size < self.offset {
            // Somebody has put it away: this is another one.
            self.offset = 0;
        }
        let mut bytes = Vec::new();
        if self.offset < size {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.offset))?;
            file.take(READ_SIZE_BYTES_MAX).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn append(dir: &Path, text: &str) {
        let file = File::options().create(true).append(true).open(dir.join(GUARD_FILE));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn codes(file: &mut GuardFile) -> Vec<String> {
        file.poll().into_iter().map(|line| line.code).collect()
    }

    #[test]
    fn whole_lines_are_read_once_and_what_is_none_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = GuardFile::open(dir.path(), None);
        assert_eq!(codes(&mut file), Vec::<String>::new());
        append(dir.path(), "{\"time_ns\":1,\"code\":\"a\"}\n{\"time_ns\":2,\"co");
        assert_eq!(codes(&mut file), ["a"]);
        assert_eq!(codes(&mut file), Vec::<String>::new());
        append(
            dir.path(),
            "de\":\"b\",\"more\":[]}\nno line\n\u{0}\n{\"time_ns\":-3,\"code\":\"c\"}\n",
        );
        assert_eq!(codes(&mut file), ["b"]);
        // A reader that comes later goes on where this one stood; one that knows nothing begins at the end.
        append(dir.path(), "{\"time_ns\":4,\"code\":\"d\"}\n");
        assert_eq!(codes(&mut GuardFile::open(dir.path(), Some(file.offset()))), ["d"]);
        assert_eq!(codes(&mut GuardFile::open(dir.path(), None)), Vec::<String>::new());
        // Another file of the same name.
        std::fs::write(dir.path().join(GUARD_FILE), "{\"time_ns\":5,\"code\":\"e\"}\n").unwrap();
        assert_eq!(codes(&mut file), ["e"]);
        // A line without an end does not stop what follows.
        append(dir.path(), &"x".repeat(LINE_SIZE_BYTES_MAX));
        assert_eq!(codes(&mut file), Vec::<String>::new());
        append(dir.path(), "\n{\"time_ns\":6,\"code\":\"f\"}\n");
        assert_eq!(codes(&mut file), ["f"]);
    }

    #[test]
    fn names_of_a_guard_become_numbers_and_come_back_as_words() {
        let check = |why: &str, outcome: &str, expected: (&str, &str)| {
            let detail = [number_of(&WHY, why), number_of(&OUTCOMES, outcome), 0, 0];
            assert_eq!(named(u32::from_le_bytes(detail)), expected, "{why} {outcome}");
        };
        for why in &WHY[1..] {
            check(why, "clean", (why, "clean"));
        }
        for outcome in &OUTCOMES[1..] {
            check("gone", outcome, ("gone", outcome));
        }
        check("", "", ("unknown", "unknown"));
        check("secret", "words", ("unknown", "unknown"));
        assert_eq!(named(u32::MAX), ("unknown", "unknown"));
    }
}
