//! What stands below the help: examples, and the exit status.

/// After `-h`.
pub(super) const SHORT: &str = "\
Examples:
  load-generator --rate 300                      300 requests/s for a minute, on servers of its own
  load-generator --rate 300 --slo 'p99<20ms,errors<0.1%,rejected<1%' --html report.html
  load-generator capacity                        the highest rate that holds limits
  load-generator compare before.json after.json

`--help` has more flags, examples and the exit status; `load-generator COMMAND -h` has those of a command.";

/// After `--help`.
pub(super) const LONG: &str = "\
Examples:
  load-generator --rate 300                      300 requests/s for a minute, on servers of its own
  load-generator --rate 300 --slo 'p99<20ms,errors<0.1%,rejected<1%' --html report.html
  load-generator --ramp 100..2000/60s --csv seconds.csv
  load-generator --rate 300 --spike 3000@20s/5s --arrivals poisson --explain
  load-generator --clients 64 --read-ratio 0.5   a closed loop; half of the requests are queries
  load-generator run --scenario seats --audit    64 clients fight for 2,000 seats; was any sold twice?
  load-generator --rate 300 --primary 'host=db1.example user=app dbname=library' --tls-roots root.crt \\
      --replica 'host=db2.example user=app dbname=library' --json result.json
  load-generator capacity                        the highest rate that holds limits
  load-generator bench append                    appends beside plain INSERTs and SQL over GIN indexes
  load-generator compare before.json after.json --max-regression 10%

Times have a unit: 500ms, 20s, 1m30s, 1h. Rates are requests a second, without a unit. Limits are quoted, as shells take < and > \
for themselves.

Ctrl-C ends the schedule: what is under way comes to its end and is reported. A second one ends the process at once.

Exit status: 0 the run was carried out (read the report for how it went), 1 it could not be, 2 usage, 3 a limit was passed, \
4 an audit found a broken promise, 130 ended by a second Ctrl-C.";

/// After `run -h`.
pub(super) const RUN_SHORT: &str = "\
Examples:
  load-generator run --rate 300 --slo 'p99<20ms,errors<0.1%,rejected<1%' --html report.html --json result.json
  load-generator run --steps 500,1000,2000/20s --read-ratio 0.8
  load-generator run --scenario seats --audit

`--help` has more flags, examples and the exit status.";

/// After `run --help`.
pub(super) const RUN_LONG: &str = "\
Examples:
  load-generator run --rate 300 --duration 30s
  load-generator run --rate 300 --slo 'p99<20ms,errors<0.1%,rejected<1%' --html report.html --json result.json
  load-generator run --steps 500,1000,2000/20s --read-ratio 0.8
  load-generator run --rate 300 --burst 500/10s --explain
  load-generator run --rate 300 --record morning.csv
  load-generator run --replay morning.csv --speed 2
  load-generator run --engine null --rate 50000   what the load generator itself costs; no server
  load-generator run --scenario seats --audit --processes 4

Times have a unit: 500ms, 20s, 1m30s, 1h. Rates are requests a second, without a unit.

Exit status: 0 the run was carried out, 1 it could not be, 2 usage, 3 a limit of --slo was passed, 4 --audit found a broken promise.";

/// After `soak -h` and `soak --help`.
pub(super) const SOAK: &str = "\
Examples:
  load-generator soak --rate 300
  load-generator soak --rate 300 --duration 15m --settings defaults --html soak.html
  load-generator soak --rate 300 --duration 24h --primary 'host=db1 user=app dbname=library' --json soak.json

Exit status: 0 it was steady, 1 it could not be carried out, 2 usage, 3 it was not steady, or a limit of --slo was passed, 4 --audit \
found a broken promise.";
