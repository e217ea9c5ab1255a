//! The command line of subscriptions, consumer groups, projections and process managers.

use clap::{Args, Subcommand};
use uuid::Uuid;

#[derive(Debug, Subcommand)]
pub(crate) enum SubscriptionsCommand {
    /// Print the subscriptions, one a line, as JSON
    #[command(after_help = "Example:\n  eventstore subscriptions list")]
    List,
    /// Print how far one is, and who holds it
    #[command(after_help = "Example:\n  eventstore subscriptions show reminders")]
    Show {
        /// As `subscriptions list` prints it
        name: String,
    },
    /// Set the checkpoint of one that nobody holds; its next start goes on from there
    #[command(after_help = "\
Examples:
  eventstore subscriptions reset reminders --to beginning
  eventstore subscriptions reset reminders --to 4711      goes on with position 4712")]
    Reset(ResetArgs),
    /// Delete one that nobody holds; its next start begins anew
    #[command(after_help = "Example:\n  eventstore subscriptions delete reminders")]
    Delete {
        /// As `subscriptions list` prints it
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupsCommand {
    /// Print the groups, one a line, as JSON
    #[command(after_help = "Example:\n  eventstore groups list")]
    List,
    /// Print how far one is, what is left to do, and who takes part
    #[command(after_help = "Example:\n  eventstore groups show mailers")]
    Show {
        /// As `groups list` prints it
        name: String,
    },
    /// Have one that nobody takes part in begin again elsewhere; what is parked is forgotten
    #[command(after_help = "\
Examples:
  eventstore groups reset mailers --to now
  eventstore groups reset mailers --to 4711      begins with position 4712")]
    Reset(ResetArgs),
    /// Delete one that nobody takes part in, with all that is parked
    #[command(after_help = "Example:\n  eventstore groups delete mailers")]
    Delete {
        /// As `groups list` prints it
        name: String,
    },
    /// List, replay and drop the events that were handed over in vain too often
    #[command(subcommand)]
    Parked(ParkedCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ParkedCommand {
    /// Print what a group has parked, one event a line, as JSON
    #[command(after_help = "Example:\n  eventstore groups parked list mailers")]
    List {
        /// The group
        name: String,
    },
    /// Have parked events handed over again, and print how many there were
    #[command(after_help = "\
Examples:
  eventstore groups parked replay mailers 4711 4713
  eventstore groups parked replay mailers --all")]
    Replay(ParkedArgs),
    /// Drop parked events as if they were done, and print how many there were
    #[command(after_help = "\
Examples:
  eventstore groups parked drop mailers 4711
  eventstore groups parked drop mailers --all")]
    Drop(ParkedArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProjectionsCommand {
    /// Print the generations of all projections, one a line, as JSON
    #[command(after_help = "Example:\n  eventstore projections list")]
    List,
    /// Print how far one is behind the log, a line for each of its generations
    #[command(after_help = "Example:\n  eventstore projections lag loans")]
    Lag {
        /// As `projections list` prints it
        name: String,
    },
    /// Have one built anew, by whoever runs it, beside the live one, which it then replaces
    #[command(after_help = "Example:\n  eventstore projections rebuild loans")]
    Rebuild {
        /// As `projections list` prints it
        name: String,
    },
    /// Have one pause, whoever runs it
    #[command(after_help = "Example:\n  eventstore projections pause loans")]
    Pause {
        /// As `projections list` prints it
        name: String,
    },
    /// Have one go on that is paused
    #[command(after_help = "Example:\n  eventstore projections resume loans")]
    Resume {
        /// As `projections list` prints it
        name: String,
    },
    /// Delete one that nobody runs, with all of its tables
    #[command(after_help = "Example:\n  eventstore projections delete loans")]
    Delete {
        /// As `projections list` prints it
        name: String,
    },
    /// Print the recomputed projections, one a line, as JSON
    #[command(after_help = "Example:\n  eventstore projections recomputed")]
    Recomputed,
    /// Have a key of a recomputed projection recomputed, or all of its keys; print how many there are
    #[command(after_help = "\
Examples:
  eventstore projections recompute votes
  eventstore projections recompute votes c-17")]
    Recompute {
        /// As `projections recomputed` prints it
        name: String,
        /// Only this key
        key: Option<String>,
    },
    /// List, register and unregister functions that every append calls
    #[command(subcommand)]
    Inline(InlineCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum InlineCommand {
    /// Print the inline projections, in the order in which they are called, one a line, as JSON
    #[command(after_help = "Example:\n  eventstore projections inline list")]
    List,
    /// Have every append call a function, in its own transaction; print the position after which it is called
    #[command(after_help = "\
Example:
  eventstore projections inline register loans library_views.count_loans
The function takes two bigint: the first and the last position that an append has written. Every writer waits for it.")]
    Register {
        /// What to call it
        name: String,
        /// The function, with its schema and without arguments
        function: String,
    },
    /// Have appends call it no more; its function and its tables stay
    #[command(after_help = "Example:\n  eventstore projections inline unregister loans")]
    Unregister {
        /// As `projections inline list` prints it
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProcessesCommand {
    /// Print the processes that have something to do, one a line, as JSON
    #[command(after_help = "\
Example:
  eventstore processes list
What they have yet to react to, and the events that they could not react to, are those of the group process/NAME.")]
    List,
    /// Print the commands and wake-ups that have failed for good, the last one first, one a line, as JSON
    #[command(after_help = "Example:\n  eventstore processes parked reminders --limit 20")]
    Parked {
        /// The process
        name: String,
        /// At most so many
        #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Have parked work done again, and print how much there was
    #[command(after_help = "\
Examples:
  eventstore processes replay reminders 0190a5e2-1d2c-7e3a-b7a1-0242ac120002
  eventstore processes replay reminders --all")]
    Replay(WorkArgs),
    /// Drop parked work, which nobody does then, and print how much there was
    #[command(after_help = "\
Examples:
  eventstore processes drop reminders 0190a5e2-1d2c-7e3a-b7a1-0242ac120002
  eventstore processes drop reminders --all")]
    Drop(WorkArgs),
}

#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// The process
    pub(crate) name: String,
    /// As `processes parked` prints them
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all", value_parser = work_id)]
    pub(crate) ids: Vec<Uuid>,
    /// All that is parked now
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// As `list` prints it
    pub(crate) name: String,
    /// Where to go on: with the first event, with what comes from now on, or after a position
    #[arg(long, value_name = "beginning|now|POSITION", value_parser = place)]
    pub(crate) to: Place,
}

#[derive(Debug, Args)]
pub(crate) struct ParkedArgs {
    /// The group
    pub(crate) name: String,
    /// Where the events stand
    #[arg(value_name = "POSITION", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) positions: Vec<u64>,
    /// All that are parked now
    #[arg(long)]
    pub(crate) all: bool,
}

/// Where to go on, as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Beginning,
    Now,
    /// After this position.
    After(u64),
}

fn work_id(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "expected an id, as `processes parked` prints it".to_owned())
}

fn place(text: &str) -> Result<Place, String> {
    match (text, text.parse::<u64>()) {
        ("beginning", _) | (_, Ok(0)) => Ok(Place::Beginning),
        ("now", _) => Ok(Place::Now),
        (_, Ok(position)) => Ok(Place::After(position)),
        _ => Err("expected `beginning`, `now` or a position".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_words_or_positions() {
        assert_eq!(place("beginning"), Ok(Place::Beginning));
        assert_eq!(place("0"), Ok(Place::Beginning));
        assert_eq!(place("now"), Ok(Place::Now));
        assert_eq!(place("4711"), Ok(Place::After(4711)));
        assert!(place("yesterday").is_err() && place("-1").is_err());
    }
}
