//! A disk that tries to break Truelog, an oracle that judges it, and the verifier's command.

pub mod campaign;
mod caught;
pub mod command;
pub mod conformance;
pub mod damage;
pub mod displaced;
pub mod driver;
pub mod emulator;
pub mod explore;
pub mod fabric;
mod fewer;
pub mod fpre004;
pub mod fuzzing;
pub mod instructions;
pub mod kernels;
pub mod knobs;
pub mod oracle;
pub mod order;
pub mod page;
pub mod process;
pub mod progress;
pub mod replay;
pub mod report;
pub mod schedules;
mod share;
pub mod subject;
pub mod traces;
