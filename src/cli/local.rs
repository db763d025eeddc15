//! The settings and rules on this machine, for commands that need no running fettle; and, read only, the database, Docker and
//! Alertmanager that they name.
//!
//! Always holds: nothing is created, migrated, locked or changed; a fettle may run on the same database meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;

use super::{Failure, hint};
use crate::config::{self, Config};
use fettle_core::diagnostic::Diagnostic;
use fettle_core::diagnostic::render::human;
use fettle_core::ports::Store;
use fettle_core::rule::set::RuleSet;
use fettle_core::time::{Timestamp, micros};
use fettle_engine::rule_files::load_rules;
use fettle_predict::explain::Sources;
use fettle_predict::reach::Ground;

/// Where settings and rules are.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Local {
    // Not by clap: the variable says where settings are, and not that they are meant instead of a running fettle.
    /// The settings [env: `FETTLE_CONFIG`] [default: fettle.yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Rules other than those that the settings name: a file or a folder
    #[arg(long, value_name = "PATH")]
    pub(super) rules: Option<PathBuf>,
    /// Ask neither the database, nor Docker, nor Alertmanager
    #[arg(long)]
    pub(super) offline: bool,
}

/// What is on this machine.
pub(super) struct Loaded {
    pub(super) config: Config,
    pub(super) rules: Arc<RuleSet>,
}

impl Local {
    /// Whether anything was said that only this machine can answer.
    pub(super) fn is_meant(&self) -> bool {
        self.offline || self.config.is_some() || self.rules.is_some()
    }

    /// Loads settings and rules; every problem at once.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        let named = self.config.clone().or_else(|| config::process("FETTLE_CONFIG").map(PathBuf::from));
        let (config, warnings) = config::load(named.as_deref(), &config::process)
            .map_err(|problems| anyhow!("the settings do not load\n{}", human(&problems)))?;
        tell(&warnings);
        let path = self.rules.clone().unwrap_or_else(|| config.rules.clone());
        let rules = Arc::new(rules(&config, &path)?);
        Ok(Loaded { config, rules })
    }
}

/// The rules at `path`, checked against the settings.
pub(super) fn rules(config: &Config, path: &Path) -> Result<RuleSet, Failure> {
    let loaded = load_rules(path, &config.rule_context());
    let (rules, warnings) = loaded.map_err(|problems| anyhow!("the rules do not load\n{}", human(&problems)))?;
    tell(&warnings);
    Ok(rules)
}

fn tell(warnings: &[Diagnostic]) {
    for warning in warnings {
        hint(&warning.line());
    }
}

impl Loaded {
    /// What rules are held against.
    pub(super) fn ground(&self) -> Ground {
        Ground { hosts: self.config.known_hosts(), settings: crate::app::settings(&self.config) }
    }

    /// Docker, connected to when it is asked.
    pub(super) fn docker(&self) -> anyhow::Result<fettle_docker::Docker> {
        crate::app::docker(&self.config, Arc::new(()))
    }

    /// Everything that can be asked.
    pub(super) async fn sources(&self, offline: bool) -> anyhow::Result<Sources> {
        let ground = self.ground();
        let mut sources = Sources {
            rules: self.rules.clone(),
            hosts: ground.hosts,
            settings: ground.settings,
            store: None,
            platform: None,
            upstream: None,
            now: micros(Timestamp::now()),
        };
        if !offline {
            sources.store = self.store().await;
            sources.platform = Some(Arc::new(self.docker()?));
            sources.upstream = crate::app::upstream(&self.config, None)?;
        }
        if let Some(store) = &sources.store
            && let Ok(Some(now)) = store.now().await
        {
            sources.now = now;
        }
        Ok(sources)
    }

    /// The database, to read; whether it is there is no condition.
    async fn store(&self) -> Option<Arc<dyn Store>> {
        match fettle_store::open_to_read(self.config.database.url.expose()).await {
            Ok(store) => Some(store),
            Err(error) => {
                let why = fettle_core::ports::chain(&error);
                hint(&format!("note: the database is not asked: {}", super::table::clean(&why)));
                None
            }
        }
    }
}
