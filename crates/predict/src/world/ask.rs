//! What whoever predicts may ask of a world between two instants.

use uuid::Uuid;

use super::World;
use super::docker::Docker;
use fettle_core::alert::episode::AlertState;

impl<D: Docker> World<D> {
    /// The alerts attached to an open remediation, as they are now.
    #[must_use]
    pub fn attached(&self, remediation: Uuid) -> Vec<AlertState> {
        self.efforts.get(&remediation).map(|effort| self.alerts.all(&effort.attached)).unwrap_or_default()
    }

    /// Whether a remediation is open.
    #[must_use]
    pub fn is_open(&self, remediation: Uuid) -> bool {
        self.efforts.contains_key(&remediation)
    }

    /// Whether a remediation of this target, as written, is open.
    #[must_use]
    pub fn is_target_open(&self, target: &str) -> bool {
        self.open.contains_key(target)
    }

    /// The platform, once all is over.
    #[must_use]
    pub fn into_docker(self) -> D {
        self.docker
    }
}
