//! Headers of a request or an answer, and which bytes may stand in one.

use std::fmt;

/// Headers of one message; more are refused.
pub(crate) const HEADER_COUNT_MAX: usize = 96;

/// The headers of a message, in the receive buffer.
pub struct Headers<'a> {
    list: &'a [httparse::Header<'a>],
}

impl fmt::Debug for Headers<'_> {
    /// Names only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list.iter().map(|header| header.name)).finish()
    }
}

impl<'a> Headers<'a> {
    pub(crate) fn new(list: &'a [httparse::Header<'a>]) -> Headers<'a> {
        Headers { list }
    }

    /// The first value of this name, whatever its case; `None` also if it is no text.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// A value that is a whole number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.trim().parse().ok()
    }

    /// All headers whose value is a text, in the order of the message.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        let texts = self.list.iter();
        texts.filter_map(|header| Some((header.name, std::str::from_utf8(header.value).ok()?)))
    }

    /// All values of this name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let list = self.list.iter();
        list.filter(move |header| header.name.eq_ignore_ascii_case(name))
            .filter_map(|header| std::str::from_utf8(header.value).ok())
    }

    /// Whether a list of words, separated by commas, holds this one.
    pub(crate) fn has_word(&self, name: &str, word: &str) -> bool {
        let words = self.all(name).flat_map(|value| value.split(','));
        words.map(str::trim).any(|known| known.eq_ignore_ascii_case(word))
    }

    /// Whether the name is there at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.list.iter().any(|header| header.name.eq_ignore_ascii_case(name))
    }

    /// The length of the body as announced. An error where two announcements differ or one is no
    /// number.
    pub(crate) fn content_length(&self) -> Result<Option<u64>, &'static str> {
        let mut found = None;
        let list = self.list.iter();
        for header in list.filter(|header| header.name.eq_ignore_ascii_case("content-length")) {
            let digits = header.value.trim_ascii();
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return Err("a content length that is no number");
            }
            let length = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
            let length: u64 = length.ok_or("a content length beyond 64 bits")?;
            if found.is_some_and(|known| known != length) {
                return Err("two content lengths");
            }
            found = Some(length);
        }
        Ok(found)
    }
}

/// Whether a header can be sent without becoming two.
pub(crate) fn is_header(name: &str, value: &str) -> bool {
    is_token(name) && value.bytes().all(|byte| byte == b'\t' || (b' '..0x7f).contains(&byte))
}

/// Whether this is a word of HTTP, such as a method or a name.
pub(crate) fn is_token(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_letter)
}

/// Whether this can stand between method and version.
pub(crate) fn is_target(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| (b'!'..0x7f).contains(&byte))
}
