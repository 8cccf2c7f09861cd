//! Streams to groups of receivers (RFC 2326 §12.39, `multicast`): each stream has an address of its own, and is sent there once, however many
//! listen.
//!
//! It is sent while a session is there that asked for it; whoever joins waits for the next random access point, since what was sent is gone.
//! Groups are of the configured addresses, never of a client's choosing.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use hub::{LagPolicy, Next, StreamName, Subscription};
use media::Chunk;
use rtsp::{Runs, Transport};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::datagrams::Port;
use super::described::Described;
use crate::supervise::tasks::Tasks;

/// What is configured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Multicast {
    pub(super) addresses: Addresses4,
    /// Routers that packets may pass, and one more.
    pub(super) ttl: u8,
}

/// Addresses of groups: `239.1.2.3`, or `239.1.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Addresses4 {
    first: u32,
    count: u32,
}

/// The groups there are.
#[derive(Debug)]
pub(super) struct Groups {
    settings: Option<Multicast>,
    /// By the place of their address.
    by_place: Mutex<HashMap<u32, Known>>,
}

#[derive(Debug)]
struct Known {
    stream: StreamName,
    local: Ipv4Addr,
    group: Weak<Group>,
}

/// One stream's receivers, as long as a session has it.
#[derive(Debug)]
pub(super) struct Group {
    address: Ipv4Addr,
    /// Of the first track's packets; each track has two.
    port: u16,
    ttl: u8,
    local: Ipv4Addr,
    begun: AtomicBool,
    /// Nothing comes any more: what was described is over, or cannot be sent.
    over: CancellationToken,
    /// Ends the sending.
    end: CancellationToken,
    _end: DropGuard,
}

impl FromStr for Addresses4 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no group of IPv4: write 239.1.2.3, or 239.1.2.0/24 for many");
        let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
        let (address, bits): (Ipv4Addr, u32) =
            (address.parse().map_err(|_| wrong())?, bits.parse().map_err(|_| wrong())?);
        let count = 32u32.checked_sub(bits).filter(|bits| *bits <= 16).map(|bits| 1u32 << bits);
        let (first, count) = (u32::from(address), count.ok_or_else(wrong)?);
        // 224.0.0.0/24 belongs to routers (RFC 5771 §4).
        let is_free = address.is_multicast() && first >> 8 != 0xe0_0000;
        (is_free && first % count == 0).then_some(Self { first, count }).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Addresses4 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Groups {
    pub(super) fn new(settings: Option<Multicast>) -> Self {
        Self { settings, by_place: Mutex::default() }
    }

    /// The group of a stream, sent from this address of ours: the one there is, or a new one.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn find(&self, stream: &StreamName, local: Ipv4Addr) -> Result<Arc<Group>, String> {
        let Some(Multicast { addresses: Addresses4 { first, count }, ttl }) = self.settings else {
            return Err("multicast is not configured here".to_owned());
        };
        let mut by_place = self.by_place.lock().unwrap_or_else(PoisonError::into_inner);
        by_place.retain(|_, known| known.group.strong_count() > 0);
        let usable = |known: &Known| known.group.upgrade().filter(|group| !group.over.is_cancelled());
        let same = by_place.values().filter(|known| known.stream == *stream && known.local == local);
        if let Some(group) = same.filter_map(usable).next() {
            return Ok(group);
        }
        // The same one each time, if nobody else has it.
        let mut hasher = DefaultHasher::new();
        stream.as_str().hash(&mut hasher);
        let wanted = (hasher.finish() % u64::from(count)) as u32;
        let place =
            (0..count).map(|step| (wanted + step) % count).find(|place| !by_place.contains_key(place));
        let place = place.ok_or_else(|| format!("all {count} groups are in use"))?;
        let end = CancellationToken::new();
        let group = Arc::new(Group {
            address: Ipv4Addr::from(first + place),
            // A receiver that listens on a port hears all groups that others on its machine have joined.
            port: FIRST_PORT + PORTS * (place % PLACES) as u16,
            ttl,
            local,
            begun: AtomicBool::new(false),
            over: CancellationToken::new(),
            end: end.clone(),
            _end: end.drop_guard(),
        });
        by_place.insert(place, Known { stream: stream.clone(), local, group: Arc::downgrade(&group) });
        Ok(group)
    }
}

