//! The arguments of `deliver`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::{Command, ServerArgs, positive_duration};
use crate::deliver::{
    Before, ClaimPlan, Common, CountPlan, CrashPlan, DispatchPlan, HotStreamPlan, LivePlan, PartPlan, Ramp,
    SubscribePlan, ViewPlan,
};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  load-generator deliver group-claim --nodes 1,9 --rounds 3
  load-generator deliver subscribe --duration 60s --json subscribe.json
  load-generator deliver crashes --deliveries 1000000
  load-generator deliver count --kills 50
  load-generator deliver view --events 1000000 --rate 300
  load-generator deliver dispatch --rounds 3
  load-generator deliver hot-stream --ramp 50=12s,200=108s
  load-generator deliver live --rate 5000

Exit status: 0 every promise was kept, 1 the run could not be carried out, 2 usage, 3 counters were late (hot-stream) or a delivery \
was made again too late (crashes), 4 a promise was broken.")]
pub(super) struct DeliverArgs {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Claimers on several nodes share the events of a log
    ///
    /// By a distributed group, one that keeps order by key, an exclusive one, and a queue through one leader, which is the
    /// baseline
    #[command(after_help = "\
Examples:
  load-generator deliver group-claim
  load-generator deliver group-claim --nodes 1,9 --rounds 3 --json claims.json

Exit status: 0 it was carried out, 1 it could not be, 2 usage, 4 an event was lost, claimed twice or out of order.")]
    GroupClaim {
        /// Events to be claimed
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
        items: u64,
        /// Claimers over all nodes, each with one event in hand
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=10_000))]
        claimers: u64,
        /// Numbers of nodes: store handles with pools of their own
        #[arg(long, value_delimiter = ',', default_value = "1,3,5,7,9", value_parser = clap::value_parser!(u64).range(1..=64))]
        nodes: Vec<u64>,
        /// How often everything is measured; medians are reported
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
        rounds: u32,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Many subscribers of a log with an append a second: polling, and woken
    ///
    /// Polling, woken, and woken with listeners that are killed; then conditional reads. Statements are counted by a proxy on this
    /// machine, so that --primary and --replica have to be at 127.0.0.1 or localhost, without TLS
    #[command(after_help = "\
Examples:
  load-generator deliver subscribe
  load-generator deliver subscribe --subscribers 500 --handles 8 --json subscribe.json

Exit status: 0 it was carried out, 1 it could not be, 2 usage, 4 an event was not delivered, or out of order.")]
    Subscribe {
        /// Subscribers over all handles
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        subscribers: u32,
        /// Store handles, each with connections of its own
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
        handles: u32,
        /// How long each way is measured, an append a second; what is still to be delivered then is waited for, and not counted
        #[arg(long, default_value = "60s", value_name = "TIME", value_parser = positive_duration)]
        duration: Duration,
        /// How long those who poll wait between two looks
        #[arg(long, default_value = "5s", value_name = "TIME", value_parser = positive_duration)]
        poll_every: Duration,
        /// How long those who are woken wait before they look all the same
        #[arg(long, default_value = "60s", value_name = "TIME", value_parser = positive_duration)]
        fallback: Duration,
        /// Conditional reads that are made at once
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        readers: u32,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// A group and a subscription whose processes are killed at random while others write; every delivery is checked
    #[command(after_help = "\
Examples:
  load-generator deliver crashes
  load-generator deliver crashes --deliveries 1000000 --kill-every 500ms

Exit status: 0 it was carried out, 1 it could not be, 2 usage, 3 what a killed worker had was handed over again later than a second \
after its lease, 4 a delivery was lost, doubled or out of order.")]
    Crashes {
        /// Deliveries, half of them by the group and half by the subscription
        #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(2..=100_000_000))]
        deliveries: u64,
        /// Tasks that append
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1_000))]
        writers: u64,
        /// Processes of the group, besides one of the subscription
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=64))]
        processes: u32,
        /// How far two kills are apart, give or take a half
        #[arg(long, default_value = "1s", value_name = "TIME", value_parser = positive_duration)]
        kill_every: Duration,
        /// Fixes which is killed when
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        common: CommonArgs,
        /// What this process does
        #[arg(long, hide = true, requires_all = ["number", "history", "primary"])]
        part: Option<Part>,
        #[arg(long, hide = true)]
        number: Option<u64>,
        #[arg(long, hide = true)]
        history: Option<PathBuf>,
    },
    /// A projection counts events in one row, while the process that runs it is killed at random; the count has to be exact
    #[command(after_help = "\
