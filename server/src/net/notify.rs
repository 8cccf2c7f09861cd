//! Telling the service manager how we are: sd_notify(3), one datagram a message.
//!
//! Written by hand: it is a socket and four words. Where nobody asked (`NOTIFY_SOCKET` is not set) nothing is said, and a manager that
//! does not listen disturbs nobody.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

/// Variables of the environment that are meant for this process alone, and not for what it starts.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The way to the service manager, if there is one. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Notify {
    manager: Option<Arc<Manager>>,
}

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment says; whoever started us by hand gets a way to nobody.
    ///
    /// # Errors
    /// A socket that is named but cannot be used.
    pub fn from_environment() -> io::Result<Self> {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(Self::default()) };
        let text = |variable| std::env::var(variable).ok();
        let watchdog = watchdog(text("WATCHDOG_USEC").as_deref(), text("WATCHDOG_PID").as_deref());
        Self::to(&name, watchdog)
    }

    fn to(name: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that is busy must not hold us up; the next word will reach it.
        socket.set_nonblocking(true)?;
        Ok(Self { manager: Some(Arc::new(Manager { socket, address, watchdog })) })
    }

    /// We listen, and serve from now on.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// We read the configuration again; [`Notify::ready`] says that it is done.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// We have begun to end.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// We live.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// A sentence for `systemctl status`.
    pub fn status(&self, sentence: &str) {
        self.say(&format!("STATUS={}", sentence.replace('\n', " ")));
    }

    /// How long we may be silent before we are taken for dead; `None` if nobody watches.
    pub fn watchdog(&self) -> Option<Duration> {
        self.manager.as_ref()?.watchdog
    }

    fn say(&self, words: &str) {
        if let Some(manager) = &self.manager {
            // Whoever asked to be told may be gone; that is no reason not to serve.
            let _ = manager.socket.send_to_addr(words.as_bytes(), &manager.address);
        }
    }
}

/// The watchdog's patience, if it is this process that it watches.
fn watchdog(micros: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    if pid.is_some_and(|pid| pid != std::process::id().to_string()) {
        return None;
    }
    micros?.parse().ok().filter(|micros| *micros > 0).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(manager: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let len = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }

    #[test]
    fn an_abstract_name_and_a_path_are_both_reached() {
        let name = format!("firstlight-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notify = Notify::to(OsStr::new(&format!("@{name}")), None).unwrap();
        notify.ready();
        notify.status("two\nlines");
        assert_eq!([heard(&manager), heard(&manager)], ["READY=1", "STATUS=two lines"]);
        notify.reloading();
        let said = heard(&manager);
        let micros = said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(micros.parse::<u64>().unwrap() > 0);

        let path = std::env::temp_dir().join(&name);
        let manager = UnixDatagram::bind(&path).unwrap();
        Notify::to(path.as_os_str(), None).unwrap().stopping();
        assert_eq!(heard(&manager), "STOPPING=1");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_manager_that_is_gone_disturbs_nobody() {
        Notify::to(OsStr::new("/nonexistent/notify"), None).unwrap().ready();
        Notify::default().ready();
    }

    #[test]
    fn the_watchdog_is_ours_only_if_it_names_us() {
        let own = std::process::id().to_string();
        assert_eq!(watchdog(Some("2000000"), None), Some(Duration::from_secs(2)));
        assert_eq!(watchdog(Some("2000000"), Some(&own)), Some(Duration::from_secs(2)));
        assert_eq!(watchdog(Some("2000000"), Some("1")), None);
        assert_eq!(watchdog(Some("0"), None), None);
        assert_eq!(watchdog(Some("soon"), None), None);
        assert_eq!(watchdog(None, None), None);
    }
}