impl Group {
    pub(super) const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Where a track's packets go; its reports go to the next one.
    pub(super) fn port(&self, track: usize) -> u16 {
        // A session has no more tracks than a group has ports for.
        self.port + 2 * (track as u16 % (PORTS / 2))
    }

    pub(super) const fn ttl(&self) -> u8 {
        self.ttl
    }

    /// Until nothing comes any more.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Sends all tracks of what was described, if that is not done already.
    pub(super) fn begin(&self, tasks: &Tasks, described: &Described) {
        if self.begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let all: Vec<_> = (0..described.tracks.len()).map(|at| (at, Transport::Multicast)).collect();
        let plans = described.plans(&all);
        let (_, chunks) = described.datagrams(&plans, LagPolicy::default());
        // By channel, as a packaging without choice numbers them.
        let ports: HashMap<u8, u16> = plans
            .iter()
            .flat_map(|plan| {
                let port = self.port(usize::from(plan.index));
                [(plan.channels.0, port), (plan.channels.1, port + 1)]
            })
            .collect();
        let (address, over, end) = (self.address, self.over.clone().drop_guard(), self.end.clone());
        match self.socket() {
            Ok(socket) => {
                tasks.spawn("rtsp-multicast", async move {
                    tokio::select! {
                        () = send(socket, address, &ports, chunks) => {}
                        () = end.cancelled() => {}
                    }
                    drop(over);
                });
            }
            Err(error) => tracing::warn!(group = %address, %error, "nothing can be sent to a group"),
        }
    }

    fn socket(&self) -> io::Result<Port> {
        let socket = UdpSocket::bind((self.local, 0))?;
        socket.set_nonblocking(true)?;
        socket.set_multicast_ttl_v4(u32::from(self.ttl))?;
        socket2::SockRef::from(&socket).set_multicast_if_v4(&self.local)?;
        Port::new(socket)
    }
}

/// Until what was described is over.
async fn send(socket: Port, group: Ipv4Addr, ports: &HashMap<u8, u16>, mut chunks: Subscription<Chunk>) {
    loop {
        let bytes = match chunks.next().await {
            Next::Item(Chunk { init: None, bytes, .. }) => bytes,
            Next::Item(_) | Next::Closed(_) => return,
            Next::Skipped { .. } => continue,
        };
        for run in Runs::of(bytes) {
            if let Some(port) = ports.get(&run.channel) {
                socket.send(SocketAddr::V4(SocketAddrV4::new(group, *port)), &run);
            }
        }
    }
}

/// Ports of a group: two for each track that a session may have.
const PORTS: u16 = 32;
const FIRST_PORT: u16 = 20_000;
/// Groups that have ports of their own.
const PLACES: u32 = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_of_the_addresses_that_are_for_them() {
        assert_eq!("239.1.2.3".parse(), Ok(Addresses4 { first: 0xef01_0203, count: 1 }));
        assert_eq!("239.1.2.0/24".parse(), Ok(Addresses4 { first: 0xef01_0200, count: 256 }));
        for wrong in ["", "10.0.0.1", "224.0.0.5", "239.1.2.3/24", "239.0.0.0/8", "239.0.0.0/33", "ff02::1"] {
            assert!(wrong.parse::<Addresses4>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_stream_has_a_group_and_a_group_has_one_stream() {
        let groups = Groups::new(Some(Multicast { addresses: "239.1.2.0/31".parse().unwrap(), ttl: 1 }));
        let name = |name: &str| StreamName::new(name).unwrap();
        let find = |stream: &str| groups.find(&name(stream), Ipv4Addr::LOCALHOST);
        let front = find("front").unwrap();
        assert!(Arc::ptr_eq(&front, &find("front").unwrap()));
        let back = find("back").unwrap();
        assert_ne!((front.address(), front.port(0)), (back.address(), back.port(0)));
        assert_eq!(find("third").unwrap_err(), "all 2 groups are in use");
        drop(front);
        assert!(find("third").is_ok());
        assert!(Groups::new(None).find(&name("front"), Ipv4Addr::LOCALHOST).is_err());
    }
}
