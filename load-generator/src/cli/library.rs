//! The arguments of `run` that say how the library is used.

use clap::Args;

use crate::scenario::{Failures, LibraryOptions, OpeningHours};

/// Of the scenario library.
#[derive(Debug, Clone, Args)]
pub(super) struct LibraryArgs {
    /// Books of the library that --preload writes
    ///
    /// Two thirds of its events add books: a preload of less than 1.5 times as many events has fewer. A log that is there
    /// already has the books that it has
    #[arg(long, value_name = "BOOKS", default_value_t = LibraryOptions::default().books,
          value_parser = clap::value_parser!(u64).range(1..=10_000_000), help_heading = "Scenario", hide_short_help = true)]
    books: u64,
    /// Readers of the library that --preload writes; each may have ten books
    #[arg(long, value_name = "READERS", default_value_t = LibraryOptions::default().readers,
          value_parser = clap::value_parser!(u64).range(1..=10_000_000), help_heading = "Scenario", hide_short_help = true)]
    readers: u64,
    /// How popularity is spread over books, from 0 (all alike) to 3: the exponent of Zipf's law
    ///
    /// At 1 the second is asked for half as often as the first. The more, the more requests meet on the same book. Readers
    /// are alike
    #[arg(long, value_name = "EXPONENT", default_value_t = LibraryOptions::default().zipf, value_parser = zipf, help_heading = "Scenario")]
    zipf: f64,
    /// What becomes of a command that the domain refuses (a lent book is asked for, say)
    #[arg(long, value_enum, default_value_t = LibraryOptions::default().failures, help_heading = "Scenario", hide_short_help = true)]
    failures: Failures,
    /// When the desk is open, and how long a day lasts: 8-20/60s; without it always
    ///
    /// 8-20/60s is from 8 to 20 o'clock, of days of 60 s each. The run begins when it opens. A closed library refuses all
    /// commands but returns, which go into its drop box: writes come in waves
    #[arg(long, value_name = "FROM-TO/DAY", help_heading = "Scenario", hide_short_help = true)]
    opening_hours: Option<OpeningHours>,
    /// The share of queries, from 0 (none) to 1 (nothing else): 0.8 [default: 0.028]
    ///
    /// Commands keep their proportions among themselves, and so do queries
    #[arg(long, value_name = "SHARE", value_parser = share, help_heading = "Scenario")]
    read_ratio: Option<f64>,
}

impl From<LibraryArgs> for LibraryOptions {
    fn from(args: LibraryArgs) -> Self {
        Self {
            books: args.books,
            readers: args.readers,
            zipf: args.zipf,
            failures: args.failures,
            hours: args.opening_hours,
            read_ratio: args.read_ratio,
        }
    }
}

fn zipf(text: &str) -> Result<f64, String> {
    let exponent = text.parse().ok().filter(|exponent: &f64| (0.0..=3.0).contains(exponent));
    exponent.ok_or_else(|| "expected an exponent from 0 (all alike) to 3, such as 1".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share: &f64| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a share from 0 to 1, such as 0.9".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        library: LibraryArgs,
    }

    fn options(flags: &str) -> Result<LibraryOptions, String> {
        let line = std::iter::once("run").chain(flags.split_whitespace());
        Line::try_parse_from(line).map(|line| line.library.into()).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_say_how_the_library_is_used() {
        assert_eq!(options("").unwrap(), LibraryOptions::default());
        let flags =
            "--books 500 --readers 20 --zipf 0 --failures events --opening-hours 8-20/60s --read-ratio 0.9";
        let expected = LibraryOptions {
            books: 500,
            readers: 20,
            zipf: 0.0,
            failures: Failures::Events,
            hours: Some("8-20/60s".parse().unwrap()),
            read_ratio: Some(0.9),
        };
        assert_eq!(options(flags).unwrap(), expected);
    }

    #[test]
    fn what_is_expected_is_said() {
        for (flags, said) in [
            ("--books 0", "1..=10000000"),
            ("--readers none", "--readers"),
            ("--zipf 4", "from 0 (all alike) to 3"),
            ("--zipf NaN", "from 0 (all alike) to 3"),
            ("--failures shrugs", "refusals"),
            ("--opening-hours 9to5", "8-20/60s"),
            ("--read-ratio 1.1", "from 0 to 1"),
            ("--read-ratio most", "from 0 to 1"),
        ] {
            let error = options(flags).unwrap_err();
            assert!(error.contains(said), "{flags}: {error}");
        }
    }
}
