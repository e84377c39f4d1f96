//! A cursor over compact JSON: every step proves the bytes that it passes, or declines.
//!
//! ```text
//!   ,"p":"61837.63000000","q":"0.0
//!   key  | decimal       key
//!        8 bytes a step: digits end where a byte is none
//! ```
//!
//! **Invariant:** a step that answers `Some` (or `true`) passed bytes that the JSON grammar allows
//! there, and read them as `simd_json` and [`parse_scaled`] would. `None` says nothing about the bytes.

use engine::money::parse_scaled;

use super::decimal::{HIGH_BITS, ONES, POWERS, ZEROS, all_digits, value_of};
use super::fields::Field;

const QUOTES: u64 = 0x2222_2222_2222_2222;
const BACKSLASHES: u64 = 0x5c5c_5c5c_5c5c_5c5c;
const SPACES: u64 = 0x2020_2020_2020_2020;
/// Added to a digit 0..=9 this stays below 0x80, added to more it does not.
const TO_HIGH_BIT: u64 = 0x7676_7676_7676_7676;
/// Longest decimal that is looked at; none that fits 64 bits is longer without useless zeros.
const DECIMAL_LENGTH_MAX: usize = 48;
/// Longest name of a field that nobody asks for.
const KEY_LENGTH_MAX: usize = 16;
/// Places that one word holds.
const PLACES_MAX: u8 = 8;

/// How decimals of one scale are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    places: u8,
    /// Bytes of a fraction that are finer than the scale.
    finer: u64,
    shift_bits: u32,
    /// Eight times the digits that a word has left for what is before the point.
    room_bits: u32,
    unit: u64,
    /// Digits behind the point of the last decimal; the next mostly has as many. What is guessed and
    /// proved, not counted, does not make the next load wait.
    seen_count: usize,
    /// The bytes of so many digits.
    seen_mask: u64,
}

impl Scale {
    /// `None` for scales finer than any of the venue.
    pub(super) fn new(places: u8) -> Option<Scale> {
        let unit = *POWERS.get(usize::from(places))?;
        let bits = 8 * u32::from(places);
        let finer = u64::MAX.checked_shl(bits).unwrap_or(0);
        // At scale 0 nothing of a fraction is kept, so its shift does not matter.
        let shift_bits = if places == 0 { 0 } else { 8 * u32::from(PLACES_MAX) - bits };
        Some(Scale {
            places,
            finer,
            shift_bits,
            room_bits: u64::BITS - bits,
            unit,
            seen_count: 8,
            seen_mask: u64::MAX,
        })
    }
}

/// What is left of a frame. Goes by value through calls, so that it stays in registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

/// Digits as bytes 0..=9, and eight times the count of those before the first byte that is no digit.
#[inline(always)]
const fn digits(word: u64) -> (u64, u32) {
    let digits = word ^ ZEROS;
    let marks = (digits.wrapping_add(TO_HIGH_BIT) | digits) & HIGH_BITS;
    (digits, marks.trailing_zeros() & !7)
}

/// Marks the bytes that are zero; marks above the lowest may be wrong.
#[inline(always)]
const fn zero_marks(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH_BITS
}

#[inline(always)]
const fn count_of(bits: u32) -> usize {
    (bits / 8) as usize
}

/// The next eight bytes, zeros behind the end.
#[inline(always)]
fn word(rest: &[u8]) -> u64 {
    rest.first_chunk().map_or_else(|| last_word(rest), |bytes| u64::from_le_bytes(*bytes))
}

