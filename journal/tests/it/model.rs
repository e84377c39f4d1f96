//! Random histories of append, close, drop, follow and reopen against a plain list.

use journal::{Case, Durability, Options, Reader, Record, Tail, Writer, recover, verify};
use proptest::prelude::*;

use super::support::small;

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Close,
    Drop,
    Follow,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<u8>().prop_map(Step::Append),
        1 => Just(Step::Close),
        1 => Just(Step::Drop),
        2 => Just(Step::Follow),
    ]
}

fn body(seed: u64, sequence: u64) -> [u8; 52] {
    let mut body = [0; 52];
    body[..8].copy_from_slice(&seed.wrapping_mul(sequence | 1).to_le_bytes());
    body[44..].copy_from_slice(&sequence.rotate_left(17).to_le_bytes());
    body
}

/// The journal under test and the list that it must equal.
struct History {
    dir: tempfile::TempDir,
    writer: Option<Writer>,
    tail: Option<Tail>,
    seen: usize,
    model: Vec<Record>,
    options: Options,
}

impl History {
    fn writer(&mut self) -> &mut Writer {
        if self.writer.is_none() {
            let recovery = recover(self.dir.path()).unwrap();
            assert_eq!(recovery.last_sequence, u64::try_from(self.model.len()).unwrap());
            let options = self.options.clone();
            self.writer = Some(Writer::open(self.dir.path(), options, &recovery).unwrap());
        }
        self.writer.as_mut().unwrap()
    }

    fn append(&mut self, seed: u64, count: u8) {
        for _ in 0..count {
            let writer = self.writer();
            let next = Record::new(writer.next_sequence(), body(seed, writer.next_sequence()));
            while writer.append(&next).is_err() {}
            self.model.push(next.sealed());
        }
    }

    fn follow(&mut self) {
        self.writer();
        let dir = self.dir.path();
        let tail = self.tail.get_or_insert_with(|| Tail::open(dir, 1).unwrap());
        loop {
            let batch = tail.poll().unwrap();
            if batch.is_empty() {
                break;
            }
            assert_eq!(batch, &self.model[self.seen..self.seen + batch.len()]);
            self.seen += batch.len();
        }
        assert_eq!(self.seen, self.model.len());
    }

    fn check(&self, case: Case) {
        let reader = Reader::open(self.dir.path()).unwrap();
        let records: Vec<Record> = reader.segments().flatten().copied().collect();
        assert_eq!(records, self.model);
        let report = verify(self.dir.path()).unwrap();
        assert!(report.ok, "{:?}", report.damage);
        assert_eq!(report.case, case);
    }

    fn step(&mut self, seed: u64, step: &Step) {
        match step {
            Step::Append(count) => self.append(seed, *count),
            Step::Close => {
                self.writer();
                self.writer.take().unwrap().close().unwrap();
                self.check(Case::CleanEnd);
            }
            Step::Drop => {
                self.writer();
                drop(self.writer.take());
                self.check(Case::UncleanEnd);
            }
            Step::Follow => self.follow(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_is_the_list_of_what_was_appended(
        seed in any::<u64>(), power in any::<bool>(), steps in proptest::collection::vec(step(), 1..14)
    ) {
        let durability = if power { Durability::Power } else { Durability::Process };
        let mut history = History {
            dir: tempfile::tempdir().unwrap(),
            writer: None,
            tail: None,
            seen: 0,
            model: Vec::new(),
            options: Options { durability, ..small() },
        };
        for step in &steps {
            history.step(seed, step);
        }
        history.step(seed, &Step::Follow);
        history.step(seed, &Step::Close);
    }
}
