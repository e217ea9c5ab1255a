//! Functions and operators that others plant where PostgreSQL looks for them: in a schema that is named like the role. Whoever runs projections may
//! create schemas.

use std::time::Duration;

use eventstore::{
    ApplyError, EventStore, Filter, NewEvent, Projection, Recomputed, RecordedEvent, Settings, Token,
};
use serde_json::json;
use testutil::TestSchema;
use tokio::time::timeout;
use tokio_postgres::Transaction;

use crate::fixture;
use crate::guarded::{Guarded, LOG, refusal};
use crate::privileges::read_everything;
use crate::projections::{Sum, settings};
use crate::running::Running;
use crate::subscriptions::{LONG, append, odd};

/// As each is sent: prepared in a session of the store's, and in one that a pooler may lend to others.
fn both_ways() -> [Settings; 2] {
    [true, false].map(|is_prepared| {
        let mut settings = settings();
        settings.prepared_statements = is_prepared;
        settings
    })
}

/// A log whose projector has made a schema for each other role, the superuser of the test among them.
async fn planted() -> Guarded {
    let guarded = Guarded::new().await;
    let projector = guarded.role("projector");
    let grant = format!("GRANT CREATE ON DATABASE {} TO {projector}", guarded.database());
    guarded.sql("admin").await.batch_execute(&grant).await.unwrap();
    let superuser = guarded.superuser().await.query_one("SELECT current_user::text", &[]).await.unwrap();
    let roles = ["owner", "writer", "importer", "reader"].map(|which| guarded.role(which));
    let squatter = guarded.sql("projector").await;
    for role in roles.into_iter().chain([superuser.get(0)]) {
        let plant = include_str!("planted.sql").replace("{schema}", &role);
        squatter.batch_execute(&plant).await.unwrap();
    }
    guarded
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_plant_in_a_schema_named_like_a_role_is_not_called() {
    let guarded = planted().await;
    // Whoever calls by hand finds it.
    let by_hand = guarded.superuser().await;
    assert_eq!(refusal(&by_hand, "SELECT unnest(ARRAY['x'])").await, "P0001");

    let mut events = 0;
    for settings in both_ways() {
        let store = |which: &str| guarded.builder(which).settings(settings.clone()).connect();
        let (owner, writer, reader) =
            (store("admin").await.unwrap(), store("writer").await.unwrap(), store("reader").await.unwrap());
        let dsn = format!("{} dbname={}", guarded.primary(), guarded.database());
        let superuser = fixture::store().primary(dsn).schema(LOG).settings(settings.clone());
        let superuser = superuser.connect().await.unwrap();

        append(&writer, events..events + 4).await;
        for store in [&writer, &superuser] {
            append_and_read(store).await;
        }
        events += 6;
        guarded.replayed().await;
        read_everything(&reader, usize::try_from(events).unwrap()).await;
        for store in [&owner, &superuser] {
            store.migrate().await.unwrap();
            assert!(!store.privileges().await.unwrap().is_empty());
            read_everything(store, usize::try_from(events).unwrap()).await;
        }

        // Its status compares numbers of two types.
        let projector = store("projector").await.unwrap();
        let sum = projector.projection(Sum::version(1));
        let running = Running::begin(|stop| sum.run().until(stop));
        sum.wait_for(reader.head().await.unwrap(), LONG).await.unwrap();
        assert_eq!(superuser.projections().await.unwrap().len(), 1);
        assert_eq!(reader.projection_status("sum").await.unwrap().len(), 1);
        running.end().await;
    }
    guarded.end().await;
}

/// Appends on a condition, and reads in each way that takes a statement of its own.
async fn append_and_read(store: &EventStore) {
    let history = store.query(&odd()).await.unwrap();
    let event = || NewEvent::new("Other", json!({"n": 1_000, "deep": {"n": 1}}));
    let receipt = store.append([event()]).fail_if_matches(&odd()).after(history.token()).await.unwrap();
    let of_two_drivers = odd().and_all([("n", 1)]);
    assert_eq!(store.query(&of_two_drivers).await.unwrap().len(), 1);
    assert_eq!(store.query(&of_two_drivers).after(Token::START).backwards().limit(1).await.unwrap().len(), 1);
    let by_scan = Filter::where_all([("deep.n", 1)]);
    assert!(!store.query(&by_scan).allow_scan().await.unwrap().is_empty());
    assert!(store.event_at(receipt.first_position()).await.unwrap().is_some());
    assert_eq!(store.query(&Filter::all()).after(receipt.token()).await.unwrap().len(), 0);
    let count = |count: &mut u64, _: &RecordedEvent| *count += 1;
    store.fold("count", &Filter::all(), 0, count).save_every(1).await.unwrap();
}

/// The doctor looks as a superuser, or with the rights to see everything.
#[cfg(feature = "cli")]
#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_calls_nothing_that_was_planted() {
    let guarded = planted().await;
    let dsn = format!("{} dbname={}", guarded.primary(), guarded.database());
    let mut command = crate::cli::eventstore("doctor --json");
    let output = command.args(["--primary", &dsn, "--schema", LOG]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("\"findings\"") && !told.contains("planted"), "{told}");
    guarded.end().await;
}

