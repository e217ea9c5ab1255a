//! Values of flags: times, shares and addresses.

use std::time::Duration;

/// Longer ones are a slip of the pen.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration > LONGEST => Err("must not be longer than a year".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; expected a number with a unit, such as 20s, 1m30s, 500ms")),
    }
}

pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0".to_owned()),
        duration => Ok(duration),
    }
}

/// Where to listen. A port alone is not open to other machines.
pub(super) fn address(text: &str) -> Result<String, String> {
    match text.parse::<u16>() {
        Ok(port) => Ok(format!("127.0.0.1:{port}")),
        Err(_) if text.contains(':') => Ok(text.to_owned()),
        Err(_) => Err("expected a port, such as 9090, or HOST:PORT".to_owned()),
    }
}

/// A share, typed as percent.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    match number {
        Some(percent) if percent.is_finite() && percent >= 0.1 => Ok(percent / 100.0),
        _ => Err("expected a number with %, from 0.1%, such as 5%".to_owned()),
    }
}
