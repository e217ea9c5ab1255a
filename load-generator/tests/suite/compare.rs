//! Two results beside each other.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::{load_generator, null, said};

fn compare(a: &Path, b: &Path, more: &str) -> Output {
    let mut command = load_generator("compare");
    let command = command.arg(a).arg(b);
    command.args(more.split(' ').filter(|flag| !flag.is_empty())).output().unwrap()
}

#[test]
fn a_result_is_no_worse_than_itself_and_half_its_rate_is() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, half] = ["whole.json", "half.json"].map(|name| folder.path().join(name));
    said(&null("--rate 100 --duration 300ms --warmup 0s --json").arg(&whole).output().unwrap(), 0);
    let mut report: Value = serde_json::from_str(&std::fs::read_to_string(&whole).unwrap()).unwrap();
    report["achieved_rate"] = json!(report["achieved_rate"].as_f64().unwrap() / 2.0);
    report["engine"] = json!("another");
    std::fs::write(&half, report.to_string()).unwrap();

    let same = compare(&whole, &whole, "--max-regression 0%");
    said(&same, 0);
    let printed = String::from_utf8_lossy(&same.stdout);
    assert!(printed.contains("the same") && !printed.contains("Not the same"), "{printed}");

    said(&compare(&whole, &half, ""), 0);
    let worse = compare(&whole, &half, "--max-regression 10%");
    said(&worse, 3);
    let printed = String::from_utf8_lossy(&worse.stdout);
    assert!(printed.contains("worse by more than 10 %: rate\n"), "{printed}");
    assert!(printed.contains("Not the same") && printed.contains("another"), "{printed}");
    said(&compare(&half, &whole, "--max-regression 10%"), 0);
    said(&compare(&whole, &half, "--max-regression 60%"), 0);

    let compared = compare(&whole, &half, "--max-regression 10% --figures rate,p99 --json -");
    said(&compared, 3);
    let compared: Value = serde_json::from_slice(&compared.stdout).unwrap();
    assert_eq!(compared["format"], "load-generator comparison 1");
    assert_eq!(compared["regressions"], json!(["rate"]));
    assert_eq!(
        (&compared["figures"][0]["outcome"], &compared["figures"][1]["outcome"]),
        (&json!("worse"), &json!("same"))
    );
    assert_eq!(compared["not_the_same"][0]["what"], "engine");
}

#[test]
fn what_is_no_result_can_not_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let missing = folder.path().join("missing.json");
    for (path, expected) in [
        (missing, "reading "),
        (file("text.json", "what a fine day"), "expected JSON"),
        (file("other.json", "{\"capacity\": 5}"), "expected a result of `load-generator run --json`"),
        (
            file("later.json", "{\"format\": \"load-generator 99\"}"),
            "a later version of load-generator wrote it",
        ),
    ] {
        let said = said(&compare(&path, &path, ""), 1);
        assert!(said.contains(expected) && said.contains(&path.display().to_string()), "{said}");
    }
}
