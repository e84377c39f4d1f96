//! The board's naive twin: keeps everything that ever happened, and looks at all of it for every answer.

use std::collections::BTreeMap;

use super::BoardSettings;
use crate::catalogue::{Code, Ending, Severity};
use crate::notice::What;
use crate::subject::Subject;

/// What a notice says, as far as the twin knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) what: What,
    pub(super) alarm: u64,
    pub(super) code: Code,
    pub(super) subject: Subject,
    pub(super) count: usize,
    pub(super) severity: Severity,
    pub(super) silenced: bool,
}

/// Everything of one alarm, from its first moment to its end.
#[derive(Clone, Debug)]
struct Episode {
    number: u64,
    code: Code,
    subject: Subject,
    /// When it happened, and when it was said to be over, in order of time of the board.
    raises: Vec<u64>,
    /// `(time, raises so far)`.
    clears: Vec<(u64, usize)>,
    acknowledged: bool,
    told: Vec<(What, u64)>,
    ended: bool,
}

impl Episode {
    fn was(&self, what: What) -> usize {
        self.told.iter().filter(|(told, _)| *told == what).count()
    }

    fn severity(&self) -> Severity {
        if 0 < self.was(What::Escalated) { Severity::Page } else { self.code.severity() }
    }

    /// Since when it is clear: the first clear after the last raise.
    fn clear_since(&self) -> Option<u64> {
        let count = self.raises.len();
        self.clears.iter().find(|(_, raises)| *raises == count).map(|(time, _)| *time)
    }
}

/// The twin.
#[derive(Debug)]
pub(super) struct Naive {
    settings: BoardSettings,
    episodes: Vec<Episode>,
    silences: BTreeMap<Code, u64>,
    out: Vec<Told>,
}

impl Naive {
    pub(super) fn new(settings: BoardSettings) -> Naive {
        Naive { settings, episodes: Vec::new(), silences: BTreeMap::new(), out: Vec::new() }
    }

    pub(super) fn take(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.out)
    }

    fn open(&self, code: Code, subject: Subject) -> Option<usize> {
        self.episodes.iter().position(|it| !it.ended && it.code == code && it.subject == subject)
    }

    fn is_silenced(&self, code: Code, now: u64) -> bool {
        self.silences.get(&code).is_some_and(|until| now < *until)
    }

    fn tell(&mut self, index: usize, what: What, now: u64) {
        let silenced_now = self.is_silenced(self.episodes[index].code, now);
        let episode = &mut self.episodes[index];
        let first = what == What::Raised;
        let unheard = !first && episode.was(What::Raised) == 0;
        let told = Told {
            what,
            alarm: episode.number,
            code: episode.code,
            subject: episode.subject,
            count: episode.raises.len(),
            severity: if what == What::Escalated { Severity::Page } else { episode.severity() },
            silenced: silenced_now || unheard,
        };
        if !silenced_now {
            episode.told.push((what, now));
        }
        self.out.push(told);
    }

    pub(super) fn silence(&mut self, silences: BTreeMap<Code, u64>) {
        self.silences = silences;
    }

    pub(super) fn raise(&mut self, code: Code, subject: Subject, now: u64) {
        if let Some(index) = self.open(code, subject) {
            self.episodes[index].raises.push(now);
            return;
        }
        let number = self.episodes.len() as u64 + 1;
        self.episodes.push(Episode {
            number,
            code,
            subject,
            raises: vec![now],
            clears: Vec::new(),
            acknowledged: false,
            told: Vec::new(),
            ended: code.ending() == Ending::Once,
        });
        self.tell(self.episodes.len() - 1, What::Raised, now);
    }

    pub(super) fn clear(&mut self, code: Code, subject: Subject, now: u64) {
        if let Some(index) = self.open(code, subject) {
            let raises = self.episodes[index].raises.len();
            self.episodes[index].clears.push((now, raises));
        }
    }

    pub(super) fn acknowledge(&mut self, number: u64, now: u64) {
        let found = self.episodes.iter().position(|it| it.number == number && !it.ended);
        let Some(index) = found.filter(|index| !self.episodes[*index].acknowledged) else { return };
        self.episodes[index].acknowledged = true;
        self.tell(index, What::Acknowledged, now);
        self.episodes[index].ended = self.episodes[index].code.ending() == Ending::Acknowledge;
    }

    pub(super) fn on_time(&mut self, now: u64) {
        let mut open: Vec<usize> =
            (0..self.episodes.len()).filter(|index| !self.episodes[*index].ended).collect();
        open.sort_by_key(|index| (self.episodes[*index].code, self.episodes[*index].subject));
        for index in open {
            let episode = &self.episodes[index];
            let clear =
                episode.clear_since().filter(|_| episode.code.ending() == Ending::Condition);
            let last = *episode.raises.last().unwrap();
            let is_over = match episode.code.ending() {
                Ending::Condition => clear.is_some_and(|at| at + self.settings.cool_down_ns <= now),
                Ending::Quiet => last + self.settings.quiet_ns <= now,
                Ending::Acknowledge | Ending::Once => false,
            };
            if is_over {
                self.tell(index, What::Cleared, now);
                self.episodes[index].ended = true;
                continue;
            }
            if self.is_silenced(episode.code, now) || clear.is_some() {
                continue;
            }
            if let Some(what) = self.due(episode, now) {
                self.tell(index, what, now);
            }
        }
    }

    fn due(&self, episode: &Episode, now: u64) -> Option<What> {
        if episode.was(What::Raised) == 0 {
            return Some(What::Raised);
        }
        if episode.acknowledged || episode.severity() < Severity::Critical {
            return None;
        }
        if episode.severity() == Severity::Critical
            && episode.raises[0] + self.settings.escalate_ns <= now
        {
            return Some(What::Escalated);
        }
        let last_told = episode.told.iter().map(|(_, time)| *time).max().unwrap();
        let has_repeats = episode.was(What::Repeated) < self.settings.repeat_count_max as usize;
        (has_repeats && last_told + self.settings.repeat_ns <= now).then_some(What::Repeated)
    }
}
