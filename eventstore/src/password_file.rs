//! A password that is in a file, as secrets of containers are.

use std::fs;
use std::path::Path;
use std::str::FromStr as _;

use tokio_postgres::Config;

use crate::error::Error;

/// A connection string with the password that is in a file: its first line, without the end of it. One that has a
/// password already stays as it is, and so does one that does not parse, which connecting says better.
///
/// So the password is neither on a command line nor in the environment, where others can read it.
///
/// ```
/// let file = std::env::temp_dir().join(format!("password-of-{}", std::process::id()));
/// std::fs::write(&file, "it's secret\n")?;
/// let primary = eventstore::with_password_file("host=localhost user=app", &file)?;
/// assert_eq!(primary, r"host=localhost user=app password='it\'s secret'");
/// # std::fs::remove_file(&file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) if the file can not be read, or its first line is empty.
pub fn with_password_file(connection_string: &str, file: &Path) -> Result<String, Error> {
    let Ok(config) = Config::from_str(connection_string) else { return Ok(connection_string.to_owned()) };
    // An empty one is none, as `user:@host` has it.
    if config.get_password().is_some_and(|password| !password.is_empty()) {
        return Ok(connection_string.to_owned());
    }
    let text = fs::read_to_string(file)
        .map_err(|error| Error::invalid(format!("password file {}: {error}", file.display())))?;
    let first = text.lines().next().unwrap_or_default();
    let password = first.strip_suffix('\r').unwrap_or(first);
    if password.is_empty() {
        return Err(Error::invalid(format!(
            "first line of the password file {} is empty; expected a password",
            file.display()
        )));
    }
    let complete = match after_scheme(connection_string) {
        Some(rest) => {
            format!("{connection_string}{}password={}", separator(rest), in_a_url(password))
        }
        None => format!("{connection_string} password='{}'", quoted(password)),
    };
    // The password must be a password to the driver and nothing else: all else that is said is sent to the server, or looked up.
    let mut expected = config;
    expected.password(password);
    if Config::from_str(&complete).ok().as_ref() != Some(&expected) {
        return Err(Error::invalid(format!(
            "the password of {} can not be added to a connection string (not shown) that ends as it does; expected one that can be \
             gone on with",
            file.display()
        )));
    }
    Ok(complete)
}

/// What follows in a URL, by the driver's own rule: "://" may stand in a value of the other form too.
fn after_scheme(connection_string: &str) -> Option<&str> {
    ["postgresql://", "postgres://"].into_iter().find_map(|scheme| connection_string.strip_prefix(scheme))
}

/// What comes before one more parameter. User and password end at the first @, whatever is in them.
fn separator(rest: &str) -> &'static str {
    let after_user = rest.split_once('@').map_or(rest, |(_, after)| after);
    match after_user.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, parameters)) if parameters.ends_with('&') => "",
        Some(_) => "&",
    }
}

fn quoted(password: &str) -> String {
    password.replace('\\', r"\\").replace('\'', r"\'")
}

fn in_a_url(password: &str) -> String {
    password
        .bytes()
        .map(|byte| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn password_of(connection_string: &str, text: &str) -> Option<String> {
        let complete = with_password_file(connection_string, file(text).path()).unwrap();
        let config = Config::from_str(&complete).unwrap();
        config.get_password().map(|password| String::from_utf8(password.to_vec()).unwrap())
    }

    #[test]
    fn the_password_is_the_first_line_whatever_is_in_it() {
        for password in ["geheim", " a'b\\c \"d\" ", "p@ss/w?rd&x=%41#", "пароль", "'", "\\"] {
            for ends in ["", "\n", "\r", "\r\n", "\nmore\n"] {
                for server in [
                    "host=db user=u",
                    "host=db user=u sslmode=disable dbname='a b'",
                    "host=db user=u application_name=app://one",
                    "application_name='postgresql://x' host=db user=u",
                    "host=db user=u password=''",
                    "postgresql://u@db",
                    "postgresql://u:@db/log",
                    "postgresql://u@db/log?",
                    "postgres://u%3F@db",
                    "postgres://u?@db",
                    "postgres://u@db/log?sslmode=disable",
                    "postgres://u@db/log?sslmode=disable&",
                ] {
                    let read = password_of(server, &format!("{password}{ends}"));
                    assert_eq!(read.as_deref(), Some(password), "{server}");
                }
            }
        }
    }

    #[test]
    fn the_password_is_nothing_else() {
        for server in
            ["host=db user=u application_name=app://one", "postgresql://u@db/log?application_name=a://b"]
        {
            let complete = with_password_file(server, file("geheim").path()).unwrap();
            let (with, without) = (Config::from_str(&complete).unwrap(), Config::from_str(server).unwrap());
            assert_eq!(with.get_application_name(), without.get_application_name());
        }
        // The driver takes the next character as it is.
        let error = with_password_file(r"host=db user=u dbname=a\", file("geheim").path()).unwrap_err();
        assert!(!error.to_string().contains("geheim"), "{error}");
    }

    #[test]
    fn what_is_said_already_counts() {
        assert_eq!(password_of("host=db user=u password=mine", "other").as_deref(), Some("mine"));
        assert_eq!(password_of("postgresql://u:mine@db/log", "other").as_deref(), Some("mine"));
        let unreadable = "host=db port=many";
        assert_eq!(with_password_file(unreadable, file("x").path()).unwrap(), unreadable);
    }

    #[test]
    fn a_file_without_a_password_is_refused_without_its_content() {
        for text in ["", "\n", "\r\ngeheim"] {
            let file = file(text);
            let error = with_password_file("host=db user=u", file.path()).unwrap_err().to_string();
            assert!(error.contains("expected a password") && !error.contains("geheim"), "{error}");
        }
        let error = with_password_file("host=db user=u", Path::new("/no/such/file")).unwrap_err();
        assert!(error.to_string().contains("/no/such/file"), "{error}");
    }
}
