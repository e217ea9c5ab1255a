//! The store against real servers. Each test has a schema of its own on a shared primary and replica; tests that
//! stop or break a server start one of their own.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod agreement;
mod append;
mod bad_input;
mod cache;
mod claim_plans;
mod cli;
mod conformance;
mod containers;
mod contract;
mod dcb;
mod decide;
mod examples;
mod failover;
mod failover_views;
mod faults;
mod fixture;
mod freshness;
mod group_faults;
mod group_order;
mod groups;
mod health;
mod hostile;
mod inline_faults;
mod inline_projections;
mod keys;
mod metrics;
mod migration;
mod plans;
mod pooler;
mod pressure;
mod process;
mod process_manager_faults;
mod process_managers;
mod process_script;
mod projection_swaps;
mod projections;
mod query;
mod race;
mod recompute_faults;
mod recompute_script;
mod recomputes;
mod replicas;
mod running;
mod snapshots;
mod subscription_faults;
mod subscriptions;
mod transaction_pooler;
mod transfer;
mod typed;
