//! Whatever is parsed from text is accepted or refused, never with a panic; what is accepted means the same afterwards, and what
//! is refused is not quoted, as it may be a secret.

#![no_main]

use eventstore::fuzzing;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    if let Ok(written) = fuzzing::event_json(text) {
        let (before, after): (Value, Value) =
            (serde_json::from_str(text).unwrap(), serde_json::from_str(&written).unwrap());
        assert_eq!(before, after, "{text}");
    }
    let _ = fuzzing::export_line(text);
    if let Ok(canonical) = fuzzing::path(text) {
        assert_eq!(fuzzing::path(&canonical).unwrap(), canonical, "{text:?}");
    }
    let secret = "Xq9-secret-Zk4";
    for dsn in [
        text.to_owned(),
        format!("host=db user=app password={secret}{text}"),
        format!("postgresql://app:{secret}{text}@db/log"),
    ] {
        if let Err(error) = fuzzing::connection_string(&dsn) {
            assert!(!error.to_string().contains(secret), "{error}");
        }
    }
});
