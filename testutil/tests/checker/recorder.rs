//! What recorders keep.

use testutil::checker::{Action, Answer, Append, Outcome, Recorder};

use crate::model::{append_of, taken};

#[test]
fn a_recorder_that_is_killed_leaves_what_was_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    let append =
        Append { conditions: vec![], events: vec![taken(1, 1).digest()], outcome: Outcome::Indeterminate };
    for recorder in [Recorder::to_file(&path).unwrap(), Recorder::in_memory()] {
        let first = recorder.begin(1, Action::Append(append.clone())).unwrap();
        let _second = recorder.begin(2, Action::Append(append.clone())).unwrap();
        recorder.end(&first, Answer::Append(Outcome::Accepted { first: 1 })).unwrap();
        let mut history = recorder.take();
        if history.operations.is_empty() {
            history = Recorder::load(&path).unwrap();
        }
        let answered: Vec<bool> =
            history.operations.iter().map(|operation| operation.completed.is_some()).collect();
        assert_eq!(answered, [true, false]);
        assert_eq!(append_of(&mut history.operations[0]).outcome, Outcome::Accepted { first: 1 });
    }
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 9]).unwrap();
    assert_eq!(Recorder::load(&path).unwrap().operations.len(), 2, "killed in the middle of a line");
    std::fs::write(&path, format!("no line\n{text}")).unwrap();
    Recorder::load(&path).unwrap_err();
}
