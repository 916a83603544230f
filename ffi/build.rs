//! Says how the shared object is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Moves only with the ABI, see EMCP_ABI.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libemcp.so.0");
    // A thread of the reactor outlives every server: its code must never be unmapped.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
