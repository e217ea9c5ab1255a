//! What each command does.

use eventstore::{Consistency, EventId, EventStore, Filter, Position, Query, Settings, Start, Token};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use crate::args::{Cli, Command, LogArgs, MigrateCommand, QueryArgs, TailArgs};
use crate::consumer_args::Place;
use crate::{
    Failure, doctor, groups, indexing, output, processes, projections, roles, subscriptions, transfer, tune,
};

/// Runs a command; ends it when the program is interrupted.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(Failure::io("listening for signals"));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    // `tail --follow` knows no other end.
    let is_endless = matches!(&cli.command, Command::Tail(tail) if tail.follow);
    let interrupted = tokio::select! {
        result = carry_out(cli) => return result,
        _ = interrupt.recv() => Failure::Interrupted,
        _ = terminate.recv() => Failure::Interrupted,
    };
    if is_endless { Ok(()) } else { Err(interrupted) }
}

async fn carry_out(cli: Cli) -> Result<(), Failure> {
    let log = cli.log;
    match cli.command {
        Command::Migrate(MigrateCommand::Print) => {
            output::line(EventStore::migration_script(&log.schema)?.trim_end())
        }
        Command::Migrate(MigrateCommand::Up { index }) => migrate(&log, index).await,
        Command::Migrate(MigrateCommand::Status) => migration_status(&connect(&log).await?).await,
        Command::Head => output::line(connect(&log).await?.head().await?.position()),
        Command::Query(query) => print_matches(&log, query).await,
        Command::Tail(tail) => follow(&log, tail).await,
        Command::Show { event } => show(&connect(&log).await?, &event).await,
        Command::Stats => stats(&connect(&log).await?).await,
        Command::Export(export) => transfer::export(&connect(&log).await?, export).await,
        Command::Import { file } => transfer::import(&connect(&log).await?, file).await,
        Command::Index(index) => indexing::run(&connect(&log).await?, index).await,
        Command::Subscriptions(command) => subscriptions::run(&connect(&log).await?, command).await,
        Command::Groups(command) => groups::run(&connect(&log).await?, command).await,
        Command::Projections(command) => projections::run(&connect(&log).await?, command).await,
        Command::Processes(command) => processes::run(&connect(&log).await?, command).await,
        Command::Roles(command) => roles::run(&connect(&log).await?, command).await,
        Command::Tune(args) => tune::run(&args, &log.schema),
        Command::Doctor(args) => doctor::run(&log, &args).await,
    }
}

pub(crate) async fn connect(log: &LogArgs) -> Result<EventStore, Failure> {
    Ok(builder(log)?.connect().await?)
}

fn builder(log: &LogArgs) -> Result<eventstore::EventStoreBuilder, Failure> {
    let (primary, replicas) = (log.primary()?, log.replicas()?);
    let mut settings = Settings::default();
    settings.prepared_statements = !log.unprepared;
    let mut builder = EventStore::builder().primary(primary).schema(&log.schema).settings(settings);
    if let Some(tls) = log.tls.tls()? {
        builder = builder.tls(tls);
    }
    Ok(replicas.into_iter().fold(builder, |builder, replica| builder.replica(replica)))
}

async fn migrate(log: &LogArgs, index: Vec<String>) -> Result<(), Failure> {
    let mut builder = builder(log)?;
    if !index.is_empty() {
        builder = builder.index_only(index);
    }
    let store = builder.connect().await?;
    store.migrate().await?;
    migration_status(&store).await
}

async fn migration_status(store: &EventStore) -> Result<(), Failure> {
    for migration in store.migration_status().await? {
        output::line(json!({
            "version": migration.version,
            "name": migration.name,
            "applied_at": migration.applied_at.map(|at| at.to_string()),
            "known": migration.is_known,
        }))?;
    }
    Ok(())
}

/// A replica, if one was named; else the primary.
fn query(store: &EventStore, filter: &Filter) -> Query {
    store.query(filter).consistency(Consistency::Eventual)
}

async fn print_matches(log: &LogArgs, args: QueryArgs) -> Result<(), Failure> {
    let store = connect(log).await?;
    let mut matches = query(&store, &args.filter.filter());
    if let Some(position) = args.after {
        matches = matches.after(token_at(&store, position).await?);
    }
    if let Some(position) = args.until {
        matches = matches.until(position);
    }
    if let Some(limit) = args.limit {
        matches = matches.limit(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    if args.backwards {
        matches = matches.backwards();
    }
    if args.allow_scan {
        matches = matches.allow_scan();
    }
    let mut stream = matches.stream();
    while let Some(event) = stream.next().await {
        output::line(output::event(&event?))?;
    }
    Ok(())
}

/// What `--to` says.
pub(crate) async fn start_at(store: &EventStore, place: Place) -> Result<Start, Failure> {
    Ok(match place {
        Place::Beginning => Start::Beginning,
        Place::Now => Start::Now,
        Place::After(position) => Start::After(token_at(store, position).await?),
    })
}

async fn token_at(store: &EventStore, position: u64) -> Result<Token, Failure> {
    if position == 0 {
        return Ok(Token::START);
    }
    let event = store.event_at(Position::new(position)).await?;
    event.map(|event| event.token()).ok_or_else(|| {
        Failure::NotFound(format!(
            "there is no event at position {position}: the log does not reach it, or it was archived"
        ))
    })
}

async fn follow(log: &LogArgs, args: TailArgs) -> Result<(), Failure> {
    let store = connect(log).await?;
    let filter = args.filter.filter();
    let lines = usize::try_from(args.lines).unwrap_or(usize::MAX);
    let seen = store.head().await?;
    if lines > 0 {
        let newest = store.query(&filter).until(seen.position()).backwards().limit(lines).await?;
        for event in newest.iter().rev() {
            output::line(output::event(event))?;
        }
    }
    if args.follow {
        store.set_poll_every(args.interval);
        let tail = store.subscription("tail").filter(&filter).ephemeral();
        let mut newer = tail.start(Start::After(seen)).await?;
        while let Some(batch) = newer.next().await {
            for event in &batch? {
                output::line(output::event(event))?;
            }
        }
    }
    Ok(())
}

async fn show(store: &EventStore, which: &str) -> Result<(), Failure> {
    let event = match (which.parse::<u64>(), which.parse::<Uuid>()) {
        (Ok(position), _) => store.event_at(Position::new(position)).await?,
        (_, Ok(id)) => store.event_by_id(EventId::from(id)).await?,
        _ => return Err(Failure::Usage(format!("{which:?} is neither a position nor an event's id"))),
    };
    let event = event.ok_or_else(|| Failure::NotFound(format!("the log has no event {which}")))?;
    output::line(format!("{:#}", output::event(&event)))
}

async fn stats(store: &EventStore) -> Result<(), Failure> {
    let stats = store.stats().await?;
    let types: serde_json::Map<_, _> =
        stats.event_types.iter().map(|(name, share)| (name.clone(), json!(share))).collect();
    output::line(format!(
        "{:#}",
        json!({
            "events": stats.events,
            "bytes": {"events": stats.event_bytes, "keys": stats.key_bytes},
            "first_recorded_at": stats.first_recorded_at.map(|at| at.to_string()),
            "last_recorded_at": stats.last_recorded_at.map(|at| at.to_string()),
            "snapshots": stats.snapshots,
            "estimated_share_of_types": types,
        })
    ))
}
