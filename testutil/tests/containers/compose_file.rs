//! The files of Compose as data, with what they include and extend.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use yaml_serde::{Mapping, Value};

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file with what it includes.
#[derive(Debug, Default)]
pub(crate) struct Project {
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) secrets: BTreeMap<String, Value>,
}

/// A service with what it extends.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// Paths are from there: those that are extended are in the same folder or written as if they were.
    pub(crate) folder: PathBuf,
    said: Value,
}

impl Project {
    /// Reads a file of the repository.
    pub(crate) fn read(file: &str) -> Self {
        let path = repository().join(file);
        let folder = path.parent().unwrap().to_owned();
        let said = parse(&path);
        let mut project = Self::default();
        for included in sequence(said.get("include")) {
            let included = Path::new(file).parent().unwrap().join(included);
            let included = Self::read(included.to_str().unwrap());
            project.services.extend(included.services);
            project.secrets.extend(included.secrets);
        }
        for (name, service) in mapping(said.get("services")) {
            project.services.insert(name, Service { folder: repository(), said: complete(&folder, service) });
        }
        project.secrets.extend(mapping(said.get("secrets")));
        project
    }
}

impl Service {
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(&self.said, |value, key| value.get(*key))
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.at(&[key]).map(text)
    }

    pub(crate) fn list(&self, key: &str) -> Vec<String> {
        sequence(self.at(&[key]))
    }

    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        mapping(self.at(&["environment"])).into_iter().map(|(name, value)| (name, text(&value))).collect()
    }
}

fn parse(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut said: Value =
        yaml_serde::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    said.apply_merge().unwrap();
    said
}

/// The service with what it extends, and its paths as they are from the repository's folder.
fn complete(folder: &Path, mut service: Value) -> Value {
    if let Some(Value::Sequence(volumes)) = service.get_mut("volumes") {
        let from = folder.strip_prefix(repository()).unwrap_or(Path::new(""));
        for volume in volumes {
            let said = text(volume);
            if said.starts_with('.') {
                *volume = Value::String(format!("./{}", from.join(said).display()));
            }
        }
    }
    let Some(extended) = service.get("extends").cloned() else { return service };
    let path = folder.join(text(&extended["file"]));
    let base = parse(&path)["services"][text(&extended["service"]).as_str()].clone();
    assert!(base.is_mapping(), "{extended:?} is not there");
    merged(complete(path.parent().unwrap(), base), service)
}

/// As Compose does it: mappings key by key, lists one after the other, anything else is replaced. Commands are replaced too.
fn merged(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Mapping(mut base), Value::Mapping(over)) => {
            for (key, value) in over {
                let replaces = key == "command" || key == "entrypoint" || key == "test";
                let value = match base.remove(&key) {
                    Some(before) if !replaces => merged(before, value),
                    _ => value,
                };
                base.insert(key, value);
            }
            Value::Mapping(base)
        }
        (Value::Sequence(mut base), Value::Sequence(over)) => {
            base.extend(over);
            Value::Sequence(base)
        }
        (_, over) => over,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(bool) => bool.to_string(),
        other => panic!("{other:?} is no text"),
    }
}

fn sequence(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_sequence).into_iter().flatten().map(text).collect()
}

fn mapping(value: Option<&Value>) -> BTreeMap<String, Value> {
    let entries = value.and_then(Value::as_mapping).into_iter().flat_map(Mapping::iter);
    entries.map(|(name, value)| (text(name), value.clone())).collect()
}
