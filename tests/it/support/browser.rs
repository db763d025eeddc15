//! A headless Chromium that does what a person would: it clicks, types and looks, told by `WebDriver` over HTTP.
//!
//! Each has its own driver, its own profile and its own port, and ends with the test.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::postgres::free_port;
use super::process::Process;
use super::wait;

/// What a page may take to do something on a busy machine.
pub const SOON: Duration = Duration::from_secs(40);

/// Switches that keep it from speaking to anybody but us.
const SWITCHES: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// The key that an element's id stands under, by the standard.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that have no character, as `WebDriver` writes them.
pub const TAB: &str = "\u{e004}";
/// See [`TAB`].
pub const ENTER: &str = "\u{e007}";
/// See [`TAB`].
pub const ESCAPE: &str = "\u{e00c}";

/// A browser with one window.
pub struct Browser {
    client: reqwest::Client,
    session: String,
    _driver: Process,
    _folder: tempfile::TempDir,
}

impl Browser {
    /// Starts one with a window of this size.
    pub async fn start(width: u32, height: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let driver = Process::start(folder.path(), "chromedriver", "chromium-driver", &[format!("--port={port}")]);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().expect("a client");
        let base = format!("http://127.0.0.1:{port}");
        wait::until("chromedriver answers", SOON, async || {
            let answer = client.get(format!("{base}/status")).send().await;
            answer.map(drop).map_err(|error| error.to_string())
        })
        .await;
        let mut args: Vec<String> = SWITCHES.map(str::to_owned).to_vec();
        args.push(format!("--window-size={width},{height}"));
        args.push(format!("--user-data-dir={}", folder.path().join("profile").display()));
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": args},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let answer = client.post(format!("{base}/session")).json(&capabilities).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}"));
        let it = Self { session: format!("{base}/session/{id}"), client, _driver: driver, _folder: folder };
        it.size(width, height, width < 500).await;
        it
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        let answer = self.client.post(format!("{}/{path}", self.session)).json(&body).send().await;
        let answer: Value =
            answer.map_err(|error| error.to_string())?.json().await.map_err(|error| error.to_string())?;
        if answer["value"]["error"].is_string() {
            Err(answer["value"].to_string())
        } else {
            Ok(answer["value"].clone())
        }
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        let body = json!({"cmd": command, "params": parameters});
        self.post("goog/cdp/execute", body).await.expect(command);
    }

    /// The size of the page.
    pub async fn size(&self, width: u32, height: u32, mobile: bool) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Light or dark, as the person's system says.
    pub async fn scheme(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Goes there.
    pub async fn open(&self, url: &str) {
        self.post("url", json!({"url": url})).await.expect("the page opens");
    }

    /// What a script gives.
    pub async fn script(&self, script: &str) -> Value {
        self.post("execute/sync", json!({"script": script, "args": []})).await.expect(script)
    }

    async fn find(&self, css: &str) -> Result<String, String> {
        let found = self.post("element", json!({"using": "css selector", "value": css})).await?;
        found[ELEMENT].as_str().map(str::to_owned).ok_or_else(|| found.to_string())
    }

    /// Clicks what a selector means, as soon as it is there and can be clicked.
    pub async fn click(&self, css: &str) {
        wait::until(&format!("{css} is clicked"), SOON, async || {
            let id = self.find(css).await?;
            self.post(&format!("element/{id}/click"), json!({})).await.map(drop)
        })
        .await;
    }

    /// Types into what a selector means.
    pub async fn write(&self, css: &str, text: &str) {
        wait::until(&format!("{css} is written to"), SOON, async || {
            let id = self.find(css).await?;
            self.post(&format!("element/{id}/clear"), json!({})).await?;
            self.post(&format!("element/{id}/value"), json!({"text": text})).await.map(drop)
        })
        .await;
    }

    /// Presses and releases a key, whatever has the focus.
    pub async fn press(&self, key: &str) {
        let keys = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": keys}]});
        self.post("actions", actions).await.expect("a key is pressed");
    }

    /// Presses Tab until a script says that the focus is where it is wanted.
    pub async fn tab_to(&self, what: &str, script: &str) {
        for _ in 0..60 {
            if self.script(&format!("const at = document.activeElement; return Boolean({script});")).await == true {
                return;
            }
            self.press(TAB).await;
        }
        panic!(
            "the keyboard does not reach {what}; the focus is on {}",
            self.script("return document.activeElement.outerHTML").await
        );
    }

    /// What is to be read under a selector.
    pub async fn text(&self, css: &str) -> String {
        let script = format!("const it = document.querySelector({}); return it ? it.innerText : '';", json!(css));
        self.script(&script).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a text is to be read under a selector.
    pub async fn reads(&self, css: &str, text: &str) {
        wait::until(&format!("{css} says {text:?}"), SOON, async || {
            let said = self.text(css).await;
            if said.contains(text) { Ok(()) } else { Err(said) }
        })
        .await;
    }

    /// What it looks like: a PNG.
    pub async fn picture(&self) -> Vec<u8> {
        let answer = self.client.get(format!("{}/screenshot", self.session)).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        STANDARD.decode(answer["value"].as_str().expect("a picture")).expect("base64")
    }

    /// What the page's console said about broken policies and failed scripts.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", json!({"type": "browser"})).await.expect("a log");
        let lines = log.as_array().into_iter().flatten().filter_map(|line| line["message"].as_str().map(str::to_owned));
        // A wrong token is answered 401, which the console repeats.
        lines.filter(|line| !line.contains("Failed to load resource")).collect()
    }

    /// Ends it in good order, so that its processes are gone before its folder is.
    pub async fn end(self) {
        let _ = self.client.delete(&self.session).send().await;
    }
}
