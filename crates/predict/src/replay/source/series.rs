//! From Prometheus' `ALERTS` series to what Alertmanager would have said: for people who do not run fettle yet.
//!
//! An alert begins at the first instant of the grid at which its series has a value, is told again every `repeat`, and
//! resolves at the first instant without a value. So everything is as exact as the step: what fired and resolved between
//! two instants is not seen at all. An alert that fires at the first instant begins there; one that fires at the last does
//! not end. Labels that Prometheus adds only on its way to Alertmanager (`external_labels`) are not there.
//!
//! Ranges are asked for piece by piece; a piece that is too large for one answer is halved.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::sync::mpsc;

use super::{BATCH_ALERTS, Batch, Delivery};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::alert::webhook::Alert;
use fettle_core::ports::history::Period;
use fettle_core::ports::upstream::Series;
use fettle_core::ports::upstream::{RangeQuery, UpstreamError};
use fettle_core::time::{Timestamp, after, since};

/// What is asked for.
const EXPR: &str = r#"ALERTS{alertstate="firing"}"#;

/// Points of one series in a piece: some hours.
const POINTS: u32 = 720;

/// How finely to look, and how often an alert that goes on is told again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// From one instant to the next.
    pub step: Duration,
    /// As Alertmanager's `repeat_interval`.
    pub repeat: Duration,
}

/// Sends what the series say; ends early when nobody listens any more. `done` of the batches is seconds.
pub async fn run(
    prometheus: &dyn RangeQuery,
    period: Period,
    grid: Grid,
    into: mpsc::Sender<Batch>,
) -> Result<(), UpstreamError> {
    let mut edges = Edges::new(grid);
    let mut points = POINTS;
    let mut from = period.from;
    while from < period.to {
        let last = last_point(from, period.to, grid.step, points);
        let series = match prometheus.range(EXPR, from, last, grid.step).await {
            Err(UpstreamError::TooLarge { .. }) if points > 1 => {
                points = points.div_ceil(2);
                continue;
            }
            answer => answer?,
        };
        let done = since(last, period.from).as_secs();
        for batch in batches(edges.take(series, last), done) {
            if into.send(batch).await.is_err() {
                return Ok(());
            }
        }
        from = after(last, grid.step);
    }
    Ok(())
}

/// The last of at most `points` instants from `from` on that lies before `to`.
fn last_point(from: Timestamp, to: Timestamp, step: Duration, points: u32) -> Timestamp {
    let span = step * (points - 1);
    let whole = since(to, from).saturating_sub(Duration::from_micros(1));
    let steps = u32::try_from(whole.as_micros() / step.as_micros().max(1)).unwrap_or(u32::MAX);
    after(from, span.min(step.saturating_mul(steps)))
}

fn batches(deliveries: Vec<Delivery>, done: u64) -> Vec<Batch> {
    let mut batches = vec![Batch { done, ..Batch::default() }];
    let mut alerts = 0;
    for delivery in deliveries {
        if alerts > BATCH_ALERTS {
            batches.push(Batch { done, ..Batch::default() });
            alerts = 0;
        }
        alerts += delivery.alerts.len();
        if let Some(batch) = batches.last_mut() {
            batch.deliveries.push(delivery);
        }
    }
    batches
}

/// Alerts that fire, from piece to piece.
#[derive(Debug)]
struct Edges {
    grid: Grid,
    firing: HashMap<Fingerprint, Firing>,
}

#[derive(Debug)]
struct Firing {
    labels: Labels,
    starts_at: Timestamp,
    seen_at: Timestamp,
    told_at: Timestamp,
}

impl Edges {
    fn new(grid: Grid) -> Self {
        Self { grid, firing: HashMap::new() }
    }

