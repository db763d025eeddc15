//! One server and how to speak to it: requests with a deadline, answers with a bound.
//!
//! Credentials are read from their files for every request, as Prometheus and Alertmanager do, so that tokens which
//! are swapped every hour go on working.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, Url};
use tokio::time::timeout;

use fettle_core::ports::upstream::{Answers, UpstreamError};

use super::{Access, Credentials, Secret};

/// Longest part of a refusal that is read for its message.
const REFUSAL_MAX: usize = 8 << 10;

/// Longest message kept: a server's sentence fits, a page does not.
const MESSAGE_MAX: usize = 300;

/// Longer answers are read into values on a thread of their own, or everything else would wait: some 3 ms for this much.
const BLOCKING_ABOVE: usize = 1 << 20;

/// One server.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    base: Url,
    /// The URL without secrets.
    pub(super) name: String,
    client: Client,
    credentials: Option<Credentials>,
    counted: Option<Counted>,
}

/// Where requests are counted, and as what kind of peer.
#[derive(Clone)]
struct Counted(Arc<dyn Answers>, &'static str);

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counted").field(&self.1).finish_non_exhaustive()
    }
}

/// A whole answer with a status of 2xx.
#[derive(Debug)]
pub(super) struct Body {
    /// All of it.
    pub(super) bytes: Vec<u8>,
    /// What stood above it.
    pub(super) headers: HeaderMap,
}

/// A client that all peers of one kind share. Panics when the process has no TLS provider, which `main` installs.
pub(super) fn client(urls: &[Url], access: &Access) -> Result<Client, UpstreamError> {
    let builder = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    let failed = |error: reqwest::Error| UpstreamError::Setup {
        peer: urls.iter().map(shown).collect::<Vec<_>>().join(", "),
        cause: innermost(&error),
    };
    let builder = match &access.ca {
        Some(ca) => {
            let roots = ca.iter().map(|der| reqwest::Certificate::from_der(der)).collect::<Result<Vec<_>, _>>();
            builder.tls_certs_only(roots.map_err(failed)?)
        }
        // The machine's certificates are not read where nothing speaks TLS: there may be none.
        None if urls.iter().all(|url| url.scheme() == "http") => builder.tls_certs_only([]),
        None => builder,
    };
    builder.build().map_err(failed)
}

/// The URL without secrets: no user, no password, no query.
pub(super) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path().trim_end_matches('/'))
}

impl Peer {
    pub(super) fn new(base: &Url, client: Client, access: &Access) -> Self {
        let credentials = access.credentials.clone();
        Self { base: base.clone(), name: shown(base), client, credentials, counted: None }
    }

    /// Each of its requests is counted from now on, as one to a peer of this kind.
    pub(super) fn count(&mut self, answers: &Arc<dyn Answers>, kind: &'static str) {
        self.counted = Some(Counted(answers.clone(), kind));
    }

