//! Deeds in short lines, for a reader of a seed that failed.

use fettle_core::remediation::loan::{Loan, LoanState};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::{Remediation, State};

use super::{Deed, Intent};
use crate::history::short;
use crate::time::{micros, show};

/// What was done, in one line; `None` for what nobody needs to read.
pub fn tell(deed: &Deed<'_>) -> Option<String> {
    Some(match deed {
        Deed::Tick
        | Deed::Appended { .. }
        | Deed::Accepted { .. }
        | Deed::Claimed { .. }
        | Deed::Read { .. }
        | Deed::Admitted { .. }
        | Deed::Returning { .. }
        | Deed::Answered { .. }
        | Deed::Paused { .. } => return None,
        Deed::Received { changes, .. } => {
            let alerts: Vec<_> = changes
                .alerts
                .iter()
                .map(|it| format!("{}{}", if it.firing { '+' } else { '-' }, it.fingerprint))
                .collect();
            let opened: Vec<_> = changes.opened.iter().map(remediation).collect();
            let stand = changes.candidates.iter();
            let stand: Vec<_> = stand
                .map(|it| format!("{} {} {} {:?}", it.fingerprint, it.rule, it.standing, it.remediation.map(short)))
                .collect();
            let storm = changes.storm.as_ref().map_or("", |_| ", a storm");
            format!("received: {alerts:?} opened {opened:?} stand {stand:?}{storm}")
        }
        Deed::Stored { after, records, .. } => format!("stored: {} {}", remediation(after), rows(records)),
        Deed::Lent { loan: it, records } => format!("stored: {} {}", loan(it), rows(records)),
        Deed::Late { records } => format!("late: {}", rows(records)),
        Deed::Intended(it) => intended(it),
        Deed::Called { target, effect, zombie, .. } => {
            format!("called{}: {effect:?} of {target}", if *zombie { " late" } else { "" })
        }
        Deed::Reloaded => "people: rules are reloaded".to_owned(),
        Deed::Resumed { pause } => format!("people: pause {} ends", short(*pause)),
        Deed::BreakerReset { rule } => format!("people: the breaker of {rule} is reset"),
    })
}

fn remediation(it: &Remediation) -> String {
    let (id, rule, target) = (short(it.id), &it.rule, &it.target);
    let state = match &it.state {
        State::Closed { outcome, reason, .. } => format!("closed {outcome}: {reason}"),
        State::Blocked { reason, .. } => format!("blocked {reason}"),
        _ => it.state_name().to_string(),
    };
    let due = it.due().map_or_else(String::new, |at| format!(" until {}", show(micros(at)).trim_start()));
    format!("{id} {rule} {target} rung {} {state}{due}", it.rung)
}

fn loan(it: &Loan) -> String {
    let state = match &it.state {
        LoanState::Lent { until } => format!("lent until {}", show(micros(*until)).trim_start()),
        LoanState::Returning { until, .. } => format!("returning until {}", show(micros(*until)).trim_start()),
        LoanState::Closed { end, reason, .. } => format!("closed {end}: {reason}"),
    };
    format!("loan {} of {} {state}", short(it.id), it.target)
}

fn rows(records: &[Record]) -> String {
    let one = |it: &Record| match it {
        Record::Action(row) => format!("{} {} {:?} {:?}", row.action, short(row.id), row.result, row.reason),
        Record::Result(row) => format!("result {} {:?} {:?}", short(row.action_id), row.result, row.reason),
        Record::Verdict { row, .. } => format!("verdict {} {}", short(row.action_id), row.verdict),
        Record::Transition(row) => format!("({} {})", row.what, row.detail),
        Record::Refusal { guard, .. } => format!("refused {guard}"),
        Record::NotOpened { rule, reason } => format!("{rule} opens nothing: {reason}"),
        Record::Event(row) => format!("event {}", row.event),
        Record::Announce(it) => format!("announce {}", it.name.as_str()),
        Record::Loan(it) => loan(it),
        Record::Breaker(row) => format!("breaker {} {:?} probe {:?}", row.rule, row.opened_at, row.probe.map(short)),
        Record::Ended(it) => format!("ended {}", it.fingerprint),
    };
    records.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn intended(it: &Intent) -> String {
    let (name, id, of) = (it.name, short(it.action), short(it.remediation));
    format!("intended: {name} {id} of {} for {of}, read at {}", it.written, show(it.read_at).trim_start())
}
