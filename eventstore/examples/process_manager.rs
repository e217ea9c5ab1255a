//! A process manager: a book is shipped to who borrows it, who is reminded of it after a while, unless it was returned.
//!
//! `cargo run --example process_manager` starts a PostgreSQL server of its own, and removes it at the end.

use std::future::IntoFuture as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use eventstore::{Command, EventStore, Filter, NewEvent, Process, ProcessError, Progress, Reaction};
use eventstore::{RecordedEvent, WakeUp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

struct Lending(EventStore, AtomicU32, tokio::sync::mpsc::UnboundedSender<String>);

impl Process for Lending {
    type State = (String, u64); // who has the book, and for how many days

    fn name(&self) -> &str {
        "lending"
    }
    fn filter(&self) -> Filter {
        Filter::event_types(["BookCopyLentToReader", "BookCopyDelivered", "BookCopyReturnedByReader"])
    }
    fn correlated_by(&self) -> &str {
        "BookID"
    }
    fn apply(&self, (reader, days): &mut (String, u64), event: &RecordedEvent) {
        if event.event_type.as_str() == "BookCopyLentToReader" {
            *reader = event.payload["ReaderID"].as_str().unwrap_or_default().to_owned();
            *days = event.payload["Days"].as_u64().unwrap_or_default();
        }
    }
    fn react(&self, (reader, days): &(String, u64), event: &RecordedEvent) -> Result<Reaction, ProcessError> {
        Ok(match event.event_type.as_str() {
            "BookCopyLentToReader" => Reaction::none().command("Ship", json!({"to": reader})),
            // A day is a millisecond here; in earnest three days are three days.
            "BookCopyDelivered" => Reaction::none().wake_up_after("remind", Duration::from_millis(*days)),
            _ => Reaction::none().cancel("remind"),
        })
    }
    fn wake(&self, (reader, _): &(String, u64), _: &WakeUp) -> Result<Reaction, ProcessError> {
        Ok(Reaction::none().command("Mail", json!({"to": reader})))
    }
    fn fail(&self, (reader, _): &(String, u64), command: &Command, why: &str) -> Option<Reaction> {
        let call = || Reaction::none().command("Call", json!({"to": reader, "why": why}));
        (command.name == "Mail").then(call)
    }
    async fn handle(&self, command: &Command) -> Result<Progress, ProcessError> {
        let Command { key, name, payload, attempt, .. } = command;
        match (name.as_str(), payload["to"].as_str(), attempt) {
            ("Ship", ..) => return Ok(Progress::started(key.clone()).check_after(Duration::from_millis(10))),
            ("Mail", Some("ada"), 1) => return Err("the mail server is down".into()), // tried again
            ("Mail", Some("eve"), _) => return Ok(Progress::failed("eve has moved")), // for good
            _ => self.2.send(format!("book {key}: {name} {payload}, attempt {attempt}"))?,
        }
        Ok(Progress::done())
    }
    async fn check(&self, command: &Command, parcel: &Value) -> Result<Progress, ProcessError> {
        if self.1.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            self.2.send(format!("parcel {parcel} is on its way"))?;
            return Ok(Progress::running());
        }
        self.2.send(format!("parcel {parcel} has come"))?;
        // With the command's id the event is there once, however often this is done.
        let delivered = NewEvent::new("BookCopyDelivered", json!({"BookID": command.key})).id(command.id);
        self.0.append([delivered]).await?;
        Ok(Progress::done())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = testutil::Cluster::builder().start()?;
    let store = EventStore::builder().primary(server.primary().dsn()).schema("library").connect().await?;
    store.migrate().await?;
    let (said, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let (end, lending) = (CancellationToken::new(), Lending(store.clone(), AtomicU32::new(0), said));
    let run =
        store.process_manager(lending).backoff(Duration::from_millis(10), Duration::from_millis(50)).run();
    let running = tokio::spawn(run.until(end.clone().cancelled_owned()).into_future());
    // Ada is reminded at the second attempt, Bob not at all, as he returns his book, and Eve by telephone.
    for (book, reader, days, says) in [(1, "ada", 14, 3), (2, "bob", 100_000_000, 2), (3, "eve", 14, 3)] {
        let lent = json!({"BookID": book, "ReaderID": reader, "Days": days});
        store.append([NewEvent::new("BookCopyLentToReader", lent)]).await?;
        for _ in 0..says {
            println!("{}", lines.recv().await.ok_or("the process has ended")?);
        }
        if reader == "bob" {
            while store.processes().await?.iter().all(|process| process.wake_ups == 0) {}
            store.append([NewEvent::new("BookCopyReturnedByReader", json!({"BookID": book}))]).await?;
            while store.processes().await?.iter().any(|process| process.wake_ups > 0) {}
            println!("the reminder of book {book} was cancelled");
        }
    }
    end.cancel();
    running.await??;
    Ok(store.close().await?)
}