/// Fewer than eight bytes as a word.
#[cold]
#[inline(never)]
fn last_word(rest: &[u8]) -> u64 {
    rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    pub(super) fn new(frame: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: frame }
    }

    /// The name that is next, and what is behind it.
    #[cold]
    #[inline(never)]
    pub(super) fn name(mut self) -> Option<(Name, Cursor<'a>)> {
        let name = Name::find(self.rest)?;
        self.advance(name.size_bytes)?;
        Some((name, self))
    }

    /// Whether nothing is left.
    #[inline(always)]
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline(always)]
    fn advance(&mut self, count: usize) -> Option<()> {
        self.rest = self.rest.get(count..)?;
        Some(())
    }

    /// Passes these bytes if they are next.
    #[inline(always)]
    pub(super) fn eat<const N: usize>(&mut self, literal: &[u8; N]) -> bool {
        match self.rest.split_first_chunk::<N>() {
            Some((first, rest)) if first == literal => {
                self.rest = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Passes these bytes, or declines.
    #[inline(always)]
    pub(super) fn take<const N: usize>(&mut self, literal: &[u8; N]) -> Option<()> {
        self.eat(literal).then_some(())
    }

    /// Passes the comma and the name of a field, and before it fields that nobody asks for.
    #[inline(always)]
    pub(super) fn key<const N: usize>(&mut self, literal: &[u8; N]) -> Option<()> {
        if self.eat(literal) {
            return Some(());
        }
        loop {
            *self = self.pass_field()?;
            if self.eat(literal) {
                return Some(());
            }
        }
    }

    /// Passes the end of an object, and before it fields that nobody asks for.
    #[inline(always)]
    pub(super) fn close(&mut self) -> Option<()> {
        self.key(b"}")
    }

    /// What is behind a field that no message of ours has, if its value is simple.
    #[cold]
    #[inline(never)]
    fn pass_field(mut self) -> Option<Cursor<'a>> {
        self.take(b",\"")?;
        let name = self.text()?;
        if KEY_LENGTH_MAX < name.len() || Field::from_name(name).is_some() {
            return None;
        }
        self.take(b"\":")?;
        if self.eat(b"\"") {
            self.text()?;
            self.take(b"\"")?;
        } else if !self.eat(b"true") && !self.eat(b"false") && !self.eat(b"null") {
            self.id()?;
        }
        Some(self)
    }

    /// Passes `true` or `false`.
    #[inline(always)]
    pub(super) fn truth(&mut self) -> Option<bool> {
        if self.eat(b"true") {
            return Some(true);
        }
        self.take(b"false").map(|()| false)
    }

    /// Passes a text up to its closing quote: ASCII without escapes.
    #[inline(always)]
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let begin = self.rest;
        loop {
            let word = word(self.rest);
            let quotes = zero_marks(word ^ QUOTES);
            // Controls: below a space. The zeros behind the end are controls, too.
            let controls = word.wrapping_sub(SPACES) & !word & HIGH_BITS;
            let strange = zero_marks(word ^ BACKSLASHES) | controls | word & HIGH_BITS;
            if quotes | strange == 0 {
                self.advance(8)?;
                continue;
            }
            // The lowest mark of each kind is right, so the lowest of all is.
            if strange.trailing_zeros() < quotes.trailing_zeros() {
                return None;
            }
            self.advance(count_of(quotes.trailing_zeros()))?;
            return begin.get(..begin.len().checked_sub(self.rest.len())?);
        }
    }

    /// Passes this name and its closing quote if they are next.
    #[inline(always)]
    pub(super) fn eat_name(&mut self, name: &Name) -> bool {
        match (self.rest.first_chunk(), self.rest.get(name.size_bytes..)) {
            (Some(bytes), Some(rest)) if u128::from_le_bytes(*bytes) & name.mask == name.bytes => {
                self.rest = rest;
                true
            }
            (Some(_) | None, Some(_) | None) => false,
        }
    }

    /// Passes a whole number of 1 to 18 digits, without useless zeros.
    #[inline(always)]
    pub(super) fn id(&mut self) -> Option<i64> {
        let word = word(self.rest);
        let (first, bits) = digits(word);
        if bits == 0 || (8 <= first.trailing_zeros() && bits != 8) {
            return None;
        }
        let mut value = value_of(first.wrapping_shl(u64::BITS.wrapping_sub(bits)));
        if bits != u64::BITS {
            self.advance(count_of(bits))?;
            return Some(value.cast_signed());
        }
        self.advance(8)?;
        let bits = self.more_digits(&mut value)?;
        if bits == u64::BITS && 16 < self.more_digits(&mut value)? {
            return None;
        }
        // At most 18 digits.
        Some(value.cast_signed())
    }

    /// Passes a time: 13 digits until the year 2286, in microseconds 16. Nobody asks for its value.
    #[inline(always)]
    pub(super) fn time(&mut self) -> Option<()> {
        if let Some((head, rest)) = self.rest.split_first_chunk() {
            let (first, head_bits) = digits(u64::from_le_bytes(*head));
            let (_, tail_bits) = digits(word(rest));
            if head_bits == u64::BITS && tail_bits == 40 && first.trailing_zeros() < 8 {
                self.rest = rest.get(5..)?;
                return Some(());
            }
        }
        *self = self.any_time()?;
        Some(())
    }

    #[cold]
    #[inline(never)]
    fn any_time(mut self) -> Option<Cursor<'a>> {
        self.id()?;
        Some(self)
    }

    #[inline(always)]
    fn more_digits(&mut self, value: &mut u64) -> Option<u32> {
        let (more, bits) = digits(word(self.rest));
        let aligned = more.checked_shl(u64::BITS.wrapping_sub(bits)).unwrap_or(0);
        // Meant for 18 digits; of 24 digits the value is wrong, and declined by the caller.
        *value = value.wrapping_mul(POWERS[count_of(bits)]).wrapping_add(value_of(aligned));
        self.advance(count_of(bits))?;
        Some(bits)
    }

    /// Passes a decimal and its closing quote.
    #[inline(always)]
    pub(super) fn decimal(&mut self, scale: &mut Scale) -> Option<i64> {
        let head = word(self.rest);
        let (whole, whole_bits) = digits(head);
        let has_point = head.checked_shr(whole_bits).unwrap_or(0) & 0xff == u64::from(b'.');
        if whole_bits == 0 || !has_point {
            let (value, behind) = self.any_decimal(scale)?;
            *self = behind;
            return Some(value);
        }
        let behind = self.rest.get(count_of(whole_bits) + 1..)?;
        let parts = self.parts(behind, scale)?;
        let aligned = whole.wrapping_shl(u64::BITS.wrapping_sub(whole_bits));
        if whole_bits <= scale.room_bits {
            // All digits fit one word.
            let both = aligned.wrapping_shr(u64::BITS.wrapping_sub(scale.room_bits)) | parts;
            return Some(value_of(both).cast_signed());
        }
        // At most 9,999,999 x 10^8 + 99,999,999.
        let units = value_of(aligned).wrapping_mul(scale.unit);
        Some(units.wrapping_add(value_of(parts)).cast_signed())
    }

    /// Passes the digits behind the point of a decimal, and its closing quote; gives as many digits as
    /// the scale has, right-aligned.
    #[inline(always)]
    fn parts(&mut self, behind: &'a [u8], scale: &mut Scale) -> Option<u64> {
        let word = word(behind) ^ ZEROS;
        let mut fraction = word & scale.seen_mask;
        self.rest = match behind.get(scale.seen_count..) {
            Some([b'"', rest @ ..]) if all_digits(fraction) => rest,
            Some(_) | None => {
                let (count, mask) = count_digits(word)?;
                (scale.seen_count, scale.seen_mask) = (count, mask);
                fraction = word & mask;
                behind.get(count..)?.strip_prefix(b"\"")?
            }
        };
        if fraction & scale.finer != 0 {
            return None;
        }
        Some(fraction.wrapping_shl(scale.shift_bits))
    }

    /// A decimal without a point, or with eight digits and more before it; and what is behind it.
    #[cold]
    #[inline(never)]
    fn any_decimal(mut self, scale: &Scale) -> Option<(i64, Cursor<'a>)> {
        let mut long = self;
        if let Some(value) = long.long_decimal(&mut { *scale }) {
            return Some((value, long));
        }
        let head = self.rest.get(..DECIMAL_LENGTH_MAX.min(self.rest.len()))?;
        let length = head.iter().position(|byte| *byte == b'"')?;
        // What is below zero is refused, and that is the tape's.
        let text = head.get(..length).filter(|text| text.first() != Some(&b'-'))?;
        let value = parse_scaled(text, scale.places).ok()?;
        self.advance(length + 1)?;
        Some((value, self))
    }

    /// A decimal with 8 to 15 digits before its point.
    #[inline(always)]
    fn long_decimal(&mut self, scale: &mut Scale) -> Option<i64> {
        let (head, rest) = self.rest.split_first_chunk()?;
        let (first, first_bits) = digits(u64::from_le_bytes(*head));
        let word = word(rest);
        let (second, bits) = digits(word);
        let has_point = word.checked_shr(bits).unwrap_or(0) & 0xff == u64::from(b'.');
        if first_bits != u64::BITS || !has_point {
            return None;
        }
        let low = value_of(second.checked_shl(u64::BITS.wrapping_sub(bits)).unwrap_or(0));
        let whole = value_of(first) * POWERS[count_of(bits)] + low;
        let units = whole.checked_mul(scale.unit)?;
        let parts = self.parts(rest.get(count_of(bits) + 1..)?, scale)?;
        i64::try_from(units.checked_add(value_of(parts))?).ok()
    }
}

