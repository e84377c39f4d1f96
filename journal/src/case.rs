//! The recovery table: what was found on disk, what it is called, what is done.
//!
//! The question behind each row is: could a record that this would drop have been acknowledged? If so,
//! the program refuses and an operator decides with [`crate::repair()`].

use crate::status::Durability;

/// A named recovery case. Numbers and names are part of the format: never renumbered, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum Case {
    /// No journal here yet.
    EmptyDirectory = 1,
    /// Closed by its writer, nothing since.
    CleanEnd = 2,
    /// Good records, then zeros: the writer was killed, or still runs.
    UncleanEnd = 3,
    /// After the last record lie pieces of one that was never committed; they are quarantined and zeroed.
    TornTailCut = 4,
    /// The last record is whole and lacks only its commit word; the word is stored.
    TailCompleted = 5,
    /// Power durability: past what the disk had confirmed some pages are missing; the rest is quarantined.
    HoleCut = 6,
    /// A damaged record that may have been acknowledged, or stray bytes where nothing can be.
    BitRotRefused = 20,
    /// Records are missing between good ones, and they may have been acknowledged.
    HoleRefused = 21,
    /// An intact record with another number than its place.
    SequenceBreakRefused = 22,
    /// A segment file is absent between others, or all are.
    MissingSegmentRefused = 23,
    /// A segment file is shorter or longer than its header says.
    SegmentLengthRefused = 24,
    /// The page before the records is damaged.
    HeaderDamagedRefused = 25,
    /// Written by a format version that this program does not know.
    ForeignVersionRefused = 26,
    /// Not a segment, or a segment of another journal or of another place.
    ForeignJournalRefused = 27,
    /// The chain file is absent or damaged.
    ChainDamagedRefused = 28,
    /// The records end before what the disk had confirmed.
    TailTruncatedRefused = 29,
    /// The file system gave an error.
    UnreadableRefused = 30,
    /// The records are intact but do not hash to the chain: somebody changed them. Found by verify.
    TamperedRefused = 31,
}

impl Case {
    /// Every case, in the order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::EmptyDirectory,
        Self::CleanEnd,
        Self::UncleanEnd,
        Self::TornTailCut,
        Self::TailCompleted,
        Self::HoleCut,
        Self::BitRotRefused,
        Self::HoleRefused,
        Self::SequenceBreakRefused,
        Self::MissingSegmentRefused,
        Self::SegmentLengthRefused,
        Self::HeaderDamagedRefused,
        Self::ForeignVersionRefused,
        Self::ForeignJournalRefused,
        Self::ChainDamagedRefused,
        Self::TailTruncatedRefused,
        Self::UnreadableRefused,
        Self::TamperedRefused,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::EmptyDirectory => "empty-directory",
            Self::CleanEnd => "clean-end",
            Self::UncleanEnd => "unclean-end",
            Self::TornTailCut => "torn-tail-cut",
            Self::TailCompleted => "tail-completed",
            Self::HoleCut => "hole-cut",
            Self::BitRotRefused => "bit-rot-refused",
            Self::HoleRefused => "hole-refused",
            Self::SequenceBreakRefused => "sequence-break-refused",
            Self::MissingSegmentRefused => "missing-segment-refused",
            Self::SegmentLengthRefused => "segment-length-refused",
            Self::HeaderDamagedRefused => "header-damaged-refused",
            Self::ForeignVersionRefused => "foreign-version-refused",
            Self::ForeignJournalRefused => "foreign-journal-refused",
            Self::ChainDamagedRefused => "chain-damaged-refused",
            Self::TailTruncatedRefused => "tail-truncated-refused",
            Self::UnreadableRefused => "unreadable-refused",
            Self::TamperedRefused => "tampered-refused",
        }
    }

    /// The number in reports.
    pub fn code(self) -> u8 {
        match self {
            Self::EmptyDirectory => 1,
            Self::CleanEnd => 2,
            Self::UncleanEnd => 3,
            Self::TornTailCut => 4,
            Self::TailCompleted => 5,
            Self::HoleCut => 6,
            Self::BitRotRefused => 20,
            Self::HoleRefused => 21,
            Self::SequenceBreakRefused => 22,
            Self::MissingSegmentRefused => 23,
            Self::SegmentLengthRefused => 24,
            Self::HeaderDamagedRefused => 25,
            Self::ForeignVersionRefused => 26,
            Self::ForeignJournalRefused => 27,
            Self::ChainDamagedRefused => 28,
            Self::TailTruncatedRefused => 29,
            Self::UnreadableRefused => 30,
            Self::TamperedRefused => 31,
        }
    }

    /// True when only an operator may go on from here.
    pub fn is_refused(self) -> bool {
        20 <= self.code()
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What stands in the first place that does not hold its good record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopKind {
    /// 64 zero bytes.
    Blank,
    /// Commit word zero; with the expected number the check would fit.
    Whole,
    /// Commit word zero, other bytes not, and the check does not fit.
    Torn,
    /// A commit word, and the check does not fit.
    BadCheck,
    /// An intact record with this other sequence.
    SequenceBreak(u64),
}

impl std::fmt::Display for StopKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Blank => f.write_str("no record here, but something behind it"),
            Self::Whole => f.write_str("a whole record without its commit word"),
            Self::Torn => f.write_str("pieces of a record that was never committed"),
            Self::BadCheck => f.write_str("the record's checksum is wrong"),
            Self::SequenceBreak(found) => write!(f, "an intact record with sequence {found}"),
        }
    }
}

