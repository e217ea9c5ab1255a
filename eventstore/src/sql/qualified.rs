//! That statements name the schema of each function that they call.
//!
//! Where statements are not prepared the session keeps the role's own search path, in which others may have put functions. Those of pg_catalog come
//! first there, but one elsewhere that fits the arguments better is taken all the same: `unnest(text[])` is nearer than `unnest(anyarray)`.
//! Operators are looked for in the same way, and can not be told from the text: each has to have operands for which PostgreSQL has one of its own, without a
//! cast (`numeric >= 64` has none).

use std::fs;
use std::path::{Path, PathBuf};

/// Syntax, though it looks like a function.
const SYNTAX: [&str; 5] = ["coalesce", "extract", "greatest", "least", "nullif"];

/// The functions of a statement that are called by their names alone.
fn unqualified(sql: &str) -> Vec<String> {
    let text: String =
        sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    // Without what stands in quotes.
    let text: String = text.split('\'').step_by(2).collect::<Vec<_>>().join("''");
    let tokens = tokens(&text);
    let is_call = |nth: usize| {
        let (word, next) = (tokens[nth], tokens.get(nth + 1));
        let before = nth.checked_sub(1).map(|nth| tokens[nth]);
        let is_name = word.starts_with(|char: char| char.is_ascii_lowercase() || char == '_');
        let counts_rows = word == "count" && tokens.get(nth + 2) == Some(&"*");
        let is_other = SYNTAX.contains(&word) || matches!(before, Some("." | "AS")) || counts_rows;
        is_name && next == Some(&"(") && !is_other
    };
    (0..tokens.len()).filter(|nth| is_call(*nth)).map(|nth| tokens[nth].to_owned()).collect()
}

/// Words, and whatever else is no space, one by one.
fn tokens(text: &str) -> Vec<&str> {
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let end = match is_word(first) {
            true => rest.find(|char: char| !is_word(char)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

/// The statements of a folder and those in it, but for what a migration runs: its transaction looks in pg_catalog and the log alone.
fn statements(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("migrations") && !path.ends_with("migrate") {
            statements(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            found.push(path);
        }
    }
}

#[test]
fn statements_call_functions_by_their_schemas() {
    let mut found = Vec::new();
    statements(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 80, "{}", found.len());
    for path in found {
        let calls = unqualified(&fs::read_to_string(&path).unwrap());
        assert!(calls.is_empty(), "{}: {calls:?}", path.display());
    }
    let sql = "SELECT unnest($1), count(*), {schema}.a(b (1)), coalesce(c(2), 'd(') -- e(\nFROM f AS g(h) WHERE i IN (1)";
    assert_eq!(unqualified(sql), ["unnest", "b", "c"]);
}
