//! `fettle replay`: what was received, gone through once more with other rules, beside what was done.

mod human;
mod sources;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use jiff::Timestamp;

use self::sources::{Opened, Source};
use super::local::{Loaded, Local};
use super::progress::Progress;
use super::{Failure, Outcome, Output, hint, print};
use crate::config::Config;
use fettle_core::duration;
use fettle_core::ports::history::Period;
use fettle_core::rule::model::Mode;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::time::{after, before, micros};
use fettle_predict::replay::assume::Assume;
use fettle_predict::replay::report::{About, Report, report};
use fettle_predict::replay::run::{Replay, Setup};

/// Go through recorded notifications once more, with other rules, and compare with what was done.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is touched and Docker is not asked: a target is taken to be there, to permit fettle and to be unwell while its alert
fires, unless the record says that it was refused. What matters before the period (effects that still count, alerts that fire
already) is replayed as well and not counted. Pauses and answers of people are taken from the record; where it has none,
nobody answers.

--from reads a file, a folder of *.json, *.jsonl and *.ndjson, or `-`: one alert per line,
  {\"at\": \"2026-01-31T12:00:00Z\", \"status\": \"firing\", \"labels\": {\"alertname\": \"ServiceDown\", \"service\": \"web\"}}
with \"startsAt\" and \"endsAt\" where they are known; or a whole webhook body with \"receivedAt\" (or in a file of its own
whose name begins with the instant: 20260131T120000Z.json). Lines must be in order of time.

--from-prometheus asks for ALERTS{alertstate=\"firing\"}: what fires and ends between two steps is not seen.

Exit codes: 0 replayed, whatever the difference; 1 when something could not be read: each such line is named and passed
over, and the rest is replayed all the same.

Examples:
  fettle replay
  fettle replay --since 7d --rules new-rules/ --verbose
  fettle replay --from alerts.jsonl --rules rules/ --output json
  fettle replay --from-prometheus http://prometheus:9090 --since 2d --assume not_fixed")]
pub(super) struct Args {
    /// The configuration file: settings, and where the database and the rules are [default: fettle.yaml, if there is one]
    #[arg(long, value_name = "FILE", env = "FETTLE_CONFIG")]
    config: Option<PathBuf>,
    /// The database to read [default: the configuration's]
    #[arg(long, value_name = "URL", conflicts_with_all = ["from", "from_prometheus"])]
    database: Option<String>,
    /// Read files instead of a database
    #[arg(long, value_name = "PATH", conflicts_with = "from_prometheus")]
    from: Option<PathBuf>,
    /// Read the ALERTS series of a Prometheus instead of a database
    #[arg(long, value_name = "URL")]
    from_prometheus: Option<reqwest::Url>,
    /// From when on: an instant, or how long ago [default: 30d; of files, everything]
    #[arg(long, value_name = "TIME", value_parser = when)]
    since: Option<When>,
    /// Until when: an instant, or how long ago [default: now]
    #[arg(long, value_name = "TIME", value_parser = when)]
    until: Option<When>,
    /// A file or folder of rules [default: the configuration's]
    #[arg(long, value_name = "PATH")]
    rules: Option<PathBuf>,
    /// The ceiling for every rule [default: the configuration's]
    #[arg(long, value_enum)]
    mode: Option<Ceiling>,
    /// What effects give
    #[arg(long, value_enum, default_value_t)]
    assume: Assumed,
    /// How finely ALERTS is read
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = length, requires = "from_prometheus")]
    step: Duration,
    /// How often an alert of ALERTS is told again while it fires: Alertmanager's `repeat_interval`
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = length, requires = "from_prometheus")]
    repeat: Duration,
    /// List every remediation that differs; without a record, every one
    #[arg(long, short)]
    verbose: bool,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What effects give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
#[value(rename_all = "snake_case")]
enum Assumed {
    /// They fix their target, and the alert resolves
    Fixed,
    /// They happen and do not help
    NotFixed,
    /// What they gave on record, where the same rule did the same to the same target within 10 minutes; else they fix
    #[default]
    AsRecorded,
}

/// How far fettle may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Ceiling {
    /// Record what would be done
    Observe,
    /// Every effect waits for a person
    Propose,
    /// Act
    Act,
}

/// A point in time as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    At(Timestamp),
    Ago(Duration),
}

impl When {
    fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(length) => before(now, length),
        }
    }
}

fn when(text: &str) -> Result<When, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(When::At(micros(at)));
    }
    let help = "write an instant (2026-01-31T12:00:00Z) or how long ago (30d, 12h)";
    duration::parse(text).map(When::Ago).map_err(|_| help.to_owned())
}

fn length(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(length) if length >= Duration::from_secs(1) => Ok(length),
        Ok(_) => Err("write 1s or more".to_owned()),
        Err(error) => Err(format!("{error}; {}", error.help)),
    }
}

/// Most of the problems that are told one by one.
const TOLD: usize = 20;

/// How far back, unless it is said.
const SINCE: Duration = Duration::from_hours(30 * 24);

/// What could still count from before the period, at most.
const LEAD_MAX: Duration = Duration::from_hours(7 * 24);

