# make demo    the load generator on a primary and a replica of its own (RATE, DURATION and JSON can be set)
# make test    all tests
# make bench   the append path against plain INSERTs and the usual SQL over GIN indexes (BENCH can be set to another benchmark, or all)
# make test-matrix  all tests on each version of PostgreSQL (VERSIONS can be set)
# make fuzz    filters and texts that nobody would write, for a while each (FUZZ_SECONDS can be set); needs nightly and cargo-fuzz
# make patroni three nodes under Patroni, which switch over and lose their primary under load; the log is audited
# make lint    formatting, clippy, documentation
# make postgres  a PostgreSQL server, if none is installed
# make tools     Patroni, etcd, PgBouncer, Prometheus and Chromium, where Debian's packages are to be had, and Compose

RATE ?= 300
DURATION ?= 30s
JSON ?=
BENCH ?= append

POOLLESS := $(foreach module,cli cli_consumers conformance containers doctor doctor_log examples plans claim_plans process raw_calls tuning,--skip $(module)::)
VERSIONS ?= 15 16 17 18
FUZZ_SECONDS ?= 60

.PHONY: bench demo fuzz lint patroni postgres test test-matrix tools

demo: postgres
	cargo build --release --locked -p load-generator
	@echo
	cargo run --quiet --release --locked -p load-generator -- \
	  --rate $(RATE) --duration $(DURATION) $(if $(JSON),--json $(JSON))

# The store's suite once more for each other way that it can be used, the other pool and no prepared statements, but for what uses
# none: programs, servers' settings, and plain SQL.
test: postgres tools
	cargo test --workspace --all-features --locked
	EVENTSTORE_TEST_POOL=bb8 cargo test -p eventstore --all-features --locked --test suite -- $(POOLLESS)
	EVENTSTORE_TEST_STATEMENTS=unprepared cargo test -p eventstore --all-features --locked --test suite -- $(POOLLESS)

test-matrix:
	@for version in $(VERSIONS); do \
	  bin=$$(sh testutil/get-postgres.sh $$version) || exit 1; \
	  echo "== PostgreSQL $$version"; \
	  env -u EVENTSTORE_TEST_PRIMARY -u EVENTSTORE_TEST_REPLICA EVENTSTORE_PG_BIN=$$bin EVENTSTORE_TEST_VERSION=$$version \
	    $(MAKE) --no-print-directory test || { echo "PostgreSQL $$version: failed"; exit 1; }; \
	done

fuzz:
	cd eventstore/fuzz && for target in filter texts; do \
	  cargo +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=1024 || exit 1; done

bench: postgres
	cargo run --quiet --release --locked -p load-generator -- bench $(BENCH) $(if $(JSON),--json $(JSON))

patroni: postgres tools
	cargo run --quiet --release --locked -p load-generator -- chaos --faults switchover=2,leader=2 --duration 10m

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
	cargo clippy -p eventstore --locked -- -D warnings
	cargo clippy -p eventstore --features bb8 --locked -- -D warnings
	cargo clippy -p eventstore --features cli --locked -- -D warnings
	cargo clippy -p eventstore --features rustls --locked -- -D warnings
	cargo clippy -p eventstore --features axum --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

postgres:
	@sh testutil/get-postgres.sh

tools:
	@sh testutil/get-debian.sh
	@sh testutil/get-chromium.sh
	@sh testutil/get-compose.sh
