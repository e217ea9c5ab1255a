//! Whether the memory is where the load is.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::look::{Load, Look};

/// Less tells nothing.
const BLOCKS: u64 = 10_000;
/// Counters of unknown age are compared where both servers run for a week, which is most of what they counted.
const LONG: f64 = 7.0 * 86_400.0;

/// A replica's memory beside its share of the work. `None` if it has its share.
pub(super) fn compare(primary: &Look, replica: &Look) -> Option<Finding> {
    let of = |name: &str| {
        let (of_primary, of_replica) = (primary.settings.number(name)?, replica.settings.number(name)?);
        (of_primary > 0.0).then_some(of_replica / of_primary)
    };
    let buffers = of("shared_buffers")?;
    let work = rates(replica.load, primary.load).map(|(replica, primary)| replica / primary);
    // Half of the work may have half of the memory; who has less load than that is not known to need more.
    let needed = work.map_or(1.0, |work| work.min(1.0));
    if buffers >= needed * 0.75 {
        return None;
    }
    let work_is_known = work.is_some();
    let work = work.map_or_else(
        || {
            "how much of the work it has is not known: pg_stat_reset() on both begins to count anew"
                .to_owned()
        },
        |work| format!("it was asked for {work:.1} times as many blocks a second"),
    );
    let memory = ["shared_buffers", "work_mem", "effective_cache_size"].iter().filter_map(|name| {
        let ratio = of(name).filter(|ratio| *ratio < 0.75)?;
        let (own, other) = (replica.settings.shown(name), primary.settings.shown(name));
        Some(format!("{name} {own} against {other} ({ratio:.2} times)"))
    });
    let severity = if work_is_known { Severity::Warning } else { Severity::Note };
    let what =
        format!("it has less memory than the primary: {}; {work}", memory.collect::<Vec<_>>().join(", "));
    let why = "what it reads all the time does not fit, while the primary's memory lies idle; and after a \
        promotion it has the appends too";
    let wanted = primary.settings.shown("shared_buffers");
    Some(
        Finding::new(severity, "balance", what, why)
            .mended_by(replica.settings.set("shared_buffers", wanted)),
    )
}

/// Blocks a second of both. Counters outlive a restart: where nobody has reset them, their age is not known.
fn rates(one: Option<Load>, other: Option<Load>) -> Option<(f64, f64)> {
    let (one, other) = one.zip(other)?;
    let is_comparable = |load: &Load| load.is_dated || load.seconds > LONG;
    if !(is_comparable(&one) && is_comparable(&other)) {
        return None;
    }
    rate(one).zip(rate(other))
}

fn rate(load: Load) -> Option<f64> {
    let blocks = load.hit + load.read;
    (blocks > BLOCKS && load.seconds > 0.0).then(|| blocks as f64 / load.seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::{look, with};
    use crate::doctor::look::Role;

    fn compared(of_replica: &str, blocks: Option<(u64, u64)>) -> Option<Finding> {
        let load = |hit| Load { hit, read: 0, seconds: 100.0, is_dated: true };
        let (of_primary, of_other) =
            (blocks.map(|(primary, _)| load(primary)), blocks.map(|(_, replica)| load(replica)));
        let primary = Look { load: of_primary, ..with(look(Role::Primary), &[("shared_buffers", "3GB")]) };
        let replica = Look { load: of_other, ..with(look(Role::Replica), &[("shared_buffers", of_replica)]) };
        compare(&primary, &replica)
    }

    #[test]
    fn counters_of_unknown_age_are_not_compared() {
        let load = |seconds| Load { hit: 1_000_000_000, read: 0, seconds, is_dated: false };
        let dated = Load { is_dated: true, ..load(60.0) };
        assert_eq!(rates(Some(load(60.0)), Some(dated)), None, "years of blocks in a minute");
        assert!(rates(Some(load(1e6)), Some(dated)).is_some());
        assert_eq!(compared("1GB", None).unwrap().severity, Severity::Note);
    }

    #[test]
    fn memory_should_be_where_the_load_is() {
        let found = compared("1GB", Some((100_000, 310_000))).unwrap();
        assert!(
            found.what.contains("0.33 times") && found.what.contains("3.1 times as many blocks"),
            "{found:?}"
        );
        assert!(compared("1GB", None).unwrap().what.contains("not known"));
        assert_eq!(compared("3GB", Some((100_000, 310_000))), None);
        assert_eq!(
            compared("1GB", Some((100_000, 20_000))),
            None,
            "a fifth of the work, a third of the memory"
        );
    }
}
