//! How answers of peers become one picture, and what it changes in what is known of an alert.

use super::*;
use crate::testing::{at, firing, labels, secs};

const LONG: Option<Duration> = Some(TRUSTED_AFTER);

fn listed(name: &str) -> Listed {
    let fingerprint = Fingerprint::of(&labels(name));
    Listed {
        fingerprint,
        known_as: fingerprint.to_string(),
        own: false,
        suppressed: false,
        silenced: false,
        inhibited_by: Vec::new(),
        starts_at: at(0),
    }
}

impl Listed {
    fn own(self) -> Self {
        Self { own: true, ..self }
    }

    fn silenced(self) -> Self {
        Self { silenced: true, suppressed: true, ..self }
    }

    fn inhibited_by(self, names: &[&str]) -> Self {
        let inhibited_by = names.iter().map(|name| listed(name).known_as).collect();
        Self { inhibited_by, suppressed: true, ..self }
    }

    fn since(self, second: i64) -> Self {
        Self { starts_at: at(second), ..self }
    }
}

fn view(up_for: Option<Duration>, alerts: &[Listed]) -> PeerView {
    PeerView { up_for, alerts: alerts.to_vec(), listed_before: HashSet::new() }
}

impl PeerView {
    fn after(self, names: &[&str]) -> Self {
        Self { listed_before: names.iter().map(|name| of(name)).collect(), ..self }
    }
}

fn one(alerts: &[Listed]) -> Picture {
    Picture::merge(at(100), 1, &[view(LONG, alerts)])
}

fn of(name: &str) -> Fingerprint {
    listed(name).fingerprint
}

#[test]
fn only_what_is_inhibited_by_nothing_but_fettles_own_alerts_fires() {
    let (own, other) = (listed("Own").own(), listed("Other"));
    for (inhibitors, standing) in [
        (&[][..], Standing::Firing),
        (&["Own"], Standing::Firing),
        (&["Other"], Standing::Inhibited),
        (&["Own", "Other"], Standing::Inhibited),
        (&["NotListed"], Standing::Inhibited),
    ] {
        let picture = one(&[own.clone(), other.clone(), listed("A").inhibited_by(inhibitors)]);
        assert_eq!(picture.standing(&of("A")), standing, "{inhibitors:?}");
    }
}

#[test]
fn an_absent_alert_is_gone_only_if_every_peer_that_answered_is_up_for_long() {
    let young = Some(secs(TRUSTED_AFTER.as_secs() - 1));
    for (ups, standing) in [
        (&[][..], Standing::Unknown),
        (&[LONG], Standing::Gone),
        (&[LONG, LONG], Standing::Gone),
        (&[LONG, young], Standing::Unknown),
        (&[young], Standing::Unknown),
        (&[LONG, None], Standing::Unknown),
    ] {
        let views: Vec<_> = ups.iter().map(|up_for| view(*up_for, &[])).collect();
        let picture = Picture::merge(at(0), 3, &views);
        assert_eq!((picture.standing(&of("A")), picture.answered, picture.asked), (standing, ups.len(), 3), "{ups:?}");
    }
    let picture = Picture::merge(at(0), 2, &[view(young, &[listed("A")]), view(LONG, &[])]);
    assert_eq!(picture.standing(&of("A")), Standing::Firing, "a young peer is believed about presence");
}

#[test]
fn a_young_peer_is_believed_about_the_absence_of_what_it_listed_before() {
    let young = || view(Some(secs(1)), &[]);
    let old = || view(LONG, &[]);
    for (views, standing) in [
        (vec![young().after(&["A", "B"])], Standing::Gone),
        (vec![young().after(&["B"])], Standing::Unknown),
        (vec![young().after(&["A"]), old()], Standing::Gone),
        (vec![young().after(&["A"]), young().after(&["A"])], Standing::Gone),
        (vec![young().after(&["A"]), young().after(&["B"])], Standing::Unknown),
        (vec![young().after(&["A"]), young()], Standing::Unknown),
        (vec![young().after(&["A"]), view(LONG, &[listed("A")])], Standing::Firing),
    ] {
        let picture = Picture::merge(at(0), 3, &views);
        assert_eq!(picture.standing(&of("A")), standing, "{views:?}");
    }
}

