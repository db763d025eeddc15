#![cfg(test)]
#[path = "../../../tests/it/physics/mod.rs"]
mod physics;
mod support {
    #[path = "../../../../tests/it/support/docker.rs"]
    pub mod docker;
    #[path = "../../../../tests/it/support/filter.rs"]
    pub mod filter;
    #[path = "../../../../tests/it/support/image.rs"]
    pub mod image;
    #[path = "../../../../tests/it/support/server.rs"]
    pub mod server;
    #[path = "../../../../tests/it/support/wait.rs"]
    pub mod wait;
    use std::sync::atomic::{AtomicU32, Ordering};
    pub fn unique(stem: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let clock = std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_millis() % 1_000_000_000);
        format!("{stem}-{}-{clock}-{n}", std::process::id())
    }
    pub fn missing(program: &str, package: &str) -> ! {
        panic!("{program} {package}")
    }
}
