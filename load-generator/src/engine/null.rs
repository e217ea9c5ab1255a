//! No server: what the load generator itself costs, and how well it keeps its schedule.
//!
//! It answers as a log of the library would in which every book and reader is there, and remembers who has which book: commands
//! go all their way, from the choice to the event, and mostly write something. It remembers no event.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use serde_json::{Value, json};
use testutil::checker::{Filter, LogEvent};
use uuid::Uuid;

use crate::engine::{After, Append, Appended, Books, Client, Draft, Engine, EngineError, Found, Part};

const BOOK: &str = "BookID";
const READER: &str = "ReaderID";
const LENT: &str = "BookCopyLentToReader";
const RETURNED: &str = "BookCopyReturnedByReader";

/// What all its clients share.
#[derive(Debug, Clone, Default)]
pub(super) struct Null {
    head: Arc<AtomicU64>,
    /// Books with who has them.
    loans: Arc<Mutex<HashMap<String, String>>>,
}

impl Null {
    fn loans(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.loans.lock().expect("nothing panics with the loans in hand")
    }

    fn note(&self, event: &Draft) {
        let id = |path: &str| event.payload.get(path).and_then(Value::as_str).map(str::to_owned);
        match (event.event_type, id(BOOK), id(READER)) {
            (LENT, Some(book), Some(reader)) => drop(self.loans().insert(book, reader)),
            (RETURNED, Some(book), _) => drop(self.loans().remove(&book)),
            _ => {}
        }
    }

    /// What a log would have of the books and readers that a filter names.
    fn history(&self, filter: &Filter) -> Vec<LogEvent> {
        let mut events = Vec::new();
        for predicate in filter.items.iter().flat_map(|item| item.any.iter().chain(&item.all)) {
            let Some(id) = predicate.value.as_str() else { continue };
            match predicate.path.first().map(String::as_str) {
                Some(BOOK) => {
                    events.push(event("BookCopyAddedToCirculation", json!({BOOK: id})));
                    if let Some(reader) = self.loans().get(id) {
                        events.push(event(LENT, json!({BOOK: id, READER: reader})));
                    }
                }
                Some(READER) => events.push(event("ReaderRegistered", json!({READER: id}))),
                _ => {}
            }
        }
        events
    }
}

fn event(event_type: &str, payload: Value) -> LogEvent {
    LogEvent {
        position: 1,
        id: Uuid::nil(),
        event_type: event_type.to_owned(),
        payload,
        metadata: Value::Null,
    }
}

#[async_trait]
impl Engine for Null {
    async fn create(&self) -> Result<(), EngineError> {
        Ok(())
    }

    async fn fill(&self, events: u64, _: Books) -> Result<(), EngineError> {
        self.head.store(events, Ordering::Relaxed);
        Ok(())
    }

    async fn client(&self) -> Result<Box<dyn Client>, EngineError> {
        Ok(Box::new(self.clone()))
    }

    async fn head(&self) -> Result<u64, EngineError> {
        Ok(self.head.load(Ordering::Relaxed))
    }

    async fn point(&self, back: u64) -> Result<After, EngineError> {
        Ok(After { position: self.head().await?.saturating_sub(back), ..After::default() })
    }

    async fn read(&self, _: &mut (dyn FnMut(LogEvent) + Send)) -> Result<(), EngineError> {
        Ok(())
    }

    fn has_gaps(&self) -> bool {
        false
    }
}

#[async_trait]
impl Client for Null {
    async fn append(&mut self, append: Append) -> Result<Appended, EngineError> {
        append.events.iter().for_each(|event| self.note(event));
        let count = append.events.len() as u64;
        Ok(Appended::At(self.head.fetch_add(count, Ordering::Relaxed) + 1))
    }

    async fn query_part(&mut self, filter: &Filter, _: Part) -> Result<Found, EngineError> {
        let position = self.head.load(Ordering::Relaxed);
        Ok(Found { events: self.history(filter), after: After { position, ..After::default() } })
    }
}
