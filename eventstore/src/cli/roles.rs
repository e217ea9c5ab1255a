//! `eventstore roles`.

use clap::{Args, Subcommand};
use eventstore::{EventStore, Privilege, PrivilegeHolder};
use serde_json::{Value, json};

use crate::{Failure, output};

#[derive(Debug, Subcommand)]
pub(crate) enum RolesCommand {
    /// Grant a role a privilege on the log, and print what it holds then; for the log's owner
    #[command(after_help = "\
Privileges, each of which may read:
  reader     query, stream, and look at what follows the log
  writer     append, decide, and keep snapshots
  importer   import
  projector  run, reset and delete subscriptions, consumer groups, projections, recomputed projections and process managers

Projections make schemas of their own. `projector` does not include that: GRANT CREATE ON DATABASE … TO … does, for which
`creates_schemas` is printed. What handlers append needs `writer`.

Examples:
  eventstore --schema library roles grant writer library_app
  eventstore --schema library roles grant projector library_views")]
    Grant(RoleArgs),
    /// Take a privilege on the log from a role, and print what it holds then; for the log's owner
    #[command(after_help = "\
Example:
  eventstore --schema library roles revoke writer library_app
What other privileges include it keeps, and what it has as a member of another role.")]
    Revoke(RoleArgs),
    /// Print who holds which privilege on the log, one a line, as JSON; for the log's owner
    #[command(after_help = "\
Example:
  eventstore --schema library roles list
Owners, superusers, members of other roles and what was granted by hand are not listed.")]
    List,
}

#[derive(Debug, Args)]
pub(crate) struct RoleArgs {
    /// reader, writer, importer or projector
    #[arg(value_name = "PRIVILEGE", value_parser = privilege)]
    privilege: Privilege,
    /// The role, which has to be there, as PostgreSQL has its name
    #[arg(value_name = "ROLE")]
    role: String,
}

pub(crate) async fn run(store: &EventStore, command: RolesCommand) -> Result<(), Failure> {
    match command {
        RolesCommand::Grant(RoleArgs { privilege, role }) => {
            store.grant(privilege, &role).await?;
            let held = held_by(store, &role).await?;
            if privilege == Privilege::Projector && held.iter().any(|holder| !holder.may_create_schemas) {
                eprintln!(
                    "eventstore: {role} may not create schemas in this database, which projections need: \
                     GRANT CREATE ON DATABASE … TO …"
                );
            }
            print(&held)
        }
        RolesCommand::Revoke(RoleArgs { privilege, role }) => {
            store.revoke(privilege, &role).await?;
            print(&held_by(store, &role).await?)
        }
        RolesCommand::List => print(&store.privileges().await?),
    }
}

async fn held_by(store: &EventStore, role: &str) -> Result<Vec<PrivilegeHolder>, Failure> {
    let mut held = store.privileges().await?;
    held.retain(|holder| holder.role == role);
    Ok(held)
}

fn print(held: &[PrivilegeHolder]) -> Result<(), Failure> {
    held.iter().try_for_each(|holder| output::line(line(holder)))
}

fn line(holder: &PrivilegeHolder) -> Value {
    json!({
        "role": holder.role,
        "privilege": holder.privilege.as_str(),
        "creates_schemas": holder.may_create_schemas,
    })
}

fn privilege(name: &str) -> Result<Privilege, String> {
    name.parse().map_err(|error: eventstore::Error| error.to_string())
}
