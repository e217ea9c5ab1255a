//! What a run shows of itself while it goes on.

use std::process::{Command, Output, Stdio};

use crate::{null, said};

const ENTER_SCREEN: &str = "\u{1b}[?1049h";
const LEAVE_SCREEN: &str = "\u{1b}[?1049l";

/// All that a run of three seconds prints to a terminal. `None` without the script(1) of util-linux, which makes one, and `test` is left
/// out; elsewhere its flags are others.
fn printed_to_a_terminal(test: &str, flags: &str) -> Option<String> {
    let is_util_linux = |output: Output| String::from_utf8_lossy(&output.stdout).contains("util-linux");
    if !Command::new("script").arg("--version").output().is_ok_and(is_util_linux) {
        testutil::skip(test, "script(1) of util-linux is not here");
        return None;
    }
    let program = format!(
        "stty rows 40 cols 120; {} --engine null --preload 500 --rate 50 --duration 3s --warmup 0s {flags}",
        env!("CARGO_BIN_EXE_load-generator")
    );
    let mut script = Command::new("script");
    script.args(["-qec", &program, "/dev/null"]).env("TERM", "xterm-256color").stdin(Stdio::null());
    let output = script.output().unwrap();
    said(&output, 0);
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn lines_are_printed_to_a_terminal_that_is_to_be_no_screen() {
    let test = "lines_are_printed_to_a_terminal_that_is_to_be_no_screen";
    let Some(printed) = printed_to_a_terminal(test, "--no-tui") else { return };
    let progress = printed.lines().filter(|line| line.contains("req/s  p50")).count();
    assert!(progress >= 2, "{progress} lines in three seconds: {printed}");
    assert!(!printed.contains(ENTER_SCREEN), "{printed}");
}

#[test]
fn a_terminal_is_a_screen_while_it_runs_and_has_the_report_afterwards() {
    let test = "a_terminal_is_a_screen_while_it_runs_and_has_the_report_afterwards";
    let Some(printed) = printed_to_a_terminal(test, "") else { return };
    let place = |text: &str| printed.find(text).unwrap_or_else(|| panic!("{text:?} is not in {printed:?}"));
    let places = [ENTER_SCREEN, "library through null", LEAVE_SCREEN, "150 scheduled"].map(place);
    assert!(places.is_sorted(), "{places:?}: {printed:?}");
    assert_eq!(printed.matches(ENTER_SCREEN).count(), printed.matches(LEAVE_SCREEN).count());
    assert!(!printed.contains("req/s  p50"), "lines are for those without a screen: {printed:?}");
}

#[test]
fn a_short_run_prints_no_lines_without_a_terminal() {
    let output = null("--rate 50 --duration 2s --warmup 0s").output().unwrap();
    let said = said(&output, 0);
    assert!(!said.contains("req/s"), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("100 scheduled"));
}
