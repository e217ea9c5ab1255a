//! From what the servers say each second to what happened: a beginning, and mostly an end.

use std::collections::HashMap;

use crate::observe::{Mark, MarkKind};

/// There is one checkpoint at a time.
const CHECKPOINT: &str = "checkpoint";

/// What the primary says of its own work.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// Tells two servers, or two lives of one, apart: their counters are not compared.
    pub(super) server: String,
    /// `None` if it does not say.
    pub(super) checkpoints: Option<Checkpoints>,
    pub(super) work: Vec<Work>,
}

/// The checkpointer's counters. PostgreSQL counts a checkpoint that takes its time when it writes its first buffer, a hurried one
/// when it is complete, and also one that it skips because there is nothing to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Checkpoints {
    pub(super) timed: u64,
    pub(super) requested: u64,
    pub(super) buffers: u64,
    /// Where the last complete one is.
    pub(super) last: String,
}

/// What autovacuum does to one table.
#[derive(Debug, Clone)]
pub(super) struct Work {
    /// "autovacuum of events".
    pub(super) name: String,
    pub(super) completed: i64,
    pub(super) is_running: bool,
}

/// The marks so far.
#[derive(Debug, Default)]
pub(super) struct Diary {
    marks: Vec<Mark>,
    /// Which of them are not over, by what they are called here.
    open: HashMap<String, usize>,
    before: Option<Reading>,
    /// A checkpoint was seen complete before it was seen counted.
    is_count_due: bool,
}

impl Diary {
    /// Whether a server answered.
    pub(super) fn answered(&mut self, at_s: f64, name: &str, answers: bool) {
        let text = format!("{name} did not answer");
        match (answers, self.open.contains_key(&text)) {
            (false, false) => self.begin(at_s, MarkKind::Unreachable, &text, &text),
            (true, true) => self.end(at_s, &text),
            (false, true) | (true, false) => {}
        }
    }

    /// What the primary answered.
    pub(super) fn read(&mut self, at_s: f64, reading: Reading) {
        let before = self.before.take();
        let same = before.as_ref().filter(|before| before.server == reading.server);
        if same.is_none() {
            self.end_work(at_s);
        }
        if let Some((before, now)) =
            same.and_then(|before| before.checkpoints.as_ref()).zip(reading.checkpoints.as_ref())
        {
            self.checkpoint(at_s, before, now);
        }
        for work in &reading.work {
            let completed = same
                .and_then(|before| before.work.iter().find(|before| before.name == work.name))
                .map_or(work.completed, |before| before.completed);
            self.autovacuum(at_s, completed, work);
        }
        self.before = Some(reading);
    }

    /// All marks, in the order in which they began.
    pub(super) fn into_marks(self) -> Vec<Mark> {
        self.marks
    }

    fn checkpoint(&mut self, at_s: f64, before: &Checkpoints, now: &Checkpoints) {
        let why = if now.requested > before.requested {
            Some("checkpoint (requested)")
        } else if now.timed > before.timed {
            Some("checkpoint (timed)")
        } else {
            None
        };
        let is_complete = now.last != before.last;
        match (is_complete, self.open.contains_key(CHECKPOINT)) {
            (true, true) => self.end(at_s, CHECKPOINT),
            (true, false) => {
                self.begin(at_s, MarkKind::Checkpoint, CHECKPOINT, why.unwrap_or(CHECKPOINT));
                self.end(at_s, CHECKPOINT);
                self.is_count_due = why.is_none();
            }
            (false, is_open) => {
                let Some(why) = why else { return };
                let is_new = now.buffers > before.buffers && !is_open && !self.is_count_due;
                self.is_count_due = false;
                if is_new {
                    self.begin(at_s, MarkKind::Checkpoint, CHECKPOINT, why);
                }
            }
        }
    }

    fn autovacuum(&mut self, at_s: f64, completed_before: i64, work: &Work) {
        match (work.is_running, self.open.contains_key(&work.name)) {
            (true, false) => self.begin(at_s, MarkKind::Autovacuum, &work.name, &work.name),
            (false, true) => self.end(at_s, &work.name),
            // Short, or hidden from our role.
            (false, false) if work.completed > completed_before => {
                self.begin(at_s, MarkKind::Autovacuum, &work.name, &work.name);
                self.end(at_s, &work.name);
            }
            (false, false) | (true, true) => {}
        }
    }

    fn begin(&mut self, at_s: f64, kind: MarkKind, name: &str, text: &str) {
        self.open.insert(name.to_owned(), self.marks.len());
        self.marks.push(Mark { at_s, until_s: None, kind, text: text.to_owned() });
    }

