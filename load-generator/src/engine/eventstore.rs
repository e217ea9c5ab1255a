//! The store itself: all clients share one handle.

use std::sync::Arc;

use ::eventstore::{
    Consistency, EventStore, FieldValue, Filter as StoreFilter, NewEvent, RecordedEvent, Settings,
};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use prometheus::Registry;
use serde_json::Value;
use testutil::checker::{Digest, Filter, Item, LogEvent, Predicate};
use tokio_postgres::error::SqlState;

use crate::connection;
use crate::engine::session::quoted;
use crate::engine::{
    After, Append, Appended, Books, Client, Draft, Engine, EngineError, Found, Part, View, ViewState, Viewed,
    book_event, newest, tables,
};
use crate::servers::Servers;

/// Events in one append while the log is filled, and how many such appends are made at once.
const CHUNK: u64 = 1_000;
const AT_ONCE: usize = 4;

/// In the log's schema, which is dropped with it.
const COUNT_LOANS: &str = "
    CREATE TABLE {schema}.loans (book text PRIMARY KEY, times bigint NOT NULL) WITH (fillfactor = 50);
    CREATE FUNCTION {schema}.count_loans(first bigint, last bigint) RETURNS void
    LANGUAGE sql SET search_path = {schema}, pg_temp
    AS $$
        INSERT INTO loans AS l (book, times)
        SELECT payload->>'BookID', count(*) FROM events WHERE position BETWEEN first AND last GROUP BY 1 ORDER BY 1
        ON CONFLICT (book) DO UPDATE SET times = l.times + excluded.times
    $$";

pub(super) struct Store {
    store: EventStore,
    primary: String,
    schema: String,
    consistency: Consistency,
    counts_inline: bool,
}

impl Store {
    /// Has its clients read what they decide on from a replica.
    pub(super) fn reading_replicas(self) -> Self {
        Self { consistency: Consistency::Eventual, ..self }
    }

    /// Has every append count the loans of its books.
    pub(super) fn counting_inline(self) -> Self {
        Self { counts_inline: true, ..self }
    }

    pub(super) async fn connect(
        servers: &Arc<Servers>,
        schema: &str,
        paths: &[&str],
        settings: Settings,
        registry: Option<&Registry>,
    ) -> Result<Self, EngineError> {
        let mut builder = connection::store()
            .primary(&servers.primary)
            .schema(schema)
            .settings(settings)
            .index_only(paths.iter().copied());
        for replica in &servers.replicas {
            builder = builder.replica(replica);
        }
        if let Some(registry) = registry {
            builder = builder.metrics(registry);
        }
        let (primary, schema) = (servers.primary.clone(), schema.to_owned());
        Ok(Self {
            store: builder.connect().await?,
            primary,
            schema,
            consistency: Consistency::Strong,
            counts_inline: false,
        })
    }
}

#[async_trait]
impl Engine for Store {
    async fn create(&self) -> Result<(), EngineError> {
        Ok(self.store.migrate().await.map(drop)?)
    }

    async fn fill(&self, events: u64, books: Books) -> Result<(), EngineError> {
        let session = connection::connect(&self.primary).await?;
        let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", quoted(&self.schema));
        // The handle looks at its servers twice a second, and may hold the tables in another order.
        while let Err(error) = session.batch_execute(&drop).await {
            if error.code() != Some(&SqlState::T_R_DEADLOCK_DETECTED) {
                return Err(error.into());
            }
        }
        self.store.migrate().await?;
        if self.counts_inline {
            session.batch_execute(&COUNT_LOANS.replace("{schema}", &quoted(&self.schema))).await?;
            let function = format!("{}.count_loans", quoted(&self.schema));
            self.store.register_inline_projection("loans", &function).await?;
        }
        let chunks: Vec<u64> = (0..events).step_by(CHUNK as usize).collect();
        for chunks in chunks.chunks(AT_ONCE) {
            let appends = chunks.iter().map(|first| {
                let numbers = *first..events.min(first + CHUNK);
                self.store.append(numbers.map(|number| new_event(book_event(books, number)))).into_future()
            });
            try_join_all(appends).await?;
        }
        // What autovacuum would do in time.
        session.batch_execute("VACUUM (ANALYZE)").await?;
        Ok(())
    }

    fn store(&self) -> Option<EventStore> {
        Some(self.store.clone())
    }

    async fn client(&self) -> Result<Box<dyn Client>, EngineError> {
        Ok(Box::new(StoreClient { store: self.store.clone(), consistency: self.consistency }))
    }

    async fn head(&self) -> Result<u64, EngineError> {
        Ok(self.store.head().await?.position().get())
    }

    async fn point(&self, back: u64) -> Result<After, EngineError> {
        let position = self.head().await?.saturating_sub(back);
        let event = self.store.event_at(position.into()).await?;
        let token = event.map(|event| event.token());
        Ok(After { position, newest: 0, token })
    }

    async fn read(&self, each: &mut (dyn FnMut(LogEvent) + Send)) -> Result<(), EngineError> {
        let session = connection::connect(&self.primary).await?;
        tables::in_form_of_the_store(&session, &self.schema, each).await
    }

