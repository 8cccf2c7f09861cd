//! `--lan`, as somebody at a terminal sees it: an address with a token, and the same as a code for a phone.

#![allow(clippy::unwrap_used)] // a test may

use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use firstlight_e2e::{Viewer, http, program, within};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

const CONFIG: &str = "[http]\nlisten = [\"127.0.0.1:0\"]\n[streams.front]\nsource = { test = { width = 160, height = 120, fps = 25 } }\n[streams.guest]\n";

/// The program at a terminal; killed when dropped.
struct AtTerminal {
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl AtTerminal {
    fn start(config: &str) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let screen = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let file = program::scratch().join(format!("lan-{}.toml", std::process::id()));
        fs::write(&file, config).unwrap();
        let child = Command::new(program::firstlight())
            .args(["--lan", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(OwnedFd::from(screen))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let shown = Arc::<Mutex<String>>::default();
        let (mut terminal, seen) = (File::from(terminal), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut buffer = [0; 4_096];
            // Ends with an error when the program has ended.
            while let Ok(length @ 1..) = terminal.read(&mut buffer) {
                bytes.extend_from_slice(&buffer[..length]);
                *seen.lock().unwrap() = String::from_utf8_lossy(&bytes).replace('\r', "");
            }
        });
        Self { child, shown }
    }

    /// All that is shown once it has been said who can watch.
    fn announcement(&self) -> String {
        within(Duration::from_secs(10), "it says where to look", || {
            let shown = self.shown.lock().unwrap().clone();
            shown.contains("without it nobody can.").then_some(shown)
        })
    }
}

impl Drop for AtTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a phone reads of the code on the screen. Modules are the halves of block characters, and dark where nothing is drawn.
fn scanned(shown: &str) -> String {
    const MODULE: usize = 4;
    let lines =
        shown.lines().filter_map(|line| line.strip_prefix("\u{1b}[97;40m")?.strip_suffix("\u{1b}[0m"));
    let mut dark: Vec<Vec<bool>> = Vec::new();
    for line in lines {
        dark.push(line.chars().map(|c| !matches!(c, '█' | '▀')).collect());
        dark.push(line.chars().map(|c| !matches!(c, '█' | '▄')).collect());
    }
    // A code is square: an odd one has half a line of nothing below it.
    let side = dark.first().map_or(0, Vec::len);
    let is_dark = |x: usize, y: usize| x < side && y < side && dark[y][x];
    let luma = |x: usize, y: usize| if is_dark(x / MODULE, y / MODULE) { 0 } else { 255 };
    let mut picture = rqrr::PreparedImage::prepare_from_greyscale(side * MODULE, side * MODULE, luma);
    let codes = picture.detect_grids();
    codes.first().unwrap_or_else(|| panic!("no code in {side} modules:\n{shown}")).decode().unwrap().1
}

#[test]
fn whoever_has_the_address_can_watch_and_publish_and_nobody_else() {
    let at_terminal = AtTerminal::start(CONFIG);
    let shown = at_terminal.announcement();
    let (_, rest) = shown.split_once(": open ").unwrap();
    let address = rest.lines().next().unwrap();
    assert_eq!(scanned(&shown), address, "the code says the same");

    let (place, token) = address.strip_prefix("http://").unwrap().split_once("/?token=").unwrap();
    assert!(token.len() >= 20, "{token}");
    assert!(shown.contains(&format!("  front: http://{place}/front/?token={token}\n")), "{shown}");
    // It listens on every address, this machine's own among them.
    let port: u16 = place.rsplit_once(':').unwrap().1.parse().unwrap();
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    let status = |path: &str| http::get(server, path, &[]).status;

    for path in ["/", "/front/", "/front/snapshot.jpg", "/api/v1/streams", "/cameras", "/metrics"] {
        assert_eq!(status(path), 401, "{path}");
    }
    assert_eq!(status(&format!("/front/snapshot.jpg?token={}x", &token[1..])), 401);
    assert_eq!(Viewer::open_with(server, "/front/ws", &[]).response().status, 401);
    assert_eq!(http::request(server, "POST", "/guest/publish", &[], b"x").status, 401);

    for path in ["/", "/front/", "/front/snapshot.jpg", "/api/v1/streams"] {
        assert_eq!(status(&format!("{path}?token={token}")), 200, "{path}");
    }
    let mut viewer = Viewer::open_with(server, &format!("/front/ws?format=fmp4&token={token}"), &[]);
    assert!(!viewer.binaries(3).is_empty());
    let publish = http::request(server, "POST", &format!("/guest/publish?token={token}"), &[], b"x");
    assert_eq!(publish.status, 415, "it may, if it has something to show: {}", publish.body);
    let change = http::request(server, "DELETE", &format!("/api/v1/streams/front?token={token}"), &[], b"");
    assert_eq!(change.status, 403, "it may not change anything");
}
