//! One binary for every test of the harness.

mod archive_drives;
mod archive_order;
mod assurance;
mod background;
mod concurrency;
mod conformance;
mod damage;
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
mod process_places;
mod process_strace;
mod process_streams;
mod regressions;
mod traces;
mod watched;
