//! Which server may answer.
//!
//! *Who owns what.* [`Servers`] has the pools of the reads, what is known of the primary, and of each [`Replica`] its standing. A
//! task for each server ([`Watch`]), with a connection of its own, looks at it every half second: it alone takes a replica out of
//! rotation and puts it back. Reads that fail make one suspect, and have it looked at.
//!
//! | standing | why | what reads do | how it ends |
//! |---|---|---|---|
//! | in rotation | the watch found it sound | go there, to the one with the fewest reads under way | |
//! | suspect | a read failed there | pass it over; those under way go on | the watch looks at once, or at the next tick if it has done so since the last |
//! | unfit | it is no standby, has another log or history, or is too far behind | pass it over; those under way go on, and judge by what they find | a look |
//! | silent | it can not be reached, or does not answer | pass it over; those under way are given up, and another server answers | a look |
//!
//! So a server that is frozen, and still takes connections, keeps a read for a tick and a second at most, and afterwards none; and
//! one expensive query, or one lost connection, does not send everybody's reads to the primary.

mod blame;
mod freshness;
mod replica;
mod watch;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use tracing::warn;
use uuid::Uuid;

pub(crate) use blame::Blame;
pub(crate) use freshness::Freshness;
pub(crate) use replica::{IS_PRIMARY, Replica};
pub(crate) use watch::{Watch, Watchtower};

use crate::known_history::{Known, KnownHistory};
use crate::pool::Pool;
use crate::position::Position;
use crate::telemetry::HeadClock;
use crate::token::Token;

/// The servers of one log, and what reads of the primary have shown.
#[derive(Debug)]
pub(crate) struct Servers {
    primary: Arc<dyn Pool>,
    replicas: Vec<Replica>,
    turn: AtomicUsize,
    log: Mutex<Option<Uuid>>,
    /// How many losses have been taken out of what is known here.
    losses: AtomicU64,
    pub(crate) heads: Arc<HeadClock>,
    pub(crate) known: Arc<KnownHistory>,
    pub(crate) freshness: Freshness,
}

impl Servers {
    pub(crate) fn new(
        primary: Arc<dyn Pool>,
        replicas: Vec<Replica>,
        log: Option<Uuid>,
        heads: Arc<HeadClock>,
        known: Arc<KnownHistory>,
    ) -> Self {
        let (turn, log, losses) = (AtomicUsize::new(0), Mutex::new(log), AtomicU64::new(0));
        Self { primary, replicas, turn, log, losses, heads, known, freshness: Freshness::default() }
    }

