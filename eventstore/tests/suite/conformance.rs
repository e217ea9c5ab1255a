//! Every test that `docs/conformance.md` names is there, and every behaviour has one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    found.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The names of all tests below a folder, as `cargo test` prints them.
fn tests_in(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in sources(folder) {
        let module = file.strip_prefix(folder).unwrap().with_extension("");
        let module = module.to_str().unwrap().replace('/', "::");
        let module = module.strip_suffix("::mod").unwrap_or(&module);
        let text = fs::read_to_string(&file).unwrap();
        let inner = if text.contains("mod tests {") { "tests::" } else { "" };
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
                names.insert(format!("{module}::{inner}{}", rest.split('(').next().unwrap()));
                is_test = false;
            }
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        }
    }
    names
}

#[test]
fn every_behaviour_has_a_test_that_exists() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = tests_in(&package.join("tests/suite"));
    known.extend(tests_in(&package.join("src")));
    let table = fs::read_to_string(package.join("../docs/conformance.md")).unwrap();
    let mut numbers = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        numbers.extend(cells[0].parse::<u32>());
        let named: Vec<_> = cells.last().unwrap().split('`').filter(|name| name.contains("::")).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for name in named {
            assert!(known.contains(name), "there is no test {name}");
        }
    }
    assert_eq!(numbers, (1..=27).collect::<Vec<_>>());
}