    fn has_gaps(&self) -> bool {
        false
    }

    async fn close(&self) -> Result<(), EngineError> {
        Ok(self.store.close().await?)
    }
}

struct StoreClient {
    store: EventStore,
    /// Of the reads that decisions rest on.
    consistency: Consistency,
}

impl StoreClient {
    async fn read(
        &self,
        filter: &Filter,
        part: Part,
        consistency: Consistency,
    ) -> Result<Found, EngineError> {
        let mut call = self.store.query(&in_words_of_the_store(filter)).consistency(consistency);
        if let Some(token) = part.after.token {
            call = call.after(token);
        }
        if part.newest_first {
            call = call.backwards();
        }
        if let Some(limit) = part.limit {
            call = call.limit(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        let history = call.await?;
        let (position, token) = (history.position().get(), history.token());
        let events: Vec<LogEvent> = history.into_iter().map(log_event).collect();
        let newest = newest(&events, part);
        Ok(Found { events, after: After { position, newest, token: Some(token) } })
    }
}

#[async_trait]
impl Client for StoreClient {
    async fn append(&mut self, append: Append) -> Result<Appended, EngineError> {
        let mut call = self.store.append(append.events.into_iter().map(new_event));
        if let Some(condition) = &append.condition {
            call = call.fail_if_matches(&in_words_of_the_store(&condition.filter));
            if let Some(token) = condition.after.token {
                call = call.after(token);
            }
        }
        match call.await {
            Ok(receipt) => Ok(Appended::At(receipt.first_position().get())),
            Err(error) => match error.conflict() {
                Some(conflict) => Ok(Appended::Conflict(Some(conflict.position.get()))),
                None => Err(error.into()),
            },
        }
    }

    async fn query_part(&mut self, filter: &Filter, part: Part) -> Result<Found, EngineError> {
        self.read(filter, part, self.consistency).await
    }

    async fn query_eventually(&mut self, filter: &Filter, part: Part) -> Result<Found, EngineError> {
        self.read(filter, part, Consistency::Eventual).await
    }

    /// With the store's own snapshots: read from the replica too, and saved on the primary.
    async fn fold_eventually(&mut self, view: &View) -> Result<Viewed, EngineError> {
        let apply = view.apply;
        let folded = self
            .store
            .fold(
                view.name,
                &in_words_of_the_store(&view.filter),
                ViewState::default(),
                move |state: &mut ViewState, event: &RecordedEvent| {
                    apply(state, event.event_type.as_str(), &event.payload);
                },
            )
            .consistency(Consistency::Eventual)
            .save_every(view.save_every)
            .await?;
        Ok(Viewed { complete_to: Some(folded.position().get()), state: folded.state })
    }

    fn reads_strongly(&self) -> bool {
        self.consistency == Consistency::Strong
    }

    fn knows_ids(&self) -> bool {
        true
    }
}

/// What is kept of an event that was read.
pub(crate) fn digest(event: &RecordedEvent) -> Digest {
    Digest::new(event.id.uuid(), event.event_type.as_str(), &event.payload, &event.metadata)
}

fn log_event(event: RecordedEvent) -> LogEvent {
    LogEvent {
        position: event.position.get(),
        id: event.id.uuid(),
        event_type: event.event_type.as_str().to_owned(),
        payload: event.payload,
        metadata: event.metadata,
    }
}

fn new_event(draft: Draft) -> NewEvent {
    NewEvent::new(draft.event_type, draft.payload).id(draft.id).metadata(draft.metadata)
}

pub(crate) fn in_words_of_the_store(filter: &Filter) -> StoreFilter {
    filter.items.iter().map(item).reduce(StoreFilter::or).unwrap_or_else(StoreFilter::all)
}

fn item(item: &Item) -> StoreFilter {
    let words = |predicates: &[Predicate]| -> Vec<(String, FieldValue)> {
        let escaped = |key: &String| key.replace('\\', "\\\\").replace('.', "\\.");
        let path = |predicate: &Predicate| predicate.path.iter().map(escaped).collect::<Vec<_>>().join(".");
        predicates.iter().map(|predicate| (path(predicate), field_value(&predicate.value))).collect()
    };
    let mut filter = match item.event_types.as_slice() {
        [] => StoreFilter::all(),
        types => StoreFilter::event_types(types),
    };
    if !item.any.is_empty() {
        filter = filter.and_any(words(&item.any));
    }
    if !item.all.is_empty() {
        filter = filter.and_all(words(&item.all));
    }
    filter
}

/// Of the values that a filter may have.
fn field_value(value: &Value) -> FieldValue {
    match value {
        Value::Bool(truth) => FieldValue::Bool(*truth),
        Value::Number(number) if number.is_u64() => {
            FieldValue::Integer(number.as_u64().unwrap_or_default().into())
        }
        Value::Number(number) => FieldValue::Integer(number.as_i64().unwrap_or_default().into()),
        Value::String(text) => FieldValue::Text(text.clone()),
        other => FieldValue::Text(other.to_string()),
    }
}
