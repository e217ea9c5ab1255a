//! `bench contended`: decisions that compete for 1,000 keys, some of them far more often than others.
//!
//! A decision reads the newest event of an account and appends the next one, on the condition that there is none newer; on a
//! conflict it is made again, until it holds. Only decisions that held count. Everything is recorded, and checked at the end of
//! each measurement.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use eventstore::Settings;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Zipf};
use serde_json::json;
use testutil::checker::{Filter, Recorder};

use crate::audit::{Audit, Audited};
use crate::bench::Stage;
use crate::bench::closed_loop::{self, Operation};
use crate::bench::rounds::{Case, Contestant, Sample};
use crate::engine::{Append, Appended, Books, Client, Condition, Draft, EngineError, EngineName, Part};
use crate::error::RunError;
use crate::servers::Servers;
use crate::verdict::Verdict;

const KEYS: f64 = 1_000.0;
const EXPONENT: f64 = 1.1;
const EVENT_TYPE: &str = "Deposited";
const PATHS: &[&str] = &["Account"];
/// After a conflict, for every engine as `EventStore::decide` does it.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(160);

pub(super) async fn cases(stage: &Stage) -> Result<(Vec<Case>, Vec<String>), RunError> {
    let usual = [EngineName::Eventstore, EngineName::Serializable];
    let names = if stage.plan.engines.is_empty() { usual.to_vec() } else { stage.plan.engines.clone() };
    let cases = stage.clients(&[50]).into_iter().map(|clients| Case {
        clients: Some(clients),
        name: format!("{clients} clients, Zipf {EXPONENT} over {KEYS} keys, a log that begins empty"),
        contestants: names
            .iter()
            .map(|name| {
                let (name, servers) = (*name, Arc::clone(&stage.servers));
                Contestant::new(name.as_str(), move |duration| {
                    let servers = Arc::clone(&servers);
                    async move { measure(name, &servers, clients, duration).await }
                })
            })
            .collect(),
    });
    Ok((cases.collect(), vec!["contended: every measurement was audited, no promise broken".to_owned()]))
}

async fn measure(
    name: EngineName,
    servers: &Arc<Servers>,
    clients: usize,
    duration: Duration,
) -> Result<Sample, RunError> {
    // Made anew each time, so that what is checked is one measurement.
    let schema = format!("bench_contended_{}", name.as_str().replace('-', "_"));
    let engine = name.connect(servers, &schema, PATHS, Settings::default(), None).await?;
    engine.fill(0, Books::of_ancestor()).await?;
    let recorder = Arc::new(Recorder::in_memory());
    let mut audited: Vec<Box<dyn Client>> = Vec::new();
    for number in 0..clients {
        audited.push(Box::new(Audited::new(engine.client().await?, number as u64, &recorder)));
    }
    let zipf = Zipf::new(KEYS, EXPONENT).map_err(|error| RunError::new(error.to_string()))?;
    let seeds = AtomicU32::new(0);
    let deposits = |_| Deposits {
        random: ChaCha8Rng::seed_from_u64(seeds.fetch_add(1, Ordering::Relaxed).into()),
        zipf,
    };
    let sample = closed_loop::run(audited, duration, deposits).await?;
    engine.close().await?;
    let audit = Audit::of(&engine, recorder.take(), 0).await?;
    match audit.verdict() {
        Verdict::Kept => Ok(sample),
        _ => Err(RunError::new(format!("{}: {audit}", name.as_str()))),
    }
}

struct Deposits {
    random: ChaCha8Rng,
    zipf: Zipf<f64>,
}

#[async_trait]
impl Operation for Deposits {
    async fn once(&mut self, client: &mut dyn Client) -> Result<bool, EngineError> {
        let account = self.zipf.sample(&mut self.random) as u64;
        let filter = Filter::types([EVENT_TYPE]).and_all([("Account", json!(account))]);
        let newest = Part { newest_first: true, limit: Some(1), ..Part::default() };
        let mut pause = FIRST_PAUSE;
        loop {
            let found = client.query_part(&filter, newest).await?;
            let balance = found.events.first().and_then(|event| event.payload["Balance"].as_u64());
            let payload = json!({"Account": account, "Balance": balance.unwrap_or(0) + 1});
            let events = vec![Draft::new(EVENT_TYPE, payload)];
            let condition = Some(Condition { filter: filter.clone(), after: found.after });
            if let Appended::At(_) = client.append(Append { events, condition }).await? {
                return Ok(true);
            }
            let jitter = self.random.random_range(0.5..1.5);
            tokio::time::sleep(pause.mul_f64(jitter)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
