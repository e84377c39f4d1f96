//! Saving and loading of stage state: the bytes of snapshots, and the mixing of state hashes.
//!
//! Every stateful part implements [`State`]. The order of fields is the format; a change of it is a
//! change of [`STATE_VERSION`], which makes older snapshots invalid (the journal is then replayed).

/// Version of the saved form. Raise it with every change of what any `save` writes.
pub const STATE_VERSION: u32 = 4;

/// Something whose state can be saved and brought back.
pub trait State {
    /// Appends the state.
    fn save(&self, out: &mut Saver);
    /// Replaces the state by the saved one; on an error the value must not be used.
    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), LoadError>;
}

/// A saved state that cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Fewer bytes than the state needs.
    #[error("saved state ends at byte {offset}, {wanted} more bytes are needed")]
    Short {
        /// Where the bytes end.
        offset: usize,
        /// How many were asked for.
        wanted: usize,
    },
    /// Bytes left over.
    #[error("saved state has {count} bytes too many")]
    Long {
        /// How many.
        count: usize,
    },
    /// A value that the state cannot have.
    #[error("saved state is invalid at byte {offset}: {what}")]
    Invalid {
        /// Where.
        offset: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// Collects saved state.
#[derive(Debug, Default)]
pub struct Saver {
    bytes: Vec<u8>,
}

impl Saver {
    /// An empty one.
    pub fn new() -> Saver {
        Saver::default()
    }

    /// What was saved.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// A truth value.
    pub fn bool(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Sixteen bytes, signed.
    pub fn i128(&mut self, value: i128) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A count of things that follow.
    pub fn count(&mut self, value: usize) {
        self.u64(u64::try_from(value).expect("a count fits 64 bits"));
    }

    /// A length and the bytes.
    pub fn bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        self.bytes.extend_from_slice(value);
    }

    /// A whole event.
    pub fn event(&mut self, event: &crate::event::Event) {
        self.bytes.extend_from_slice(bytemuck::bytes_of(event));
    }
}

/// Reads saved state; never reads past its end.
#[derive(Debug)]
pub struct Loader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Loader<'a> {
    /// Reads from `bytes`.
    pub fn new(bytes: &'a [u8]) -> Loader<'a> {
        Loader { bytes, offset: 0 }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], LoadError> {
        let taken = self.slice(N)?;
        Ok(taken.try_into().expect("the slice has N bytes"))
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], LoadError> {
        let left = &self.bytes[self.offset..];
        if left.len() < length {
            return Err(LoadError::Short { offset: self.bytes.len(), wanted: length - left.len() });
        }
        self.offset += length;
        Ok(&left[..length])
    }

    /// An error at the present place.
    pub fn invalid(&self, what: &'static str) -> LoadError {
        LoadError::Invalid { offset: self.offset, what }
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, LoadError> {
        Ok(self.take::<1>()?[0])
    }

    /// A truth value; other bytes than 0 and 1 are refused.
    pub fn bool(&mut self) -> Result<bool, LoadError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.invalid("truth value")),
        }
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, LoadError> {
        Ok(u16::from_le_bytes(self.take()?))
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, LoadError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, LoadError> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self) -> Result<i64, LoadError> {
        Ok(i64::from_le_bytes(self.take()?))
    }

    /// Sixteen bytes, signed.
    pub fn i128(&mut self) -> Result<i128, LoadError> {
        Ok(i128::from_le_bytes(self.take()?))
    }

    /// A count, at most `count_max`.
    pub fn count(&mut self, count_max: usize) -> Result<usize, LoadError> {
        let value = self.u64()?;
        usize::try_from(value)
            .ok()
            .filter(|count| *count <= count_max)
            .ok_or_else(|| self.invalid("count above its limit"))
    }

    /// Bytes with their length.
    pub fn bytes(&mut self) -> Result<&'a [u8], LoadError> {
        let length = self.count(self.bytes.len())?;
        self.slice(length)
    }

    /// A whole event.
    pub fn event(&mut self) -> Result<crate::event::Event, LoadError> {
        Ok(bytemuck::pod_read_unaligned(&self.take::<64>()?))
    }

    /// Nothing may be left.
    pub fn finish(self) -> Result<(), LoadError> {
        let left = self.bytes.len() - self.offset;
        if left == 0 { Ok(()) } else { Err(LoadError::Long { count: left }) }
    }
}

/// Mixes a word into a hash: one multiplication of 128 bits, folded (after the "mum" of wyhash).
/// Not cryptographic; it tells states apart, it does not resist an adversary.
#[inline]
pub const fn mix(hash: u64, word: u64) -> u64 {
    let product = ((hash ^ 0x9e37_79b9_7f4a_7c15) as u128)
        .wrapping_mul((word ^ 0xd6e8_feb8_6659_fd93) as u128);
    #[expect(clippy::cast_possible_truncation, reason = "folding both halves is the point")]
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high ^ word.rotate_left(29)
}

/// Mixes a whole record (without its checksum) into a rolling hash. Three multiplications do not wait
/// for each other, the fourth binds them to what came before.
#[inline]
pub fn mix_event(hash: u64, event: &crate::event::Event) -> u64 {
    let words: &[u64; 8] = bytemuck::cast_ref(event);
    let last = words[7] & 0xffff_ffff;
    let left = mix(words[0] ^ words[1].rotate_left(32), words[2]);
    let middle = mix(words[3], words[4]);
    let right = mix(words[5] ^ last.rotate_left(32), words[6]);
    mix(hash, left ^ middle.rotate_left(21) ^ right.rotate_left(42))
}

/// Hash of a saved state, for comparing two states in tests and at checkpoints off the hot path.
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = mix(0, u64::try_from(bytes.len()).expect("a length fits 64 bits"));
    for chunk in bytes.chunks(8) {
        let mut word = [0u8; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_loaded_and_short_or_long_bytes_are_refused() {
        let mut saver = Saver::new();
        saver.u8(1);
        saver.bool(true);
        saver.u16(2);
        saver.u32(3);
        saver.u64(4);
        saver.i64(-5);
        saver.i128(-6);
        saver.bytes(b"seven");
        let bytes = saver.into_bytes();
        let read = |bytes: &[u8]| -> Result<(), LoadError> {
            let mut loader = Loader::new(bytes);
            assert_eq!(loader.u8()?, 1);
            assert!(loader.bool()?);
            assert_eq!(loader.u16()?, 2);
            assert_eq!(loader.u32()?, 3);
            assert_eq!(loader.u64()?, 4);
            assert_eq!(loader.i64()?, -5);
            assert_eq!(loader.i128()?, -6);
            assert_eq!(loader.bytes()?, b"seven");
            loader.finish()
        };
        assert_eq!(read(&bytes), Ok(()));
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "length {length}");
        }
        let long = [&bytes[..], &[0]].concat();
        assert_eq!(read(&long), Err(LoadError::Long { count: 1 }));
    }

    #[test]
    fn a_hash_tells_order_and_value_apart() {
        assert_ne!(mix(mix(0, 1), 2), mix(mix(0, 2), 1));
        assert_ne!(mix(0, 0), mix(0, 1));
        assert_ne!(hash_bytes(b"a"), hash_bytes(b"a\0"));
    }
}
