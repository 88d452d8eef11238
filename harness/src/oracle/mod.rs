//! What is right, held against what the disk and the engine show.
//!
//! What must be there and what may be there follows from the calls and acknowledgements alone: the spec's
//! [`Obligations`](truelog_spec::contract::Obligations). What *is* there is read twice: through the engine, and
//! by a decoder of its own from the raw image.

mod archive;
mod decode;
mod judge;
mod manifest;
mod readings;

pub use archive::{Copy, Drive};
pub(crate) use decode::FRAME_HEADER;
pub use decode::{Batch, Files, Reading, Segment};
pub use judge::{Case, Ended, judge};
pub use manifest::{Manifest, Named, Run};
pub use readings::Readings;
