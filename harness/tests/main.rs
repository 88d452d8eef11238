//! One binary for every test of the harness.

mod archive_drives;
mod archive_history;
mod archive_order;
mod assurance;
mod background;
mod concurrency;
mod conformance;
mod damage;
mod displaced;
mod doubt;
mod explore;
mod fabric;
mod fabric_lies;
mod fuzz;
mod health;
mod house;
mod litmus;
mod metrics;
mod process;
mod process_errors;
mod process_incident;
mod process_loss;
mod process_strace;
mod regressions;
mod traces;
mod watched;
