//! Servers' settings against each other.

use serde_json::Value;

use crate::{json, load_generator, said};

#[test]
fn variants_take_turns_on_copies_of_the_same_log() {
    let flags = "settings --only shared_buffers+wal_compression --rounds 2 --duration 1s --warmup 200ms --preload 300 \
                 --rate 50 --clients 4 --json -";
    let output = load_generator(flags).output().unwrap();
    let report = json(&output);
    let variants = report["variants"].as_array().unwrap();
    let names: Vec<&str> = variants.iter().map(|variant| variant["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["defaults", "only shared_buffers+wal_compression"]);
    for variant in variants {
        let rounds = variant["rounds"].as_array().unwrap();
        assert_eq!(rounds.len(), 2, "{variant:#}");
        for load in ["open", "closed"] {
            let rate = |of: &Value| of["rate"].as_f64().unwrap();
            let [one, two] = [rate(&rounds[0][load]), rate(&rounds[1][load])];
            assert!((rate(&variant[load]["median"]) - f64::midpoint(one, two)).abs() < 1e-6, "{variant:#}");
            assert!(one > 10.0 && two > 10.0, "{variant:#}");
        }
    }
    for (variant, expected) in variants.iter().zip([["128MB", "off"], ["1GB", "lz4"]]) {
        let set = &variant["rounds"][1]["settings"];
        assert_eq!([set["shared_buffers"].as_str(), set["wal_compression"].as_str()], expected.map(Some));
    }
    let rate = |nth: usize, round: usize| variants[nth]["rounds"][round]["open"]["rate"].as_f64().unwrap();
    let times = f64::midpoint(rate(1, 0) / rate(0, 0), rate(1, 1) / rate(0, 1));
    assert!((variants[1]["open"]["times_the_first"]["rate"].as_f64().unwrap() - times).abs() < 1e-6);
    let printed = said(&output, 0);
    let turns: Vec<&str> = printed.lines().filter(|line| line.starts_with("round ")).collect();
    assert_eq!(turns.len(), 4, "{printed}");
    // Each round begins with another one.
    assert!(turns[0].starts_with("round 1: defaults") && turns[2].starts_with("round 2: only"), "{printed}");
}

#[test]
fn what_can_not_be_compared_is_refused() {
    for (flags, expected) in [
        ("--only no_such_setting", "is in none of tuning/primary.conf"),
        ("--only shared_buffers --without max_wal_size", "cannot be used with"),
        ("--rate 0 --clients 0", "nothing would be measured"),
        ("--only max_connections", "the same in every variant"),
    ] {
        let said = said(&load_generator(&format!("settings {flags}")).output().unwrap(), 2);
        assert!(said.contains(expected), "{said}");
    }
}
