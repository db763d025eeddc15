//! A store around another: each call goes through one function of the outer one, which may refuse it, fail it or lose its
//! answer. Written once, so that what opens later, what fails on purpose and what counts do not each list every method.
//!
//! The outer type has `fn inner(&self) -> Result<&dyn Store, StoreError>` and
//! `async fn around<T: Send>(&self, operation: &'static str, call: impl Future<Output = Result<T, StoreError>> + Send) ->
//! Result<T, StoreError>`. A call that is dropped before it is awaited was never made.

/// Implements every port but [`Upkeep`](super::Upkeep) for a type that has another store inside. With `but driver:` before the
/// type, the ports of the driver are left to it as well: [`Work`](super::Work), twice, and [`Effects`](super::Effects).
/// `@alone` implements [`Upkeep`](super::Upkeep) for a store without a database that no other process shares.
#[macro_export]
macro_rules! wrap_store {
    ($outer:ty) => {
        $crate::wrap_store! { but driver: $outer }
        $crate::wrap_store! { @work $outer; $crate::remediation::state::Remediation }
        $crate::wrap_store! { @work $outer; $crate::remediation::loan::Loan }
        $crate::wrap_store! { @ports $outer;
            Effects {
                peek(asks: &[&$crate::ports::model::LedgerAsk]) -> Vec<$crate::ports::model::Ledger>;
                late(action: $crate::id::ActionId, records: &[$crate::remediation::record::Record]) -> bool;
            }
        }
    };
    (but driver: $outer:ty) => {
        $crate::wrap_store! { @ports $outer;
            Intake {
                append(batch: &[$crate::ports::model::NewNotification]) -> ();
                backlog() -> u64;
            }
            Receiving {
                pending(before: $crate::time::Timestamp, limit: u32) -> Vec<$crate::ports::model::StoredNotification>;
                receive(ask: &$crate::ports::model::ReceiveAsk, think: $crate::ports::Think<'_>) -> $crate::ports::model::Changes;
                foresee(ask: &$crate::ports::model::ReceiveAsk) -> $crate::ports::model::World;
                waiting(limit: u32) -> Vec<$crate::alert::episode::AlertState>;
                take_again(now: $crate::time::Timestamp, next: $crate::time::Timestamp, limit: u32) -> Vec<$crate::ports::model::Again>;
                next_again() -> Option<$crate::time::Timestamp>;
                unattended(after: Option<$crate::alert::fingerprint::Fingerprint>, limit: u32) -> Vec<$crate::alert::episode::AlertState>;
            }
            Outbox {
                announcements(owner: $crate::id::ReplicaId, now: $crate::time::Timestamp, renew_before: $crate::time::Timestamp, lease_until: $crate::time::Timestamp, limit: u32) -> Vec<$crate::ports::model::Outgoing>;
                announced(outgoing: &$crate::ports::model::Outgoing, at: $crate::time::Timestamp) -> ();
                record(records: &[$crate::remediation::record::Record]) -> ();
                sample(samples: &[$crate::ports::model::Sample]) -> ();
                last_heard(alertname: &str) -> Option<$crate::time::Timestamp>;
            }
            People {
                pause(pause: &$crate::surroundings::Pause) -> ();
                resume(id: $crate::id::PauseId, by: &str, now: $crate::time::Timestamp) -> bool;
                answer(remediation: $crate::id::RemediationId, answer: &$crate::surroundings::Answer) -> $crate::ports::model::Answered;
                reset_breaker(rule: &str, by: &str, now: $crate::time::Timestamp) -> bool;
            }
            Reading {
                remediations(filter: &$crate::ports::view::RemediationFilter) -> Vec<$crate::ports::view::RemediationView>;
                story(id: $crate::id::RemediationId) -> Option<$crate::ports::view::Story>;
                actions(filter: &$crate::ports::view::ActionFilter) -> Vec<$crate::ports::view::ActionView>;
                alerts(filter: &$crate::ports::view::AlertFilter) -> Vec<$crate::ports::view::AlertView>;
                events(filter: &$crate::ports::view::EventFilter) -> Vec<$crate::ports::view::EventView>;
            }
            Standing {
                remediation(id: $crate::id::RemediationId) -> Option<$crate::remediation::state::Remediation>;
                attached(remediation: $crate::id::RemediationId) -> Vec<$crate::alert::episode::AlertState>;
                pauses(now: $crate::time::Timestamp) -> Vec<$crate::surroundings::Pause>;
                breakers(since: $crate::time::Timestamp) -> Vec<(String, $crate::surroundings::Breaker)>;
                storm() -> Option<$crate::surroundings::Storm>;
                spent(since: $crate::time::Timestamp) -> Vec<$crate::ports::model::Spent>;
                open_by_state() -> Vec<(String, u64)>;
            }
            Runs {
                watch(daemon: &str, owner: $crate::id::ReplicaId, now: $crate::time::Timestamp, lease_until: $crate::time::Timestamp) -> Option<$crate::sight::past::Watch>;
                seen(daemon: &str, owner: $crate::id::ReplicaId, watch: &$crate::sight::past::Watch, learnt: &$crate::sight::past::Learnt) -> bool;
                past(daemon: &str, containers: &[String]) -> $crate::sight::past::Past;
            }
        }
    };
    // Nobody else works on it, and it has no clock.
    (@alone $outer:ty) => {
        #[async_trait::async_trait]
        impl $crate::ports::Upkeep for $outer {
            async fn now(&self) -> Result<Option<$crate::time::Timestamp>, $crate::ports::StoreError> {
                Ok(None)
            }

            async fn latest(&self) -> Result<Option<$crate::time::Timestamp>, $crate::ports::StoreError> {
                Ok(None)
            }

            async fn woken(&self) -> Result<(), $crate::ports::StoreError> {
                std::future::pending().await
            }

            fn hears(&self) -> bool {
                false
            }

            async fn release(&self, _: $crate::id::ReplicaId) -> Result<u64, $crate::ports::StoreError> {
                Ok(0)
            }

            async fn adopt(&self, _: $crate::id::ReplicaId) -> Result<u64, $crate::ports::StoreError> {
                Ok(0)
            }

            async fn prune(
                &self,
                _: $crate::time::Timestamp,
                _: $crate::time::Timestamp,
            ) -> Result<u64, $crate::ports::StoreError> {
                Ok(0)
            }

            async fn noted(&self, _: &'static str) -> Result<Option<String>, $crate::ports::StoreError> {
                Ok(None)
            }

            async fn note(&self, _: &'static str, _: &str) -> Result<(), $crate::ports::StoreError> {
                Ok(())
            }

            fn kind(&self) -> &'static str {
                "none"
            }

            async fn close(&self) {}
        }
    };
    (@work $outer:ty; $effort:ty) => {
        $crate::wrap_store! { @ports $outer;
            Work<$effort> {
                claim(owner: $crate::id::ReplicaId, now: $crate::time::Timestamp, lease_until: $crate::time::Timestamp, limit: u32) -> Vec<$crate::ports::model::Claimed<$effort>>;
                next_due(now: $crate::time::Timestamp) -> Option<$crate::time::Timestamp>;
                facts(ask: &<$effort as $crate::ports::Effort>::Ask) -> <$effort as $crate::ports::Effort>::Facts;
                admit(claim: &$crate::ports::model::Claim, asks: &[&$crate::ports::model::LedgerAsk], judge: $crate::ports::Judge<'_, $effort>) -> $crate::ports::model::Admission<$effort>;
                commit(claim: &$crate::ports::model::Claim, commit: &$crate::ports::model::Commit<$effort>) -> Option<$crate::ports::model::Stored>;
            }
        }
    };
    (@ports $outer:ty; $($port:ident $(<$effort:ty>)? { $($methods:tt)* })*) => {
        $($crate::wrap_store! { @port $outer; ($crate::ports::$port $(<$effort>)?) { $($methods)* } })*
    };
    (@port $outer:ty; ($port:path) { $($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)* }) => {
        #[async_trait::async_trait]
        impl $port for $outer {
            $(async fn $name(&self $(, $arg: $type)*) -> Result<$out, $crate::ports::StoreError> {
                let inner = self.inner()?;
                self.around(stringify!($name), <dyn $crate::ports::Store as $port>::$name(inner, $($arg),*)).await
            })*
        }
    };
}
