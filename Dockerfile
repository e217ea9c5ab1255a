# `eventstore` and `load-generator`, and nothing else: docker-compose.yml says which of them runs.
FROM rust:1.95.0-bookworm AS build
WORKDIR /source
COPY . .
# Caches outlive the build; what it leaves is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --release --locked --package eventstore --package load-generator --features eventstore/cli --bins && \
    install -D --target-directory=/programs target/release/eventstore target/release/load-generator

FROM debian:12.12-slim
COPY --from=build /programs/ /usr/local/bin/
# Nobody's: it owns no file here.
USER 10001:10001