    fn end(&mut self, at_s: f64, name: &str) {
        if let Some(nth) = self.open.remove(name) {
            self.marks[nth].until_s = Some(at_s);
        }
    }

    /// The work of a server that is another one now.
    fn end_work(&mut self, at_s: f64) {
        let marks = &mut self.marks;
        self.open.retain(|_, nth| {
            let mark = &mut marks[*nth];
            let goes_on = mark.kind == MarkKind::Unreachable;
            if !goes_on {
                mark.until_s = Some(at_s);
            }
            goes_on
        });
        self.is_count_due = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoints(timed: u64, requested: u64, buffers: u64, last: &str) -> Reading {
        let checkpoints = Checkpoints { timed, requested, buffers, last: last.to_owned() };
        Reading { server: "a".to_owned(), checkpoints: Some(checkpoints), work: Vec::new() }
    }

    fn work(server: &str, completed: i64, is_running: bool) -> Reading {
        let work = Work { name: "autovacuum of events".to_owned(), completed, is_running };
        Reading { server: server.to_owned(), checkpoints: None, work: vec![work] }
    }

    /// The marks after readings at 0 s, 1 s and so on: text, beginning, end.
    fn marks(readings: impl IntoIterator<Item = Reading>) -> Vec<(String, f64, Option<f64>)> {
        let mut diary = Diary::default();
        for (second, reading) in readings.into_iter().enumerate() {
            diary.read(second as f64, reading);
        }
        diary.into_marks().into_iter().map(|mark| (mark.text, mark.at_s, mark.until_s)).collect()
    }

    fn mark(text: &str, at_s: f64, until_s: Option<f64>) -> (String, f64, Option<f64>) {
        (text.to_owned(), at_s, until_s)
    }

    #[test]
    fn a_frozen_server_has_one_mark_with_an_end() {
        let mut diary = Diary::default();
        for (second, answers) in [true, false, false, true, true].into_iter().enumerate() {
            diary.answered(second as f64 - 1.0, "primary", answers);
        }
        diary.answered(4.0, "replica 1", false);
        let expected = |at_s, until_s, text: &str| {
            let text = text.to_owned();
            Mark { at_s, until_s, kind: MarkKind::Unreachable, text }
        };
        let primary = expected(0.0, Some(2.0), "primary did not answer");
        assert_eq!(diary.into_marks(), [primary, expected(4.0, None, "replica 1 did not answer")]);
    }

    #[test]
    fn a_slow_checkpoint_lasts_from_its_count_to_its_place() {
        let readings = [
            checkpoints(1, 1, 40, "0/1"),
            checkpoints(1, 2, 50, "0/1"),
            checkpoints(1, 2, 90, "0/1"),
            checkpoints(1, 2, 99, "0/2"),
        ];
        assert_eq!(marks(readings), [mark("checkpoint (requested)", 1.0, Some(3.0))]);
    }

    #[test]
    fn a_skipped_checkpoint_is_none() {
        assert!(marks([checkpoints(1, 0, 40, "0/1"), checkpoints(2, 0, 40, "0/1")]).is_empty());
    }

    #[test]
    fn a_hurried_checkpoint_is_marked_once_though_its_count_is_late() {
        let at_once = [checkpoints(1, 0, 40, "0/1"), checkpoints(2, 0, 90, "0/2")];
        assert_eq!(marks(at_once), [mark("checkpoint (timed)", 1.0, Some(1.0))]);
        let late = [checkpoints(1, 0, 40, "0/1"), checkpoints(1, 0, 40, "0/2"), checkpoints(1, 1, 90, "0/2")];
        assert_eq!(marks(late), [mark("checkpoint", 1.0, Some(1.0))]);
    }

    #[test]
    fn autovacuum_is_marked_while_it_runs_and_when_it_was_too_short_to_be_seen() {
        let readings = [
            work("a", 7, false),
            work("a", 7, true),
            work("a", 7, true),
            work("a", 8, false),
            work("a", 9, false),
            work("a", 9, true),
        ];
        let name = "autovacuum of events";
        let expected = [mark(name, 1.0, Some(3.0)), mark(name, 4.0, Some(4.0)), mark(name, 5.0, None)];
        assert_eq!(marks(readings), expected);
    }

    #[test]
    fn counters_of_another_server_are_not_compared() {
        let readings = [work("a", 7, true), work("b", 90, false), work("b", 90, false), work("b", 3, false)];
        assert_eq!(marks(readings), [mark("autovacuum of events", 0.0, Some(1.0))]);
    }
}
