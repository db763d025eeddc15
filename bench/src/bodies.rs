//! Alertmanager notifications without end: one rendered request, with the numbers that differ stamped into it.
//!
//! Every alert has the fingerprint that Alertmanager would give it (64-bit FNV-1a over the label pairs in name order, each
//! name and value followed by the byte 0xff), so each body is as real as the last, at a microsecond per alert.

use std::net::SocketAddr;

/// The alert's name in every body.
pub const ALERTNAME: &str = "ContainerUnhealthy";
/// Containers are called this and [`DIGITS`] digits.
pub const CONTAINER: &str = "checkout-api-";
const DIGITS: usize = 9;
/// As many as the last two digits of a container's number: each container is on the host with these digits.
pub const INSTANCES: usize = 100;
/// Stand for the container's number, its host's and the fingerprint until they are stamped.
const NUMBER: &str = "@@@@@@@@@";
const HOST: &str = "~~";
const FINGERPRINT: &str = "################";

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// The name of container `n`.
pub fn container(n: u64) -> String {
    format!("{CONTAINER}{n:09}")
}

/// The `instance` label of host `n`.
pub fn instance(n: usize) -> String {
    format!("docker-{n:02}{DOMAIN}")
}

const DOMAIN: &str = ".eu-west.example.net:9323";

/// Which notifications to send.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    /// Alerts in each body.
    pub alerts: u64,
    /// The first container's number.
    pub first: u64,
    /// How many containers there are before the first comes again.
    pub distinct: u64,
}

/// A request whose numbers can be stamped.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
    alerts: Vec<Slots>,
    series: Series,
}

#[derive(Clone, Debug)]
struct Slots {
    fingerprint: usize,
    numbers: Vec<usize>,
    hosts: Vec<usize>,
    /// The hash up to the number, what is hashed from there up to the host, and what after it.
    before: u64,
    between: Vec<u8>,
    after: Vec<u8>,
}

impl Request {
    /// `POST path` with as many alerts as `series` says.
    pub fn new(address: SocketAddr, path: &str, series: Series) -> Self {
        let body = body(series.alerts);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: Alertmanager/0.27.0\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let bytes = head + &body;
        let alerts = slots(&bytes, series.alerts);
        Self { bytes: bytes.into_bytes(), alerts, series }
    }

    /// The number of the container in alert `alert` of body `index`.
    pub fn number(&self, index: u64, alert: u64) -> u64 {
        self.series.first + (index * self.series.alerts + alert) % self.series.distinct
    }

    /// The whole request, as stamped last.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Makes it the request for body `index`.
    pub fn stamp(&mut self, index: u64) {
        for alert in 0..self.series.alerts {
            let number = self.number(index, alert);
            let slots = &self.alerts[alert as usize];
            let mut digits = [b'0'; DIGITS];
            let mut rest = number;
            for digit in digits.iter_mut().rev() {
                *digit += (rest % 10) as u8;
                rest /= 10;
            }
            for &at in &slots.numbers {
                self.bytes[at..at + DIGITS].copy_from_slice(&digits);
            }
            let host = &digits[DIGITS - HOST.len()..];
            for &at in &slots.hosts {
                self.bytes[at..at + HOST.len()].copy_from_slice(host);
            }
            let mut hash = fnv(fnv(fnv(fnv(slots.before, &digits), &slots.between), host), &slots.after);
            for at in (slots.fingerprint..slots.fingerprint + FINGERPRINT.len()).rev() {
                self.bytes[at] = b"0123456789abcdef"[(hash & 15) as usize];
                hash >>= 4;
            }
        }
    }
}

