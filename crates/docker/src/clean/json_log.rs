//! The container's own json-file log, as Docker writes it: only where the daemon's data folder is visible to fettle.
//!
//! Emptying it is safe while Docker writes: it appends. What `docker logs` could show is lost, so it is the last resort;
//! better advice is `max-size` and `max-file`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{left, walk};
use crate::find;
use crate::host::Host;
use fettle_core::action::CleanLogs;
use fettle_core::ports::platform::PlatformError;

/// A log that may be emptied.
#[derive(Debug)]
pub(super) struct JsonLog {
    /// The daemon's data folder.
    data: PathBuf,
    /// The container's folder in it.
    folder: PathBuf,
    /// The log's name there.
    name: String,
}

/// Finds the log of the container with this full id, if it is where it should be and can be reached from here.
pub(super) async fn find(host: &Host, id: &str) -> Result<JsonLog, PlatformError> {
    let unfit = |why: &str| PlatformError::Unfit(format!("the container's own log cannot be emptied: {why}"));
    if !host.is_local() {
        return Err(unfit("the host is reached over the network"));
    }
    let Some(container) = find::inspect(host, id).await? else { return Err(unfit("the container is gone")) };
    let driver = container.host_config.and_then(|it| it.log_config).and_then(|it| it.typ);
    if driver.as_deref() != Some("json-file") {
        return Err(unfit("it is not written by the driver json-file"));
    }
    let Some(data) = host.daemon().await?.data else { return Err(unfit("the daemon does not say where its data is")) };
    let data = PathBuf::from(data);
    let folder = data.join("containers").join(id);
    let name = format!("{id}-json.log");
    if container.log_path.map(PathBuf::from) != Some(folder.join(&name)) {
        return Err(unfit("it is not below the daemon's data folder"));
    }
    let log = JsonLog { data, folder, name };
    let there = tokio::task::spawn_blocking(move || walk::open_below(&log.data, &log.folder).map(|_| log));
    match there.await {
        Ok(Ok(log)) => Ok(log),
        _ => Err(unfit("the daemon's data folder is not visible from here")),
    }
}

impl JsonLog {
    /// Empties it if the rule's limits allow that; what became of it, and whether it was emptied.
    pub(super) async fn empty(self, clean: &CleanLogs) -> (Value, bool) {
        let (least, most) = (clean.larger_than, clean.max_bytes);
        let emptied = tokio::task::spawn_blocking(move || {
            let folder = walk::open_below(&self.data, &self.folder)?;
            let entry = walk::look(&folder, &self.name)?;
            match entry {
                Some(entry) if entry.size > least && entry.allocated <= most => {
                    walk::empty(&folder, &self.name, &entry)
                }
                Some(_) => Ok(super::Outcome::Skipped("not within larger_than and max_bytes")),
                None => Ok(super::Outcome::Skipped("gone")),
            }
        });
        match emptied.await {
            Ok(Ok(super::Outcome::Done(bytes))) => (json!({"done": "emptied", "bytes": bytes}), true),
            Ok(Ok(super::Outcome::Skipped(why))) => (left(why), false),
            Ok(Err(error)) => (left(&error.to_string()), false),
            Err(_) => (left("the attempt broke off"), false),
        }
    }
}
