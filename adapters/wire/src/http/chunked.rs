//! The chunked body: pieces with their length in front, the last one empty.
//!
//! ```text
//!   Size --LF--> Data --all--> DataEnd --LF--> Size
//!    | 0, LF
//!    v
//!   Trailer: lines up to an empty one --> Done
//! ```

/// Digits, extension and trailer lines of one chunk; more is refused.
const LINE_SIZE_BYTES_MAX: usize = 8 * 1024;

/// Where the decoder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// In the digits of a length.
    Size {
        length: u64,
        digit_count: usize,
    },
    /// Behind the digits, in front of the line end.
    Extension {
        length: u64,
    },
    Data {
        left: u64,
    },
    /// In front of the line end that follows data.
    DataEnd,
    /// In a line behind the last chunk.
    Trailer {
        is_empty: bool,
    },
    Done,
}

/// Takes the bytes of a chunked body as they come.
#[derive(Debug)]
pub(crate) struct Chunked {
    stage: Stage,
    /// Bytes of the lines since the last data.
    line_size_bytes: usize,
}

/// Why a body is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkError {
    /// Against the rules.
    Malformed(&'static str),
    /// Longer than allowed.
    TooLarge,
}

impl Chunked {
    pub(crate) fn new() -> Chunked {
        Chunked { stage: Stage::Size { length: 0, digit_count: 0 }, line_size_bytes: 0 }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Appends what `input` holds of the body to `body`. How many bytes of it were used; all,
    /// unless the body ends in it.
    pub(crate) fn take(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        body_size_bytes_max: usize,
    ) -> Result<usize, ChunkError> {
        let mut used = 0;
        while used < input.len() && !self.is_done() {
            if let Stage::Data { left } = self.stage {
                let rest = &input[used..];
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                if body_size_bytes_max - body.len() < count {
                    return Err(ChunkError::TooLarge);
                }
                body.extend_from_slice(&rest[..count]);
                used += count;
                let left = left - u64::try_from(count).expect("a length fits 64 bits");
                self.stage = if left == 0 { Stage::DataEnd } else { Stage::Data { left } };
                self.line_size_bytes = 0;
                continue;
            }
            self.stage = self.step(input[used])?;
            used += 1;
            self.line_size_bytes += 1;
            if LINE_SIZE_BYTES_MAX < self.line_size_bytes {
                return Err(ChunkError::Malformed("endless lines between chunks"));
            }
        }
        Ok(used)
    }

    /// The stage behind `byte`, which is no data.
    fn step(&self, byte: u8) -> Result<Stage, ChunkError> {
        let malformed = |what| Err(ChunkError::Malformed(what));
        match (self.stage, byte) {
            (Stage::Size { length, digit_count }, _) if byte.is_ascii_hexdigit() => {
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    _ => (byte | 0x20) - b'a' + 10,
                };
                if 15 <= digit_count {
                    return malformed("a chunk length of more than 15 digits");
                }
                let length = length * 16 + u64::from(digit);
                Ok(Stage::Size { length, digit_count: digit_count + 1 })
            }
            (Stage::Size { digit_count: 0, .. }, _) => malformed("a chunk without a length"),
            (Stage::Size { length, .. }, b'\r' | b';' | b' ' | b'\t') => {
                Ok(Stage::Extension { length })
            }
            (Stage::Size { length, .. } | Stage::Extension { length }, b'\n') => Ok(match length {
                0 => Stage::Trailer { is_empty: true },
                left => Stage::Data { left },
            }),
            (Stage::Size { .. }, _) => malformed("a chunk length that is no number"),
            (Stage::Extension { length }, _) => Ok(Stage::Extension { length }),
            (Stage::DataEnd, b'\r') => Ok(Stage::DataEnd),
            (Stage::DataEnd, b'\n') => Ok(Stage::Size { length: 0, digit_count: 0 }),
            (Stage::DataEnd, _) => malformed("a chunk longer than its length"),
            (Stage::Trailer { is_empty: true }, b'\n') => Ok(Stage::Done),
            (Stage::Trailer { is_empty: false }, b'\n') => Ok(Stage::Trailer { is_empty: true }),
            (Stage::Trailer { is_empty }, b'\r') => Ok(Stage::Trailer { is_empty }),
            (Stage::Trailer { .. }, _) => Ok(Stage::Trailer { is_empty: false }),
            (Stage::Data { .. } | Stage::Done, _) => malformed("bytes behind the last chunk"),
        }
    }
}
