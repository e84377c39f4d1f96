//! Random numbers from a seed that is printed.

/// A small generator (`SplitMix64`). Its whole state is one word, so a strategy can save it.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator of this seed.
    pub const fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// A generator of the seed in `TICKWHEEL_SEED`, or of `default`; prints which.
    pub fn from_environment(what: &str, default: u64) -> Random {
        let seed = std::env::var("TICKWHEEL_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or(default);
        println!("{what}: seed {seed} (TICKWHEEL_SEED={seed} repeats it)");
        Random::new(seed)
    }

    /// Its state, to be saved.
    pub const fn state(&self) -> u64 {
        self.state
    }

    /// Any number.
    pub fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// `0..count`; `count` is above zero. The lean of the remainder does not matter here.
    pub fn below(&mut self, count: u64) -> u64 {
        assert!(0 < count);
        self.word() % count
    }

    /// `min..=max`
    pub fn between(&mut self, min: i64, max: i64) -> i64 {
        assert!(min <= max);
        let span = max.abs_diff(min) + 1;
        min + self.below(span).cast_signed()
    }

    /// True `per_mille` times in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}
