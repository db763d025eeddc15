//! Opens what is replayed, and sets it reading.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::Failure;
use super::Args;
use crate::config::Config;
use fettle_core::ports::history::Period;
use fettle_core::time::{before, since};
use fettle_predict::replay::record::Record;
use fettle_predict::replay::source::files::Files;
use fettle_predict::replay::source::series::Grid;
use fettle_predict::replay::source::{Batch, channel, database, series};
use fettle_store::history::open_history;
use fettle_upstream::Prometheus;

/// What kind of source it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Database,
    Files,
    Prometheus,
}

/// A source that is being read.
pub(super) struct Opened {
    pub(super) source: Source,
    /// Its name, without secrets.
    pub(super) shown: String,
    pub(super) batches: mpsc::Receiver<Batch>,
    /// What reads.
    pub(super) task: JoinHandle<anyhow::Result<()>>,
    /// All of it, in the unit of the batches; 0 when nobody knows.
    pub(super) total: u64,
    /// What is counted; `None`: all there is.
    pub(super) period: Option<Period>,
    /// When the virtual clock begins.
    pub(super) start: Timestamp,
    /// What is on record.
    pub(super) record: Record,
}

/// Opens the source that is asked for. `lead` before the period is read as well.
pub(super) async fn open(
    args: &Args,
    config: &Config,
    wanted: Option<Period>,
    lead: Duration,
) -> Result<Opened, Failure> {
    if let Some(path) = &args.from {
        let shown = path.display().to_string();
        let files = Files::open(path, wanted).with_context(|| format!("read {shown}"))?;
        let (total, (into, batches)) = (files.bytes, channel());
        let task = tokio::task::spawn_blocking(move || {
            files.run(&into);
            Ok(())
        });
        let (period, record) = (wanted, Record::default());
        let start = Timestamp::MIN;
        return Ok(Opened { source: Source::Files, shown, batches, task, total, period, start, record });
    }
    let period = wanted.ok_or_else(|| Failure::Fault(anyhow::anyhow!("only files have no period")))?;
    let whole = Period { from: before(period.from, lead), to: period.to };
    match &args.from_prometheus {
        Some(url) => prometheus(args, config, url, period, whole),
        None => database(args, config, period, whole).await,
    }
}

fn prometheus(
    args: &Args,
    config: &Config,
    url: &reqwest::Url,
    period: Period,
    whole: Period,
) -> Result<Opened, Failure> {
    // The configured one may ask who fettle is; any other is asked without credentials.
    let known = config.prometheus.as_ref().filter(|known| known.url == *url);
    let access = known.map(|known| known.access.clone()).unwrap_or_default();
    let client = Prometheus::new(url, &access).context("read --from-prometheus")?;
    let grid = Grid { step: args.step, repeat: args.repeat };
    let (into, batches) = channel();
    let task = tokio::spawn(async move {
        series::run(&client, whole, grid, into).await.context("read the series ALERTS")?;
        Ok(())
    });
    let shown = format!("ALERTS of {}", url.host_str().unwrap_or_default());
    let total = since(whole.to, whole.from).as_secs();
    let (start, record) = (whole.from, Record::default());
    Ok(Opened { source: Source::Prometheus, shown, batches, task, total, period: Some(period), start, record })
}

async fn database(args: &Args, config: &Config, period: Period, whole: Period) -> Result<Opened, Failure> {
    let url = args.database.as_deref().unwrap_or(config.database.url.expose());
    let history = open_history(url).await.context("open the database")?;
    let extent = history.extent(whole).await.context("read the database")?;
    let record = Record::read(&*history, whole).await.context("read the database")?;
    let (into, batches) = channel();
    let reading = Arc::clone(&history);
    let task = tokio::spawn(async move {
        let read = database::run(&*reading, whole, into).await.context("read the database");
        reading.close().await;
        read
    });
    let kind = url.split(':').next().unwrap_or_default();
    let shown = format!("the {} database", if kind == "sqlite" { "SQLite" } else { "PostgreSQL" });
    let (total, start) = (extent.notifications, whole.from);
    Ok(Opened { source: Source::Database, shown, batches, task, total, period: Some(period), start, record })
}
