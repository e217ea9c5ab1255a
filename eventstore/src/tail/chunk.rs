//! A piece of the log, as one filter sees it.

use std::sync::Arc;

use crate::event::RecordedEvent;
use crate::position::Position;
use crate::token::Token;

/// The events of a range of the log that match one filter, and the end of the range. Several of these share a page.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    page: Arc<[RecordedEvent]>,
    /// Which events of the page, ascending; all of them where there is none.
    picks: Option<Box<[u32]>>,
    complete: Token,
}

impl Chunk {
    /// A page that was read for one filter alone.
    pub(super) fn whole(page: Vec<RecordedEvent>, complete: Token) -> Self {
        Self { page: page.into(), picks: None, complete }
    }

    /// Those events of a page that match.
    pub(super) fn of(
        page: &Arc<[RecordedEvent]>,
        complete: Token,
        matches: impl Fn(&RecordedEvent) -> bool,
    ) -> Self {
        let picks =
            (0_u32..).zip(page.iter()).filter(|(_, event)| matches(event)).map(|(nth, _)| nth).collect();
        let picks: Box<[u32]> = picks;
        if picks.len() * 2 < page.len() {
            // A few events do not keep the others in memory.
            let few = picks.iter().filter_map(|nth| page.get(*nth as usize)).cloned().collect();
            return Self { page: few, picks: None, complete };
        }
        Self { page: Arc::clone(page), picks: Some(picks), complete }
    }

    /// Without what stands up to a position.
    pub(super) fn after(self, position: Position) -> Self {
        let old = self.iter().take_while(|event| event.position <= position).count();
        if old == 0 {
            return self;
        }
        let all = (0_u32..).take(self.page.len());
        let picks = self.picks.map_or_else(|| all.collect(), Vec::from);
        Self { picks: Some(picks[old..].into()), ..self }
    }

    /// Up to where nothing else matches.
    pub(crate) fn complete(&self) -> Token {
        self.complete
    }

    pub(crate) fn len(&self) -> usize {
        self.picks.as_ref().map_or(self.page.len(), |picks| picks.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn get(&self, nth: usize) -> Option<&RecordedEvent> {
        match &self.picks {
            Some(picks) => self.page.get(*picks.get(nth)? as usize),
            None => self.page.get(nth),
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &RecordedEvent> + DoubleEndedIterator {
        (0..self.len()).map(|nth| self.get(nth).expect("a chunk has as many events as it says"))
    }
}
