//! The clock that time follows: the store's, or this machine's where the store has none. The latter is noted, so that the
//! next process goes on from it.

use std::time::Duration;

use crate::clock::anchor::Anchor;
use crate::clock::{BINDING, Time};
use crate::shell::Shell;
use fettle_core::ports::{Store, StoreError, chain};
use fettle_core::time::{Timestamp, after, before, since};

/// The name of the note.
const NOTE: &str = "clock";

/// How far the noted time may be off before it is noted again.
const KEPT: Duration = Duration::from_secs(1);

/// How far the wall clock may jump ahead before it is worth following at once. A jump back is waited for at half speed, unless
/// it is further than a stored instant binds.
const JUMP: Duration = Duration::from_secs(5);

/// Rounds for which a jump must last before it is followed at once: five minutes.
const LASTS: u32 = 30;

/// Follows the store's clock, or this machine's where the store has none. To be called before anything is stored: until
/// then, time is this machine's wall clock.
pub async fn follow(store: &dyn Store, time: &Time) -> Result<(), StoreError> {
    let asked = time.steady();
    if let Some(shown) = store.now().await? {
        time.follow(shown, asked);
        return Ok(());
    }
    // A note that does not read is as good as none.
    let noted = store.noted(NOTE).await?.and_then(|text| text.parse::<Anchor>().ok());
    time.follow_machine(noted.as_ref());
    let Some(anchor) = time.anchor() else { return Ok(()) };
    let off = |noted: &Anchor| {
        let expected = after(noted.now, anchor.at.saturating_sub(noted.at));
        since(expected, anchor.now).max(since(anchor.now, expected))
    };
    if noted.is_none_or(|noted| noted.boot != anchor.boot || off(&noted) > KEPT) {
        store.note(NOTE, &anchor.to_string()).await?;
    }
    Ok(())
}

/// Sets time to the clock that it follows, and notes that for the next process. The note may fail: upkeep writes it again.
pub(crate) async fn reset(store: &dyn Store, time: &Time) {
    time.reset();
    let Some(anchor) = time.anchor() else { return };
    if let Err(error) = store.note(NOTE, &anchor.to_string()).await {
        tracing::warn!(error = %chain(&error), "the clock that was reset is not noted yet");
    }
}

/// For how many rounds the wall clock has been off.
#[derive(Debug, Default)]
pub(super) struct Jump(u32);

impl Jump {
    /// Follows a wall clock that jumped at once, where that can neither open a budget window nor end a wait: nothing is open,
    /// and no window holds an effect since this machine's clock is followed. A machine without a battery for its clock starts
    /// with a wrong one, and gets the right one a little later; one that was years ahead is right again.
    pub(super) async fn follow(&mut self, shell: &Shell) -> Result<(), StoreError> {
        let Some(anchor) = shell.time.anchor() else { return Ok(()) };
        let offset = shell.time.offset().followed;
        let off = Duration::from_micros(offset.unsigned_abs());
        if off <= if offset > 0 { BINDING } else { JUMP } {
            self.0 = 0;
            return Ok(());
        }
        self.0 += 1;
        if self.0 < LASTS || !is_quiet(shell, &anchor).await? {
            return Ok(());
        }
        shell.time.reset();
        self.0 = 0;
        tracing::warn!(
            seconds = off.as_secs(),
            ahead = offset > 0,
            "this machine's clock was set and nothing is open; fettle's clock, which was off by that much, follows it"
        );
        Ok(())
    }
}

async fn is_quiet(shell: &Shell, anchor: &Anchor) -> Result<bool, StoreError> {
    let open: u64 = shell.store.open_by_state().await?.iter().map(|(_, count)| count).sum();
    // What waits to be taken in, or for a target, is opened with the evidence that it has.
    if open > 0 || shell.store.backlog().await? > 0 || !shell.store.waiting(1).await?.is_empty() {
        return Ok(false);
    }
    Ok(shell.store.spent(window(shell, anchor)).await?.is_empty())
}

/// Since when effects count.
fn window(shell: &Shell, anchor: &Anchor) -> Timestamp {
    let rules = shell.rules.load();
    let of_rules = rules.iter().flat_map(|rule| rule.budget.iter().chain(&rule.rule_budget).map(|it| it.per));
    let of_service = shell.settings.budget.iter().chain(&shell.settings.target_budget).map(|it| it.per);
    let cooldowns = rules.iter().map(|rule| rule.cooldown);
    let longest = of_rules.chain(of_service).chain(cooldowns).max().unwrap_or_default();
    before(anchor.now, longest).max(anchor.began)
}
