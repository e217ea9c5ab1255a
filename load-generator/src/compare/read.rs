//! Reads a result.

use std::path::Path;

use serde_json::Value;

use crate::error::RunError;
use crate::report::{FORMAT, Report};

/// # Errors
///
/// A file that is not there, is no JSON, is no result of this tool, or is one of a later version.
pub(super) fn report(path: &Path) -> Result<Report, RunError> {
    let text = std::fs::read_to_string(path).map_err(RunError::io(format!("reading {}", path.display())))?;
    parsed(&text).map_err(|why| RunError::new(format!("{}: {why}", path.display())))
}

fn parsed(text: &str) -> Result<Report, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("expected JSON: {error}"))?;
    let no_result =
        |found: &str| format!("expected a result of `load-generator run --json` ({FORMAT}), found {found}");
    let format = value.get("format").and_then(Value::as_str);
    let format = format.ok_or_else(|| no_result("JSON without a format"))?;
    if format != FORMAT {
        let is_later = matches!((version(format), version(FORMAT)), (Some(its), Some(ours)) if its > ours);
        return Err(if is_later {
            format!(
                "expected the format {FORMAT:?}, found {format:?}: a later version of load-generator wrote it"
            )
        } else {
            no_result(&format!("the format {format:?}"))
        });
    }
    // From the text once more: the error says where.
    serde_json::from_str(text).map_err(|error| format!("expected what {FORMAT:?} has: {error}"))
}

/// Of `load-generator 1`; nothing of what else the tool writes.
fn version(format: &str) -> Option<u64> {
    format.strip_prefix("load-generator ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn what_was_written_is_read() {
        let text = serde_json::to_string(&sample()).unwrap();
        let report = parsed(&text).unwrap();
        assert_eq!(serde_json::to_string(&report).unwrap(), text);
    }

    #[test]
    fn what_is_no_result_is_refused_with_what_it_is() {
        for (text, said) in [
            ("", "expected JSON: "),
            ("nonsense", "expected JSON: "),
            ("[1]", "found JSON without a format"),
            ("{\"rounds\": []}", "found JSON without a format"),
            ("{\"format\": \"load-generator merge 1\"}", "found the format \"load-generator merge 1\""),
            ("{\"format\": \"something else\"}", "found the format \"something else\""),
            ("{\"format\": \"load-generator 2\"}", "found \"load-generator 2\": a later version"),
            ("{\"format\": \"load-generator 1\"}", "missing field"),
        ] {
            let refused = parsed(text).unwrap_err();
            assert!(refused.contains(said), "{text}: {refused}");
        }
        let missing = report(Path::new("/nowhere/a.json")).unwrap_err().to_string();
        assert!(missing.contains("reading /nowhere/a.json"), "{missing}");
    }
}
