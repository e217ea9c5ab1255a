//! `eventstore doctor`: looks at live servers, compares them with the advice of `tune`, and says what is wrong, why, and what mends it.
//!
//! `look` reads and does not judge, `judge` judges and reads nothing. Nothing is changed on any server.

mod args;
mod finding;
mod here;
mod judge;
mod look;
mod report;

use std::io::IsTerminal as _;

use eventstore::{MigrationStatus, Tls};

use crate::args::LogArgs;
use crate::connect::{connect, endpoint};
use crate::doctor::finding::{Finding, Severity};
use crate::doctor::judge::{Hardware, Scale, judge};
use crate::doctor::look::{Look, Migrations, Role, Uncalled, read};
use crate::doctor::report::Examined;
use crate::tune::Size;
use crate::{Failure, commands, output};

pub(crate) use args::DoctorArgs;

/// The migration that made the table of inline projections.
const INLINE_SINCE: u32 = 7;

/// A server that was looked at, or why it could not be.
type Seen = Result<Look, (String, String)>;

/// Looks at all servers, prints the findings, and fails as `--help` says where they are bad.
pub(crate) async fn run(log: &LogArgs, args: &DoctorArgs) -> Result<(), Failure> {
    let (primary, replicas) = (log.primary()?, log.replicas()?);
    let tls = log.tls.tls()?;
    // The primary first: what it has by then is what a replica is behind.
    let mut seen = vec![see(&primary, Role::Primary, (log, tls.as_ref())).await];
    for replica in &replicas {
        seen.push(see(replica, Role::Replica, (log, tls.as_ref())).await);
    }
    if let Some(Ok(look)) =
        seen.first_mut().filter(|seen| !seen.as_ref().is_ok_and(|look| look.broken_off.is_some()))
    {
        migrations(log, look).await;
    }
    let examined = examine(&seen, args);
    if args.json {
        output::line(report::json(&examined))?;
    } else {
        output::line(report::text(&examined, std::io::stdout().is_terminal()))?;
    }
    let unseen: Vec<_> = seen
        .iter()
        .filter_map(|seen| seen.as_ref().err())
        .map(|(name, why)| format!("{name}: {why}"))
        .collect();
    match report::worst(&examined) {
        Some(Severity::Error) => Err(Failure::Findings(11)),
        Some(Severity::Warning) => Err(Failure::Findings(10)),
        _ if !unseen.is_empty() => Err(Failure::Unseen(format!("could not look at {}", unseen.join("; ")))),
        Some(Severity::Note) | None => Ok(()),
    }
}

async fn see(dsn: &str, role: Role, (log, tls): (&LogArgs, Option<&Tls>)) -> Seen {
    let name = || match role {
        Role::Primary => format!("primary {}", endpoint(dsn)),
        Role::Replica => format!("replica {}", endpoint(dsn)),
    };
    let session = connect(dsn, tls).await.map_err(|why| (name(), why))?;
    read(&session, role, &log.schema).await.map_err(|why| (name(), why))
}

/// As the library itself sees the log.
async fn migrations(args: &LogArgs, look: &mut Look) {
    let Some(log) = &mut look.log else { return };
    let told = async {
        let store = commands::connect(args).await?;
        let status = store.migration_status().await?;
        // An older log has no table of them.
        let has_inline = |step: &MigrationStatus| step.version == INLINE_SINCE && step.applied_at.is_some();
        let inline = match status.iter().any(has_inline) {
            true => store.inline_projections().await,
            false => Ok(Vec::new()),
        };
        Ok::<_, Failure>((status, inline))
    };
    match told.await {
        Ok((status, inline)) => {
            let versions = |is_wanted: &dyn Fn(&MigrationStatus) -> bool| {
                status
                    .iter()
                    .filter(|migration| is_wanted(migration))
                    .map(|migration| migration.version)
                    .collect()
            };
            let missing = versions(&|migration| migration.applied_at.is_none());
            let unknown = versions(&|migration| !migration.is_known);
            log.migrations = Some(Migrations { missing, unknown });
            match inline {
                Ok(inline) => {
                    let uncalled = inline.into_iter().filter(|inline| !inline.is_callable);
                    let uncalled =
                        uncalled.map(|inline| Uncalled { name: inline.name, function: inline.function });
                    log.uncalled = uncalled.collect();
                }
                Err(error) => look.refused.push(format!("inline projections: {error}")),
            }
        }
        Err(failure) => look.refused.push(format!("migrations: {failure}")),
    }
}

fn examine(seen: &[Seen], args: &DoctorArgs) -> Vec<Examined> {
    let primary = seen.first().and_then(|seen| seen.as_ref().ok());
    let local = seen.iter().flatten().filter(|look| look.is_local).count();
    let examined = |seen: &Seen| match seen {
        Ok(look) => {
            let scale = Scale { machine: machine(look, args, local), disk: args.disk };
            let (major, minor) = (look.version / 10_000, look.version % 10_000);
            let about = format!("PostgreSQL {major}.{minor}, role {}", look.user);
            let mut findings: Vec<_> = look.broken_off.iter().map(|why| lost(why)).collect();
            findings.extend(judge(look, primary, &scale));
            Examined { server: look.name.clone(), is_reached: true, about, findings }
        }
        Err((name, why)) => {
            let finding = Finding::error(
                "connection",
                format!("it could not be looked at: {why}"),
                "nothing is known of it",
            );
            let (server, about) = (name.clone(), "not reached".to_owned());
            Examined { server, is_reached: false, about, findings: vec![finding] }
        }
    };
    seen.iter().map(examined).collect()
}

/// A server that fell silent: what it said before is judged, what it did not say is not.
fn lost(why: &str) -> Finding {
    Finding::error(
        "connection",
        format!("it was lost while it was looked at: {why}"),
        "what follows is not all",
    )
}

/// What was said of the servers; else this machine, for those on it.
fn machine(look: &Look, args: &DoctorArgs, local: usize) -> Option<Hardware> {
    if let Some((memory, cpus)) = args.memory.zip(args.cpus) {
        return Some(Hardware { memory, cpus });
    }
    let here = here::hardware().filter(|_| look.is_local)?;
    let share = u64::try_from(local.max(1)).unwrap_or(1);
    Some(Hardware { memory: Size(here.memory.0 / share / Size::MB * Size::MB), cpus: here.cpus })
}
