//! The baseline: a table of conversations whose counters every request writes, and counts for.
//!
//! Each request checks the conversation and its lock, and whether the vote is there; then one transaction writes the opinion or the
//! vote, counts opinions, votes and participants, and updates the conversation's row. The counts come before the update, so that the
//! row is locked as briefly as can be. Reads and writes share one pool of connections to the primary.

use async_trait::async_trait;

use crate::connection;
use crate::deliver::hot_stream::counters::Counts;
use crate::deliver::hot_stream::pool::{Lent, Pool};
use crate::deliver::hot_stream::site::{Act, Answer, Failure, Kind, Site};
use crate::deliver::hot_stream::{Before, CONNECTIONS, CONTENT, CONVERSATION};
use crate::deliver::of_server;
use crate::error::RunError;
use crate::servers::Servers;

const TABLES: &str = "
    DROP SCHEMA IF EXISTS hot_stream_baseline CASCADE;
    CREATE SCHEMA hot_stream_baseline;
    SET search_path = hot_stream_baseline;
    CREATE TABLE conversation (
        id bigint PRIMARY KEY, slug_id text NOT NULL UNIQUE, opinion_count bigint NOT NULL, vote_count bigint NOT NULL,
        participant_count bigint NOT NULL, needs_math_update boolean NOT NULL, last_reacted_at timestamptz NOT NULL
    ) WITH (fillfactor = 50);
    CREATE TABLE conversation_moderation (conversation_id bigint NOT NULL UNIQUE, moderation_action text NOT NULL);
    CREATE INDEX ON conversation_moderation (conversation_id, moderation_action);
    CREATE TABLE opinion (
        id bigint PRIMARY KEY, conversation_id bigint NOT NULL, author_id bigint NOT NULL, content text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX ON opinion (conversation_id);
    CREATE TABLE vote (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, author_id bigint NOT NULL, opinion_id bigint NOT NULL, vote text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (author_id, opinion_id)
    );
    CREATE INDEX ON vote (opinion_id);";

const FIND: &str = "SELECT id, participant_count FROM hot_stream_baseline.conversation WHERE slug_id = $1";

const LOCKED: &str = "
    SELECT moderation_action FROM hot_stream_baseline.conversation_moderation
    WHERE conversation_id = $1 AND moderation_action = 'lock'";

const VOTED: &str = "SELECT vote FROM hot_stream_baseline.vote WHERE author_id = $1 AND opinion_id = $2";

const GIVE: &str = "INSERT INTO hot_stream_baseline.opinion (id, conversation_id, author_id, content) VALUES ($1, $2, $3, $4)";

const CAST: &str =
    "INSERT INTO hot_stream_baseline.vote (author_id, opinion_id, vote) VALUES ($1, $2, 'agree')";

const COUNT_OPINIONS: &str = "SELECT count(*) FROM hot_stream_baseline.opinion WHERE conversation_id = $1";

const COUNT_VOTES: &str = "
    SELECT count(*) FROM hot_stream_baseline.vote v
    JOIN hot_stream_baseline.opinion o ON o.id = v.opinion_id WHERE o.conversation_id = $1";

const COUNT_PARTICIPANTS: &str = "
    SELECT count(DISTINCT v.author_id) FROM hot_stream_baseline.vote v
    JOIN hot_stream_baseline.opinion o ON o.id = v.opinion_id WHERE o.conversation_id = $1";

const UPDATE: &str = "
    UPDATE hot_stream_baseline.conversation
    SET opinion_count = $2, vote_count = $3, participant_count = $4, needs_math_update = true, last_reacted_at = now()
    WHERE id = $1";

pub(super) struct Baseline(Pool);

impl Baseline {
    /// Tables that are new and have what there is before.
    pub(super) async fn open(servers: &Servers, before: Before) -> Result<Self, RunError> {
        let session = connection::connect(&servers.primary).await.map_err(of_server)?;
        session.batch_execute(TABLES).await.map_err(of_server)?;
        let (Before { opinions, votes }, users) = (before, before.participants());
        // The authors and votes of `Before`.
        let fill = format!(
            "INSERT INTO conversation VALUES (1, '{CONVERSATION}', {opinions}, {votes}, {users}, false, now());
             INSERT INTO opinion (id, conversation_id, author_id, content)
                 SELECT n, 1, n % {users}, '{CONTENT}' FROM generate_series(1::bigint, {opinions}) AS n;
             INSERT INTO vote (author_id, opinion_id, vote)
                 SELECT n % {users}, (n % {users} * 7 + n / {users}) % {opinions} + 1, 'agree'
                 FROM generate_series(0::bigint, {votes} - 1) AS n;"
        );
        session.batch_execute(&fill).await.map_err(of_server)?;
        Ok(Self(Pool::open(&servers.primary, CONNECTIONS).await?))
    }
}

#[async_trait]
impl Site for Baseline {
    async fn act(&self, act: &Act) -> Result<Answer, Failure> {
        let mut lent = self.0.lend().await?;
        let found = lent.query(FIND, &[&CONVERSATION]).await?;
        let conversation: i64 = match found.first() {
            Some(row) => row.try_get(0)?,
            None => return Err(Failure::Failed("there is no conversation".to_owned())),
        };
        if !lent.query(LOCKED, &[&conversation]).await?.is_empty() {
            return Err(Failure::Failed("the conversation is not open".to_owned()));
        }
        if act.kind == Kind::Vote && !lent.query(VOTED, &[&act.user, &act.opinion]).await?.is_empty() {
            return Ok(Answer::Refused);
        }
        lent.run("BEGIN").await?;
        match write(&mut lent, conversation, act).await {
            Ok(counts) => {
                lent.run("COMMIT").await?;
                Ok(Answer::Done(counts))
            }
            Err(failure) => {
                lent.run("ROLLBACK").await?;
                Err(failure)
            }
        }
    }

    fn count_statements(&self) -> u64 {
        self.0.counts()
    }
}

/// What a request does in its transaction.
async fn write(lent: &mut Lent<'_>, conversation: i64, act: &Act) -> Result<Counts, Failure> {
    match act.kind {
        Kind::Opinion => lent.query(GIVE, &[&act.opinion, &conversation, &act.user, &CONTENT]).await?,
        Kind::Vote => lent.query(CAST, &[&act.user, &act.opinion]).await?,
    };
    let opinions = count(lent, COUNT_OPINIONS, conversation).await?;
    let votes = count(lent, COUNT_VOTES, conversation).await?;
    let participants = count(lent, COUNT_PARTICIPANTS, conversation).await?;
    lent.query(UPDATE, &[&conversation, &opinions, &votes, &participants]).await?;
    Ok(Counts { opinions, votes, participants })
}

async fn count(lent: &mut Lent<'_>, statement: &'static str, conversation: i64) -> Result<i64, Failure> {
    let rows = lent.query(statement, &[&conversation]).await?;
    match rows.first() {
        Some(row) => Ok(row.try_get(0)?),
        None => Err(Failure::Failed("a count without a row".to_owned())),
    }
}
