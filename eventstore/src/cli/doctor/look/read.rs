//! Reads one server.

use tokio_postgres::types::{ToSql, Type};

use crate::connect::Session;
use crate::doctor::look::figures::{Figures, Questions};
use crate::doctor::look::setting::{LiveSetting, Settings};
use crate::doctor::look::{
    Age, Archiver, Checkpoints, LiveIndex, LiveTable, Load, LockHolder, Log, Look, Override, Prepared,
    Replay, Role, SilentTrigger, Slot, Standby, Transaction,
};

/// Looks at a server, and at the log in a schema.
///
/// # Errors
/// If it does not say what it is. What it refuses to tell is in [`Look::refused`]; a connection that is lost later ends the look, which is
/// kept.
pub(crate) async fn read(session: &Session, role: Role, schema: &str) -> Result<Look, String> {
    let name = match role {
        Role::Primary => format!("primary {}", session.endpoint),
        Role::Replica => format!("replica {}", session.endpoint),
    };
    let is_local = session.is_local && is_socket(&session.endpoint);
    let mut look = Look { role, name, is_local, ..Look::default() };
    let mut questions = Questions::new(session);
    identity(&mut questions, &mut look).await?;
    look.broken_off = further(&mut questions, &mut look, schema).await.err();
    look.refused = questions.refused;
    Ok(look)
}

async fn further(questions: &mut Questions<'_>, look: &mut Look, schema: &str) -> Result<(), String> {
    settings(questions, look).await?;
    sessions(questions, look).await?;
    replication(questions, look).await?;
    counters(questions, look).await?;
    log(questions, look, schema).await
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
        is_synced: row.flag("is_synced"),
        invalidation: row.text("invalidation"),
        unused_seconds: row.value("unused_seconds"),
    };
    look.slots = questions.rows("replication slots", include_str!("../sql/slots.sql"), &[], slot).await?;
    let standby = |row: &Figures<'_>| Standby {
        name: row.text("name"),
        is_streaming: row.flag("is_streaming"),
        is_waited_for: row.flag("is_waited_for"),
    };
    look.standbys = questions.told("standbys", include_str!("../sql/standbys.sql"), &[], standby).await?;
    let archiver = |row: &Figures<'_>| Archiver {
        failures: row.count("failures"),
        wal: row.text("wal"),
        archived_seconds: row.value("archived_seconds"),
        is_failing: row.flag("is_failing"),
    };
    look.archiver = questions.one("archiving", include_str!("../sql/archiver.sql"), archiver).await?;
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
        is_dated: row.flag("is_dated"),
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

async fn log(questions: &mut Questions<'_>, look: &mut Look, schema: &str) -> Result<(), String> {
    let in_schema: [(&(dyn ToSql + Sync), Type); 1] = [(&schema, Type::TEXT)];
    let state = include_str!("../sql/log_state.sql");
    let state =
        questions.told("whether there is a log", state, &in_schema, |row| row.flag("is_made")).await?;
    look.is_log_known = state.is_some();
    if !state.is_some_and(|state| state.contains(&true)) {
        return Ok(());
    }
    let table = |row: &Figures<'_>| LiveTable {
        name: row.text("name"),
        estimate: row.value::<i64>("estimate").and_then(|rows| u64::try_from(rows).ok()),
        is_counted: row.flag("is_counted"),
        live: row.count("live"),
        dead: row.count("dead"),
        modified: row.count("modified"),
        inserted: row.count("inserted"),
        is_analyzed: row.flag("is_analyzed"),
        bytes: row.count("bytes"),
        is_unlogged: row.flag("is_unlogged"),
        parameters: row.value("parameters").unwrap_or_default(),
    };
    // Told as far as it goes: a connection may be lost between two statements.
    let log = look.log.insert(Log { schema: schema.to_owned(), ..Log::default() });
    log.tables = questions.rows("tables", include_str!("../sql/tables.sql"), &in_schema, table).await?;
    let index = |row: &Figures<'_>| LiveIndex {
        name: row.text("name"),
        table: row.text("table"),
        is_valid: row.flag("is_valid"),
        is_building: row.flag("is_building"),
    };
    log.indexes = questions.told("indexes", include_str!("../sql/indexes.sql"), &in_schema, index).await?;
    let trigger = |row: &Figures<'_>| SilentTrigger {
        name: row.text("name"),
        table: row.text("table"),
        is_missing: row.flag("is_missing"),
        is_evaded: row.flag("is_evaded"),
    };
    let silent = include_str!("../sql/triggers.sql");
    log.silent_triggers = questions.rows("triggers", silent, &in_schema, trigger).await?;
    let inline = include_str!("../sql/inline_trigger.sql");
    let inline = questions.rows("triggers", inline, &in_schema, |row| row.flag("is_there")).await?;
    log.has_inline_trigger = inline.contains(&true);
    let holder = |row: &Figures<'_>| LockHolder {
        pid: row.value("pid").unwrap_or_default(),
        application: row.text("application"),
        is_in_transaction: row.flag("is_in_transaction"),
        seconds: row.number("seconds"),
    };
    let holders = include_str!("../sql/lock_holders.sql");
    log.lock_holders = questions.rows("the lock of the log", holders, &in_schema, holder).await?;
    Ok(())
}

/// Whether all hosts of an endpoint are folders of sockets. An address of this machine tells nothing: behind it may be a container's
/// published port, a tunnel or a pooler.
fn is_socket(endpoint: &str) -> bool {
    endpoint.split(',').all(|host| host.starts_with(['/', '@']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_is_known_to_lead_to_this_machine() {
        let found =
            ["/run/postgresql:5432", "127.0.0.1:5432", "localhost:5432", "/a:1,127.0.0.1:1"].map(is_socket);
        assert_eq!(found, [true, false, false, false]);
    }
}
