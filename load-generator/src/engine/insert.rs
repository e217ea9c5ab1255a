//! What PostgreSQL does without a condition: one autocommit statement an event, into tables of the store's form but with
//! a sequence, on one connection a client. No lock, so no order and no condition: a bound to compare with, not a way
//! to store events. Like the store it has a key for the type and for each path of an event, and reads by them.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use testutil::checker::{Filter, Item, LogEvent, Predicate};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client as Session, GenericClient, Statement};

use crate::engine::where_clause::{WhereClause, part_clause};
use crate::engine::{
    After, Append, Appended, Books, Client, Draft, Engine, EngineError, Found, Part, Snapshots, newest,
    session, tables,
};
use crate::servers::Servers;

pub(super) struct Insert {
    servers: Arc<Servers>,
    schema: String,
    paths: Vec<String>,
    snapshots: Arc<Snapshots>,
}

impl Insert {
    pub(super) fn new(servers: &Arc<Servers>, schema: &str, paths: &[&str]) -> Self {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let (servers, snapshots) = (Arc::clone(servers), Arc::default());
        Self { servers, schema: schema.to_owned(), paths, snapshots }
    }

    /// A statement that makes keys, one more for each path.
    fn with_keys(&self, statement: &str) -> String {
        let key = |(path, number): (&String, usize)| {
            let path = path.replace('\'', "''");
            format!(", (hashtextextended(w.payload ->> '{path}', {number}))")
        };
        statement.replace("{keys}", &self.paths.iter().zip(1..).map(key).collect::<String>())
    }
}

#[async_trait]
impl Engine for Insert {
    async fn create(&self) -> Result<(), EngineError> {
        session::create(&self.servers, &self.schema, include_str!("sql/insert/tables.sql")).await
    }

    async fn fill(&self, events: u64, books: Books) -> Result<(), EngineError> {
        self.snapshots.clear();
        let fill = self.with_keys(include_str!("sql/insert/fill.sql"));
        session::fill(
            &self.servers,
            &self.schema,
            include_str!("sql/insert/tables.sql"),
            &fill,
            (events, books),
        )
        .await
    }

    async fn client(&self) -> Result<Box<dyn Client>, EngineError> {
        let session = session::open(&self.servers, &self.schema).await?;
        let append = session.prepare(&self.with_keys(include_str!("sql/insert/append.sql"))).await?;
        Ok(Box::new(InsertClient {
            session,
            append,
            paths: self.paths.clone(),
            snapshots: Arc::clone(&self.snapshots),
            reads: HashMap::new(),
        }))
    }

    async fn head(&self) -> Result<u64, EngineError> {
        let session = session::open(&self.servers, &self.schema).await?;
        tables::number(&session, "SELECT max(position) FROM events").await
    }

    async fn point(&self, back: u64) -> Result<After, EngineError> {
        Ok(After { position: self.head().await?.saturating_sub(back), ..After::default() })
    }

    async fn read(&self, each: &mut (dyn FnMut(LogEvent) + Send)) -> Result<(), EngineError> {
        let session = session::open(&self.servers, &self.schema).await?;
        tables::in_form_of_the_store(&session, &self.schema, each).await
    }

    fn has_gaps(&self) -> bool {
        true
    }
}

struct InsertClient {
    session: Session,
    append: Statement,
    paths: Vec<String>,
    snapshots: Arc<Snapshots>,
    /// By their texts: one for each shape of filter.
    reads: HashMap<String, Statement>,
}

impl InsertClient {
    /// The condition that an event has a key of each item, where every item asks for one; `e.position` is the event's.
    fn has_a_key(&self, filter: &Filter, clause: &mut WhereClause) -> String {
        let first = clause.params.len() + 1;
        let keys: Option<Vec<Vec<(usize, String)>>> =
            filter.items.iter().map(|item| self.keys_of(item)).collect();
        let Some(keys) = keys.filter(|keys| !keys.is_empty()) else { return "true".to_owned() };
        let keys = keys.into_iter().flatten().zip(first..).map(|((path, value), parameter)| {
            clause.params.push(Box::new(value));
            format!("hashtextextended(${parameter}::text, {path})")
        });
        let keys = keys.collect::<Vec<_>>().join(", ");
        format!("e.position IN (SELECT k.position FROM keys k WHERE k.key = ANY (ARRAY[{keys}]))")
    }

    /// Keys of which an event that matches has at least one: numbers of paths (0 is the type) and values.
    fn keys_of(&self, item: &Item) -> Option<Vec<(usize, String)>> {
        let key = |predicate: &Predicate| {
            let [path] = predicate.path.as_slice() else { return None };
            let number = self.paths.iter().position(|other| other == path)? + 1;
            let value = predicate.value.as_str().map_or_else(|| predicate.value.to_string(), str::to_owned);
            Some((number, value))
        };
        if let Some(key) = item.all.iter().find_map(key) {
            return Some(vec![key]);
        }
        let of_any: Option<Vec<_>> = item.any.iter().map(key).collect();
        let of_types = item.event_types.iter().map(|event_type| (0, event_type.clone())).collect();
        [of_any, Some(of_types)].into_iter().flatten().find(|keys| !keys.is_empty())
    }
}

async fn insert(
    session: &impl GenericClient,
    statement: &Statement,
    event: &Draft,
) -> Result<u64, EngineError> {
    let params: [&(dyn ToSql + Sync); 4] = [&event.id, &event.event_type, &event.payload, &event.metadata];
    let rows = session.query(statement, &params).await?;
    let row = rows.first().ok_or_else(|| EngineError::new("an event without a key"))?;
    Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
}

#[async_trait]
impl Client for InsertClient {
    async fn append(&mut self, append: Append) -> Result<Appended, EngineError> {
        // One event is a transaction by itself.
        if let [event] = append.events.as_slice() {
            return insert(&self.session, &self.append, event).await.map(Appended::At);
        }
        let transaction = self.session.transaction().await?;
        let mut first = None;
        for event in &append.events {
            let position = insert(&transaction, &self.append, event).await?;
            first.get_or_insert(position);
        }
        transaction.commit().await?;
        first.map(Appended::At).ok_or_else(|| EngineError::new("no events to append"))
    }

    fn snapshots(&self) -> Option<Arc<Snapshots>> {
        Some(Arc::clone(&self.snapshots))
    }

    fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    async fn query_part(&mut self, filter: &Filter, part: Part) -> Result<Found, EngineError> {
        let mut clause = WhereClause::new(filter, 1);
        let has_a_key = self.has_a_key(filter, &mut clause);
        let text = format!(
            "SELECT e.position, e.id, e.event_type, e.payload, e.metadata
             FROM events e WHERE {has_a_key} AND ({}) {}",
            clause.text,
            part_clause("e.position", part)
        );
        let statement = match self.reads.get(&text) {
            Some(statement) => statement.clone(),
            None => {
                let statement = self.session.prepare(&text).await?;
                self.reads.insert(text, statement.clone());
                statement
            }
        };
        let params: Vec<&(dyn ToSql + Sync)> =
            clause.params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect();
        let rows = self.session.query(&statement, &params).await?;
        let found: Result<Vec<LogEvent>, EngineError> = rows.iter().map(tables::log_event).collect();
        let events = found?;
        let newest = newest(&events, part);
        Ok(Found { events, after: After { position: newest, newest, token: None } })
    }
}
