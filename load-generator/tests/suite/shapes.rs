//! How many requests are due, and when: in what shape, again, and as they were recorded.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::{count, json, load_generator, null, of_operations, said};

/// All at once: they mostly sleep.
#[test]
fn each_shape_schedules_as_many_requests_as_it_says() {
    let shapes = [
        ("--ramp 0..200/1s", 100, "ramp 0..200/1s"),
        ("--ramp 100..300/500ms --duration 1s", 250, "ramp 100..300/500ms"),
        ("--steps 100,200,400/300ms", 210, "steps 100,200,400/300ms"),
        (
            "--rate 100 --spike 1000@200ms/300ms --duration 1s",
            370,
            "100 requests/s with a spike of 1000@200ms/300ms",
        ),
        ("--rate 10 --burst 50/200ms --duration 1s", 210, "10 requests/s with bursts of 50/200ms"),
    ];
    let start =
        |flags: &str| -> Child { null(&format!("{flags} --warmup 0s --no-tui --json -")).spawn().unwrap() };
    let started: Vec<Child> = shapes.iter().map(|(flags, ..)| start(flags)).collect();
    for (child, (flags, scheduled, name)) in started.into_iter().zip(shapes) {
        let report = json(&child.wait_with_output().unwrap());
        assert_eq!(count(&report, "scheduled"), scheduled, "{flags}: {report:#}");
        assert_eq!(report["load"]["shape"], name);
    }
}

/// What a short plan of 200 requests a second schedules: times, and what is asked for at them.
fn recorded(to: &Path, flags: &str) -> (Vec<String>, Vec<String>) {
    let mut command = null(&format!("--rate 200 --duration 300ms --warmup 0s {flags} --record"));
    assert!(command.arg(to).output().unwrap().status.success());
    let text = std::fs::read_to_string(to).unwrap();
    let lines = text.lines().skip(1).map(|line| line.split_once(',').unwrap());
    lines.map(|(at, what)| (at.to_owned(), what.to_owned())).unzip()
}

#[test]
fn the_seed_fixes_what_is_recorded_and_other_arrivals_only_change_the_times() {
    let folder = tempfile::tempdir().unwrap();
    let recorded = |flags: &str| recorded(&folder.path().join("schedule"), flags);
    let even = recorded("--seed 3");
    assert_eq!(even.0.len(), 60);
    assert_eq!(even, recorded("--seed 3"));
    assert_ne!(even.1, recorded("--seed 4").1);
    let poisson = recorded("--seed 3 --arrivals poisson");
    let both = even.0.len().min(poisson.0.len());
    assert_eq!(even.1[..both], poisson.1[..both]);
    assert_ne!(even.0[..both], poisson.0[..both]);
    assert_eq!(poisson, recorded("--seed 3 --arrivals poisson"));
}

#[test]
fn what_was_recorded_is_done_again_and_faster() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = folder.path().join("schedule");
    // So many places in the queue that none is rejected, however busy this machine is.
    let run = |flags: &str| {
        let mut command = null(&format!("--queue 1000 --warmup 0s --json - {flags}"));
        json(&command.arg(&schedule).output().unwrap())
    };
    let first = run("--rate 100 --duration 1s --seed 3 --record");
    let again = run("--seed 4 --speed 2 --replay");
    for report in [&first, &again] {
        assert_eq!((count(report, "scheduled"), count(report, "completed")), (100, 100), "{report:#}");
    }
    assert_eq!(of_operations(&first, "count"), of_operations(&again, "count"));
    assert_eq!(again["load"]["shape"], "100 recorded requests");
    let rate = |report: &serde_json::Value| report["offered_rate"].as_f64().unwrap();
    // The last request is due at 0.99 s, and recorded ones last as long.
    assert!((rate(&again) / rate(&first) - 2.0).abs() < 0.05, "{first:#} {again:#}");
}

#[test]
fn a_plan_is_explained_and_nothing_is_started() {
    for more in ["", " --primary nobody"] {
        let flags = format!("--explain --rate 100 --spike 3000@20s/5s --duration 60s --seed 9{more}");
        let output = load_generator(&flags).output().unwrap();
        let (printed, said) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.is_empty(), "{said}");
        for part in ["a spike of 3000@20s/5s", "20500 measured", "lend_book 50.51 %", "0.010000 s"] {
            assert!(printed.contains(part), "{part} is not in {printed}");
        }
    }
}

#[test]
fn whoever_reads_a_plan_may_stop_early() {
    let explain = |stdout: Stdio| {
        let mut command = load_generator("--explain --rate 100 --duration 60s");
        command.stdout(stdout).spawn().unwrap().wait_with_output().unwrap()
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(said(&explain(writer.into()), 0), "");
    // What could not be printed for another reason is an error all the same.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    assert!(said(&explain(full.into()), 1).contains("printing"));
}
