//! Ids: `UUIDv7`, in the order in which they were made.

use uuid::Uuid;

/// Orders the ids of one millisecond.
#[derive(Default)]
pub(super) struct Ids {
    millis: u64,
    counter: u64,
}

/// Bits of the counter in an id: the first 12 follow the version, the other 30 the variant. The last 32 bits of an id are
/// random. A new millisecond starts below half of it, so some 2^41 ids fit into one millisecond.
const COUNTER_BITS: u32 = 42;

impl Ids {
    /// The next id of the millisecond `millis`, or of the last one where that is later; `random` draws a random number.
    pub(super) fn next(&mut self, millis: u64, random: impl Fn() -> u64) -> Uuid {
        const OVERFLOW: u64 = 1 << COUNTER_BITS;
        let tail = random();
        if millis > self.millis {
            *self = Self { millis, counter: random() >> (u64::BITS - COUNTER_BITS + 1) };
        } else {
            self.counter += 1;
            if self.counter == OVERFLOW {
                *self = Self { millis: self.millis + 1, counter: 0 };
            }
        }
        let (high, low) = (self.counter >> 30, self.counter & ((1 << 30) - 1));
        let head = (self.millis << 16) | (7 << 12) | high;
        let tail = (0b10 << 62) | (low << 32) | (tail >> 32);
        Uuid::from_u64_pair(head, tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exhausted_counter_goes_on_in_the_next_millisecond() {
        let mut ids = Ids::default();
        let first = ids.next(1000, || 0);
        ids.counter = (1 << COUNTER_BITS) - 1;
        let next = ids.next(1000, || 0);
        assert!(next > first);
        let at = |id: Uuid| id.get_timestamp().map(|at| at.to_unix());
        assert_eq!((at(first), at(next)), (Some((1, 0)), Some((1, 1_000_000))));
    }
}
