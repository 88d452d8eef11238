//! Compiles the preload shim that the process tests put between a child and the kernel.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let source = "src/process/short.c";
    println!("cargo::rerun-if-changed={source}");
    println!("cargo::rerun-if-env-changed=CC");
    let Some(out) = env::var_os("OUT_DIR") else { return };
    let shim = PathBuf::from(out).join("short.so");
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let built = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-o"])
        .arg(&shim)
        .arg(source)
        .status();
    // Without a compiler there is no shim; the tests that need it say so, and count as incomplete.
    let path = match built {
        Ok(status) if status.success() => shim.display().to_string(),
        _ => {
            println!("cargo::warning=the preload shim was not built: {} failed", compiler.display());
            String::new()
        }
    };
    println!("cargo::rustc-env=TRUELOG_SHORT_SHIM={path}");
}
