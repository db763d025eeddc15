//! The clock that time follows: the store's, or this machine's where the store has none. The latter is noted, so that the
//! next process goes on from it.

use std::time::Duration;

use crate::clock::Time;
use crate::clock::anchor::Anchor;
use crate::shell::Shell;
use fettle_core::ports::{Store, StoreError};
use fettle_core::time::{Timestamp, after, before, since};

/// The name of the note.
const NOTE: &str = "clock";

/// How far the noted time may be off before it is noted again.
const KEPT: Duration = Duration::from_secs(1);

/// How far the wall clock may jump ahead before it is worth following at once.
const JUMP: Duration = Duration::from_secs(5);

/// Rounds for which a jump must last before it is followed at once.
const LASTS: u32 = 3;

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

/// How long the wall clock is ahead already, in rounds.
#[derive(Debug, Default)]
pub(super) struct Jump(u32);

impl Jump {
    /// Follows a wall clock that jumped ahead at once, where that can neither open a budget window nor end a wait: nothing is
    /// open, and no window holds an effect since this machine's clock is followed. A machine without a battery for its clock
    /// starts with a wrong one, and gets the right one a little later.
    pub(super) async fn follow(&mut self, shell: &Shell) -> Result<(), StoreError> {
        let Some(anchor) = shell.time.anchor() else { return Ok(()) };
        let behind = Duration::from_micros(u64::try_from(-shell.time.offset().followed).unwrap_or(0));
        if behind <= JUMP {
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
            seconds = behind.as_secs(),
            "this machine's clock jumped ahead while nothing was open; fettle's clock follows it"
        );
        Ok(())
    }
}

async fn is_quiet(shell: &Shell, anchor: &Anchor) -> Result<bool, StoreError> {
    let open: u64 = shell.store.open_by_state().await?.iter().map(|(_, count)| count).sum();
    if open > 0 {
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
