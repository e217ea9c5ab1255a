//! Reads one server.

use tokio_postgres::types::{ToSql, Type};

use crate::connect::Session;
use crate::doctor::look::figures::{Figures, Questions};
use crate::doctor::look::setting::{LiveSetting, Settings};
use crate::doctor::look::{
    Age, Checkpoints, LiveIndex, LiveTable, Load, Log, Look, Override, Prepared, Replay, Role, SilentTrigger,
    Slot, Transaction,
};

/// Looks at a server, and at the log in a schema.
///
/// # Errors
/// If the connection is lost. What the server refuses to tell is in [`Look::refused`].
pub(crate) async fn read(session: &Session, role: Role, schema: &str) -> Result<Look, String> {
    let name = match role {
        Role::Primary => format!("primary {}", session.endpoint),
        Role::Replica => format!("replica {}", session.endpoint),
    };
    let mut look = Look { role, name, is_local: session.is_local, ..Look::default() };
    let mut questions = Questions::new(session);
    identity(&mut questions, &mut look).await?;
    settings(&mut questions, &mut look).await?;
    sessions(&mut questions, &mut look).await?;
    replication(&mut questions, &mut look).await?;
    counters(&mut questions, &mut look).await?;
    look.log = log(&mut questions, schema).await?;
    look.refused = questions.refused;
    Ok(look)
}

async fn identity(questions: &mut Questions<'_>, look: &mut Look) -> Result<(), String> {
    let identity = questions.one("what it is", include_str!("../sql/identity.sql"), |row| {
        let version = row.value::<i32>("version").unwrap_or_default().unsigned_abs();
        (version, row.flag("is_standby"), row.text("role"), row.flag("monitors"), row.number("up_seconds"))
    });
    let identity = identity.await?.ok_or("it does not say what it is")?;
    (look.version, look.is_standby, look.user, look.monitors, look.up_seconds) = identity;
    let system = include_str!("../sql/system.sql");
    look.system = questions.one("which cluster it is", system, |row| row.text("system")).await?;
    Ok(())
}

async fn settings(questions: &mut Questions<'_>, look: &mut Look) -> Result<(), String> {
    let live = |row: &Figures<'_>| {
        let line = row.value::<i32>("line").map(|line| format!(", line {line}")).unwrap_or_default();
        let setting = LiveSetting {
            value: row.text("setting"),
            unit: row.value("unit"),
            shown: row.text("shown"),
            source: row.text("source"),
            context: row.text("context"),
            place: row.value::<String>("file").map(|file| format!("in {file}{line}")),
            is_pending: row.flag("pending_restart"),
        };
        (row.text("name"), setting)
    };
    let all = questions.rows("settings", include_str!("../sql/settings.sql"), &[], live).await?;
    look.settings = Settings(all.into_iter().collect());
    let of_one = |row: &Figures<'_>| Override {
        role: row.value("role"),
        database: row.value("database"),
        name: row.text("name"),
        value: row.text("value"),
    };
    let statement = include_str!("../sql/overrides.sql");
    look.overrides = questions.rows("settings of roles and databases", statement, &[], of_one).await?;
    Ok(())
}

async fn sessions(questions: &mut Questions<'_>, look: &mut Look) -> Result<(), String> {
    let clients = include_str!("../sql/clients.sql");
    look.clients = questions.one("sessions", clients, |row| row.count("clients")).await?.unwrap_or_default();
    let transaction = |row: &Figures<'_>| Transaction {
        pid: row.value("pid").unwrap_or_default(),
        application: row.text("application"),
        state: row.text("state"),
        seconds: row.number("seconds"),
        in_state_seconds: row.number("in_state_seconds"),
    };
    let statement = include_str!("../sql/transactions.sql");
    look.transactions = questions.rows("transactions", statement, &[], transaction).await?;
    let prepared = |row: &Figures<'_>| Prepared { gid: row.text("gid"), seconds: row.number("seconds") };
    let statement = include_str!("../sql/prepared.sql");
    look.prepared = questions.rows("prepared transactions", statement, &[], prepared).await?;
    Ok(())
}

async fn replication(questions: &mut Questions<'_>, look: &mut Look) -> Result<(), String> {
    let slot = |row: &Figures<'_>| Slot {
        name: row.text("name"),
        is_active: row.flag("active"),
        wal_status: row.text("wal_status"),
        kept_bytes: row.count("kept_bytes"),
        holds_rows: row.flag("holds_rows"),
    };
    look.slots = questions.rows("replication slots", include_str!("../sql/slots.sql"), &[], slot).await?;
    look.wal_end = questions.one("WAL", include_str!("../sql/wal.sql"), |row| row.count("end")).await?;
    if look.is_standby {
        let replay = |row: &Figures<'_>| Replay {
            receiver: row.value("receiver"),
            is_paused: row.flag("is_paused"),
            seconds: row.value("seconds"),
        };
        look.replay = questions.one("replay", include_str!("../sql/replay.sql"), replay).await?;
    }
    Ok(())
}

async fn counters(questions: &mut Questions<'_>, look: &mut Look) -> Result<(), String> {
    let age = |row: &Figures<'_>| Age {
        database: row.text("database"),
        transactions: row.count("transactions"),
        multixacts: row.count("multixacts"),
    };
    look.age = questions.one("ages", include_str!("../sql/ages.sql"), age).await?;
    let load = |row: &Figures<'_>| Load {
        hit: row.count("hit"),
        read: row.count("read"),
        seconds: row.number("seconds"),
    };
    look.load = questions.one("load", include_str!("../sql/load.sql"), load).await?;
    let statement = match look.major() {
        17.. => include_str!("../sql/checkpoints_17.sql"),
        _ => include_str!("../sql/checkpoints_15.sql"),
    };
    let counted =
        |row: &Figures<'_>| Checkpoints { timed: row.count("timed"), requested: row.count("requested") };
    look.checkpoints = questions.one("checkpoints", statement, counted).await?;
    Ok(())
}

async fn log(questions: &mut Questions<'_>, schema: &str) -> Result<Option<Log>, String> {
    let in_schema: [(&(dyn ToSql + Sync), Type); 1] = [(&schema, Type::TEXT)];
    let state = include_str!("../sql/log_state.sql");
    let state =
        questions.rows("whether there is a log", state, &in_schema, |row| row.flag("is_made")).await?;
    if !state.first().copied().unwrap_or_default() {
        return Ok(None);
    }
    let table = |row: &Figures<'_>| LiveTable {
        name: row.text("name"),
        live: row.count("live"),
        dead: row.count("dead"),
        modified: row.count("modified"),
        inserted: row.count("inserted"),
        is_analyzed: row.flag("is_analyzed"),
        bytes: row.count("bytes"),
        parameters: row.value("parameters").unwrap_or_default(),
    };
    let tables = questions.rows("tables", include_str!("../sql/tables.sql"), &in_schema, table).await?;
    let index = |row: &Figures<'_>| LiveIndex {
        name: row.text("name"),
        table: row.text("table"),
        is_valid: row.flag("is_valid"),
    };
    let indexes = questions.rows("indexes", include_str!("../sql/indexes.sql"), &in_schema, index).await?;
    let trigger = |row: &Figures<'_>| SilentTrigger {
        name: row.text("name"),
        table: row.text("table"),
        is_missing: row.flag("is_missing"),
        is_evaded: row.flag("is_evaded"),
    };
    let silent = include_str!("../sql/triggers.sql");
    let silent_triggers = questions.rows("triggers", silent, &in_schema, trigger).await?;
    Ok(Some(Log { schema: schema.to_owned(), tables, indexes, silent_triggers, migrations: None }))
}
