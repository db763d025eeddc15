//! The rules in force, and their replacement: all or nothing.
//!
//! Always holds: a rule set is read and checked as a whole before it replaces the old one in a single swap; with any error
//! the old set keeps running, the gauge says 0 and the log says why. What is unchanged is not loaded again.
//!
//! Changes are found by reading the files every few seconds and comparing a digest of their content: file-system events
//! miss what matters here (`ConfigMaps` swap symbolic links, single files are bind-mounted, NFS tells nothing).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Metrics;
use fettle_core::diagnostic::Diagnostic;
use fettle_core::rule::compile::Context;
use fettle_core::rule::set::{RuleSet, digest};
use fettle_engine::clock::Time;
use fettle_engine::rule_files::{load_rules, read_rules};

/// How often the files are compared with what is loaded.
const LOOK: Duration = Duration::from_secs(5);

/// Reloads on request.
#[async_trait]
pub trait Reload: Send + Sync {
    /// Loads the rules again; how many there are and every warning, or every problem.
    async fn reload(&self) -> Result<(usize, Vec<Diagnostic>), Vec<Diagnostic>>;

    /// Whether what is on disk was refused, so that older rules are in force.
    fn refused(&self) -> bool;
}

/// The rules in force, with where they come from.
pub struct RuleBook {
    path: PathBuf,
    context: Context,
    rules: Arc<ArcSwap<RuleSet>>,
    metrics: Arc<Metrics>,
    time: Arc<Time>,
    refused: AtomicBool,
    /// One reload at a time; the problems of the last one, so that they are told once and not every few seconds.
    told: Mutex<String>,
}

impl RuleBook {
    /// Loads the rules for the first time: warnings, or every problem.
    pub fn load(
        path: PathBuf,
        context: Context,
        metrics: Arc<Metrics>,
        time: Arc<Time>,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let (set, warnings) = load_rules(&path, &context)?;
        let names: Vec<_> = set.iter().map(|rule| rule.name.as_str()).collect();
        metrics.rules_loaded(&names);
        metrics.reloaded(true, time.now());
        let rules = Arc::new(ArcSwap::from_pointee(set));
        Ok((
            Self {
                path,
                context,
                rules,
                metrics,
                time,
                refused: AtomicBool::new(false),
                told: Mutex::new(String::new()),
            },
            warnings,
        ))
    }

    /// The set in force, swapped by every reload.
    #[must_use]
    pub fn rules(&self) -> Arc<ArcSwap<RuleSet>> {
        self.rules.clone()
    }

    /// Looks for changed files until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut every = tokio::time::interval(LOOK);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut seen = self.rules.load().digest().to_owned();
        loop {
            // Cancel safe: both keep nothing.
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            let path = self.path.clone();
            let read = tokio::task::spawn_blocking(move || read_rules(&path).map(|files| digest(&files))).await;
            let now = match read {
                Ok(Ok(digest)) => digest,
                // What cannot be read is told by the reload, once.
                Ok(Err(_)) | Err(_) => String::new(),
            };
            if now != seen || now.is_empty() {
                seen = now;
                // Problems are told by the reload itself.
                let _ = self.replace().await;
            }
        }
    }

    async fn replace(&self) -> Result<(usize, Vec<Diagnostic>), Vec<Diagnostic>> {
        let mut told = self.told.lock().await;
        let (path, context) = (self.path.clone(), self.context.clone());
        // Reading and compiling ten thousand rules takes a while; requests are answered meanwhile.
        let loaded = tokio::task::spawn_blocking(move || load_rules(&path, &context)).await;
        match loaded.expect("loading rules does not panic, whatever the files hold") {
            Ok((set, warnings)) => {
                let count = set.len();
                told.clear();
                self.refused.store(false, Ordering::Relaxed);
                self.metrics.reloaded(true, self.time.now());
                if set.digest() != self.rules.load().digest() {
                    for warning in &warnings {
                        tracing::warn!("{}", warning.line());
                    }
                    let names: Vec<_> = set.iter().map(|rule| rule.name.as_str()).collect();
                    self.metrics.rules_loaded(&names);
                    self.rules.store(Arc::new(set));
                    tracing::info!(rules = count, "rules were reloaded");
                }
                Ok((count, warnings))
            }
            Err(problems) => {
                self.metrics.reloaded(false, self.time.now());
                self.refused.store(true, Ordering::Relaxed);
                // Warnings would have been no reason, and would only hide it.
                let errors: Vec<String> = problems.iter().filter(|it| it.is_error()).map(Diagnostic::line).collect();
                let text = errors.join("; ");
                if *told != text {
                    tracing::error!(
                        problems = errors.len(),
                        "rules were not reloaded, the old ones stay in force: {text}"
                    );
                    *told = text;
                }
                Err(problems)
            }
        }
    }
}

#[async_trait]
impl Reload for RuleBook {
    async fn reload(&self) -> Result<(usize, Vec<Diagnostic>), Vec<Diagnostic>> {
        self.replace().await
    }

    fn refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}
