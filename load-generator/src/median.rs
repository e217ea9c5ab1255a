//! The middle of some values.

/// The mean of the two in the middle where their number is even; nothing of none.
pub(crate) fn median(mut of: Vec<f64>) -> Option<f64> {
    of.sort_by(f64::total_cmp);
    let middle = of.len() / 2;
    let upper = *of.get(middle)?;
    Some(if of.len() % 2 == 1 { upper } else { f64::midpoint(of[middle - 1], upper) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 90.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 90.0]), Some(3.0));
        assert_eq!((median(vec![5.0]), median(Vec::new())), (Some(5.0), None));
    }
}
