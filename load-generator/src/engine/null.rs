//! Nothing at all: what the load generator itself costs, and how well it keeps its schedule.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use testutil::checker::{Filter, LogEvent};

use crate::engine::{After, Append, Appended, Books, Client, Engine, EngineError, Found, Part};

/// Takes every append and forgets it; every query finds nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Null {
    head: Arc<AtomicU64>,
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
        let count = append.events.len() as u64;
        Ok(Appended::At(self.head.fetch_add(count, Ordering::Relaxed) + 1))
    }

    async fn query_part(&mut self, _: &Filter, _: Part) -> Result<Found, EngineError> {
        let position = self.head.load(Ordering::Relaxed);
        Ok(Found { events: Vec::new(), after: After { position, ..After::default() } })
    }
}
