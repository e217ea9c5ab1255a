//! An application with everything that the store has metrics of, which it serves.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use eventstore::{
    ApplyError, Command, Consistency, Delivery, Error, EventStore, Filter, NewEvent, Process, ProcessError,
    Progress, Projection, Reaction, Recomputed, RecordedEvent, Start, Token, WakeUp,
};
use prometheus::{Registry, TextEncoder};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_postgres::Transaction;
use tokio_util::task::AbortOnDropHandle;

/// Beside a load generator, in the same log. Its tasks end when it is dropped.
pub(super) struct Application {
    pub(super) port: u16,
    registry: Registry,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl Application {
    /// Starts everybody who is handed events, and writes some each 50 ms.
    pub(super) async fn start(primary: &str, replica: &str, schema: &str) -> Self {
        let registry = Registry::new();
        let builder =
            EventStore::builder().primary(primary).replica(replica).schema(schema).metrics(&registry);
        let store = builder.connect().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = registry.clone();
        let page = move || {
            let text = TextEncoder::new().encode_to_string(&served.gather()).unwrap();
            async move { text }
        };
        let router = Router::new().route("/metrics", get(page));
        let tasks = vec![
            spawn(async move { axum::serve(listener, router).await.unwrap() }),
            spawn(write(store.clone())),
            spawn(subscribe(store.clone())),
            spawn(share(store.clone())),
            spawn(read_cached(store.clone())),
            spawn(runs(store.projection(Titles).run())),
            spawn(runs(store.process_manager(Lending).max_attempts(1).run())),
            spawn(runs(store.recomputed(Sums).every(Duration::ZERO).run())),
        ];
        Self { port, registry, _tasks: tasks }
    }

    pub(super) fn scrape(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
    }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(task))
}

/// Until the servers are gone, at the end of the test.
async fn runs(run: impl IntoFuture<Output = Result<(), Error>, IntoFuture: Send>) {
    drop(run.await);
}

/// Appends, of which every fifth conflicts, and as many reads from the replica. The primary may be away for a while.
async fn write(store: EventStore) {
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    let mut calls = JoinSet::new();
    for number in 0_u64.. {
        pace.tick().await;
        while calls.try_join_next().is_some() {}
        let store = store.clone();
        calls.spawn(async move {
            let book = format!("book {}", number % 10);
            let event = NewEvent::new("BookTitleChanged", json!({"BookID": book, "title": number}));
            let append = store.append([event]).timeout(Duration::from_millis(500));
            let all = renamed().and_all([("BookID", book.as_str())]);
            drop(if number % 5 == 4 { append.fail_if_matches(&all).await } else { append.await });
            drop(store.query(&all).limit(5).consistency(Consistency::Eventual).await);
        });
    }
}

fn renamed() -> Filter {
    Filter::event_types(["BookTitleChanged"])
}

fn book(event: &RecordedEvent) -> Option<String> {
    event.payload["BookID"].as_str().map(str::to_owned)
}

async fn subscribe(store: EventStore) {
    let Ok(mut renames) = store.subscription("renames").filter(&renamed()).start(Start::Beginning).await
    else {
        return;
    };
    while let Some(Ok(batch)) = renames.next().await {
        drop(batch.commit().await);
    }
}

/// One book's events fail, and are parked.
async fn share(store: EventStore) {
    let group = store.consumer_group("mailers").filter(&renamed()).ordered_by("BookID").max_attempts(2);
    let group = group.backoff(Duration::from_millis(1), Duration::from_millis(2));
    let Ok(group) = group.start(Start::Beginning).await else { return };
    let handler = |delivery: Delivery| async move {
        if delivery.payload["BookID"] == "book 7" { Err("it can not be mailed") } else { Ok(()) }
    };
    drop(group.run(4, handler).await);
}

async fn read_cached(store: EventStore) {
    let Ok(cache) = store.cache("titles", &renamed(), book).start().await else { return };
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    for number in 0_u64.. {
        pace.tick().await;
        let key = format!("book {}", number % 3);
        let load = || async {
            let last =
                store.query(&renamed().and_all([("BookID", key.as_str())])).backwards().limit(1).await?;
            Ok::<_, Error>((last.first().map(|event| event.payload.to_string()), last.token()))
        };
        drop(cache.get(&key, load).await);
    }
}

/// A table of the last titles.
struct Titles;

impl Projection for Titles {
    fn name(&self) -> &str {
        "titles"
    }

    fn version(&self) -> u32 {
        1
    }

    fn filter(&self) -> Filter {
        renamed()
    }

    async fn create(&self, transaction: &Transaction<'_>) -> Result<(), ApplyError> {
        Ok(transaction
            .batch_execute("CREATE TABLE titles (book text PRIMARY KEY, title text NOT NULL)")
            .await?)
    }

    async fn apply(
        &self,
        transaction: &Transaction<'_>,
        events: &[&RecordedEvent],
    ) -> Result<(), ApplyError> {
        for event in events {
            let title = event.payload["title"].to_string();
            let save =
                "INSERT INTO titles VALUES ($1, $2) ON CONFLICT (book) DO UPDATE SET title = excluded.title";
            transaction.execute(save, &[&book(event), &title]).await?;
        }
        Ok(())
    }
}

/// Commands of which some fail for good, and wake-ups that are far off.
struct Lending;

impl Process for Lending {
    type State = ();

    fn name(&self) -> &str {
        "lending"
    }

    fn filter(&self) -> Filter {
        renamed()
    }

    fn correlated_by(&self) -> &str {
        "BookID"
    }

    fn apply(&self, (): &mut (), _: &RecordedEvent) {}

    fn react(&self, (): &(), event: &RecordedEvent) -> Result<Reaction, ProcessError> {
        let reaction = Reaction::none().command("Tell", json!({"BookID": event.payload["BookID"]}));
        Ok(reaction.wake_up_after("later", Duration::from_secs(3_600)))
    }

    fn wake(&self, (): &(), _: &WakeUp) -> Result<Reaction, ProcessError> {
        Ok(Reaction::none())
    }

    async fn handle(&self, command: &Command) -> Result<Progress, ProcessError> {
        if command.payload["BookID"] == "book 3" {
            Err("nobody is there".into())
        } else {
            Ok(Progress::done())
        }
    }
}

/// Computations of which those of one key fail.
struct Sums;

impl Recomputed for Sums {
    type View = ();

    fn name(&self) -> &str {
        "sums"
    }

    fn filter(&self) -> Filter {
        renamed()
    }

    fn keys(&self, event: &RecordedEvent) -> Vec<String> {
        book(event).into_iter().collect()
    }

    async fn compute(&self, key: &str, _: Token) -> Result<(), ApplyError> {
        if key == "book 5" { Err("it can not be computed".into()) } else { Ok(()) }
    }

    async fn save(&self, _: &Transaction<'_>, _: &str, (): ()) -> Result<(), ApplyError> {
        Ok(())
    }
}
