//! The instructions that the engine's hot paths take, counted by callgrind and held against a pinned list.
//!
//! Time on a shared machine says little of a small change; instructions say the same twice. What the kernel does is not
//! counted, and neither are cache misses: a number here is for telling that a path has grown, not how fast it is.

mod callgrind;
mod paths;
mod pinned;

pub use callgrind::{Uncounted, count};
pub use paths::{PATHS, Path};
pub use pinned::{Judged, Pin, judge, parse, render};
