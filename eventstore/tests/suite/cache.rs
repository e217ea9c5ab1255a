//! What a cache keeps, what drops it, and what becomes of reads where events do not come.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use eventstore::{Cache, CacheStats, Error, ErrorKind, EventStore, Filter, NewEvent, RecordedEvent, Token};
use futures_util::future::join_all;
use serde_json::json;
use testutil::proxy::{Proxy, Toward};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::fixture::{self, Log};
use crate::subscriptions::{LONG, log_with, soon};

fn renamed() -> Filter {
    Filter::event_types(["ChatRenamed"])
}

fn chat(event: &RecordedEvent) -> Option<String> {
    event.payload["chat"].as_str().map(str::to_owned)
}

/// The titles of chats, through a cache; it counts how often one is loaded.
struct Titles {
    store: EventStore,
    cache: Cache<String>,
    loads: AtomicUsize,
}

impl Titles {
    async fn of(store: &EventStore) -> Self {
        Self::with(store, store.cache("titles", &renamed(), chat).start().await.unwrap())
    }

    fn with(store: &EventStore, cache: Cache<String>) -> Self {
        Self { store: store.clone(), cache, loads: AtomicUsize::new(0) }
    }

    async fn rename(&self, chat: &str, title: &str) -> Token {
        let event = NewEvent::new("ChatRenamed", json!({"chat": chat, "title": title}));
        self.store.append([event]).await.unwrap().token()
    }

    async fn load(&self, chat: &str) -> Result<(String, Token), Error> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let last = self.store.query(&renamed().and_all([("chat", chat)])).backwards().limit(1).await?;
        let title = last.first().and_then(|event| event.payload["title"].as_str()).unwrap_or_default();
        Ok((title.to_owned(), last.token()))
    }

    async fn get(&self, chat: &str) -> String {
        self.cache.get(chat, || self.load(chat)).await.unwrap().to_string()
    }

    /// Loads when it may.
    async fn get_gated(&self, chat: &str, gate: &Semaphore) -> String {
        let load = async {
            gate.acquire().await.unwrap().forget();
            self.load(chat).await
        };
        self.cache.get(chat, || load).await.unwrap().to_string()
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }

    async fn until(&self, what: impl Fn(&CacheStats) -> bool) {
        let waiting = async {
            while !what(&self.cache.stats()) {
                yield_now().await;
            }
        };
        if timeout(LONG, waiting).await.is_err() {
            panic!("it did not come to that: {:?}", self.cache.stats());
        }
    }

    /// Reads until it is answered from memory, and what it was.
    async fn kept(&self, chat: &str) -> String {
        let before = self.cache.stats().hits;
        let reading = async {
            loop {
                let title = self.get(chat).await;
                if self.cache.stats().hits > before {
                    return title;
                }
            }
        };
        timeout(LONG, reading).await.expect("nothing is served")
    }
}

#[tokio::test]
async fn what_was_read_is_kept_until_an_event_of_its_key() {
    let log = Log::new().await;
    let titles = Titles::of(&log.store).await;
    titles.rename("a", "one").await;
    titles.rename("b", "other").await;
    titles.until(|stats| stats.writes == 2).await;
    for _ in 0..3 {
        assert_eq!((titles.get("a").await, titles.get("b").await), ("one".to_owned(), "other".to_owned()));
    }
    assert_eq!(titles.loads(), 2);
    titles.rename("a", "two").await;
    titles.until(|stats| stats.writes == 3).await;
    assert_eq!((titles.get("a").await, titles.get("b").await), ("two".to_owned(), "other".to_owned()));
    assert_eq!(titles.loads(), 3, "the other one was kept");
    let stats = titles.cache.stats();
    assert_eq!((stats.hits, stats.shared, stats.misses), (5, 0, 3), "{stats:?}");
    assert_eq!((stats.writes, stats.invalidations, stats.entries, stats.is_open), (3, 1, 2, true));
    assert_eq!(stats.reads_per_write(), Some(8.0 / 3.0));
}