/// What lies behind that place, to the end of the last segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Zeros only.
    Nothing,
    /// Good records of their places, and perhaps pieces without a commit word.
    Records,
    /// Pieces without a commit word, no good record.
    Pieces,
    /// Something that no crash of ours leaves: a committed place whose check or number is wrong.
    Stray,
}

/// All that the table looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// None when every place of every segment holds its good record.
    pub stop: Option<(StopKind, After)>,
    /// The good records end before a sequence that the disk had confirmed.
    pub below_mark: bool,
    /// The chain ends with the mark of a close, exactly at the last good record.
    pub closed: bool,
    /// Durability of the last session.
    pub durability: Durability,
    /// A writer is at work: what looks like a crash in progress is an append in progress.
    pub live: bool,
}

/// The recovery table. Pure: the same situation has the same name everywhere.
#[rustfmt::skip]
#[expect(clippy::match_same_arms, reason = "one row of the table an arm, each with its reason")]
pub fn decide(situation: &Situation) -> Case {
    use After::{Nothing, Pieces, Records, Stray};
    use Durability::{Power, Process};
    use StopKind::{BadCheck, Blank, SequenceBreak, Torn, Whole};

    let Some((kind, after)) = situation.stop else {
        return match (situation.below_mark, situation.closed) {
            (true, _)      => Case::TailTruncatedRefused,   // @A full segments, and more was confirmed
            (false, true)  => Case::CleanEnd,               // @B
            (false, false) => Case::UncleanEnd,             // @C
        };
    };
    if situation.live && matches!(kind, Blank | Whole | Torn) && !situation.below_mark {
        return match (situation.closed, kind, after) {
            // The lock is held, but no session has begun: its first act would be an entry in the chain.
            (true, Blank, Nothing) => Case::CleanEnd,       // @D1
            _                      => Case::UncleanEnd,     // @D2 the writer is in the middle of it
        };
    }
    if situation.below_mark {
        return match (kind, after) {
            (Blank, Nothing)          => Case::TailTruncatedRefused,   // @E
            (Blank, Records)          => Case::HoleRefused,            // @F
            (SequenceBreak(_), _)     => Case::SequenceBreakRefused,   // @G
            (Blank, Pieces | Stray)
            | (Whole | Torn | BadCheck, _) => Case::BitRotRefused,     // @H
        };
    }
    match (kind, after, situation.durability) {
        (Blank, Nothing, _) if situation.closed      => Case::CleanEnd,         // @I
        // Nobody writes after a close: whatever stands there is damage.
        (SequenceBreak(_), _, _)                     => Case::SequenceBreakRefused, // @J
        (_, _, _) if situation.closed                => Case::BitRotRefused,    // @K
        (Blank, Nothing, _)                          => Case::UncleanEnd,       // @L
        (Whole, Nothing, _)                          => Case::TailCompleted,    // @M
        (Torn, Nothing, _)                           => Case::TornTailCut,      // @N
        // Neither kill -9 nor power loss leaves a commit word without its bytes: they share one cache
        // line and one disk sector, and the word is stored last. So this is damage, and it may be
        // damage of a record that was acknowledged.
        (BadCheck, _, _)                             => Case::BitRotRefused,    // @O
        (Blank | Whole | Torn, Stray, _)             => Case::BitRotRefused,    // @P
        // Pages reach the disk in any order. Under `Power` nobody was told of what is past the mark.
        (Blank | Whole | Torn, Records | Pieces, Power) => Case::HoleCut,       // @Q
        (Blank, Records, Process)                    => Case::HoleRefused,      // @R
        (Blank, Pieces, Process)
        | (Whole | Torn, Records | Pieces, Process)  => Case::BitRotRefused,    // @S
    }
}

#[cfg(test)]
mod tests;
