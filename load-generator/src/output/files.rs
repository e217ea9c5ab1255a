//! All the files that a result can go to.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::RunError;
use crate::output::{Identity, Output, Place};
use crate::report::Report;

/// Where a result is to go, besides to a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OutputPlan {
    /// `-` is standard output.
    pub(crate) json: Option<PathBuf>,
    pub(crate) html: Option<PathBuf>,
    pub(crate) csv: Option<PathBuf>,
    pub(crate) hdr: Option<PathBuf>,
    /// What is due when, written before the load.
    pub(crate) record: Option<PathBuf>,
}

/// The places, all opened before anything is measured.
#[derive(Debug)]
pub(crate) struct Outputs {
    output: Output,
    html: Option<Place>,
    csv: Option<Place>,
    hdr: Option<Place>,
    record: Option<Place>,
}

impl Outputs {
    /// # Errors
    ///
    /// A place that can not be written to, and a file that two results would go to.
    pub(crate) fn open(plan: &OutputPlan) -> Result<Self, RunError> {
        let outputs = Self {
            output: Output::open(plan.json.as_deref())?,
            html: open("--html", plan.html.as_deref())?,
            csv: open("--csv", plan.csv.as_deref())?,
            hdr: open("--hdr", plan.hdr.as_deref())?,
            record: open("--record", plan.record.as_deref())?,
        };
        outputs.refuse_twins()?;
        Ok(outputs)
    }

    /// Refuses to write to what is read.
    pub(crate) fn refuse_inputs(&self, inputs: &[PathBuf]) -> Result<(), RunError> {
        for (flag, place) in self.places() {
            let is_it =
                |input: &&PathBuf| place.identity().is_some() && Identity::at(input) == place.identity();
            if let Some(input) = inputs.iter().find(is_it) {
                let (place, input) = (place.path().display(), input.display());
                return Err(RunError::new(format!(
                    "{flag} {place}: it would take the place of {input}, which is read"
                )));
            }
        }
        Ok(())
    }

    /// The file of the HDR log, which is written while the run goes on; nothing if none was asked for.
    pub(crate) fn take_hdr(&mut self) -> Option<File> {
        self.hdr.take().map(Place::into_file)
    }

    /// The place of the schedule; nothing if none was asked for.
    pub(crate) fn take_record(&mut self) -> Option<Place> {
        self.record.take()
    }

    /// The report's and its JSON's place alone.
    pub(crate) fn into_output(self) -> Output {
        self.output
    }

    /// Each place gets its own, also if others failed.
    pub(crate) fn publish(self, report: &Report) -> Result<(), RunError> {
        let Self { output, html, csv, hdr: _, record: _ } = self;
        let written = [
            csv.map_or(Ok(()), |place| place.fill(|to| crate::csv::write(&report.timeline, to))),
            html.map_or(Ok(()), |place| place.fill(|to| write!(to, "{}", crate::html::page(report)))),
            output.publish(report),
        ];
        let failed: Vec<String> =
            written.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
        if failed.is_empty() { Ok(()) } else { Err(RunError::new(failed.join("; "))) }
    }

    fn places(&self) -> Vec<(&'static str, &Place)> {
        let json = match &self.output {
            Output::PersonAndFile(place) => Some(place),
            Output::Person | Output::Script => None,
        };
        let all = [
            ("--json", json),
            ("--html", self.html.as_ref()),
            ("--csv", self.csv.as_ref()),
            ("--hdr", self.hdr.as_ref()),
            ("--record", self.record.as_ref()),
        ];
        all.into_iter().filter_map(|(flag, place)| Some((flag, place?))).collect()
    }

    fn refuse_twins(&self) -> Result<(), RunError> {
        let places = self.places();
        for (number, (flag, place)) in places.iter().enumerate() {
            let is_it = |(_, other): &&(&str, &Place)| {
                place.identity().is_some() && other.identity() == place.identity()
            };
            if let Some((other, _)) = places[..number].iter().find(is_it) {
                let path = place.path().display();
                return Err(RunError::new(format!("{flag} {path}: {other} goes to the same file")));
            }
        }
        Ok(())
    }
}

fn open(flag: &str, path: Option<&Path>) -> Result<Option<Place>, RunError> {
    match path {
        Some(path) if path == Path::new("-") => {
            Err(RunError::new(format!("{flag} -: only --json can go to standard output")))
        }
        path => path.map(Place::open).transpose(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_for_two_results_is_refused_by_whatever_names() {
        let folder = tempfile::tempdir().unwrap();
        let (result, link) = (folder.path().join("result"), folder.path().join("link"));
        std::fs::write(&result, "").unwrap();
        std::os::unix::fs::symlink(&result, &link).unwrap();
        let plan = OutputPlan { json: Some(result), csv: Some(link), ..OutputPlan::default() };
        let refused = Outputs::open(&plan).unwrap_err().to_string();
        assert!(refused.contains("--csv") && refused.contains("--json goes to the same file"), "{refused}");

        let nowhere = Some(PathBuf::from("/dev/null"));
        let plan = OutputPlan { html: nowhere.clone(), csv: nowhere, ..OutputPlan::default() };
        Outputs::open(&plan).unwrap();
    }

    #[test]
    fn what_is_read_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (input, other) = (folder.path().join("a.hlog"), folder.path().join("b.hlog"));
        std::fs::write(&input, "precious").unwrap();
        let plan = OutputPlan { hdr: Some(input.clone()), ..OutputPlan::default() };
        let outputs = Outputs::open(&plan).unwrap();
        assert!(outputs.refuse_inputs(&[other.clone(), input.clone()]).is_err());
        outputs.refuse_inputs(&[other]).unwrap();
        assert_eq!(std::fs::read_to_string(&input).unwrap(), "precious");
    }

    #[test]
    fn only_json_goes_to_standard_output() {
        let stdout = Some(PathBuf::from("-"));
        Outputs::open(&OutputPlan { json: stdout.clone(), ..OutputPlan::default() }).unwrap();
        for plan in [
            OutputPlan { html: stdout.clone(), ..OutputPlan::default() },
            OutputPlan { csv: stdout.clone(), ..OutputPlan::default() },
            OutputPlan { hdr: stdout, ..OutputPlan::default() },
        ] {
            assert!(Outputs::open(&plan).is_err(), "{plan:?}");
        }
    }

    #[test]
    fn the_log_is_handed_out_once() {
        let folder = tempfile::tempdir().unwrap();
        let plan = OutputPlan { hdr: Some(folder.path().join("a.hlog")), ..OutputPlan::default() };
        let mut outputs = Outputs::open(&plan).unwrap();
        assert!(outputs.take_hdr().is_some());
        assert!(outputs.take_hdr().is_none());
    }
}