fn fnv(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// Labels of alert `k`, in name order.
fn labels(k: u64) -> Vec<(&'static str, String)> {
    vec![
        ("alertname", ALERTNAME.into()),
        ("cluster", "eu-west-1a".into()),
        ("container", format!("{CONTAINER}{NUMBER}")),
        ("env", "prod".into()),
        ("image", format!("registry.example.net/shop/checkout-api:1.{}.{}", k % 40, k % 7)),
        ("instance", format!("docker-{HOST}{DOMAIN}")),
        ("job", "cadvisor".into()),
        ("severity", if k.is_multiple_of(2) { "critical" } else { "warning" }.into()),
        ("team", "payments".into()),
    ]
}

fn body(alerts: u64) -> String {
    let alerts: Vec<serde_json::Value> = (0..alerts)
        .map(|k| {
            let labels: serde_json::Map<String, serde_json::Value> =
                labels(k).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            serde_json::json!({
                "status": "firing",
                "labels": labels,
                "annotations": {
                    "summary": format!("Container {CONTAINER}{NUMBER} on docker-{HOST} fails its health check"),
                    "description": "The health probe has failed 5 times in 2m, current value 5.1; \
                                    requests are still being routed to it.",
                },
                "startsAt": "2025-11-04T03:02:01.005Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL":
                    "http://prometheus.example.net:9090/graph?g0.expr=container_health_state+%3D%3D+1&g0.tab=1",
                "fingerprint": FINGERPRINT,
            })
        })
        .collect();
    let body = serde_json::json!({
        "receiver": "fettle", "status": "firing", "alerts": alerts,
        "groupLabels": {"alertname": ALERTNAME},
        "commonLabels": {"alertname": ALERTNAME, "env": "prod", "job": "cadvisor", "team": "payments"},
        "commonAnnotations": {}, "externalURL": "http://alertmanager.example.net:9093", "version": "4",
        "groupKey": format!(r#"{{}}/{{env="prod"}}:{{alertname="{ALERTNAME}"}}"#), "truncatedAlerts": 0,
    });
    body.to_string()
}

/// Each alert has one fingerprint, and its numbers equally often; alerts do not overlap.
fn slots(request: &str, alerts: u64) -> Vec<Slots> {
    let places = |needle: &str| -> Vec<usize> { request.match_indices(needle).map(|(at, _)| at).collect() };
    let (fingerprints, numbers, hosts) = (places(FINGERPRINT), places(NUMBER), places(HOST));
    let each = |places: &[usize]| places.len() / fingerprints.len();
    let (numbers, hosts) = (numbers.chunks(each(&numbers)), hosts.chunks(each(&hosts)));
    (0..alerts)
        .zip(&fingerprints)
        .zip(numbers.zip(hosts))
        .map(|((k, &fingerprint), (numbers, hosts))| {
            let mut text = Vec::new();
            for (name, value) in labels(k) {
                for part in [name, &value] {
                    text.extend_from_slice(part.as_bytes());
                    text.push(0xff);
                }
            }
            let find = |needle: &str| text.windows(needle.len()).position(|window| window == needle.as_bytes());
            let (number, host) = (find(NUMBER).unwrap_or_default(), find(HOST).unwrap_or_default());
            Slots {
                fingerprint,
                numbers: numbers.to_vec(),
                hosts: hosts.to_vec(),
                before: fnv(OFFSET, &text[..number]),
                between: text[number + DIGITS..host].to_vec(),
                after: text[host + HOST.len()..].to_vec(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_stamped_body_is_json_with_the_fingerprints_of_its_labels() {
        let series = Series { alerts: 3, first: 7, distinct: 100 };
        let mut request = Request::new(([127, 0, 0, 1], 9876).into(), "/webhook", series);
        for index in [0, 1, 40, 33] {
            request.stamp(index);
            let text = String::from_utf8(request.bytes().to_vec()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            for alert in 0..3_u64 {
                let alert_json = &body["alerts"][alert as usize];
                let labels: BTreeMap<String, String> = serde_json::from_value(alert_json["labels"].clone()).unwrap();
                let number = 7 + (index * 3 + alert) % 100;
                assert_eq!(labels["container"], container(number));
                assert_eq!(labels["instance"], instance(number as usize % INSTANCES));
                let hash = labels.iter().fold(OFFSET, |hash, (name, value)| {
                    [name, value].iter().fold(hash, |hash, part| fnv(fnv(hash, part.as_bytes()), &[0xff]))
                });
                assert_eq!(alert_json["fingerprint"], format!("{hash:016x}"));
                assert!(alert_json["annotations"]["summary"].as_str().unwrap().contains(&labels["container"]));
            }
        }
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv(OFFSET, b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv(OFFSET, b"foobar"), 0x8594_4171_f739_67e8);
    }
}
