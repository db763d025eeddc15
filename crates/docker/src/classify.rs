//! What a failure of the client library says about the request: never sent, unknown, or answered.
//!
//! Always holds: [`PlatformError::Unreachable`] is given only where no connection was made, so that no request can have
//! been sent: the socket file is absent, or connecting failed. Everything else that is not an answer of the daemon is
//! `TimedOut` or `Broken`, also where most likely nothing was sent, because a wrong "nothing was sent" repeats an effect.
//!
//! 502 and 504 are not the daemon's (it never gives them) but those of a proxy that got no answer from it: `Broken`.

use std::time::Duration;

use bollard::errors::Error;

use super::endpoint::Endpoint;
use fettle_core::ports::platform::PlatformError;

/// Longest message kept: a daemon's sentence fits, a page does not.
const MESSAGE_MAX: usize = 300;

/// What `error` means for a request to `endpoint` that could take `limit`.
pub(super) fn classify(endpoint: &Endpoint, limit: Duration, error: Error) -> PlatformError {
    let endpoint = endpoint.to_string();
    match error {
        Error::SocketNotFoundError(_) => {
            PlatformError::Unreachable { endpoint, cause: "the socket file does not exist".into() }
        }
        Error::HyperLegacyError { ref err } if err.is_connect() => {
            PlatformError::Unreachable { endpoint, cause: innermost(&error) }
        }
        Error::RequestTimeoutError => PlatformError::TimedOut { endpoint, after: limit },
        Error::DockerResponseServerError { status_code: status @ (502 | 504), message } => PlatformError::Broken {
            endpoint,
            cause: format!("a proxy got no answer from the daemon ({status}): {}", plain(&message)),
        },
        Error::DockerResponseServerError { status_code: status, message } => {
            PlatformError::Answered { endpoint, status, message: plain(&message) }
        }
        error => PlatformError::Broken { endpoint, cause: innermost(&error) },
    }
}

/// The text of the last cause in the chain: the one that says what happened.
fn innermost(error: &Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    plain(&last.to_string())
}

/// One line of text, without the tags of an HTML page, cut.
fn plain(message: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    let is_page = message.trim_start().starts_with('<');
    for c in message.chars() {
        match c {
            '<' if is_page => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                text.push(' ');
            }
            _ if in_tag => {}
            c if c.is_whitespace() || c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MESSAGE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: Error) -> PlatformError {
        let endpoint = "unix:///docker.sock".parse().expect("an endpoint");
        classify(&endpoint, Duration::from_secs(5), error)
    }

    fn status(status_code: u16, message: &str) -> PlatformError {
        of(Error::DockerResponseServerError { status_code, message: message.into() })
    }

    #[test]
    fn an_answer_is_one_by_its_status_alone() {
        let table = [(404, "container_gone"), (409, "docker_conflict"), (403, "docker_error"), (500, "docker_error")];
        for (code, reason) in table {
            let error = status(code, "No such container: x");
            assert!(error.is_answer() && !error.nothing_sent(), "{error}");
            assert_eq!(error.reason(), reason);
        }
    }

    #[test]
    fn a_proxy_that_lost_the_daemon_is_no_answer() {
        for code in [502, 504] {
            let error = status(code, "<html><body><h1>504 Gateway Time-out</h1></body></html>");
            assert!(!error.is_answer() && !error.nothing_sent(), "{error}");
            assert_eq!(error.reason(), "docker_broken");
        }
    }

    #[test]
    fn an_unknown_state_in_a_reply_is_broken_and_may_have_been_sent() {
        let error = of(Error::JsonDataError { message: "unknown variant `stopped`".into(), column: 9 });
        assert_eq!(error.reason(), "docker_broken");
        assert!(!error.nothing_sent() && !error.is_answer());
    }

    #[test]
    fn a_timeout_is_unknown_and_an_absent_socket_is_not() {
        assert!(!of(Error::RequestTimeoutError).nothing_sent());
        assert!(of(Error::SocketNotFoundError("/docker.sock".into())).nothing_sent());
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert!(!of(Error::IOError { err: io }).nothing_sent(), "an I/O error may come from a body");
    }

    #[test]
    fn pages_become_one_line_and_long_messages_are_cut() {
        let page = "\n<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>\n";
        assert_eq!(plain(page), "403 Forbidden Request forbidden by administrative rules.");
        assert_eq!(plain("a < b > c\u{1b}[31m\n"), "a < b > c [31m");
        assert_eq!(plain(&"ä".repeat(1000)).chars().count(), MESSAGE_MAX);
    }
}