    /// A GET, whole within `limit` and of at most `max` bytes.
    pub(super) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
        limit: Duration,
        max: usize,
    ) -> Result<Body, UpstreamError> {
        self.ask(self.client.get(self.url(path)).query(query), limit, max).await
    }

    /// A POST of JSON.
    pub(super) async fn post(&self, path: &str, json: Vec<u8>, limit: Duration) -> Result<Body, UpstreamError> {
        let request = self.client.post(self.url(path)).header(CONTENT_TYPE, "application/json").body(json);
        self.ask(request, limit, REFUSAL_MAX).await
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        // A path in front, as a route prefix, is kept.
        let front = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{front}{path}"));
        url
    }

    async fn ask(&self, request: RequestBuilder, limit: Duration, max: usize) -> Result<Body, UpstreamError> {
        let conversation = async {
            let request = match &self.credentials {
                Some(credentials) => request.header(AUTHORIZATION, authorization(credentials).await?),
                None => request,
            };
            let answer = request.send().await.map_err(|error| self.failed(&error))?;
            if answer.status().is_success() { self.whole(answer, max).await } else { Err(self.refusal(answer).await) }
        };
        let late = |_| UpstreamError::TimedOut { peer: self.name.clone(), after: limit };
        let answer = timeout(limit, conversation).await.map_err(late).flatten();
        if let Some(Counted(answers, kind)) = &self.counted {
            answers.answered(kind, answer.as_ref().map_or_else(UpstreamError::reason, |_| "200"));
        }
        answer
    }

    async fn whole(&self, mut answer: Response, max: usize) -> Result<Body, UpstreamError> {
        let too_large = || UpstreamError::TooLarge { peer: self.name.clone(), limit_bytes: max };
        if answer.content_length().is_some_and(|declared| declared > max as u64) {
            return Err(too_large());
        }
        let headers = std::mem::take(answer.headers_mut());
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.failed(&error))? {
            if bytes.len() + chunk.len() > max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Body { bytes, headers })
    }

    async fn refusal(&self, mut answer: Response) -> UpstreamError {
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        // A refusal that breaks off is one, too.
        while bytes.len() < REFUSAL_MAX
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            bytes.extend_from_slice(&chunk);
        }
        bytes.truncate(REFUSAL_MAX);
        let message = match status {
            300..400 => "redirects are not followed; is the URL right?".to_owned(),
            _ => words(&bytes),
        };
        UpstreamError::Answered { peer: self.name.clone(), status, message }
    }

    fn failed(&self, error: &reqwest::Error) -> UpstreamError {
        let (peer, cause) = (self.name.clone(), innermost(error));
        if error.is_connect() {
            UpstreamError::Unreachable { peer, cause }
        } else {
            UpstreamError::Broken { peer, cause }
        }
    }

    /// That the answer is not one.
    pub(super) fn senseless(&self, cause: &impl ToString) -> UpstreamError {
        UpstreamError::Senseless { peer: self.name.clone(), cause: one_line(&cause.to_string()) }
    }

    /// Reads a long answer where it is in nobody's way.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        bytes: Vec<u8>,
        with: fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, UpstreamError> {
        let read = if bytes.len() <= BLOCKING_ABOVE {
            with(&bytes)
        } else {
            let read = tokio::task::spawn_blocking(move || with(&bytes)).await;
            read.map_err(|error| self.senseless(&error))?
        };
        read.map_err(|error| self.senseless(&error))
    }
}

async fn authorization(credentials: &Credentials) -> Result<HeaderValue, UpstreamError> {
    let (path, value) = match credentials {
        Credentials::Bearer { token_file } => (token_file, format!("Bearer {}", secret(token_file).await?.expose())),
        Credentials::Basic { username, password_file } => {
            use base64::Engine as _;
            let pair = format!("{username}:{}", secret(password_file).await?.expose());
            (password_file, format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
        }
    };
    let mut value = HeaderValue::from_str(&value).map_err(|_| unusable(path, "not fit for a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn secret(path: &Path) -> Result<Secret, UpstreamError> {
    let text = tokio::fs::read_to_string(path).await.map_err(|error| unusable(path, &error.to_string()))?;
    let text = text.trim();
    if text.is_empty() { Err(unusable(path, "empty")) } else { Ok(Secret::from(text.to_owned())) }
}

fn unusable(path: &Path, cause: &str) -> UpstreamError {
    UpstreamError::Credentials { path: PathBuf::from(path), cause: cause.to_owned() }
}

/// The text of the last cause in the chain: the one that says what happened. It never has the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut last: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(next) = last.and_then(std::error::Error::source) {
        last = Some(next);
    }
    last.map_or_else(|| "for an unknown reason".to_owned(), |cause| one_line(&cause.to_string()))
}

/// What a refusal says: Alertmanager sends a JSON string or `{code, message}`, Prometheus `{error}`, proxies a page.
fn words(bytes: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let said = json.as_str().or_else(|| ["error", "message"].iter().find_map(|key| json.get(key)?.as_str()));
    let text = String::from_utf8_lossy(bytes);
    let text = one_line(said.unwrap_or(&text));
    if text.is_empty() { "without saying why".to_owned() } else { text }
}

/// One line of text, without control characters, cut.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(4 * MESSAGE_MAX).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MESSAGE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_user_password_and_query() {
        for (url, name) in [
            ("http://user:hunter2@am:9093/", "http://am:9093"),
            ("https://hunter2@am/prefix/?token=hunter2#hunter2", "https://am/prefix"),
            ("http://[::1]:9093", "http://[::1]:9093"),
        ] {
            assert_eq!(shown(&Url::parse(url).expect(url)), name);
        }
    }

    #[test]
    fn a_refusal_is_told_in_one_short_line() {
        for (body, message) in [
            ("\"bad filter\"\n", "bad filter"),
            (r#"{"code":602,"message":"labels in body is required"}"#, "labels in body is required"),
            (r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#, "parse error"),
            ("404 page\u{1b}[31m\n not found\n", "404 page [31m not found"),
            ("", "without saying why"),
        ] {
            assert_eq!(words(body.as_bytes()), message);
        }
        assert_eq!(words("x".repeat(9000).as_bytes()).len(), MESSAGE_MAX);
    }
}
