//! The random generator, written by us: xoshiro256++, seeded through `SplitMix64`, and the shapes drawn from it.
//!
//! Both algorithms are Blackman and Vigna's, who put them into the public domain ("Scrambled linear
//! pseudorandom number generators", ACM TOMS 2021). Each part of the market has a stream of its own, so
//! that one more instrument leaves the others' orders as they were.

use crate::number::float;

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: [u64; 4],
    /// The second normal number of a pair.
    spare: Option<f64>,
}

impl Random {
    /// Stream number `stream` of a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Random {
        let mut word = seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95);
        let state = [(); 4].map(|()| split_mix(&mut word));
        Random { state, spare: None }
    }

    pub(crate) fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c2, d2) = (c ^ a, d ^ b);
        self.state = [a ^ d2, b ^ c2, c2 ^ (b << 17), d2.rotate_left(45)];
        result
    }

    /// Uniform in (0, 1): never 0, so that its logarithm exists.
    pub(crate) fn uniform(&mut self) -> f64 {
        let bits = i64::try_from(self.next() >> 12).expect("52 bits fit");
        (float(bits) + 0.5) * (1.0 / 4_503_599_627_370_496.0)
    }

    /// Whether something of this probability happens.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Exponential with mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -libm::log(self.uniform())
    }

    /// Normal with mean 0 and variance 1 (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = libm::sqrt(2.0 * self.exponential());
        let angle = 2.0 * std::f64::consts::PI * self.uniform();
        self.spare = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }

    /// Pareto with exponent `alpha` (above 1), scaled so that its mean without the cut would be 1, cut at `max`.
    pub(crate) fn pareto(&mut self, alpha: f64, max: f64) -> f64 {
        let scale = (alpha - 1.0) / alpha;
        (scale * libm::pow(self.uniform(), -1.0 / alpha)).min(max)
    }
}

fn split_mix(word: &mut u64) -> u64 {
    *word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *word;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_the_reference() {
        // SplitMix64 from 0 begins so in the authors' code; xoshiro256++ from state 1, 2, 3, 4 too.
        let mut word = 0;
        assert_eq!(split_mix(&mut word), 0xe220_a839_7b1d_cdaf);
        let mut random = Random { state: [1, 2, 3, 4], spare: None };
        let first = [random.next(), random.next(), random.next(), random.next()];
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn the_shapes_have_their_means() {
        let mut random = Random::new(11, 0);
        let count = 200_000;
        let mut sums = [0.0; 4];
        for _ in 0..count {
            let normal = random.normal();
            sums[0] += normal;
            sums[1] += normal * normal;
            sums[2] += random.exponential();
            sums[3] += random.pareto(2.5, 1e9);
        }
        let means = sums.map(|sum| sum / f64::from(count));
        assert!(means[0].abs() < 0.01, "seed 11: {means:?}");
        for mean in &means[1..] {
            assert!((mean - 1.0).abs() < 0.02, "seed 11: {means:?}");
        }
    }
}