pub(super) fn run(args: &Args) -> Outcome {
    let local = Local { config: args.config.clone(), rules: args.rules.clone(), offline: true };
    let Loaded { config, rules } = local.load()?;
    let mut settings = crate::app::settings(&config);
    settings.mode = match args.mode {
        None => settings.mode,
        Some(Ceiling::Observe) => Mode::Observe,
        Some(Ceiling::Propose) => Mode::Propose,
        Some(Ceiling::Act) => Mode::Act,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Fault(anyhow::Error::new(error).context("start the runtime")))?;
    let wanted = wanted(args, micros(Timestamp::now()))?;
    let lead = if args.from.is_none() { lead(&rules, &settings).min(LEAD_MAX) } else { Duration::ZERO };
    let opened = runtime.block_on(sources::open(args, &config, wanted, lead))?;
    let found = replay(args, &config, &rules, &settings, opened, &runtime)?;
    match args.output {
        Output::Json => print_json(&found)?,
        Output::Human => {
            print(&human::show(&found))?;
            for warning in &found.warnings {
                hint(&format!("note: {warning}"));
            }
        }
    }
    if found.unreadable > 0 {
        let what = if found.unreadable == 1 { "1 record".to_owned() } else { format!("{} records", found.unreadable) };
        return Err(Failure::Problems(anyhow::anyhow!("{what} could not be read; what is above is without")));
    }
    Ok(())
}

/// Piece by piece: it may list very many remediations. A reader that has seen enough (`| head`) is no error.
fn print_json(found: &Report) -> Outcome {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let written = serde_json::to_writer_pretty(&mut out, found).map_err(std::io::Error::from);
    match written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Problems(anyhow::Error::new(error).context("write the result")))
        }
        _ => Ok(()),
    }
}

/// What is asked for: a period, or `None` for all that files have.
fn wanted(args: &Args, now: Timestamp) -> Result<Option<Period>, Failure> {
    if args.from.is_some() && args.since.is_none() && args.until.is_none() {
        return Ok(None);
    }
    let to = args.until.map_or(now, |when| when.instant(now));
    let since = if args.from.is_some() { When::At(Timestamp::MIN) } else { When::Ago(SINCE) };
    let from = args.since.unwrap_or(since).instant(now);
    if from >= to {
        return Err(Failure::Usage(anyhow::anyhow!("the period ends ({to}) before it begins ({from})")));
    }
    Ok(Some(Period { from, to }))
}

fn replay(
    args: &Args,
    config: &Config,
    rules: &Arc<RuleSet>,
    settings: &Settings,
    opened: Opened,
    runtime: &tokio::runtime::Runtime,
) -> Result<Report, Failure> {
    let Opened { source, shown, mut batches, task, total, period, start, record } = opened;
    let has_record = matches!(source, Source::Database);
    let assume = match args.assume {
        Assumed::Fixed => Assume::Fixed,
        Assumed::NotFixed => Assume::NotFixed,
        Assumed::AsRecorded => Assume::AsRecorded,
    };
    let setup = Setup {
        rules: Arc::clone(rules),
        settings: settings.clone(),
        hosts: config.known_hosts(),
        disks: config.disks(),
        assume,
        from: period.map_or(Timestamp::MIN, |period| period.from),
        start,
        keeps: has_record || args.verbose,
    };
    let mut replay = Replay::new(setup, record);
    let mut progress = Progress::new("replaying", total);
    let (mut unreadable, mut told) = (0, Vec::new());
    let (mut first, mut last): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    while let Some(batch) = batches.blocking_recv() {
        for it in batch.unreadable {
            unreadable += 1;
            if told.len() < TOLD {
                told.push(format!("{}: {}", it.place, it.problem));
            }
        }
        for delivery in batch.deliveries {
            first = first.or(Some(delivery.at));
            last = Some(delivery.at);
            replay.deliver(delivery);
        }
        progress.at(batch.done, || last.map(|at| at.strftime("%Y-%m-%d %H:%MZ").to_string()).unwrap_or_default());
    }
    drop(progress);
    runtime.block_on(task).context("the source ended unasked").map_err(Failure::Fault)??;
    if args.output == Output::Human {
        for line in &told {
            hint(line);
        }
        if unreadable > told.len() as u64 {
            hint(&format!("… and {} more that could not be read", unreadable - told.len() as u64));
        }
    }
    // Of files nobody knows the end: what is open then gets an hour to come to one.
    let end = last.map_or(start, |last| after(last, Duration::from_hours(1)));
    let (from, to) = period.map_or((first.unwrap_or(start), end), |period| (period.from, period.to));
    let done = replay.finish(to);
    let facts =
        human::Facts { rules, settings, source, first, passed_over: done.passed_over, idle_answers: done.idle_answers };
    let from = if from == Timestamp::MIN { first.unwrap_or(start) } else { from };
    let warnings = human::warnings(&facts, from);
    let about = About { source: shown, from, to, has_record, all: args.verbose && !has_record };
    Ok(Report { warnings, unreadable, problems: told, ..report(about, done) })
}

/// How far back what is decided may look: windows, pauses after effects, and what still holds.
fn lead(rules: &RuleSet, settings: &Settings) -> Duration {
    let of_rules = rules.iter().flat_map(|rule| {
        let budgets = rule.budget.iter().chain(&rule.rule_budget).map(|it| it.per);
        budgets.chain([rule.cooldown, rule.regress_window, rule.hold])
    });
    let of_service = settings.budget.iter().chain(&settings.target_budget).map(|it| it.per);
    let storm = settings.storm.map(|it| it.within.max(it.quiet_for));
    let trip = settings.trip.map(|it| it.within);
    of_rules.chain(of_service).chain(storm).chain(trip).max().unwrap_or_default().max(Duration::from_hours(1))
}

#[cfg(test)]
mod tests;
