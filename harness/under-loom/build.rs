//! Switches the synchronisation of the mounted engine to loom, for this package alone.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cfg=truelog_loom");
}
