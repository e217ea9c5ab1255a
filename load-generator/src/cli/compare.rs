//! The arguments of `compare`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Command;
use crate::compare::{ComparePlan, MaxRegression};
use crate::figure::Figure;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  load-generator --rate 300 --repeats 3 --json before.json    then change something, measure again
  load-generator compare before.json after.json
  load-generator compare before.json after.json --max-regression 10% --figures p99,rate

Where both results have several repeats, figures whose repeats overlap are `within the spread`: the difference may be chance, and \
does not count as a regression. Of two times three repeats that do not differ in truth, chance alone parts one figure in ten; of \
two times five less than one in a hundred.

Exit status: 0 nothing became worse by more than --max-regression, or it was not given, 1 the results can not be compared, \
2 usage, 3 something became worse.")]
pub(super) struct CompareArgs {
    /// The result to compare with, as `run --json` wrote it
    #[arg(value_name = "A.json")]
    a: PathBuf,
    /// The result to judge
    #[arg(value_name = "B.json")]
    b: PathBuf,
    /// End with status 3 if a figure became worse by more than this: 10%
    ///
    /// A latency that rose, a rate that fell by more than this share of its old value. Shares of requests (errors, rejected,
    /// timeouts, late, conflicts) must rise by more than 0.1 percentage points besides. What B no longer has became worse too.
    /// Without it figures are shown, and the exit status is 0
    #[arg(long, value_name = "PERCENT%")]
    max_regression: Option<MaxRegression>,
    /// Which figures: p99,rate,lend_book.p99
    ///
    /// p50, p99.9 or another percentile, mean, max (service.p99, lend_book.p99 of a part), rate, errors, rejected, timeouts,
    /// late, conflicts. Without it: rate, p50, p90, p99, p99.9, max, service.p99, errors, rejected, timeouts, conflicts
    #[arg(long, value_delimiter = ',', value_name = "FIGURE,…")]
    figures: Vec<Figure>,
    /// Write the comparison as JSON to this file; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl From<CompareArgs> for Command {
    fn from(args: CompareArgs) -> Self {
        let CompareArgs { a, b, max_regression, figures, json } = args;
        let figures = if figures.is_empty() { Figure::main_ones() } else { figures };
        Self::Compare(ComparePlan { a, b, figures, max_regression, json })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        args: CompareArgs,
    }

    fn plan(flags: &str) -> Result<ComparePlan, clap::Error> {
        let typed = Typed::try_parse_from(std::iter::once("compare").chain(flags.split(' ')))?;
        match typed.args.into() {
            Command::Compare(plan) => Ok(plan),
            other => panic!("expected a comparison, got {other:?}"),
        }
    }

    #[test]
    fn figures_are_named_or_the_main_ones() {
        assert_eq!(plan("a.json b.json").unwrap().figures, Figure::main_ones());
        let named = plan("a.json b.json --figures p99,lend_book.p99.9,rate --max-regression 2.5%").unwrap();
        let names: Vec<String> = named.figures.iter().map(Figure::to_string).collect();
        assert_eq!(names, ["p99", "lend_book.p99.9", "rate"]);
        assert_eq!(named.max_regression.map(|limit| limit.to_string()).as_deref(), Some("2.5 %"));
    }

    #[test]
    fn nonsense_is_refused() {
        for flags in [
            "a.json",
            "a.json b.json c.json",
            "a.json b.json --figures speed",
            "a.json b.json --max-regression 10",
        ] {
            assert!(plan(flags).is_err(), "{flags}");
        }
    }
}
