//! What those who drive and what is driven say to each other.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use firstlight_e2e::viewer::Message;
use firstlight_e2e::{Server, Viewer, program, within};

const ROBOT: &str = "{ test = { width = 160, height = 120, fps = 10, audio = false } }";

/// A server with a robot whose program connects to a socket; and the socket.
fn server(data: &str) -> (Server, PathBuf) {
    let number = SERVERS.fetch_add(1, Ordering::Relaxed);
    let path = program::scratch().join(format!("robot-{}-{number}.sock", std::process::id()));
    let config = format!("[streams.robot]\nsource = {ROBOT}\ndata = {{ socket = {path:?}, {data} }}\n");
    (Server::start(&config), path)
}

/// How many there were, for paths of their own.
static SERVERS: AtomicU32 = AtomicU32::new(0);

/// Both sides are there, so many of each.
fn gathered(server: &Server, drivers: u64, robots: u64) {
    within(Duration::from_secs(5), "both sides", || {
        let stream = server.stream("robot");
        (stream["drivers"] == drivers && stream["robots"] == robots).then_some(())
    });
}

struct Robot {
    socket: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Robot {
    fn connect(path: &PathBuf) -> Self {
        let socket = within(Duration::from_secs(5), "the robot's socket", || UnixStream::connect(path).ok());
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("the robot is there");
        let lines = BufReader::new(socket.try_clone().expect("the robot is there"));
        Self { socket, lines }
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("the robot is there");
        line
    }

    fn say(&mut self, line: &str) {
        self.socket.write_all(line.as_bytes()).expect("the robot is there");
    }
}

fn text(message: Message) -> String {
    match message {
        Message::Text(text) => text,
        other => panic!("{other:?} instead of text"),
    }
}

#[test]
fn what_a_page_says_a_program_hears_as_a_line_and_the_other_way_round() {
    let (server, path) = server("");
    let mut robot = Robot::connect(&path);
    let mut other = Viewer::open(&server, "/robot/data?robot");
    let mut page = Viewer::open(&server, "/robot/data");
    gathered(&server, 1, 2);
    page.say("{\"x\":\n1}");
    page.say("go");
    for expected in ["{\"x\": 1}\n", "\"go\"\n"] {
        assert_eq!(robot.hear(), expected);
        assert_eq!(text(other.message()) + "\n", expected);
    }
    robot.say("{\"battery\":0.5}\n\nlow\n");
    assert_eq!(text(page.message()), "{\"battery\":0.5}");
    assert_eq!(text(page.message()), "\"low\"");
    other.say("1");
    assert_eq!(text(page.message()), "1");
}

#[test]
fn a_robot_whose_driver_falls_silent_or_vanishes_is_told_to_stop() {
    let (server, path) = server("dead_man = { after = '200ms', send = { stop = true } }");
    let mut robot = Robot::connect(&path);
    let mut page = Viewer::open(&server, "/robot/data");
    gathered(&server, 1, 1);
    page.say("{\"y\":1}");
    assert_eq!((robot.hear(), robot.hear()), ("{\"y\":1}\n".into(), "{\"stop\":true}\n".into()));
    page.say("{\"y\":2}");
    drop(page);
    assert_eq!((robot.hear(), robot.hear()), ("{\"y\":2}\n".into(), "{\"stop\":true}\n".into()));
}

#[test]
fn who_breaks_the_rules_is_told_and_hurts_nobody_else() {
    let (server, path) = server("");
    let mut good = Robot::connect(&path);
    let mut page = Viewer::open(&server, "/robot/data");
    let mut long = Robot::connect(&path);
    long.say(&"x".repeat(70_000));
    assert_eq!(long.hear(), "", "the connection ends");
    let mut binary = Viewer::open(&server, "/robot/data");
    binary.push(b"\x00\x01");
    assert_eq!(binary.close_code().0, 1003);
    let mut huge = Viewer::open(&server, "/robot/data");
    huge.say(&"x".repeat(70_000));
    assert_eq!(huge.close_code().0, 1009);
    gathered(&server, 1, 1);
    page.say("still");
    assert_eq!(good.hear(), "\"still\"\n");
    assert_eq!(server.get("/robot/data").status, 426);
    assert!(path.exists());
    server.terminate();
    within(Duration::from_secs(5), "the socket to go with the server", || (!path.exists()).then_some(()));
}

#[test]
fn only_who_may_control_drives_and_only_who_may_publish_is_driven() {
    let config = format!(
        "[tokens.viewer]\ntoken = 'viewer-0123456789'\nrights = {{ view = ['*'] }}\n\
         [tokens.driver]\ntoken = 'driver-0123456789'\nrights = {{ control = ['robot'] }}\n\
         [tokens.robot]\ntoken = 'robot-0123456789'\nrights = {{ publish = ['robot'] }}\n\
         [streams.robot]\nsource = {ROBOT}\n"
    );
    let server = Server::start(&config);
    let status = |path: &str, token: &str| {
        Viewer::open_with(server.address(), &format!("{path}token={token}-0123456789"), &[]).response().status
    };
    for (token, drives, is_driven) in [("viewer", 403, 403), ("driver", 101, 403), ("robot", 403, 101)] {
        assert_eq!(status("/robot/data?", token), drives, "{token}");
        assert_eq!(status("/robot/data?robot&", token), is_driven, "{token}");
    }
}