Examples:
  load-generator deliver count
  load-generator deliver count --events 1000000 --kills 200

Exit status: 0 it was carried out, 1 it could not be, 2 usage, 4 the count is wrong.")]
    Count {
        /// Events to be counted
        #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
        events: u64,
        /// How many times the process is killed
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(0..=100_000))]
        kills: u64,
        /// Fixes when it is killed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        common: CommonArgs,
        /// This is the process that is killed
        #[arg(long, hide = true, requires = "primary")]
        part: bool,
    },
    /// A view is waited for after each append; then it is rebuilt while others make requests
    ///
    /// Requests are measured with a rebuild beside them and without
    #[command(after_help = "\
Examples:
  load-generator deliver view
  load-generator deliver view --events 100000 --rate 300 --build-share 0.2

Exit status: 0 it was carried out, 1 it could not be, 2 usage, 4 the view was wrong.")]
    View {
        /// Events that are there before
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
        events: u64,
        /// Appends after which the view is waited for
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        waits: u64,
        /// Requests a second, half of them appends
        #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        rate: u64,
        /// How long requests are made without a rebuild
        #[arg(long, default_value = "30s", value_name = "TIME", value_parser = positive_duration)]
        duration: Duration,
        /// Which share of the time is given to the rebuild, from 0.01 to 1; others count as the nearest
        #[arg(long, default_value_t = 0.5)]
        build_share: f64,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// A process manager fetches tasks, carries them out and asks after them
    ///
    /// In batches and many at once; the baseline does so one after the other, with a query for each part of a task. Then a
    /// backlog: its memory, and how fast it goes. Statements are counted by a proxy on this machine, so that --primary has to be
    /// at 127.0.0.1 or localhost, without TLS
    #[command(after_help = "\
Examples:
  load-generator deliver dispatch
  load-generator deliver dispatch --rounds 3 --backlog 100000 --json dispatch.json

Exit status: 0 it was carried out, 1 it could not be, 2 usage, 4 a task was not carried out as it should be.")]
    Dispatch {
        /// Tasks in a cycle; what is fetched in one statement at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100))]
        items: u64,
        /// How long a handler takes
        #[arg(long, default_value = "100ms", value_name = "TIME", value_parser = positive_duration)]
        handler: Duration,
        /// How long a check takes
        #[arg(long, default_value = "150ms", value_name = "TIME", value_parser = positive_duration)]
        check: Duration,
        /// Tasks in the backlog
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=200_000))]
        backlog: u64,
        /// How often the cycle is measured; medians are reported
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
        rounds: u32,
        #[command(flatten)]
        common: CommonArgs,
        /// This is the process that works off a backlog, by this profile
        #[arg(long, hide = true, requires = "primary")]
        part: Option<String>,
    },
    /// More and more very active users of one large conversation, and its counters
    ///
    /// Appends and counters that are recomputed, against a row of counters that every request writes and counts for, which is
    /// the baseline
    #[command(after_help = "\
Examples:
  load-generator deliver hot-stream
  load-generator deliver hot-stream --ramp 50=12s,200=108s --every 2s

