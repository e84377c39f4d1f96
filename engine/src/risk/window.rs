//! Lowest and highest mid of the last stretch of time, by instrument.
//!
//! The window is cut into pieces; a piece that is older than the window is forgotten as a whole, so the
//! window is at least its length and at most one piece longer.

use crate::state::{LoadError, Loader, Saver, State, mix};

/// Pieces of a window.
const PIECE_COUNT: usize = 16;
const PIECE_COUNT_NS: u64 = 16;

/// Twice the lowest and the highest mid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) low_twice: i64,
    pub(super) high_twice: i64,
}

const NOTHING: Span = Span { low_twice: i64::MAX, high_twice: i64::MIN };

impl Span {
    #[inline]
    fn with(self, other: Span) -> Span {
        Span {
            low_twice: self.low_twice.min(other.low_twice),
            high_twice: self.high_twice.max(other.high_twice),
        }
    }
}

/// The window of one instrument.
#[derive(Clone, Debug)]
pub(super) struct Window {
    piece_ns: u64,
    /// Number of the newest piece: its time by the length of a piece.
    newest: u64,
    /// End of the newest piece, ns.
    newest_until_ns: u64,
    /// By number modulo their count.
    pieces: [Span; PIECE_COUNT],
    /// Of every piece but the newest.
    older: Span,
}

impl Window {
    pub(super) fn new(window_ns: u64) -> Window {
        Window {
            piece_ns: window_ns.div_ceil(PIECE_COUNT_NS - 1).max(1),
            newest: 0,
            newest_until_ns: 0,
            pieces: [NOTHING; PIECE_COUNT],
            older: NOTHING,
        }
    }

    fn place(piece: u64) -> usize {
        usize::from(piece.to_le_bytes()[0]) % PIECE_COUNT
    }

    /// Begins the piece of that time, if it is a new one.
    #[cold]
    fn roll(&mut self, time_ns: u64) {
        let piece = time_ns / self.piece_ns;
        self.newest_until_ns =
            piece.max(self.newest).saturating_add(1).saturating_mul(self.piece_ns);
        if piece <= self.newest {
            return;
        }
        let passed = piece - self.newest;
        for step in 1..=passed.min(PIECE_COUNT_NS) {
            self.pieces[Window::place(piece + 1 - step)] = NOTHING;
        }
        self.newest = piece;
        self.older = self.pieces.iter().fold(NOTHING, |span, piece| span.with(*piece));
    }

    /// Takes a mid in and returns the span of the window, this mid included.
    #[inline]
    pub(super) fn see(&mut self, time_ns: u64, mid_twice: i64) -> Span {
        if self.newest_until_ns <= time_ns {
            self.roll(time_ns);
        }
        let newest = &mut self.pieces[Window::place(self.newest)];
        *newest = newest.with(Span { low_twice: mid_twice, high_twice: mid_twice });
        self.older.with(*newest)
    }

    pub(super) fn mix_into(&self, hash: u64) -> u64 {
        let span = self.older.with(self.pieces[Window::place(self.newest)]);
        let hash = mix(mix(hash, self.newest), span.low_twice.cast_unsigned());
        mix(hash, span.high_twice.cast_unsigned())
    }
}

impl State for Window {
    fn save(&self, out: &mut Saver) {
        out.u64(self.piece_ns);
        out.u64(self.newest);
        for piece in self.pieces {
            out.i64(piece.low_twice);
            out.i64(piece.high_twice);
        }
    }

    /// Pieces of another length are of no use: the window begins anew.
    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError> {
        let is_same = from.u64()? == self.piece_ns;
        (self.newest, self.newest_until_ns) = (from.u64()?, 0);
        for piece in &mut self.pieces {
            *piece = Span { low_twice: from.i64()?, high_twice: from.i64()? };
        }
        if !is_same {
            (self.newest, self.pieces) = (0, [NOTHING; PIECE_COUNT]);
        }
        let newest = Window::place(self.newest);
        self.older = NOTHING;
        for (place, piece) in self.pieces.iter().enumerate() {
            if place != newest {
                self.older = self.older.with(*piece);
            }
        }
        Ok(())
    }
}