#[test]
fn only_what_lay_between_two_words_of_one_process_counts_as_listed_by_it() {
    let age = |began: i64, up_for| Some((at(began), Duration::from_secs(up_for)));
    let (a, b) = (vec![listed("A")], vec![listed("B")]);
    let names = |of: &HashSet<Fingerprint>| of.len();
    // What was listed before the first word may be another process's.
    let mut run = None;
    assert_eq!(Run::follow(&mut run, &a, age(0, 1)), HashSet::new());
    assert_eq!(Run::follow(&mut run, &b, age(0, 2)), HashSet::new(), "A lay before the first word");
    assert_eq!(Run::follow(&mut run, &[], age(0, 3)), HashSet::from([of("B")]));
    assert_eq!(Run::follow(&mut run, &a, age(0, 4)), HashSet::from([of("B")]), "it stays known");
    // Another process, and silence about it, begin anew.
    assert_eq!(Run::follow(&mut run, &[], age(9, 1)), HashSet::new());
    assert_eq!(run, Some(Run::new(at(9))));
    assert_eq!(names(&Run::follow(&mut run, &a, age(9, 2))), 0);
    assert_eq!(Run::follow(&mut run, &[], None), HashSet::new());
    assert_eq!(run, None);
    // A process that said when it began before it listed anything.
    let mut run = Some(Run::new(at(0)));
    assert_eq!(names(&Run::follow(&mut run, &a, age(0, 1))), 0);
    assert_eq!(Run::follow(&mut run, &[], age(0, TRUSTED_AFTER.as_secs())), HashSet::from([of("A")]));
    assert_eq!(run, Some(Run::new(at(0))), "an old one is believed without, and nothing is kept");
}

#[test]
fn where_peers_differ_the_one_that_leads_to_less_holds() {
    let views = |a: Listed, b: Listed| {
        let picture = |x: &Listed, y: &Listed| {
            Picture::merge(at(9), 2, &[view(LONG, &[x.clone(), listed("Other")]), view(LONG, std::slice::from_ref(y))])
        };
        let (there, back) = (picture(&a, &b), picture(&b, &a));
        assert_eq!(there.alerts[&of("A")], back.alerts[&of("A")], "the order of peers means nothing");
        there
    };
    let picture = views(listed("A"), listed("A").silenced().since(1));
    let expected = Seen { status: Status::Active, silenced: true, inhibited_by_others: false, starts_at: at(1) };
    assert_eq!(picture.alerts[&of("A")], expected);
    assert!(silenced(&picture, &of("A")) && !silenced(&picture, &of("Other")) && !silenced(&picture, &of("Absent")));
    let picture = views(listed("A"), listed("A").inhibited_by(&["Other"]));
    assert_eq!(picture.standing(&of("A")), Standing::Inhibited);
    let only_one = Picture::merge(at(9), 2, &[view(LONG, &[listed("A")]), view(LONG, &[])]);
    assert_eq!(only_one.standing(&of("A")), Standing::Firing);
}

#[test]
fn a_listed_alert_is_evidence_as_of_the_look_even_if_it_is_silenced() {
    for it in [listed("A"), listed("A").silenced(), listed("A").inhibited_by(&["Own"])] {
        let state = overlay(&firing("A"), &one(&[it, listed("Own").own()]));
        assert_eq!((state.firing, state.evidence_at, state.episode), (true, at(100), 1));
    }
}

#[test]
fn an_alert_that_others_inhibit_stays_as_it_was_heard() {
    let picture = one(&[listed("A").inhibited_by(&["Other"]), listed("Other")]);
    assert_eq!(overlay(&firing("A"), &picture), firing("A"));
    let ended = firing("A").resolved_at(50);
    assert_eq!(overlay(&ended, &picture), ended);
}

#[test]
fn an_alert_that_is_gone_ends_when_the_peers_were_asked() {
    let state = overlay(&firing("A"), &one(&[]));
    assert_eq!((state.firing, state.ended_at, state.end_heard_at), (false, Some(at(100)), Some(at(100))));
    assert_eq!(state.evidence_at, at(0), "an end is no evidence of firing");
    let young = |before: &[&str]| Picture::merge(at(100), 1, &[view(Some(secs(1)), &[]).after(before)]);
    assert_eq!(overlay(&firing("A"), &young(&[])), firing("A"));
    assert!(!overlay(&firing("A"), &young(&["A"])).firing, "it was seen to know it");
}

#[test]
fn an_end_that_is_known_keeps_its_instant() {
    let state = overlay(&firing("A").resolved_at(50), &one(&[]));
    assert_eq!((state.firing, state.ended_at, state.end_heard_at), (false, Some(at(50)), Some(at(50))));
}

#[test]
fn a_picture_older_than_the_last_word_changes_nothing() {
    let heard = firing("A").heard_at(101);
    assert_eq!(overlay(&heard, &one(&[])), heard);
    assert_eq!(overlay(&heard, &one(&[listed("A").since(99)])), heard);
    let ended = firing("A").resolved_at(101);
    assert_eq!(overlay(&ended, &one(&[listed("A")])), ended);
}

#[test]
fn an_alert_that_fires_again_after_its_end_is_the_next_episode() {
    let ended = firing("A").resolved_at(50);
    let again = overlay(&ended, &one(&[listed("A").since(60)]));
    assert_eq!((again.firing, again.episode, again.ended_at), (true, 2, None));
    // A peer that has not heard of the end yet lists it with its old start.
    let lagging = overlay(&ended, &one(&[listed("A")]));
    assert_eq!((lagging.firing, lagging.episode, lagging.ended_at), (false, 1, Some(at(50))));
}

#[test]
fn times_of_the_future_are_read_as_the_time_of_the_look() {
    let state = overlay(&firing("A"), &one(&[listed("A").since(10_000)]));
    assert!(state.firing && state.starts_at <= at(100) && state.evidence_at == at(100));
}