    /// The identity of the log, as the primary told it last; `None` before it did.
    pub(crate) fn log(&self) -> Option<Uuid> {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a read of the primary showed, and when it began.
    pub(crate) fn saw_primary(&self, (begun, known): (Instant, &Known), head: Token, log: Option<Uuid>) {
        self.known.ends_at(head.position(), known, self.primary.server());
        self.known.saw(head, known);
        // What was lost says nothing of how far the log is, whoever found it. The first of it that is known need not be the first.
        if let Some(first) = self.known.lost_since(&self.losses) {
            let first = first.min(Position::new(head.position().get().saturating_add(1)));
            self.heads.forget_from(first);
            self.freshness.forget_from(first);
        }
        self.heads.saw_on_primary(head.position());
        self.freshness.saw(begun, head);
        let Some(shown) = log else { return };
        let before = self.log.lock().unwrap_or_else(PoisonError::into_inner).replace(shown);
        if before.is_some_and(|before| before != shown) {
            warn!(server = self.primary.server(), "the log was made anew: it is another one than before");
        }
    }

    pub(crate) fn primary(&self) -> &Arc<dyn Pool> {
        &self.primary
    }

    /// The replicas that may be asked now: the one with the fewest reads under way first, and among equals the one whose turn
    /// it is.
    pub(crate) fn in_rotation(&self) -> Vec<&Replica> {
        let count = self.replicas.len();
        let turn = if count > 1 { self.turn.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let in_turn = (0..count).map(|nth| &self.replicas[turn.wrapping_add(nth) % count]);
        let mut sound: Vec<_> = in_turn.filter(|replica| replica.is_in_rotation()).collect();
        sound.sort_by_key(|replica| replica.reads_under_way());
        sound
    }

    pub(crate) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// Gives out no more connections.
    pub(crate) fn close(&self) {
        self.primary.close();
        for replica in &self.replicas {
            replica.pool().close();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::pool::{Connector, Dsn, PoolBackend, TlsConnector};
    use crate::schema::SchemaName;
    use crate::settings::Settings;
    use crate::telemetry::Metrics;

    fn servers(replicas: usize) -> Servers {
        let metrics = Arc::new(Metrics::new(&SchemaName::new("s").unwrap()).unwrap());
        let settings = Settings::default();
        let pool = |name: &str| {
            let dsn = Dsn::parse(&format!("host={name} user=u"), "server", settings.connect_timeout).unwrap();
            let connector = Connector::new(dsn, &TlsConnector::none(), true);
            PoolBackend::default().pool(connector, 1, &settings).unwrap()
        };
        let replicas = (0..replicas).map(|n| n.to_string());
        let replicas = replicas.map(|name| Replica::new(pool(&name), metrics.replica(&name))).collect();
        let known = Arc::new(KnownHistory::new(Arc::clone(&metrics)));
        Servers::new(pool("primary"), replicas, None, Arc::default(), known)
    }

    /// Who would be asked, in this order.
    fn order(servers: &Servers) -> Vec<&str> {
        servers.in_rotation().iter().map(|replica| replica.pool().server()).collect()
    }

    #[tokio::test]
    async fn the_replica_with_the_fewest_reads_is_asked_and_equals_take_turns() {
        let servers = servers(3);
        let firsts: Vec<_> = (0..6).map(|_| order(&servers)[0]).collect();
        assert_eq!(firsts[..3], firsts[3..]);
        assert!(firsts[0] != firsts[1] && firsts[1] != firsts[2], "{firsts:?}");
        let busy = [
            servers.replicas()[0].reading(),
            servers.replicas()[0].reading(),
            servers.replicas()[2].reading(),
        ];
        assert_eq!(order(&servers), ["server 1:5432", "server 2:5432", "server 0:5432"]);
        drop(busy);
        assert_eq!(servers.replicas()[0].reads_under_way(), 0);
    }

    #[tokio::test]
    async fn reads_under_way_are_given_up_where_a_replica_is_silent_and_not_where_it_is_suspect() {
        let servers = servers(2);
        let replica = &servers.replicas()[0];
        assert!(replica.is_doubted().now_or_never().is_none());
        replica.is_suspect();
        assert_eq!((order(&servers), replica.falls_silent().now_or_never()), (vec!["server 1:5432"], None));
        assert!(replica.is_doubted().now_or_never().is_some(), "the watch looks at once");
        replica.is_unfit("far behind");
        assert_eq!(replica.falls_silent().now_or_never(), None);
        replica.is_silent("x");
        assert_eq!(replica.falls_silent().now_or_never(), Some(()));
        replica.is_suspect();
        assert_eq!(replica.out_because().as_deref(), Some("x"), "a late read changes nothing");
        replica.is_not_suspect();
        assert_eq!(replica.out_because().as_deref(), Some("x"), "nor does a look that failed");
        assert!(replica.is_doubted().now_or_never().is_none());
        replica.is_sound();
        assert_eq!((order(&servers).len(), replica.lag.in_rotation.get()), (2, 1));
    }

    fn token(n: u64) -> Token {
        Token::new(n.into(), Uuid::from_u128(n.into()).into())
    }

    #[tokio::test]
    async fn heads_beyond_that_of_a_log_which_lost_its_end_are_forgotten() {
        let servers = servers(0);
        servers.known.saw(token(10), &servers.known.now());
        // Of a receipt, which is not among the tokens any more.
        servers.heads.saw(Position::new(8));
        servers.saw_primary((Instant::now(), &servers.known.now()), token(6), None);
        assert_eq!(servers.heads.newest(), Position::new(6));
    }

    #[tokio::test]
    async fn a_replica_lacks_an_event_until_it_has_that_one() {
        let servers = servers(1);
        let replica = &servers.replicas()[0];
        replica.seems_to_lack(token(1));
        replica.seems_to_lack(token(2));
        replica.confirm(token(2));
        assert_eq!(replica.lack().map(|lack| (lack.token, lack.is_confirmed)), Some((token(1), false)));
        // A read has found more meanwhile: what the look had asked for does not settle it.
        replica.must_have(token(3));
        replica.does_not_lack(token(1));
        assert_eq!(replica.lack().map(|lack| (lack.token, lack.is_confirmed)), Some((token(3), true)));
        replica.does_not_lack(token(3));
        assert_eq!(replica.lack(), None);
    }
}