#[tokio::test]
async fn an_event_that_comes_during_a_load_keeps_out_what_does_not_have_it() {
    let log = Log::new().await;
    let titles = Titles::of(&log.store).await;
    titles.rename("a", "one").await;
    titles.until(|stats| stats.writes == 1).await;
    let ((has_read, read), (go_on, may_go_on)) = (oneshot::channel(), oneshot::channel::<()>());
    let load = async {
        let loaded = titles.load("a").await;
        has_read.send(()).unwrap();
        may_go_on.await.unwrap();
        loaded
    };
    let meanwhile = async {
        read.await.unwrap();
        titles.rename("a", "two").await;
        titles.until(|stats| stats.writes == 2).await;
        go_on.send(()).unwrap();
    };
    let (given, ()) = tokio::join!(titles.cache.get("a", || load), meanwhile);
    assert_eq!(*given.unwrap(), "one", "it is given all the same");
    assert_eq!(titles.cache.stats().entries, 0);
    // Read after the event came, it has it.
    let ((begun, has_begun), (go_on, may_go_on)) = (oneshot::channel(), oneshot::channel::<()>());
    let load = async {
        begun.send(()).unwrap();
        may_go_on.await.unwrap();
        titles.load("a").await
    };
    let meanwhile = async {
        has_begun.await.unwrap();
        titles.rename("a", "three").await;
        titles.until(|stats| stats.writes == 3).await;
        go_on.send(()).unwrap();
    };
    let (given, ()) = tokio::join!(titles.cache.get("a", || load), meanwhile);
    assert_eq!(*given.unwrap(), "three");
    assert_eq!((titles.get("a").await, titles.loads()), ("three".to_owned(), 2));
}

#[tokio::test]
async fn what_is_older_than_what_was_dropped_is_given_and_not_kept() {
    let log = Log::new().await;
    let titles = Titles::of(&log.store).await;
    let old = titles.rename("a", "one").await;
    titles.rename("a", "two").await;
    titles.until(|stats| stats.writes == 2).await;
    // As a replica that is behind has it.
    let stale = titles.cache.get("a", || ready(Ok::<_, Error>(("one".to_owned(), old)))).await.unwrap();
    assert_eq!((stale.as_str(), titles.cache.stats().entries), ("one", 0));
    // Nor is what ends before the cache began: what has come between is not known.
    let later = Titles::with(&log.store, log.store.cache("later", &renamed(), chat).start().await.unwrap());
    later.cache.get("a", || ready(Ok::<_, Error>(("one".to_owned(), old)))).await.unwrap();
    assert_eq!(later.cache.stats().entries, 0);
    assert_eq!((later.get("a").await, later.cache.stats().entries), ("two".to_owned(), 1));
}

#[tokio::test]
async fn whoever_has_written_reads_it() {
    let log = Log::new().await;
    // No event drops anything.
    let cache = log.store.cache("titles", &renamed(), |_| None).start().await.unwrap();
    let titles = Titles::with(&log.store, cache);
    titles.rename("a", "one").await;
    assert_eq!(titles.get("a").await, "one");
    let own = titles.rename("a", "two").await;
    assert_eq!(titles.get("a").await, "one");
    let read = titles.cache.get_at_least("a", own, || titles.load("a")).await.unwrap();
    assert_eq!((read.as_str(), titles.get("a").await.as_str()), ("two", "two"));
    let again = titles.cache.get_at_least("a", own, || titles.load("a")).await.unwrap();
    assert_eq!((again.as_str(), titles.loads()), ("two", 2), "it is new enough by now");
}

#[tokio::test]
async fn many_who_miss_a_key_share_a_load() {
    let log = Log::new().await;
    let titles = Titles::of(&log.store).await;
    let gate = Semaphore::new(0);
    let mut reads: Vec<_> = (0..100).map(|_| Box::pin(titles.get_gated("a", &gate))).collect();
    for read in &mut reads {
        assert!(futures_util::poll!(read).is_pending());
    }
    gate.add_permits(1);
    let given = timeout(LONG, join_all(reads)).await.unwrap();
    assert!(given.len() == 100 && given.iter().all(String::is_empty), "{given:?}");
    let stats = titles.cache.stats();
    assert_eq!((titles.loads(), stats.misses, stats.shared), (1, 1, 99));
}

#[tokio::test]
async fn where_a_load_is_dropped_the_next_one_loads() {
    let log = Log::new().await;
    let titles = Titles::of(&log.store).await;
    let gate = Semaphore::new(0);
    let mut reads: Vec<_> = (0..4).map(|_| Box::pin(titles.get_gated("a", &gate))).collect();
    for read in &mut reads {
        assert!(futures_util::poll!(read).is_pending());
    }
    drop(reads.remove(0));
    gate.add_permits(1);
    let given = timeout(LONG, join_all(reads)).await.unwrap();
    assert_eq!((given.len(), titles.loads(), titles.cache.stats().shared), (3, 1, 2));
}

#[tokio::test]
async fn a_load_that_fails_is_told_and_not_kept_and_the_next_one_loads() {
    let log = Log::new().await;
    let titles = Titles::of(&log.store).await;
    let gate = Semaphore::new(0);
    let fails = async {
        gate.acquire().await.unwrap().forget();
        Err::<(String, Token), _>("no")
    };
    let mut failing = Box::pin(titles.cache.get("a", || fails));
    let mut waiting = Box::pin(titles.get("a"));
    assert!(futures_util::poll!(&mut failing).is_pending() && futures_util::poll!(&mut waiting).is_pending());
    gate.add_permits(1);
    assert_eq!(failing.await.unwrap_err(), "no");
    assert_eq!(titles.cache.stats().entries, 0);
    assert_eq!(timeout(LONG, waiting).await.unwrap(), "");
    assert_eq!((titles.loads(), titles.cache.stats().entries), (1, 1));
}

