//! Embeds `web/` in the program: writes a table of its files with their types and content tags. What pages share is in `*.part`, named in each
//! by a comment (`<!-- head.part -->`). And it asks the linker for what makes the program smaller.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../web");
    println!("cargo:rerun-if-changed={}", root.display());
    let out = PathBuf::from(env::var("OUT_DIR").unwrap_or_default());
    smaller(&out)?;
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut table = String::from("static ASSETS: &[Asset] = &[\n");
    for file in &files {
        let Some(mime) = mime(file) else { continue };
        println!("cargo:rerun-if-changed={}", file.display());
        let path = file.strip_prefix(&root).map_err(io::Error::other)?.to_string_lossy().replace('\\', "/");
        let mut bytes = fs::read(file)?;
        let mut full = fs::canonicalize(file)?;
        if mime.starts_with("text/html") {
            bytes = with_parts(&root, &bytes)?;
            full = out.join(file.file_name().unwrap_or_default());
            fs::write(&full, &bytes)?;
        }
        writeln!(
            table,
            "    Asset {{ path: {path:?}, mime: {mime:?}, etag: \"\\\"{:016x}\\\"\", bytes: include_bytes!({full:?}) }},",
            fnv1a(&bytes),
        )
        .map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table)
}

/// A page with each part put where its name stands.
fn with_parts(root: &Path, page: &[u8]) -> io::Result<Vec<u8>> {
    let mut page = String::from_utf8(page.to_vec()).map_err(io::Error::other)?;
    while let Some((before, rest)) = page.split_once("<!-- ") {
        let Some((name, after)) = rest.split_once(" -->").filter(|(name, _)| name.ends_with(".part")) else {
            break;
        };
        let part = root.join(name);
        println!("cargo:rerun-if-changed={}", part.display());
        page = format!("{before}{}{after}", fs::read_to_string(part)?.trim_end());
    }
    Ok(page.into_bytes())
}

/// Asks the linker for less to hold in memory, where the program is built for a machine like this one:
///
/// - OpenH264's C++ library comes into the program: a few of its pages instead of the megabyte that a shared one takes when it is loaded. A folder that
///   has the archive alone goes before the system's; where there is no archive, the shared one is taken;
/// - what hardly ever runs (`.text.unlikely`: panics and their like) stands by itself and not between what runs, by the linker that Rust brings along;
/// - relative relocations in their short form (`DT_RELR`), a twentieth of the long one, all of which is read when the program starts; where the C library
///   can read it, from glibc 2.36 on;
/// - in a release, what runs when the program starts stands side by side (`start.ld`), since the kernel maps 64 kB around each page that is needed.
fn smaller(out: &Path) -> io::Result<()> {
    let of_target = |name: &str| env::var(name).unwrap_or_default();
    let target = of_target("TARGET");
    if target != of_target("HOST") || !target.ends_with("-unknown-linux-gnu") {
        return Ok(());
    }
    println!("cargo:rerun-if-env-changed=CXX");
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let archive = said(&compiler, "-print-file-name=libstdc++.a").map(PathBuf::from);
    if let Some(archive) = archive.filter(|archive| archive.is_absolute() && archive.is_file()) {
        let folder = out.join("static");
        fs::create_dir_all(&folder)?;
        let link = folder.join("libstdc++.a");
        if link.is_symlink() {
            fs::remove_file(&link)?;
        }
        symlink(archive, &link)?;
        println!("cargo:rustc-link-search=native={}", folder.display());
    }
    if target != "x86_64-unknown-linux-gnu" {
        return Ok(());
    }
    println!("cargo:rustc-link-arg-bins=-Wl,-z,keep-text-section-prefix");
    // Another linker than Rust's own, or the system's, need not read it.
    let is_usual =
        env::var_os("RUSTC_LINKER").is_none() && !of_target("CARGO_ENCODED_RUSTFLAGS").contains("fuse-ld");
    if of_target("PROFILE") == "release" && is_usual {
        let order = PathBuf::from(of_target("CARGO_MANIFEST_DIR")).join("start.ld");
        println!("cargo:rerun-if-changed={}", order.display());
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", order.display());
    }
    let version = said("getconf", "GNU_LIBC_VERSION").and_then(|version| {
        let (major, minor) = version.strip_prefix("glibc ")?.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    if version.is_some_and(|version| version >= (2, 36)) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    Ok(())
}

/// What a program answers to one question.
fn said(program: &str, question: &str) -> Option<String> {
    let answer = Command::new(program).arg(question).output().ok()?;
    Some(String::from_utf8(answer.stdout).ok()?.trim().to_owned())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "node_modules" && name != "tests") {
            collect(&path, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// What a browser should take the file for; `None` for files that are not for browsers.
fn mime(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    if name.ends_with(".d.ts") {
        return None;
    }
    match path.extension()?.to_str()? {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "png" => Some("image/png"),
        "webmanifest" => Some("application/manifest+json"),
        _ => None,
    }
}

/// Changes whenever the content does; no secret is kept by it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
