//! The archive: sealed segments become runs of compressed blocks, copied on several drives.

#[cfg(any(truelog_loom, truelog_shuttle))]
pub mod slot;
#[cfg(not(any(truelog_loom, truelog_shuttle)))]
#[allow(unreachable_pub, dead_code, reason = "public in the mounts, for the harness's scenarios")]
mod slot;
