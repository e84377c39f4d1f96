//! Whether a number is a multiple of a fixed step, without a division.

/// A step: `odd << shift`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Multiple {
    /// Inverse of the odd part modulo 2^64.
    inverse: u64,
    shift: u32,
    /// Largest quotient of a 64-bit number.
    quotient_max: u64,
}

impl Multiple {
    /// Of a step of one or more.
    pub(super) fn new(step: i64) -> Multiple {
        let step = step.max(1).cast_unsigned();
        let shift = step.trailing_zeros();
        let odd = step >> shift;
        // Newton's method: every round doubles the number of right bits, of which three are right at first.
        let mut inverse = odd;
        for _ in 0..5 {
            let error = 2_u64.wrapping_sub(odd.wrapping_mul(inverse));
            inverse = inverse.wrapping_mul(error);
        }
        Multiple { inverse, shift, quotient_max: u64::MAX / step }
    }

    /// Whether `value`, which must not be below zero, is a multiple.
    #[inline]
    pub(super) fn divides(self, value: i64) -> bool {
        let quotient = value.cast_unsigned().wrapping_mul(self.inverse).rotate_right(self.shift);
        quotient <= self.quotient_max
    }
}

#[cfg(test)]
mod tests {
    use super::Multiple;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_answers_like_a_division(
            step in prop_oneof![1_i64..5_000, 1_i64..=i64::MAX, (0_u32..62).prop_map(|n| 1 << n)],
            times in 0_i64..1_000_000,
            rest in prop_oneof![Just(0_i64), Just(1_i64), 0..=i64::MAX],
        ) {
            let multiple = Multiple::new(step);
            for value in [rest, step.saturating_mul(times).saturating_add(rest), i64::MAX, i64::MAX - rest] {
                prop_assert_eq!(multiple.divides(value), value % step == 0, "{} {}", value, step);
            }
        }
    }
}
