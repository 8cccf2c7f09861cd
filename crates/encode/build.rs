//! Says what a missing assembler costs: without it OpenH264 silently builds its plain C++.

use std::process::{Command, Stdio};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=PATH");
    let target = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let needs_nasm = matches!(target.as_str(), "x86_64" | "x86");
    let nasm = Command::new("nasm").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if needs_nasm && !nasm.is_ok_and(|status| status.success()) {
        println!(
            "cargo:warning=openh264 is built without nasm: encoding is about 3 times slower. \
             Install nasm, then: cargo clean -p openh264-sys2 (with --release for that profile)"
        );
    }
}
