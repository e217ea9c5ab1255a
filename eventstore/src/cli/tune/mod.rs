//! `eventstore tune`: what servers and tables are set to, each with its reason.
//!
//! The advice itself is pure: a server's kind and its machine in, settings out. `doctor` compares live servers with it.

mod args;
mod machine;
mod memory;
mod render;
mod replication;
mod server;
mod sessions;
mod setting;
mod size;
mod tables;
mod test;
mod vacuum;
mod wal;

use eventstore::EventStore;

use crate::{Failure, output};

pub(crate) use args::TuneArgs;
pub(crate) use machine::{Disk, Machine, SUPPORTED, Version, memory as memory_size};
pub(crate) use server::{Server, advice};
pub(crate) use setting::Setting;
pub(crate) use size::Size;
pub(crate) use tables::{TABLES, Table, quoted};

/// Prints a file. Connects to nothing.
pub(crate) fn run(args: &TuneArgs, schema: &str) -> Result<(), Failure> {
    let Some(server) = args.server.server() else {
        // For its check of the name: psql would cut a long one off.
        EventStore::migration_script(schema)?;
        return output::line(table_file(schema).trim_end());
    };
    let machine = args.machine()?;
    output::line(render::file(server, &advice(server, &machine), &args.command(&machine)).trim_end())
}

fn table_file(schema: &str) -> String {
    format!(
        "-- Storage parameters of the tables of the log in schema {schema}: what its migrations can not know.\n\
         --\n\
         -- Printed by: eventstore tune --server tables --schema {schema}\n\
         -- Use: psql -v ON_ERROR_STOP=1 -f tables.sql. Appends and reads go on meanwhile.\n\n{}",
        tables::script(schema)
    )
}