/// Keeps the search path that it finds.
struct Paths {
    /// Where what is recomputed goes.
    table: String,
}

impl Projection for Paths {
    fn name(&self) -> &str {
        "paths"
    }

    fn filter(&self) -> Filter {
        odd()
    }

    async fn create(&self, transaction: &Transaction<'_>) -> Result<(), ApplyError> {
        let create =
            "CREATE TABLE paths (path text); INSERT INTO paths SELECT current_setting('search_path')";
        Ok(transaction.batch_execute(create).await?)
    }

    async fn apply(&self, transaction: &Transaction<'_>, _: &[&RecordedEvent]) -> Result<(), ApplyError> {
        Ok(transaction.batch_execute("INSERT INTO paths SELECT current_setting('search_path')").await?)
    }
}

impl Recomputed for Paths {
    type View = ();

    fn name(&self) -> &str {
        "paths"
    }

    fn filter(&self) -> Filter {
        odd()
    }

    fn keys(&self, _: &RecordedEvent) -> Vec<String> {
        vec!["one".to_owned()]
    }

    async fn compute(&self, _: &str, _: Token) -> Result<(), ApplyError> {
        Ok(())
    }

    async fn save(&self, transaction: &Transaction<'_>, _: &str, (): ()) -> Result<(), ApplyError> {
        let save = format!("INSERT INTO {} SELECT current_setting('search_path')", self.table);
        Ok(transaction.batch_execute(&save).await?)
    }
}

/// The store's own path is for its own statements: what applications do in its transactions finds what the role finds.
#[tokio::test(flavor = "multi_thread")]
async fn applications_have_the_search_path_of_their_role() {
    const OWN: &str = "extras,public";
    let schema = TestSchema::new();
    let sql = testutil::connect(schema.primary()).await.unwrap();
    let dsn = format!("{} options='-c search_path=extras,public'", schema.primary());
    for (round, settings) in (0..).zip(both_ways()) {
        let store = fixture::store().settings(settings).primary(&dsn).schema(schema.name()).connect();
        let store = store.await.unwrap();
        store.migrate().await.unwrap();
        let table = format!("{}.found_{round}", schema.name());
        sql.batch_execute(&format!("CREATE TABLE {table} (path text)")).await.unwrap();

        let projector = store.projection(Paths { table: String::new() });
        let projecting = Running::begin(|stop| projector.run().until(stop));
        let recomputer = store.recomputed(Paths { table: table.clone() }).every(Duration::ZERO);
        let recomputing = Running::begin(|stop| recomputer.run().until(stop));
        let token = append(&store, [round * 2 + 1]).await;
        projector.wait_for(token, LONG).await.unwrap();
        recomputer.wait_for("one", token, LONG).await.unwrap();
        projecting.end().await;
        recomputing.end().await;

        let view = projector.view_schema().unwrap();
        let found = async |table: &str| -> Vec<String> {
            let rows = sql.query(&format!("SELECT DISTINCT path FROM {table}"), &[]).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        };
        assert_eq!(found(&format!("\"{view}\".paths")).await, [format!("{view}, {OWN}")]);
        assert_eq!(found(&table).await, [OWN]);
        // Who has ended lets go in the background.
        let deleted = async {
            while store.delete_projection("paths").await.is_err() {}
            while store.delete_recomputed("paths").await.is_err() {}
        };
        timeout(LONG, deleted).await.expect("they are held by nobody");
        store.close().await.unwrap();
    }
}
