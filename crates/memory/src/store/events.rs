//! Events: what belongs to no single action, and how hosts were doing.

use std::collections::{BTreeMap, BTreeSet};

use fettle_core::id::EventId;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{SAMPLED, Sample};
use fettle_core::ports::view::{EventFilter, EventView};
use fettle_core::remediation::record::{EventRow, Severity};
use fettle_core::text::clean;
use fettle_core::time::Timestamp;
use serde_json::Value;

use super::Process;
use super::clean::value;

/// An event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its id, which is its age.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// Its name.
    pub event: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Details.
    pub details: Value,
    /// Shares of processors, memory and disk in use, of a sample.
    pub figures: Option<(f64, f64, Option<f64>)>,
}

impl Event {
    fn view(&self) -> EventView {
        EventView {
            id: self.id,
            at: self.at,
            event: self.event.to_owned(),
            severity: self.severity.as_str().to_owned(),
            details: self.details.clone(),
            cpu: self.figures.map(|(cpu, ..)| cpu),
            ram: self.figures.map(|(_, ram, _)| ram),
            disk: self.figures.and_then(|(.., disk)| disk),
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Events {
    rows: BTreeMap<EventId, Event>,
    at: BTreeSet<(Timestamp, EventId)>,
}

impl Events {
    /// By id.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.rows.values()
    }

    /// When the newest was that is no sample of a host: those are dated by a clock alone.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        let told = |id: &EventId| self.rows.get(id).is_some_and(|event| event.event != SAMPLED);
        self.at.iter().rev().find(|(_, id)| told(id)).map(|(at, _)| *at)
    }

    fn insert(&mut self, event: Event) {
        self.at.insert((event.at, event.id));
        self.rows.insert(event.id, event);
    }

    pub(super) fn add(&mut self, id: EventId, row: &EventRow) {
        let details = value(&row.details);
        self.insert(Event { id, at: row.at, event: row.event, severity: row.severity, details, figures: None });
    }

    /// Idempotent by id: one whose answer was lost may be stored again.
    fn sample(&mut self, it: &Sample) {
        if !self.rows.contains_key(&it.id) {
            let (details, figures) = (value(&it.details), Some((it.cpu, it.ram, it.disk)));
            self.insert(Event { id: it.id, at: it.at, event: it.event, severity: it.severity, details, figures });
        }
    }

    /// Without a name the samples are left out: one a minute would hide everything else.
    fn list(&self, filter: &EventFilter) -> Vec<EventView> {
        let (severity, event) = (filter.severity.as_deref().map(clean), filter.event.as_deref().map(clean));
        let samples = event.as_deref() == Some(SAMPLED);
        let meant = |it: &&Event| {
            (it.event == SAMPLED) == samples
                && severity.as_deref().is_none_or(|severity| it.severity.as_str() == severity)
                && event.as_deref().is_none_or(|event| it.event == event)
                && filter.since.is_none_or(|since| it.at >= since)
                && filter.after.is_none_or(|after| it.id < after)
        };
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        if samples {
            let since = filter.since.unwrap_or(Timestamp::MIN);
            let newest = self.at.range((since, EventId::nil())..).rev().filter_map(|(_, id)| self.rows.get(id));
            newest.filter(meant).take(limit).map(Event::view).collect()
        } else {
            let end = filter.after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
            let newest = self.rows.range((std::ops::Bound::Unbounded, end)).rev().map(|(_, it)| it);
            newest.filter(meant).take(limit).map(Event::view).collect()
        }
    }

    /// Of the oldest at most `limit`; how many went.
    pub(super) fn forget(&mut self, before: Timestamp, limit: usize) -> u64 {
        let mut gone = 0;
        while gone < limit && self.at.first().is_some_and(|(at, _)| *at < before) {
            if let Some((_, id)) = self.at.pop_first() {
                self.rows.remove(&id);
            }
            gone += 1;
        }
        gone as u64
    }
}

impl Process {
    pub(super) fn store_samples(&self, samples: &[Sample]) -> Result<(), StoreError> {
        self.write("store how a host is doing", |rows| {
            for it in samples {
                rows.events.sample(it);
            }
            rows.saw(samples.iter().map(|it| it.at).max());
            Ok(())
        })
    }

    pub(super) fn list_events(&self, filter: &EventFilter) -> Result<Vec<EventView>, StoreError> {
        self.read("list events", |rows| rows.events.list(filter))
    }
}
