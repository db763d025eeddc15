//! Tries to break the core: one seed is one schedule of alerts, crashes, people and a Docker that cannot be trusted.

mod alerts;
mod checks;
mod docker;
mod history;
mod mutants;
mod people;
mod plan;
mod rng;
mod shell;
mod store;
mod time;
mod world;

fn main() {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|it| it.parse().ok()).collect();
    let (from, n) = (args[0], args[1]);
    let t = std::time::Instant::now();
    let mut counts = std::collections::BTreeMap::new();
    let mut fails: std::collections::BTreeMap<&str, (u32, u64, String)> = Default::default();
    for seed in from..from + n {
        let e = world::World::new(seed, None, n == 1).run();
        for (k, v) in e.counts { *counts.entry(k).or_insert(0u64) += v; }
        if n == 1 { for l in e.history { println!("{l}"); } println!("{:?}", e.violation) }
        if let Some((k, v)) = e.violation { fails.entry(k).or_insert((0, seed, v)).0 += 1; }
    }
    println!("{counts:#?}\n{fails:#?}\n{:?}", t.elapsed());
}
