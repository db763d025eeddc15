//! Speaks to a running fettle over its HTTP API.
//!
//! Always holds: every request ends; a redirect is not followed, so a token goes nowhere but where it was meant for; a
//! proxy from the environment is not used for this machine's own addresses.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::builder::{PossibleValuesParser, RangedI64ValueParser};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;

use super::Failure;

/// Where fettle serves when nobody says otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:9876";

/// Above the 5 s after which intake gives up and the 2 s of a look at health.
const WHOLE: Duration = Duration::from_secs(15);

const CONNECT: Duration = Duration::from_secs(3);

/// Which fettle, and as whom.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Peer {
    /// Where it serves.
    #[arg(long, value_name = "URL", env = "FETTLE_URL")]
    #[arg(help = "Where fettle serves [default: FETTLE_LISTEN, else http://127.0.0.1:9876]")]
    pub(super) url: Option<String>,
    /// A token, visible to other users of this machine.
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    #[arg(help = "A token; others on this machine can see it here, so prefer a file or FETTLE_TOKEN")]
    pub(super) token: Option<String>,
    /// A file that holds a token
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
}

/// A connection to one fettle.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
}

/// Looks an environment variable up. A function, so that tests need not touch the process.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Peer {
    /// Ready to speak to this fettle.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let base = self.base(&environment).map_err(Failure::Usage)?;
        let token = self.token(&environment)?;
        let mut http = reqwest::Client::builder()
            .timeout(WHOLE)
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            http = http.no_proxy();
            // The machine's certificates are not read where nothing speaks TLS: a small image has none.
            if base.scheme() == "http" {
                http = http.tls_certs_only([]);
            }
        }
        let http = http.build().map_err(|error| Failure::Fault(anyhow::Error::new(error).context("make a client")))?;
        Ok(Client { http, base, token })
    }

    fn base(&self, env: Environment<'_>) -> anyhow::Result<Url> {
        let written = match (&self.url, env("FETTLE_LISTEN").filter(|listen| !listen.is_empty())) {
            (Some(url), _) => url.clone(),
            (None, Some(listen)) => reachable(&listen),
            (None, None) => DEFAULT_URL.to_owned(),
        };
        let url = Url::parse(&written).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        url.ok_or_else(|| anyhow!("{written:?} is not a URL such as {DEFAULT_URL}"))
    }

    fn token(&self, env: Environment<'_>) -> Result<Option<String>, Failure> {
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
                Some(text.trim().to_owned())
            }
            (None, None) => env("FETTLE_TOKEN"),
        };
        let token = token.filter(|token| !token.is_empty());
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Failure::Usage(anyhow!("a token has letters, digits and signs only")));
        }
        Ok(token)
    }
}

/// The address by which one reaches who listens on `listen` from the same machine.
fn reachable(listen: &str) -> String {
    let address = listen.parse::<SocketAddr>().map(|mut address| {
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip([127, 0, 0, 1].into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)),
            _ => {}
        }
        address.to_string()
    });
    format!("http://{}", address.unwrap_or_else(|_| listen.to_owned()))
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    })
}

impl Client {
    /// What a GET answers, as JSON.
    pub(super) async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        self.json(self.request(Method::GET, path).query(query)).await
    }

    /// What a POST of JSON answers, as JSON.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.json(self.request(Method::POST, path).json(body)).await
    }

    /// Deletes what is there.
    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.answer(self.request(Method::DELETE, path).json(&serde_json::json!({}))).await.map(drop)
    }

    /// Whether a GET is answered with 2xx; else why not.
    pub(super) async fn is_well(&self, path: &str) -> anyhow::Result<()> {
        self.answer(self.request(Method::GET, path)).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut url = self.base.clone();
        // A path in front, as a reverse proxy may want, is kept.
        let front = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{front}{path}"));
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn json(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let text = self.answer(request).await?;
        serde_json::from_str(&text).with_context(|| format!("the answer of {} is not JSON; is it fettle?", self.base))
    }

    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<String> {
        let answer = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| self.unreachable(error))?;
        if status.is_success() { Ok(text) } else { Err(refused(status, &text)) }
    }

    fn unreachable(&self, error: reqwest::Error) -> anyhow::Error {
        let hint = if error.is_timeout() {
            "fettle does not answer"
        } else if error.is_connect() {
            "fettle cannot be reached; does `fettle serve` run there?"
        } else {
            "fettle did not answer as it should"
        };
        // The URL is named already, and its password, if any, must not be.
        let shown =
            format!("{}://{}", self.base.scheme(), self.base.authority().rsplit('@').next().unwrap_or_default());
        anyhow::Error::new(error.without_url()).context(format!("{shown}: {hint}"))
    }
}

