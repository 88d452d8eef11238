//! What is true of Truelog, and nothing that does anything: the vocabulary, the contract, the mechanism, the
//! invariants. No I/O, and no word about the production code.

pub mod contract;
pub mod invariant;
pub mod mechanism;
pub mod model;
pub mod outcome;
pub mod prefetch;
pub mod refinement;
pub mod scopes;
pub mod step;
pub mod switches;
mod text;
pub mod trace;

pub use invariant::{Invariant, Status};
pub use outcome::{Failure, Found, Outcome};
pub use step::{ClientStep, EngineStep, PrefetchStep, Step, WorldStep};
pub use text::ParseError;
pub use trace::Trace;