#[tokio::test]
async fn what_was_used_longest_ago_makes_room() {
    let log = Log::new().await;
    let cache = log.store.cache("titles", &renamed(), chat).capacity(2).start().await.unwrap();
    let titles = Titles::with(&log.store, cache);
    for key in ["a", "b", "a", "c"] {
        titles.get(key).await;
    }
    assert_eq!((titles.loads(), titles.cache.stats().entries), (3, 2));
    titles.get("a").await;
    assert_eq!(titles.loads(), 3, "it was used again");
    titles.get("b").await;
    assert_eq!((titles.loads(), titles.cache.stats().entries), (4, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_events_do_not_come_every_read_loads_until_they_do() {
    let log = log_with(soon()).await;
    let proxy = Proxy::before(log.schema.primary()).await.unwrap();
    let through = fixture::store().primary(proxy.dsn()).schema(log.schema.name()).settings(soon());
    let through = through.connect().await.unwrap();
    // Events come through the proxy; loads do not.
    let titles = Titles::with(&log.store, through.cache("titles", &renamed(), chat).start().await.unwrap());
    titles.rename("a", "one").await;
    titles.until(|stats| stats.writes == 1).await;
    assert_eq!(titles.kept("a").await, "one");
    proxy.stall(Toward::Both);
    titles.until(|stats| !stats.is_open).await;
    titles.rename("a", "two").await;
    let before = titles.loads();
    for _ in 0..3 {
        assert_eq!(titles.get("a").await, "two");
    }
    assert_eq!(titles.loads(), before + 3);
    proxy.resume();
    titles.until(|stats| stats.writes == 2 && stats.is_open).await;
    assert_eq!(titles.kept("a").await, "two");
    // Connections that are cut are replaced, and nothing is missed.
    proxy.cut();
    titles.rename("a", "three").await;
    titles.until(|stats| stats.writes == 3).await;
    assert_eq!(titles.kept("a").await, "three");
}

#[tokio::test]
async fn what_is_kept_of_a_lost_history_goes_and_the_cache_goes_on() {
    let log = log_with(soon()).await;
    let titles = Titles::of(&log.store).await;
    titles.rename("a", "one").await;
    titles.rename("a", "lost").await;
    titles.until(|stats| stats.writes == 2).await;
    assert_eq!(titles.kept("a").await, "lost");
    // What a failover does: the end of the log is gone.
    log.lose_after(1).await;
    titles.until(|stats| stats.entries == 0).await;
    assert_eq!(titles.get("a").await, "one");
    assert_eq!(titles.kept("a").await, "one");
}

#[tokio::test]
async fn it_ends_with_its_last_clone_and_with_the_store() {
    let log = Log::new().await;
    let alive = Arc::new(());
    let task = Arc::downgrade(&alive);
    let key = move |_: &RecordedEvent| Some(format!("{alive:?}"));
    let cache = log.store.cache::<String>("titles", &renamed(), key).start().await.unwrap();
    let clone = cache.clone();
    drop(cache);
    assert!(clone.stats().is_open && task.upgrade().is_some());
    drop(clone);
    let ended = async {
        while task.upgrade().is_some() {
            yield_now().await;
        }
    };
    timeout(LONG, ended).await.expect("the task goes on");
    let titles = Titles::of(&log.store).await;
    titles.get("a").await;
    log.store.close().await.unwrap();
    assert!(!titles.cache.stats().is_open, "the task has ended");
    let refused = titles.cache.get("a", || titles.load("a")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_key_that_panics_stops_the_cache_and_no_read() {
    let log = Log::new().await;
    let cache = log.store.cache("titles", &renamed(), |_| panic!("no key")).start().await.unwrap();
    let titles = Titles::with(&log.store, cache);
    titles.get("a").await;
    titles.rename("a", "one").await;
    titles.until(|stats| !stats.is_open && stats.entries == 0).await;
    assert_eq!(titles.get("a").await, "one");
}

#[tokio::test]
async fn names_filters_and_limits_are_checked() {
    let log = Log::new().await;
    let named = |name: &str| log.store.cache::<String>(name, &renamed(), chat);
    let unindexed = Filter::where_all([("deep.path", "x")]);
    for wrong in [
        named(""),
        named("titles").capacity(0),
        named("titles").max_age(Duration::ZERO),
        log.store.cache("titles", &unindexed, chat),
    ] {
        assert_eq!(wrong.start().await.unwrap_err().kind(), ErrorKind::Invalid);
    }
}
