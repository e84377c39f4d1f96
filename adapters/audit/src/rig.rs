//! A small real journal with checkpoints, for tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::event::{CommandCode, Event, Kind, Mode, TextTopic, session};
use engine::instrument::{Instrument, Venue};
use journal::{Durability, Faults, Options, Record, Writer};
use tempfile::TempDir;

use crate::keeper::{Keeper, KeeperSettings};
use crate::report::AuditReport;
use crate::verify::{VerifyOptions, verify};

pub(crate) const START_NS: u64 = 1_767_225_600_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// What is traded.
pub(crate) fn instrument() -> Instrument {
    Instrument {
        venue: Venue::Synthetic,
        symbol: "BTCUSD".to_string(),
        price_scale: 2,
        quantity_scale: 3,
        tick: 1,
        lot: 1,
        notional_min: engine::money::Money::ZERO,
        maker_fee_e8: 0,
        taker_fee_e8: 0,
        multiplier: 1,
    }
}

/// A directory with a journal and what signs it.
pub(crate) struct Rig {
    pub(crate) dir: TempDir,
    pub(crate) now_ns: u64,
    pub(crate) settings: KeeperSettings,
}

/// A session at work.
pub(crate) struct Session {
    pub(crate) writer: Writer,
    pub(crate) keeper: Keeper,
}

pub(crate) fn options() -> Options {
    Options {
        // At this level blocks are synced and chained at once, not once a second.
        durability: Durability::Power,
        segment_records: 64,
        block_records: 16,
        prepared_ahead: 1,
        journal_id: *b"audit-rig-journa",
        created_ns: START_NS,
        roll_yields_max: u32::MAX,
        faults: Arc::new(Faults::default()),
        ..Options::default()
    }
}

impl Rig {
    pub(crate) fn new() -> Rig {
        // In memory where there is such a place: thousands of these are synced in a test run.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let dir = dir.expect("a place for temporary files");
        let settings = KeeperSettings {
            interval_ns: SECOND_NS,
            ..KeeperSettings::of(&dir.path().join("journal"), &dir.path().join("audit"))
        };
        Rig { dir, now_ns: START_NS, settings }
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.settings.journal_dir.clone()
    }

    pub(crate) fn audit(&self) -> PathBuf {
        self.settings.audit_dir.clone()
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.audit().join(crate::log::CHECKPOINT_FILE)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.checkpoints()).expect("a checkpoint file");
        text.lines().map(str::to_string).collect()
    }

    pub(crate) fn write_lines(&self, lines: &[String]) {
        let mut text = lines.join("\n");
        if !lines.is_empty() {
            text.push('\n');
        }
        std::fs::write(self.checkpoints(), text).expect("a writable file");
    }

    /// Begins a session as the product does: journal, first checkpoint, manifest.
    pub(crate) fn start(&mut self, number: u64, config: &str) -> Session {
        let dir = self.journal();
        let recovery = journal::inspect(&dir);
        let recovery = if recovery.last_sequence == 0 {
            recovery
        } else {
            journal::recover(&dir).expect("a journal that can go on")
        };
        let writer = Writer::open(&dir, options(), &recovery).expect("a writable journal");
        let keeper = Keeper::open(self.settings.clone(), self.now_ns).expect("a keeper");
        let mut session = Session { writer, keeper };
        for event in session::text(TextTopic::Config, config) {
            session.append(&event, self.now_ns);
        }
        for event in instrument().to_events(0) {
            session.append(&event, self.now_ns);
        }
        session.append(&session::session_start(number, Mode::Paper), self.now_ns);
        session
    }

    /// Some records, and what a second later is due.
    pub(crate) fn work(&mut self, session: &mut Session, count: u64) {
        for index in 0..count {
            self.now_ns += 1_000;
            let mut event = Event::new(Kind::CLOCK);
            event.id = index;
            session.append(&event, self.now_ns);
        }
        session.settle();
        self.now_ns += SECOND_NS;
        session.keeper.poll(self.now_ns).expect("a poll");
    }

    pub(crate) fn end(&mut self, session: Session) {
        let Session { writer, keeper } = session;
        writer.close().expect("a close");
        keeper.finish(self.now_ns).expect("a last checkpoint");
    }

    /// As kill -9 leaves it.
    pub(crate) fn kill(session: Session) {
        drop(session.writer);
        drop(session.keeper);
    }

    /// Two sessions that ended in order, of `count` records each and a few more.
    pub(crate) fn two_sessions(count: u64) -> Rig {
        let mut rig = Rig::new();
        for number in 1..=2 {
            let mut session = rig.start(number, "[audit]\n");
            rig.work(&mut session, count);
            session.append(&session::command(CommandCode::Stop, 0), rig.now_ns);
            rig.work(&mut session, count / 2);
            rig.end(session);
        }
        rig
    }

    pub(crate) fn verify(&self) -> AuditReport {
        self.verify_with(&VerifyOptions::default())
    }

    pub(crate) fn verify_with(&self, options: &VerifyOptions) -> AuditReport {
        verify(&self.journal(), &self.audit(), options).expect("readable files")
    }

    #[track_caller]
    pub(crate) fn is_good(&self) {
        let report = self.verify();
        assert!(report.is_ok(), "{:#?}", report.damage);
    }

    /// Codes of the findings, in order.
    pub(crate) fn codes(&self) -> Vec<&'static str> {
        codes(&self.verify())
    }
}

pub(crate) fn codes(report: &AuditReport) -> Vec<&'static str> {
    report.damage.iter().map(|finding| finding.what).collect()
}

impl Session {
    pub(crate) fn append(&mut self, event: &Event, now_ns: u64) {
        let mut event = event.at(now_ns);
        event.sequence = self.writer.next_sequence();
        let record: &Record = bytemuck::cast_ref(&event);
        self.writer.append(record).expect("room in the journal");
    }

    /// Waits until every whole block is in the chain.
    fn settle(&self) {
        let watch = self.writer.watch();
        let due = watch.status().appended / 16 * 16;
        for _ in 0..60_000 {
            if due <= watch.status().chained {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
        panic!("the helper never chained through {due}: {:?}", watch.status());
    }
}

/// The records of a journal.
pub(crate) fn records(dir: &Path) -> Vec<Event> {
    let reader = journal::Reader::open(dir).expect("a readable journal");
    reader.records_from(1).map(|record| *bytemuck::cast_ref::<_, Event>(record)).collect()
}

/// A journal made anew with these records, numbered anew, its chain as good as any.
pub(crate) fn forge(dir: &Path, events: &[Event]) {
    std::fs::remove_dir_all(dir).expect("a directory");
    let mut writer = Writer::create(dir, options()).expect("a new journal");
    for event in events {
        let mut event = *event;
        event.sequence = writer.next_sequence();
        writer.append(bytemuck::cast_ref(&event)).expect("room in the journal");
    }
    writer.close().expect("a close");
}

/// Copies the files of `from` into the new directory `to`.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let name = path.file_name().expect("a name");
            std::fs::copy(&path, to.join(name)).expect("a copy");
        }
    }
}
