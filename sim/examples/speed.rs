use pool_manager_sim::plan::{Run, Setup, Swarm};
fn main() {
    let n: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(100);
    let pools: Option<usize> = std::env::args().nth(2).and_then(|a| a.parse().ok());
    let start = std::time::Instant::now();
    let (mut steps, mut simulated) = (0, 0);
    for seed in 0..n {
        let mut setup = Setup::draw(seed);
        if let Some(pools) = pools { let all = setup.pools.clone(); setup.pools = all.into_iter().cycle().take(pools).collect(); }
        let mut run = Run::under(setup, &Swarm::default());
        match run.to_end() { Ok(r) => { steps += r.steps; simulated += r.simulated.as_secs(); }, Err(f) => { println!("seed {seed}: {}", f.what); } }
    }
    let s = start.elapsed().as_secs_f64();
    println!("{n} seeds {s:.2}s steps {steps} {:.0}/s seeds/s {:.1} sim {simulated}", steps as f64 / s, n as f64 / s);
}
