//! Players that people have, without a screen.

use std::process::Command;

use crate::tool;

/// Lets mpv play two seconds of a URL. What it complained of, if it did.
pub fn mpv(url: &str) -> Option<String> {
    let quiet = ["--no-config", "--vo=null", "--ao=null", "--length=2", "--msg-level=all=error"];
    let mpv = Command::new("timeout").args(["30", "mpv"]).args(quiet).arg(url).output();
    let mpv = mpv.expect("mpv is needed by the tests");
    let said = String::from_utf8_lossy(&mpv.stdout).into_owned();
    (!mpv.status.success() || !said.is_empty()).then(|| format!("{} {said}", mpv.status))
}

/// Lets VLC play four seconds of a URL: which codecs it saw, and what it said.
pub fn vlc(url: &str) -> (String, String) {
    // VLC does not run as root: as nobody it needs a place of its own. What it reads, it writes again.
    let home = open_folder();
    let copy = home.join("seen.ts");
    let sout = format!("#standard{{access=file,mux=ts,dst={}}}", copy.display());
    let mut vlc = Command::new("timeout");
    vlc.arg("60");
    if rustix::process::geteuid().is_root() {
        vlc.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    vlc.args(["cvlc", "-I", "dummy", "--run-time=4", url, "--sout", &sout, "vlc://quit"]);
    let vlc = vlc.env("HOME", &home).output().expect("VLC is needed by the tests");
    let seen = std::fs::read(&copy).unwrap_or_default();
    let _ = std::fs::remove_dir_all(&home);
    let kinds = if seen.is_empty() { String::new() } else { tool::probe(&seen, "stream=codec_name") };
    (kinds, String::from_utf8_lossy(&vlc.stderr).into_owned())
}

/// A folder in which anybody may write.
fn open_folder() -> std::path::PathBuf {
    let home = std::env::temp_dir().join(format!("firstlight-vlc-{}", std::process::id()));
    std::fs::create_dir_all(&home).expect("a folder for VLC");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&home, open).expect("a folder is opened");
    home
}
