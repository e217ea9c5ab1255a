//! Filters as flags.

use clap::Args;
use eventstore::{FieldValue, Filter};

/// `--type A --type B --any BookID=7`: one of the types, and one of the `any` predicates, and each of the `all` ones.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// An event type; one of those given
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// A payload path and its value; one of those given with --any
    #[arg(long, value_name = "PATH=VALUE", value_parser = predicate)]
    any: Vec<(String, FieldValue)>,
    /// A payload path and its value; each of those given with --all
    #[arg(long, value_name = "PATH=VALUE", value_parser = predicate)]
    all: Vec<(String, FieldValue)>,
}

impl FilterArgs {
    /// Every event, where nothing is given.
    pub(crate) fn filter(&self) -> Filter {
        let mut filter = match self.types.is_empty() {
            true => Filter::all(),
            false => Filter::event_types(self.types.iter().map(String::as_str)),
        };
        if !self.any.is_empty() {
            filter = filter.and_any(self.any.iter().cloned());
        }
        if !self.all.is_empty() {
            filter = filter.and_all(self.all.iter().cloned());
        }
        filter
    }
}

fn predicate(text: &str) -> Result<(String, FieldValue), String> {
    let (path, value) = text
        .split_once('=')
        .filter(|(path, _)| !path.is_empty())
        .ok_or_else(|| "expected a path and a value, such as BookID=7 or customer.id=\"7\"".to_owned())?;
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    // Only what prints back the same is a number: 007 and +49 are names.
    let number = value.parse::<i128>().ok().filter(|number| number.to_string() == value);
    let value = match (value, number, quoted) {
        ("true", ..) => true.into(),
        ("false", ..) => false.into(),
        (_, Some(number), _) => FieldValue::Integer(number),
        (_, _, Some(quoted)) => quoted.into(),
        _ => value.into(),
    };
    Ok((path.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_they_look_like() {
        let value = |text: &str| predicate(text).unwrap().1;
        assert_eq!(value("a=7"), 7.into());
        assert_eq!(value("a=\"7\""), "7".into());
        assert_eq!(value("a=007"), "007".into());
        assert_eq!(value("a=+49"), "+49".into());
        assert_eq!(value("a=18446744073709551615"), u64::MAX.into());
        assert_eq!(value("a=true"), true.into());
        assert_eq!(value("a=b=c"), "b=c".into());
        assert_eq!(value("a="), "".into());
        assert!(predicate("a").is_err() && predicate("=7").is_err());
    }
}
