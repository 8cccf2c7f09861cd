//! As a service of systemd: what the manager is told, and the unit that we give away.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use firstlight_e2e::{Server, Viewer, program};

const SMALL: &str = "{ test = { width = 160, height = 120, fps = 25, audio = false } }";

/// A manager that listens under an abstract name.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    fn new(name: &str) -> Self {
        let name = format!("firstlight-{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("the name is short");
        let socket = UnixDatagram::bind_addr(&address).expect("the name is free");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket takes a timeout");
        Self { socket, name: format!("@{name}") }
    }

    fn heard(&self) -> String {
        let mut bytes = [0; 1_024];
        let len = self.socket.recv(&mut bytes).expect("the manager is told something in time");
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }

    /// Whether nothing is said for so long.
    fn is_left_in_silence(&self, long: Duration) -> bool {
        while self.is_told_within(Duration::from_millis(1)) {}
        !self.is_told_within(long)
    }

    fn is_told_within(&self, limit: Duration) -> bool {
        self.socket.set_read_timeout(Some(limit)).expect("a socket takes a timeout");
        self.socket.recv(&mut [0; 1_024]).is_ok()
    }
}

#[test]
fn the_manager_is_told_when_it_is_ready_that_it_lives_and_when_it_ends() {
    let manager = Manager::new("ready");
    let mut server = Server::start_with(
        &format!("[streams.front]\nsource = {SMALL}\n"),
        &[("NOTIFY_SOCKET", &manager.name), ("WATCHDOG_USEC", "1000000")],
    );
    assert_eq!(manager.heard(), "READY=1");
    assert_eq!(server.get("/health").status, 200, "ready means that it answers");
    assert_eq!(manager.heard(), "WATCHDOG=1");
    assert_eq!(manager.heard(), "WATCHDOG=1");
    server.terminate();
    let asked = Instant::now();
    while manager.heard() != "STOPPING=1" {
        assert!(asked.elapsed() < Duration::from_secs(10), "it says that it ends");
    }
    assert!(server.await_end(Duration::from_secs(5)).success());
}

#[test]
fn the_manager_is_told_when_the_configuration_is_read_again() {
    let manager = Manager::new("reload");
    let server = Server::start_with("[streams.front]\n", &[("NOTIFY_SOCKET", &manager.name)]);
    assert_eq!(manager.heard(), "READY=1");
    server.configure("[streams.front]\n[streams.back]\n");
    server.hang_up();
    let said = manager.heard();
    assert!(said.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{said}");
    assert_eq!(manager.heard(), "READY=1");
    assert_eq!(server.get("/back/").status, 200, "ready means that it is done");
}

#[test]
fn a_server_that_is_stuck_gives_no_sign_of_life() {
    let manager = Manager::new("stuck");
    let mut server = Server::start_with(
        &format!("[streams.front]\nsource = {SMALL}\n"),
        &[("NOTIFY_SOCKET", &manager.name), ("WATCHDOG_USEC", "1000000")],
    );
    assert_eq!([manager.heard(), manager.heard()], ["READY=1", "WATCHDOG=1"]);
    server.halt();
    assert!(manager.is_left_in_silence(Duration::from_secs(2)));
    server.kill();
}

#[test]
fn without_a_watchdog_there_are_no_signs_of_life_and_commands_are_not_told_of_the_manager() {
    let manager = Manager::new("plain");
    let environment = program::scratch().join(format!("environment-{}", std::process::id()));
    let command = format!("exec:env > {}; sleep 60", environment.display());
    let server = Server::start_with(
        &format!("[streams.front]\nsource = {}\n", serde_json::Value::from(command)),
        &[("NOTIFY_SOCKET", &manager.name)],
    );
    assert_eq!(manager.heard(), "READY=1");
    let _viewer = Viewer::open(&server, "/front/ws");
    let seen = firstlight_e2e::eventually("the command has run", || {
        std::fs::read_to_string(&environment).ok().filter(|text| text.ends_with('\n'))
    });
    assert!(seen.contains("PATH="), "{seen}");
    assert!(!seen.contains("NOTIFY_SOCKET"), "{seen}");
    assert!(manager.is_left_in_silence(Duration::from_secs(2)));
    std::fs::remove_file(&environment).unwrap();
}

#[test]
fn the_unit_is_one_that_systemd_takes_and_calls_safe() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/firstlight.service");
    let text = std::fs::read_to_string(&unit).unwrap();
    assert!(text.contains("ExecStart=/usr/local/bin/firstlight"));
    // It is judged with the program that there is.
    let program = program::firstlight();
    let text = text.replace("/usr/local/bin/firstlight", program.to_str().unwrap());
    let directory = program::scratch().join(format!("unit-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let copy = directory.join("firstlight.service");
    std::fs::write(&copy, text).unwrap();
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze")
            .args(arguments)
            .arg(&copy)
            .env("SYSTEMD_PAGER", "")
            .output()
            .expect("systemd-analyze is there: scripts/test setup");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let (good, said) = analyze(&["verify", "--man=no"]);
    let about_us: Vec<&str> = said.lines().filter(|line| line.contains("firstlight.service")).collect();
    assert!(good && about_us.is_empty(), "{said}");
    // Exposure of at most 2.0 of 10.
    let (good, said) = analyze(&["security", "--offline=true", "--threshold=20", "--no-pager"]);
    assert!(good, "{said}");
    std::fs::remove_dir_all(&directory).unwrap();
}
