//! Lines of words, read without trust.

/// Why a line was put aside. The number is that of the QUARANTINE event: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u16)]
pub enum LineError {
    /// Bytes that are no text, or too many.
    #[error("the line is no text of at most {LINE_SIZE_BYTES_MAX} bytes")]
    NotText = 1,
    /// A word that is not known, or one too few.
    #[error("a word is missing or not known")]
    Word = 2,
    /// A number that is none, or out of range.
    #[error("a number is out of range")]
    Number = 3,
}

/// Longest line.
pub(crate) const LINE_SIZE_BYTES_MAX: usize = 4096;

/// The words of a line.
#[derive(Debug)]
pub(crate) struct Words<'a>(std::str::SplitAsciiWhitespace<'a>);

impl<'a> Words<'a> {
    pub(crate) fn of(line: &'a [u8]) -> Result<Words<'a>, LineError> {
        if LINE_SIZE_BYTES_MAX < line.len() {
            return Err(LineError::NotText);
        }
        let text = std::str::from_utf8(line).map_err(|_| LineError::NotText)?;
        Ok(Words(text.split_ascii_whitespace()))
    }

    pub(crate) fn word(&mut self) -> Result<&'a str, LineError> {
        self.0.next().ok_or(LineError::Word)
    }

    /// A number that a price, a quantity or an id can be.
    pub(crate) fn number(&mut self) -> Result<i64, LineError> {
        let number: i64 = self.word()?.parse().map_err(|_| LineError::Number)?;
        if (0..i64::MAX / 2).contains(&number) { Ok(number) } else { Err(LineError::Number) }
    }

    pub(crate) fn id(&mut self) -> Result<u64, LineError> {
        self.number().map(i64::cast_unsigned)
    }
}
