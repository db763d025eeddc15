//! A range query: which series had a value at which instants of a stretch of time.
//!
//! Values are not kept: whoever asks for a stretch of `ALERTS` wants to know when there was one. An answer that the server
//! itself doubts is an error here, because what is missing from it would read as "did not fire".

use std::time::Duration;

use async_trait::async_trait;
use fettle_core::ports::upstream::{RangeQuery, Series};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Prometheus;
use fettle_core::alert::labels::Labels;
use fettle_core::ports::upstream::UpstreamError;
use fettle_core::time::Timestamp;

/// For a whole range. Prometheus is told to give up a little earlier; its own bound is 2 minutes.
const ASK: Duration = Duration::from_secs(90);

/// After which Prometheus gives up on a range of ours.
const EVALUATE: &str = "85s";

/// Largest answer, in bytes.
pub const ANSWER_MAX: usize = 32 << 20;

/// Points that Prometheus gives for one series at most.
pub const POINTS_MAX: u32 = 11_000;

#[async_trait]
impl RangeQuery for Prometheus {
    async fn range(
        &self,
        expr: &str,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
    ) -> Result<Vec<Series>, UpstreamError> {
        let (start, end, step) = (format!("{from:.3}"), format!("{to:.3}"), format!("{}ms", step.as_millis()));
        let query = [("query", expr), ("start", &start), ("end", &end), ("step", &step), ("timeout", EVALUATE)];
        let body = self.peer.get("/api/v1/query_range", &query, ASK, ANSWER_MAX).await?;
        let wire = self.peer.read(body.bytes, |bytes| serde_json::from_slice::<Wire>(bytes)).await?;
        if !wire.warnings.is_empty() {
            let cause = format!("it doubts its own answer: {}", wire.warnings.join("; "));
            return Err(self.peer.senseless(&cause));
        }
        let WireData::Matrix(series) = wire.data else {
            return Err(self.peer.senseless(&"a range query gave no ranges"));
        };
        series.into_iter().map(read).collect::<Result<_, _>>().map_err(|cause| self.peer.senseless(&cause))
    }
}

fn read(wire: WireSeries) -> Result<Series, String> {
    let instant = |(at, _): (f64, IgnoredAny)| {
        // Prometheus keeps milliseconds, written as seconds with up to three digits.
        #[expect(clippy::cast_possible_truncation, reason = "a float beyond the range of instants is refused below")]
        let milliseconds = (at * 1000.0).round() as i64;
        Timestamp::from_millisecond(milliseconds).map_err(|_| format!("{at} is no instant"))
    };
    let at = wire.values.into_iter().map(instant).collect::<Result<_, _>>()?;
    Ok(Series { labels: wire.metric, at })
}

#[derive(Deserialize)]
struct Wire {
    data: WireData,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum WireData {
    Matrix(Vec<WireSeries>),
    Vector(IgnoredAny),
    Scalar(IgnoredAny),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct WireSeries {
    metric: Labels,
    #[serde(default)]
    values: Vec<(f64, IgnoredAny)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_reads_as_the_instants_at_which_there_was_a_value() {
        let json = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"ALERTS","alertname":"Down"},"values":[[1763778523.123,"1"],[1763778538.123,"1"]]},
            {"metric":{"alertname":"Other"},"values":[]}]}}"#;
        let wire: Wire = serde_json::from_str(json).expect("JSON");
        let WireData::Matrix(series) = wire.data else { panic!("a matrix") };
        let series: Vec<Series> = series.into_iter().map(read).collect::<Result<_, _>>().expect("instants");
        let [down, other] = &series[..] else { panic!("two") };
        assert_eq!((down.labels.get("alertname"), other.at.len()), ("Down", 0));
        let at: Vec<String> = down.at.iter().map(ToString::to_string).collect();
        assert_eq!(at, ["2025-11-22T02:28:43.123Z", "2025-11-22T02:28:58.123Z"]);
        let beyond =
            WireSeries { metric: Labels::default(), values: vec![(1e300, serde_json::from_str("1").expect("1"))] };
        assert!(read(beyond).is_err());
    }
}
