//! The conversation on the store: a request appends an event, and shows the counters that a recomputed projection keeps.
//!
//! Whether the conversation is open comes from a cache that events drop, whether a vote is there already is a condition of its append,
//! and the counters are one row, read by its key from a replica.

use async_trait::async_trait;
use eventstore::{Cache, Consistency, EventStore, Filter, NewEvent, Settings, Token};
use futures_util::stream;
use serde_json::json;

use crate::connection;
use crate::deliver::hot_stream::counters::{self, Counts, OPINION, VOTE};
use crate::deliver::hot_stream::pool::{PATIENCE, Pool};
use crate::deliver::hot_stream::site::{Act, Answer, Failure, Kind, Site};
use crate::deliver::hot_stream::{Before, CONNECTIONS, CONTENT, CONVERSATION};
use crate::deliver::of_server;
use crate::error::RunError;
use crate::servers::Servers;

/// The schema of the log.
pub(super) const SCHEMA: &str = "hot_stream";
const OPENED: &str = "ConversationOpened";
const LOCKED: &str = "ConversationLocked";

pub(super) struct Ours {
    pub(super) store: EventStore,
    /// Whether each is open.
    conversations: Cache<bool>,
    /// For the counters.
    view: Pool,
}

impl Ours {
    /// A log that is new and has no events, and an empty table of counters.
    pub(super) async fn open(servers: &Servers) -> Result<Self, RunError> {
        let session = connection::connect(&servers.primary).await.map_err(of_server)?;
        session.batch_execute(&format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")).await.map_err(of_server)?;
        session.batch_execute(counters::TABLE).await.map_err(of_server)?;
        // Without a replica the primary shows the counters: then both pools together are as large as that of the baseline.
        let (connections, shown_by) = match servers.replicas.first() {
            Some(replica) => (CONNECTIONS, replica),
            None => (CONNECTIONS / 2, &servers.primary),
        };
        let mut settings = Settings::default();
        settings.pool_size = connections;
        (settings.acquire_timeout, settings.query_timeout, settings.append_timeout) =
            (PATIENCE, PATIENCE, PATIENCE);
        let store = connect(servers, settings).await?;
        store.migrate().await?;
        for replica in &servers.replicas {
            connection::replayed(&servers.primary, replica).await.map_err(of_server)?;
        }
        let of_standing =
            |event: &eventstore::RecordedEvent| event.payload["ConversationID"].as_str().map(str::to_owned);
        let standing = Filter::event_types([OPENED, LOCKED]);
        let conversations = store.cache("conversations", &standing, of_standing).start().await?;
        let view = Pool::open(shown_by, connections).await?;
        Ok(Self { store, conversations, view })
    }

    /// As another process would have it, with two connections.
    pub(super) async fn another_handle(&self, servers: &Servers) -> Result<EventStore, RunError> {
        let mut settings = Settings::default();
        settings.pool_size = 2;
        connect(servers, settings).await
    }

    pub(super) async fn fill(&self, before: Before) -> Result<(), RunError> {
        let opened = NewEvent::new(OPENED, json!({"ConversationID": CONVERSATION}));
        let opinions = (1..=before.opinions).map(move |opinion| given(before.author(opinion), opinion));
        let votes = (0..before.votes).map(move |nth| {
            let (user, opinion) = before.vote(nth);
            cast(user, opinion)
        });
        let events = std::iter::once(opened).chain(opinions).chain(votes);
        self.store.import().read_events(stream::iter(events)).await?;
        Ok(())
    }

    /// The counters as requests show them; none before they were computed first.
    pub(super) async fn shown(&self) -> Result<Option<Counts>, Failure> {
        let rows = self.view.lend().await?.query(counters::SHOWN, &[&CONVERSATION]).await?;
        Ok(rows.first().map(Counts::of).transpose()?)
    }

    async fn is_open(&self) -> Result<(bool, Token), eventstore::Error> {
        let standing = Filter::event_types([OPENED, LOCKED]).and_all([("ConversationID", CONVERSATION)]);
        let last =
            self.store.query(&standing).consistency(Consistency::Eventual).backwards().limit(1).await?;
        let is_open = last.first().is_some_and(|event| event.event_type.as_str() == OPENED);
        Ok((is_open, last.token()))
    }
}

#[async_trait]
impl Site for Ours {
    async fn act(&self, act: &Act) -> Result<Answer, Failure> {
        if !*self.conversations.get(CONVERSATION, || self.is_open()).await? {
            return Err(Failure::Failed("the conversation is not open".to_owned()));
        }
        let user = act.user.unsigned_abs();
        let append = match act.kind {
            Kind::Opinion => self.store.append([given(user, act.opinion.unsigned_abs())]),
            Kind::Vote => {
                let earlier =
                    Filter::event_types([VOTE]).and_all([("UserID", act.user), ("OpinionID", act.opinion)]);
                self.store.append([cast(user, act.opinion.unsigned_abs())]).fail_if_matches(&earlier)
            }
        };
        match append.await {
            Ok(_) => {}
            Err(error) if error.is_conflict() => return Ok(Answer::Refused),
            Err(error) => return Err(error.into()),
        }
        match self.shown().await? {
            Some(counts) => Ok(Answer::Done(counts)),
            None => Err(Failure::Failed("there are no counters".to_owned())),
        }
    }

    fn count_statements(&self) -> u64 {
        self.view.counts()
    }
}

async fn connect(servers: &Servers, settings: Settings) -> Result<EventStore, RunError> {
    let builder = connection::store().primary(&servers.primary).schema(SCHEMA).settings(settings);
    let builder = builder.index_only(["ConversationID", "OpinionID", "UserID"]);
    let builder = servers.replicas.iter().fold(builder, |builder, replica| builder.replica(replica));
    Ok(builder.connect().await?)
}

fn given(user: u64, opinion: u64) -> NewEvent {
    let payload =
        json!({"ConversationID": CONVERSATION, "OpinionID": opinion, "UserID": user, "Content": CONTENT});
    NewEvent::new(OPINION, payload)
}

fn cast(user: u64, opinion: u64) -> NewEvent {
    let payload =
        json!({"ConversationID": CONVERSATION, "OpinionID": opinion, "UserID": user, "Vote": "agree"});
    NewEvent::new(VOTE, payload)
}