/// What an error says, with the advice that goes with it.
fn refused(status: StatusCode, text: &str) -> anyhow::Error {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    let of = |name: &str| problem.get(name).and_then(Value::as_str).map(super::table::clean);
    let said = of("detail").or_else(|| of("title")).unwrap_or_else(|| "without saying why".to_owned());
    let id = of("request_id").map(|id| format!(" (request {id})")).unwrap_or_default();
    let advice = match status {
        StatusCode::UNAUTHORIZED => "; give a token by --token-file or FETTLE_TOKEN",
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::PERMANENT_REDIRECT => "; is the URL right?",
        _ => "",
    };
    anyhow!("fettle answered {}: {said}{advice}{id}", status.as_u16())
}

/// Takes one of these words. What fettle would refuse is refused before it is asked: usage, not a problem found.
pub(super) fn words(known: impl Iterator<Item = &'static str>) -> PossibleValuesParser {
    PossibleValuesParser::new(known)
}

/// Takes as many rows as fettle gives at once.
pub(super) fn limit() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1000)
}

/// A value as it stands in a query.
pub(super) fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// The query of a list: what was given, and how much of it.
pub(super) fn query<'a>(given: &[(&'a str, &Option<String>)], limit: u32) -> Vec<(&'a str, String)> {
    let given = given.iter().filter_map(|&(name, value)| Some((name, value.clone()?)));
    given.chain([("limit", limit.to_string())]).collect()
}

/// Runs one conversation to its end.
pub(super) fn converse<T>(conversation: impl Future<Output = anyhow::Result<T>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Fault(anyhow::Error::new(error).context("start the runtime")))?;
    Ok(runtime.block_on(conversation)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: Option<&str>, listen: Option<&str>) -> String {
        let peer = Peer { url: url.map(str::to_owned), ..Peer::default() };
        let env = |name: &str| (name == "FETTLE_LISTEN").then(|| listen.map(str::to_owned)).flatten();
        peer.base(&env).map_or_else(|error| error.to_string(), |url| url.to_string())
    }

    #[test]
    fn fettle_is_looked_for_where_it_would_listen() {
        for (url, listen, found) in [
            (None, None, "http://127.0.0.1:9876/"),
            (None, Some(""), "http://127.0.0.1:9876/"),
            (None, Some("0.0.0.0:8000"), "http://127.0.0.1:8000/"),
            (None, Some("[::]:8000"), "http://[::1]:8000/"),
            (None, Some("10.0.0.7:8000"), "http://10.0.0.7:8000/"),
            (None, Some("localhost:8000"), "http://localhost:8000/"),
            (Some("https://fettle.example/ops"), Some("0.0.0.0:8000"), "https://fettle.example/ops"),
            (Some("fettle:80"), None, "\"fettle:80\" is not a URL such as http://127.0.0.1:9876"),
            (Some("ftp://fettle"), None, "\"ftp://fettle\" is not a URL such as http://127.0.0.1:9876"),
        ] {
            assert_eq!(base(url, listen), found, "{url:?} {listen:?}");
        }
    }

    #[test]
    fn a_token_is_the_flags_the_files_or_the_environments_in_this_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        std::fs::write(&file, "from-file\n").expect("written");
        let env = |name: &str| (name == "FETTLE_TOKEN").then(|| "from-env".to_owned());
        let token = |token: Option<&str>, file: Option<&PathBuf>| {
            let peer = Peer { url: None, token: token.map(str::to_owned), token_file: file.cloned() };
            peer.token(&env).expect("readable")
        };
        assert_eq!(token(Some("from-flag"), Some(&file)).as_deref(), Some("from-flag"));
        assert_eq!(token(None, Some(&file)).as_deref(), Some("from-file"));
        assert_eq!(token(None, None).as_deref(), Some("from-env"));
        let missing = Peer { token_file: Some(folder.path().join("none")), ..Peer::default() };
        assert!(missing.token(&env).is_err());
    }

    #[test]
    fn an_error_is_told_in_one_line_with_advice_and_without_control_characters() {
        let body = r#"{"title":"No valid token","detail":"send a token\u001b[31m","request_id":"r1"}"#;
        assert_eq!(
            refused(StatusCode::UNAUTHORIZED, body).to_string(),
            "fettle answered 401: send a token\\u{1b}[31m; give a token by --token-file or FETTLE_TOKEN (request r1)"
        );
        assert_eq!(refused(StatusCode::BAD_GATEWAY, "<html>").to_string(), "fettle answered 502: without saying why");
    }
}
