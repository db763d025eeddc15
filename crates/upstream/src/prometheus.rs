//! Prometheus' HTTP API: one instant query, and what its answer proves; [`range`] asks for a stretch of time.
//!
//! A condition holds when its query gives something, as in an alerting rule: `up{job="x"} == 1` gives the series that are
//! up, or nothing. What is no number (NaN, a histogram) proves nothing, and neither does an answer that the server itself
//! doubts (`warnings`: a store that did not answer, say): whoever asked is blind then.
//!
//! An instant query sees samples up to five minutes old, so what is asked right after an effect may show the time before
//! it. Whoever asks waits for a scrape first.

pub mod range;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Access;
use super::peer::{self, Peer};
use fettle_core::alert::labels::Labels;
use fettle_core::ports::upstream::{Answer, Answers, Query, Sample, UpstreamError};
use fettle_core::time::Timestamp;

/// For a whole query. Prometheus is told to give up a little earlier.
pub const ASK: Duration = Duration::from_secs(5);

/// After which Prometheus gives up on a query of ours.
const EVALUATE: &str = "4s";

/// Largest answer, in bytes. A condition selects a few series.
pub const ANSWER_MAX: usize = 8 << 20;

/// The configured Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    peer: Peer,
}

impl Prometheus {
    /// Knows it and does not connect.
    ///
    /// # Panics
    ///
    /// When the process has no TLS provider; `main` installs it.
    pub fn new(url: &Url, access: &Access) -> Result<Self, UpstreamError> {
        let client = peer::client(std::slice::from_ref(url), access)?;
        Ok(Self { peer: Peer::new(url, client, access) })
    }

    /// The same, and each request is counted.
    #[must_use]
    pub fn counted(mut self, answers: &Arc<dyn Answers>) -> Self {
        self.peer.count(answers, "prometheus");
        self
    }
}

#[async_trait]
impl Query for Prometheus {
    async fn query(&self, expr: &str, at: Option<Timestamp>) -> Result<Answer, UpstreamError> {
        let time = at.map(|at| format!("{at:.3}"));
        let mut query = vec![("query", expr), ("timeout", EVALUATE)];
        query.extend(time.as_deref().map(|time| ("time", time)));
        let body = self.peer.get("/api/v1/query", &query, ASK, ANSWER_MAX).await?;
        let wire = self.peer.read(body.bytes, |bytes| serde_json::from_slice::<Wire>(bytes)).await?;
        answer(wire).map_err(|cause| self.peer.senseless(&cause))
    }
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
    Vector(Vec<WireSample>),
    Scalar((IgnoredAny, String)),
    Matrix(IgnoredAny),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct WireSample {
    metric: Labels,
    value: Option<(IgnoredAny, String)>,
}

fn answer(wire: Wire) -> Result<Answer, String> {
    let number = |text: &str| text.parse::<f64>().map_err(|_| format!("{text:?} is no number"));
    if !wire.warnings.is_empty() {
        return Ok(Answer::Doubtful(wire.warnings.join("; ")));
    }
    match wire.data {
        WireData::Vector(samples) if samples.is_empty() => Ok(Answer::Empty),
        WireData::Vector(samples) => {
            let sample = |WireSample { metric, value }: WireSample| {
                let value = value.map_or(Ok(f64::NAN), |(_, text)| number(&text))?;
                Ok(Sample { labels: metric, value })
            };
            Ok(Answer::Vector(samples.into_iter().map(sample).collect::<Result<_, String>>()?))
        }
        WireData::Scalar((_, text)) => number(&text).map(Answer::Scalar),
        WireData::Matrix(_) => Err("the query gives ranges of values, not one value per series".to_owned()),
        WireData::String(_) => Err("the query gives text".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use fettle_core::ports::upstream::judge;

    use super::*;

    fn read(data: &str) -> Result<Answer, String> {
        let json = format!(r#"{{"status":"success","data":{data}}}"#);
        answer(serde_json::from_str(&json).map_err(|error| error.to_string())?)
    }

    fn vector(values: &[&str]) -> String {
        let samples: Vec<_> =
            values.iter().map(|it| format!(r#"{{"metric":{{"job":"x"}},"value":[1763778523.1,"{it}"]}}"#)).collect();
        format!(r#"{{"resultType":"vector","result":[{}]}}"#, samples.join(","))
    }

    #[test]
    fn a_condition_holds_when_its_query_gives_a_number() {
        let scalar = |value: &str| format!(r#"{{"resultType":"scalar","result":[1,"{value}"]}}"#);
        let histogram =
            r#"{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"1","sum":"1","buckets":[]}]}]}"#;
        for (data, judged) in [
            (vector(&[]), Some(false)),
            (vector(&["1"]), Some(true)),
            (vector(&["0"]), Some(true)),
            (vector(&["NaN"]), None),
            (vector(&["NaN", "1e3"]), Some(true)),
            (vector(&["+Inf"]), Some(true)),
            (scalar("1"), Some(true)),
            (scalar("-0.5"), Some(true)),
            (scalar("0"), Some(false)),
            (scalar("NaN"), None),
            (histogram.to_owned(), None),
        ] {
            assert_eq!(judge(&read(&data).expect(&data)), judged, "{data}");
        }
    }

    #[test]
    fn an_answer_that_the_server_doubts_proves_nothing() {
        for data in [vector(&[]), vector(&["1"])] {
            let json = format!(r#"{{"status":"success","warnings":["a store is away"],"data":{data}}}"#);
            let answer = answer(serde_json::from_str(&json).expect("JSON")).expect("an answer");
            assert_eq!(judge(&answer), None, "{answer:?}");
        }
    }

    #[test]
    fn what_is_no_answer_to_an_instant_query_is_refused() {
        for data in [
            r#"{"resultType":"matrix","result":[]}"#,
            r#"{"resultType":"string","result":[1,"x"]}"#,
            r#"{"resultType":"scalar","result":[1,"many"]}"#,
            r#"{"resultType":"other","result":[]}"#,
            "{}",
            "[]",
        ] {
            assert!(read(data).is_err(), "{data}");
        }
    }
}
