# make demo    the load generator on a primary and a replica of its own (RATE, DURATION and JSON can be set)
# make test    all tests
# make lint    formatting, clippy, documentation
# make postgres  a PostgreSQL server, if none is installed

RATE ?= 300
DURATION ?= 30s
JSON ?=

.PHONY: demo test lint postgres

demo: postgres
	cargo build --release --locked -p load-generator
	@echo
	cargo run --quiet --release --locked -p load-generator -- \
	  --rate $(RATE) --duration $(DURATION) $(if $(JSON),--json $(JSON))

test: postgres
	cargo test --workspace --locked

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

postgres:
	@sh testutil/get-postgres.sh
