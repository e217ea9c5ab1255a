//! Tests that this machine can not run.

use std::env;
use std::fmt::Display;
use std::io::Write as _;

/// Set this to 1 where everything must run.
const STRICT: &str = "EVENTSTORE_TEST_STRICT";

/// Says that a test can not run here, past the test runner, which keeps back what tests print.
///
/// # Panics
/// Where nothing may be left out, as `EVENTSTORE_TEST_STRICT=1` says.
pub fn skip(test: &str, why: impl Display) {
    assert!(env::var_os(STRICT).is_none_or(|value| value != "1"), "{test} can not run here: {why}");
    let _ = writeln!(std::io::stderr(), "{test} can not run here, and was left out: {why}");
}
