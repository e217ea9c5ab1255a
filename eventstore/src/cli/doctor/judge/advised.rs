//! Settings that are far from what `tune` would print. Only those that matter, and with tolerance: an operator has reasons too.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::judge::{Hardware, Scale, version};
use crate::doctor::look::{Look, Role, amount};
use crate::tune::{Machine, Server, Setting, Size, advice};

/// When a setting is too far away.
#[derive(Debug, Clone, Copy)]
enum Tolerance {
    /// Less than this share of what is advised.
    Least(f64),
    /// More than so many times.
    Most(f64),
    /// Outside of both.
    Between(f64, f64),
    /// Anything above.
    Above(f64),
    /// Zero, which switches it off.
    NotOff,
    /// Anything else.
    Same,
    /// None of these.
    OneOf(&'static [&'static str]),
}

/// What a rule is about: sizes need the machine to be known, vacuum does not run on a standby, feedback matters there alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Machine,
    Any,
    Writer,
    Standby,
}

struct Rule(&'static str, Of, Severity, Tolerance);

const RULES: &[Rule] = &[
    Rule("shared_buffers", Of::Machine, Severity::Warning, Tolerance::Between(0.5, 2.0)),
    Rule("effective_cache_size", Of::Machine, Severity::Note, Tolerance::Between(0.5, 1.5)),
    Rule("work_mem", Of::Machine, Severity::Warning, Tolerance::Most(2.0)),
    Rule("maintenance_work_mem", Of::Machine, Severity::Note, Tolerance::Least(0.5)),
    Rule("max_wal_size", Of::Writer, Severity::Warning, Tolerance::Least(0.5)),
    Rule("min_wal_size", Of::Writer, Severity::Note, Tolerance::Least(0.25)),
    Rule("checkpoint_timeout", Of::Writer, Severity::Warning, Tolerance::Least(0.6)),
    Rule("wal_compression", Of::Writer, Severity::Warning, Tolerance::OneOf(&["lz4", "zstd"])),
    Rule("default_toast_compression", Of::Writer, Severity::Note, Tolerance::Same),
    Rule("random_page_cost", Of::Any, Severity::Warning, Tolerance::Most(2.0)),
    Rule("jit", Of::Any, Severity::Note, Tolerance::Same),
    Rule("hot_standby_feedback", Of::Standby, Severity::Warning, Tolerance::Same),
    Rule("max_standby_streaming_delay", Of::Standby, Severity::Note, Tolerance::Most(6.0)),
    Rule("autovacuum_vacuum_insert_scale_factor", Of::Writer, Severity::Note, Tolerance::Most(5.0)),
    Rule("autovacuum_analyze_scale_factor", Of::Writer, Severity::Note, Tolerance::Most(4.0)),
    Rule("vacuum_freeze_min_age", Of::Writer, Severity::Note, Tolerance::Above(1_000_000.0)),
    Rule("autovacuum_vacuum_cost_limit", Of::Writer, Severity::Note, Tolerance::Least(0.4)),
    Rule("client_connection_check_interval", Of::Any, Severity::Note, Tolerance::NotOff),
    Rule("idle_in_transaction_session_timeout", Of::Writer, Severity::Note, Tolerance::NotOff),
    Rule("track_io_timing", Of::Any, Severity::Note, Tolerance::Same),
    Rule("log_lock_waits", Of::Writer, Severity::Note, Tolerance::Same),
];

/// Where the machine is not known, sizes are not compared; what follows from memory is then the least that is advised to anybody.
const UNKNOWN: Hardware = Hardware { memory: Size::gb(2), cpus: 4 };

pub(super) fn judge(look: &Look, scale: &Scale) -> Vec<Finding> {
    let server = match look.role {
        Role::Primary => Server::Primary,
        Role::Replica => Server::Replica,
    };
    let hardware = scale.machine.unwrap_or(UNKNOWN);
    let connections = look.settings.number("max_connections").unwrap_or(100.0) as u32;
    let machine = Machine {
        memory: hardware.memory,
        cpus: hardware.cpus,
        disk: scale.disk,
        connections,
        version: version(look),
    };
    let advised = advice(server, &machine);
    let counts = |of: Of| match of {
        Of::Machine => scale.machine.is_some(),
        Of::Any => true,
        Of::Writer => !look.is_standby,
        Of::Standby => look.is_standby,
    };
    let rules = RULES.iter().filter(|rule| counts(rule.1));
    let mut findings: Vec<_> = rules
        .filter_map(|rule| {
            let setting = advised.iter().find(|setting| setting.name == rule.0)?;
            is_far(look, setting, rule.3).then(|| finding(look, setting, rule.2))
        })
        .collect();
    findings.extend(scale.machine.is_none().then(|| {
        let what = "memory settings were not compared: it is not known how much the server has";
        let why =
            "a server can not be asked for it, and behind an address may be a container or another machine";
        Finding::note("settings", what, why).mended_by("say --memory 16GB --cpus 8")
    }));
    findings.extend(lazy_vacuum(look));
    findings
}

fn is_far(look: &Look, advised: &Setting, tolerance: Tolerance) -> bool {
    let Some(live) = look.settings.get(advised.name) else { return false };
    if let Tolerance::OneOf(values) = tolerance {
        return !values.contains(&live.value.as_str());
    }
    let Some((value, wanted)) = live.number().zip(amount(&advised.value)) else {
        return live.value != advised.value;
    };
    // Where -1 and 0 mean that there is no limit.
    match tolerance {
        Tolerance::Least(share) => value < wanted * share,
        Tolerance::Most(factor) => value > wanted * factor || value < 0.0,
        Tolerance::Between(least, most) => value < wanted * least || value > wanted * most,
        Tolerance::Above(limit) => value > limit,
        Tolerance::NotOff => value <= 0.0,
        Tolerance::Same | Tolerance::OneOf(_) => (value - wanted).abs() > f64::EPSILON,
    }
}

fn finding(look: &Look, advised: &Setting, severity: Severity) -> Finding {
    let (name, place) = (advised.name, look.settings.get(advised.name).map(|live| live.place()));
    let shown = look.settings.shown(name);
    let what = format!("{name} is {shown}{}; advised is {}", place.unwrap_or_default(), advised.value);
    Finding::new(severity, "settings", what, &advised.reason)
        .mended_by(look.settings.set(name, &advised.value))
}

/// Scale factors that leave the log's other tables, and projections, to rot.
fn lazy_vacuum(look: &Look) -> Vec<Finding> {
    const NAME: &str = "autovacuum_vacuum_scale_factor";
    if look.is_standby {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if look.settings.is("autovacuum", "off") {
        let why = "nothing is frozen until the server refuses writes, no page is all-visible for index-only \
            scans, and plans rest on no statistics";
        let mend = look.settings.set("autovacuum", "on");
        findings.push(Finding::error("vacuum", "autovacuum is off", why).mended_by(mend));
    }
    if look.settings.number(NAME).is_some_and(|factor| factor > 0.4) {
        let place = look.settings.get(NAME).map(|live| live.place()).unwrap_or_default();
        let what = format!("{NAME} is {}{place}; by default it is 0.2", look.settings.shown(NAME));
        let why =
            "tables whose rows change, such as those of projections, are vacuumed when most of them is dead";
        findings.push(Finding::warning("vacuum", what, why).mended_by(look.settings.set(NAME, "0.2")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::{advised, scale, with};

    fn names(look: &Look) -> Vec<String> {
        let name = |finding: &Finding| finding.what.split(' ').next().unwrap_or_default().to_owned();
        judge(look, &scale()).iter().map(name).collect()
    }

    #[test]
    fn our_own_advice_is_content() {
        for role in [Role::Primary, Role::Replica] {
            assert_eq!(judge(&advised(role), &scale()), []);
        }
    }

    #[test]
    fn what_is_far_from_the_advice_is_named_with_its_reason() {
        let pages = |mb: u64| (mb * 128).to_string();
        let far = with(
            advised(Role::Primary),
            &[
                ("shared_buffers", &pages(300)),
                ("checkpoint_timeout", "300"),
                ("wal_compression", "pglz"),
                ("random_page_cost", "4"),
                ("autovacuum_vacuum_scale_factor", "0.8"),
                ("idle_in_transaction_session_timeout", "0"),
            ],
        );
        let expected = [
            "shared_buffers",
            "checkpoint_timeout",
            "wal_compression",
            "random_page_cost",
            "idle_in_transaction_session_timeout",
            "autovacuum_vacuum_scale_factor",
        ];
        assert_eq!(names(&far), expected);
        let found = &judge(&far, &scale())[0];
        assert!(found.why.contains("a quarter of memory"), "{found:?}");
        assert!(found.mend.as_ref().unwrap().contains("restart"), "{found:?}");
        // Not by a little.
        let near = [("shared_buffers", pages(1500)), ("wal_compression", "zstd".to_owned())];
        let near: Vec<_> = near.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert!(names(&with(advised(Role::Primary), &near)).is_empty());
    }

    #[test]
    fn what_does_not_run_on_a_standby_is_not_judged_there() {
        let inert =
            [("autovacuum_vacuum_scale_factor", "0.8"), ("checkpoint_timeout", "300"), ("autovacuum", "off")];
        assert_eq!(names(&with(advised(Role::Replica), &inert)), [] as [&str; 0]);
        assert_eq!(
            names(&with(advised(Role::Replica), &[("hot_standby_feedback", "off")])),
            ["hot_standby_feedback"]
        );
    }

    #[test]
    fn sizes_are_left_alone_where_the_machine_is_unknown() {
        let far = with(advised(Role::Primary), &[("shared_buffers", "16384")]);
        let found = judge(&far, &Scale { machine: None, ..scale() });
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].what.contains("not compared"), "{found:?}");
    }
}
