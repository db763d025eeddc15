//! How much one transaction takes in: a decision has several copies of what it is about, so its size bounds the memory.

/// Alerts in one transaction. PostgreSQL ends a statement after 5 s and nothing else is taken in meanwhile. An alert that a rule
/// selects takes some 40 KiB until the transaction ends.
pub(super) const ALERTS: usize = 1024;

/// Bytes of labels in one transaction that has more than one alert.
pub(super) const BYTES: usize = 1 << 20;

/// The size of a transaction.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Batch {
    alerts: usize,
    bytes: usize,
}

impl Batch {
    /// Adds alerts, given by the bytes of their labels.
    pub(super) fn add(&mut self, labels: impl IntoIterator<Item = usize>) {
        for bytes in labels {
            self.alerts += 1;
            self.bytes = self.bytes.saturating_add(bytes);
        }
    }

    /// Whether one transaction takes it.
    pub(super) fn fits(self) -> bool {
        self.alerts <= ALERTS && self.bytes <= BYTES
    }
}

/// How many of these alerts, given by the bytes of their labels, go into the next transaction: one at least.
pub(super) fn next(labels: impl IntoIterator<Item = usize>) -> usize {
    let mut batch = Batch::default();
    let fits = |(at, bytes): &(usize, usize)| {
        batch.add([*bytes]);
        *at == 0 || batch.fits()
    };
    labels.into_iter().enumerate().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_ends_at_either_bound_and_has_one_alert_at_least() {
        for (labels, expected) in [
            (vec![], 0),
            (vec![0; ALERTS], ALERTS),
            (vec![0; ALERTS + 1], ALERTS),
            (vec![BYTES], 1),
            (vec![BYTES + 1], 1),
            (vec![BYTES / 2, BYTES / 2], 2),
            (vec![BYTES / 2, BYTES / 2 + 1], 1),
            (vec![BYTES + 1, 0], 1),
        ] {
            assert_eq!(next(labels.iter().copied()), expected, "{} alerts", labels.len());
        }
    }
}