/// Count of the digits before the first byte that is none, if there is one, and their bytes; digits as
/// bytes 0..=9.
#[cold]
#[inline(never)]
fn count_digits(word: u64) -> Option<(usize, u64)> {
    let (_, bits) = digits(word ^ ZEROS);
    (bits != 0).then(|| (count_of(bits), u64::MAX.wrapping_shr(u64::BITS.wrapping_sub(bits))))
}

/// A text that is compared as one word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    /// The text and a quote, the first byte lowest, zeros behind them.
    pub(super) bytes: u128,
    mask: u128,
    size_bytes: usize,
}

impl Name {
    /// Longest name, with its closing quote.
    const SIZE_BYTES_MAX: usize = 16;

    /// `None` if the name is too long or strange.
    pub(super) fn new(text: &str) -> Option<Name> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let mut bytes = [0; Name::SIZE_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        // Without its end a name would equal the beginning of a longer one.
        *bytes.get_mut(text.len())? = b'"';
        let mask = bytes.map(|byte| if byte == 0 { 0 } else { u8::MAX });
        is_plain.then_some(Name {
            bytes: u128::from_le_bytes(bytes),
            mask: u128::from_le_bytes(mask),
            size_bytes: text.len() + 1,
        })
    }

    /// The name that begins here and ends with a quote.
    pub(super) fn find(rest: &[u8]) -> Option<Name> {
        let rest = rest.get(..Name::SIZE_BYTES_MAX)?;
        let length = rest.iter().position(|byte| *byte == b'"')?;
        Name::new(std::str::from_utf8(rest.get(..length)?).ok()?)
    }
}
