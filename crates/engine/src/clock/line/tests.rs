use super::*;

const SECOND: Nanos = 1_000_000_000;

fn s(seconds: i128) -> Nanos {
    seconds * SECOND
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn on_the_wall() -> Line {
    let mut line = Line::default();
    line.follow_wall(s(1000), s(1000), at(0));
    line
}

fn on_the_store() -> Line {
    let mut line = Line::default();
    line.follow_store(s(1000), at(0), at(0));
    line
}

#[test]
fn before_it_follows_a_clock_nothing_that_it_gives_binds() {
    let mut line = Line::default();
    assert_eq!(line.now(s(9000), at(0)), s(9000));
    line.not_before(s(9500), s(9000), at(0));
    line.follow_store(s(1000), at(1), at(1));
    assert_eq!(line.now(s(9002), at(2)), s(1001));
}

#[test]
fn a_wall_clock_that_jumps_ahead_is_followed_at_one_part_in_a_thousand_more() {
    let mut line = on_the_wall();
    assert_eq!(line.now(s(1010), at(10)), s(1010));
    assert_eq!(line.now(s(4610), at(10)), s(1010), "an hour ahead opens nothing at once");
    assert_eq!(line.now(s(6610), at(2010)), s(3012));
    assert_eq!(line.ahead(s(6610), at(2010)), s(3012 - 6610));
    // It is right again: what was gained is given back at half speed.
    assert_eq!(line.now(s(3010), at(2010)), s(3012));
    assert_eq!(line.now(s(3012), at(2012)), s(3013));
    assert_eq!(line.now(s(3014), at(2014)), s(3014));
}

#[test]
fn a_wall_clock_that_jumps_back_is_waited_for_at_half_speed() {
    let mut line = on_the_wall();
    assert_eq!(line.now(s(400), at(0)), s(1000), "never backwards");
    assert_eq!(line.now(s(500), at(100)), s(1050));
    assert_eq!(line.ahead(s(500), at(100)), s(550));
    assert_eq!(line.now(s(1600), at(1200)), s(1600), "caught up");
}

#[test]
fn half_speed_holds_however_often_it_is_asked() {
    let mut line = on_the_wall();
    for nano in 1..=1000 {
        line.now(0, Duration::from_nanos(nano * 10));
    }
    assert_eq!(line.now(0, Duration::from_micros(10)), s(1000) + 5000);
}

#[test]
fn the_store_is_followed_between_its_readings_whatever_the_wall_shows() {
    let mut line = on_the_store();
    for wall in [s(0), s(1000), s(1_000_000)] {
        assert_eq!(line.now(wall, at(7)), s(1007));
    }
    line.follow_store(s(1012), at(10), at(10));
    assert_eq!(line.now(0, at(10)), s(1012), "a reading a little ahead is taken at once");
    line.follow_store(s(1000), at(10), at(10));
    assert_eq!(line.now(0, at(10)), s(1012), "one behind is waited for");
    assert_eq!(line.now(0, at(20)), s(1017));
    assert_eq!(line.now(0, at(40)), s(1030));
}

#[test]
fn an_answer_that_took_long_moves_nothing() {
    let mut line = on_the_store();
    // Asked at 10, answered at 100 after the process stood still: the reading is from somewhere in between.
    line.follow_store(s(1010), at(10), at(100));
    assert_eq!(line.now(0, at(100)), s(1100));
    line.follow_store(s(1103), at(100), at(102));
    assert_eq!(line.now(0, at(102)), s(1103), "no later than the answer allows, no earlier than the reading");
}

#[test]
fn one_reading_far_ahead_is_doubted_and_two_that_agree_are_taken() {
    let mut line = on_the_store();
    line.follow_store(s(4610), at(10), at(10));
    assert_eq!(line.now(0, at(10)), s(1010));
    line.follow_store(s(1020), at(20), at(20));
    assert_eq!(line.now(0, at(20)), s(1020), "it was alone");
    line.follow_store(s(4630), at(30), at(30));
    line.follow_store(s(4640), at(40), at(40));
    assert_eq!(line.now(0, at(40)), s(4640));
}

#[test]
fn what_was_stored_binds_unless_it_is_too_far_ahead() {
    let mut line = on_the_wall();
    line.not_before(s(1600), s(1000), at(0));
    assert_eq!(line.now(s(1000), at(0)), s(1600));
    assert_eq!((line.stored_ahead(s(1000), at(0)), line.ahead(s(1000), at(0))), (0, s(600)));
    let mut line = on_the_wall();
    line.not_before(s(1000 + 3601), s(1000), at(0));
    assert_eq!(line.now(s(1000), at(0)), s(1000));
    assert_eq!(line.stored_ahead(s(1100), at(100)), s(3501));
    assert_eq!(line.stored_ahead(s(9000), at(8000)), 0, "it passes");
}

#[test]
fn a_reset_gives_what_the_clock_shows() {
    let mut line = on_the_wall();
    assert_eq!(line.now(s(400), at(0)), s(1000));
    line.reset(s(400), at(0));
    assert_eq!(line.now(s(410), at(10)), s(410));
}
