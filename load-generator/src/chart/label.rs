//! Numbers and names as they are written in a picture.

/// Whole, with commas: `27,000`.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// As short as can be read: `0.05`, `250`, `20k`, `3M`.
pub(crate) fn short(number: f64) -> String {
    let (number, unit) = match number.abs() {
        size if size >= 1e6 => (number / 1e6, "M"),
        size if size >= 1e4 => (number / 1e3, "k"),
        _ => (number, ""),
    };
    format!("{}{unit}", rounded(number))
}

/// To four digits.
pub(crate) fn rounded(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    let after_point = 3 - number.abs().log10().floor() as i32;
    let ten = 10_f64.powi(after_point.abs());
    if after_point >= 0 { (number * ten).round() / ten } else { (number / ten).round() * ten }
}

/// For SVG, in a text or in an attribute.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.0, 999.0, 27_000.0, 1_234_567.0].map(thousands), ["0", "999", "27,000", "1,234,567"]);
        assert_eq!(
            [0.0, 0.05, 1.5, 9_999.0, 12_500.0, 2e6].map(short),
            ["0", "0.05", "1.5", "9999", "12.5k", "2M"]
        );
        assert_eq!([1.234_56, 123_456.0, 0.3].map(rounded), [1.235, 123_500.0, 0.3]);
    }

    #[test]
    fn a_name_cannot_leave_its_place() {
        assert_eq!(escaped("\"><b>&"), "&quot;&gt;&lt;b&gt;&amp;");
    }
}