Exit status: 0 it was carried out, 1 it could not be, 2 usage, 3 counters were late, 4 they were wrong, or a vote was lost.")]
    HotStream {
        /// How many users there are after how long, phase by phase, beginning with one
        ///
        /// Each gives 5 to 10 opinions and casts 5 to 15 votes, and then begins again as another user
        #[arg(long, default_value = "50=12s,200=108s", value_name = "USERS=DURATION,…")]
        ramp: Ramp,
        /// The longest pause of a user before the next request; the shortest is a quarter of it
        #[arg(long, default_value = "2s", value_name = "TIME", value_parser = positive_duration)]
        longest_pause: Duration,
        /// Opinions that are there before
        #[arg(long, default_value_t = 19_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
        opinions: u64,
        /// Votes that are there before, at most 23 by each user
        #[arg(long, default_value_t = 113_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
        votes: u64,
        /// How far two recomputes of the counters are apart, at least; they have to equal the log within 20 s
        #[arg(long, default_value = "5s", value_name = "TIME", value_parser = positive_duration)]
        every: Duration,
        /// A number of users is held if in each such time no request fails and the p95 of votes is below 1 s
        #[arg(long, default_value = "5s", value_name = "TIME", value_parser = window)]
        window: Duration,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// How long after its append an event is delivered, from a replica and from the primary
    #[command(after_help = "\
Examples:
  load-generator deliver live
  load-generator deliver live --rate 1000 --duration 60s --json live.json

Exit status: 0 it was carried out, 1 it could not be, 2 usage.")]
    Live {
        /// Appends a second, at a constant rate
        #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        rate: u64,
        /// How long events are appended
        #[arg(long, default_value = "20s", value_name = "TIME", value_parser = positive_duration)]
        duration: Duration,
        #[command(flatten)]
        common: CommonArgs,
    },
}

/// Notes are kept of each window.
fn window(text: &str) -> Result<Duration, String> {
    match positive_duration(text)? {
        window if window < Duration::from_millis(100) => Err("must not be shorter than 100ms".to_owned()),
        window => Ok(window),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Group,
    Subscription,
}

#[derive(Debug, Args)]
struct CommonArgs {
    #[command(flatten)]
    servers: ServerArgs,
    /// Write the result as JSON to this file; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl From<CommonArgs> for Common {
    fn from(args: CommonArgs) -> Self {
        Self { primary: args.servers.primary, replicas: args.servers.replica, json: args.json }
    }
}

impl From<DeliverArgs> for Command {
    fn from(args: DeliverArgs) -> Self {
        match args.scenario {
            Scenario::GroupClaim { items, claimers, nodes, rounds, common } => {
                let (rounds, common) = (rounds as usize, common.into());
                Self::Claim(ClaimPlan { items, claimers, nodes, rounds, common })
            }
            Scenario::Subscribe { subscribers, handles, duration, poll_every, fallback, readers, common } => {
                let (readers, common) = (readers as usize, common.into());
                Self::Subscribe(SubscribePlan {
                    subscribers,
                    handles,
                    duration,
                    poll_every,
                    fallback,
                    readers,
                    common,
                })
            }
            Scenario::Crashes { common, part: Some(part), number, history, .. } => {
                let common = Common::from(common);
                Self::CrashPart(PartPlan {
                    is_subscription: part == Part::Subscription,
                    number: number.unwrap_or_default(),
                    primary: common.primary.unwrap_or_default(),
                    replica: common.replicas.into_iter().next(),
                    history: history.unwrap_or_default(),
                })
            }
            Scenario::Crashes { deliveries, writers, processes, kill_every, seed, common, .. } => {
                let (processes, common) = (processes as usize, common.into());
                Self::Crashes(CrashPlan { deliveries, writers, processes, kill_every, seed, common })
            }
            Scenario::Count { common, part: true, .. } => Self::CountPart(common.into()),
            Scenario::Count { events, kills, seed, common, .. } => {
                Self::Count(CountPlan { events, kills, seed, common: common.into() })
            }
            Scenario::View { events, waits, rate, duration, build_share, common } => {
                Self::View(ViewPlan { events, waits, rate, duration, build_share, common: common.into() })
            }
            Scenario::Dispatch { backlog, common, part: Some(profile), .. } => {
                Self::DispatchPart { profile, backlog, common: common.into() }
            }
            Scenario::Dispatch { items, handler, check, backlog, rounds, common, part: None } => {
                let (rounds, common) = (rounds as usize, common.into());
                Self::Dispatch(DispatchPlan { items, handler, check, backlog, rounds, common })
            }
            Scenario::HotStream { ramp, longest_pause, opinions, votes, every, window, common } => {
                let (before, common) = (Before { opinions, votes }, common.into());
                Self::HotStream(HotStreamPlan { ramp, longest_pause, before, every, window, common })
            }
            Scenario::Live { rate, duration, common } => {
                Self::Live(LivePlan { rate, duration, common: common.into() })
            }
        }
    }
}