    /// What the series of a piece that ends with the instant `last` say, in order.
    fn take(&mut self, series: Vec<Series>, last: Timestamp) -> Vec<Delivery> {
        let mut told: BTreeMap<Timestamp, Vec<Alert>> = BTreeMap::new();
        let step = self.grid.step;
        for Series { labels, at } in series {
            let labels: Labels =
                labels.iter().filter(|(name, _)| !matches!(*name, "__name__" | "alertstate")).collect();
            let fingerprint = Fingerprint::of(&labels);
            for now in at {
                match self.firing.get_mut(&fingerprint) {
                    // Instants are cut to milliseconds, so a gap is more than half a step too many.
                    Some(it) if since(now, it.seen_at) < step * 3 / 2 => {
                        it.seen_at = now;
                        if since(now, it.told_at) >= self.grid.repeat {
                            it.told_at = now;
                            told.entry(now).or_default().push(it.alert(fingerprint, None));
                        }
                        continue;
                    }
                    Some(it) => {
                        let end = after(it.seen_at, step);
                        told.entry(end).or_default().push(it.alert(fingerprint, Some(end)));
                    }
                    None => {}
                }
                let begun = Firing { labels: labels.clone(), starts_at: now, seen_at: now, told_at: now };
                told.entry(now).or_default().push(begun.alert(fingerprint, None));
                self.firing.insert(fingerprint, begun);
            }
        }
        self.firing.retain(|fingerprint, it| {
            let end = after(it.seen_at, step);
            let ended = since(last, it.seen_at) > step / 2;
            if ended {
                told.entry(end).or_default().push(it.alert(*fingerprint, Some(end)));
            }
            !ended
        });
        // A map's order is not one: what is told at one instant is told in the order of the labels' hash.
        let sorted = |(at, mut alerts): (Timestamp, Vec<Alert>)| {
            alerts.sort_by_key(|alert| (alert.firing, alert.fingerprint));
            Delivery { at, alerts }
        };
        told.into_iter().map(sorted).collect()
    }
}

impl Firing {
    fn alert(&self, fingerprint: Fingerprint, ends_at: Option<Timestamp>) -> Alert {
        Alert {
            fingerprint,
            labels: self.labels.clone(),
            firing: ends_at.is_none(),
            starts_at: self.starts_at,
            ends_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("in range")
    }

    fn series(name: &str, seconds: &[i64]) -> Series {
        let labels = [("__name__", "ALERTS"), ("alertname", name), ("alertstate", "firing")];
        Series { labels: Labels::from_iter(labels), at: seconds.iter().map(|second| at(*second)).collect() }
    }

    fn told(deliveries: &[Delivery]) -> Vec<(i64, String)> {
        let mut lines = Vec::new();
        for Delivery { at: when, alerts } in deliveries {
            for alert in alerts {
                assert_eq!(alert.labels.len(), 1, "only the alert's own labels");
                let what = if alert.firing { "fires" } else { "ends" };
                let since = alert.starts_at.as_second() - 1_800_000_000;
                lines.push((
                    when.as_second() - 1_800_000_000,
                    format!("{} {what} {since}", alert.labels.get("alertname")),
                ));
            }
        }
        lines
    }

    fn edges() -> Edges {
        Edges::new(Grid { step: Duration::from_secs(10), repeat: Duration::from_secs(30) })
    }

    #[test]
    fn an_alert_begins_with_its_first_value_and_ends_with_the_first_gap() {
        let all = vec![series("A", &[10, 20, 50]), series("B", &[0, 10, 20, 30, 40, 50, 60])];
        let lines = told(&edges().take(all, at(60)));
        let expected = [
            (0, "B fires 0"),
            (10, "A fires 10"),
            (30, "A ends 10"),
            (30, "B fires 0"),
            (50, "A fires 50"),
            (60, "A ends 50"),
            (60, "B fires 0"),
        ];
        assert_eq!(lines, expected.map(|(second, line)| (second, line.to_owned())));
    }

    #[test]
    fn what_fires_goes_on_from_piece_to_piece() {
        let mut edges = edges();
        assert_eq!(told(&edges.take(vec![series("A", &[0, 10])], at(10))), [(0, "A fires 0".to_owned())]);
        assert!(edges.take(vec![series("A", &[20])], at(20)).is_empty(), "no news");
        assert_eq!(told(&edges.take(vec![series("A", &[30])], at(30))), [(30, "A fires 0".to_owned())]);
        assert_eq!(told(&edges.take(Vec::new(), at(60))), [(40, "A ends 0".to_owned())]);
        assert!(edges.take(Vec::new(), at(90)).is_empty());
    }

    #[test]
    fn pieces_cover_the_period_and_end_before_its_end() {
        let step = Duration::from_secs(10);
        assert_eq!(last_point(at(0), at(100), step, 5), at(40));
        assert_eq!(last_point(at(50), at(100), step, 5), at(90));
        assert_eq!(last_point(at(50), at(101), step, 100), at(100));
        assert_eq!(last_point(at(50), at(51), step, 100), at(50));
    }
}
