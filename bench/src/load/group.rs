//! Viewers that behave alike, served by one thread and one epoll set.
//!
//! Level-triggered and one read a wake-up: after a read of less than the buffer there is nothing left, and no second
//! read is spent on finding that out.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use serde::Serialize;

use super::format::FormatKind;
use super::seen::{Percentiles, Seen, Shown};
use super::target::{Scheme, Target};
use super::viewer::Viewer;
use super::{MEASURE, Progress, STOP};
use crate::error::{BenchError, Context};

/// How a viewer reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    /// At once.
    Healthy,
    /// Until the handshake is over, then never again.
    Stalled,
    /// This many bytes a second.
    Slow(u64),
    /// Until the first decodable picture, then it leaves.
    Glance,
}

/// Viewers to be.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) target: Target,
    pub(crate) format: FormatKind,
    pub(crate) viewers: usize,
    pub(crate) manner: Manner,
    /// Joins a second.
    pub(crate) ramp: f64,
    /// Of those who watch, this many a second leave and come anew.
    pub(crate) churn: f64,
    /// Rest after each round of reads. Saves wake-ups; adds as much to the delays seen.
    pub(crate) rest: Duration,
}

impl Group {
    /// Healthy viewers, joining fast.
    pub(crate) fn healthy(target: &Target, viewers: usize) -> Self {
        Self {
            target: target.clone(),
            format: FormatKind::guess(target),
            viewers,
            manner: Manner::Healthy,
            ramp: 400.0,
            churn: 0.0,
            rest: Duration::ZERO,
        }
    }
}

/// What a group saw in the measured window; joins since the start.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GroupReport {
    pub(crate) viewers: usize,
    pub(crate) seconds: f64,
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
    pub(crate) missing: u64,
    pub(crate) damaged: u64,
    pub(crate) failed: u64,
    pub(crate) closed: u64,
    pub(crate) last_reason: String,
    pub(crate) first_decodable_ms: Percentiles,
    pub(crate) delay_ms: Percentiles,
    /// Pictures by WebRTC.
    #[serde(skip)]
    pub(crate) shown: Vec<Shown>,
}

/// Runs a group until it is told to stop.
pub(super) fn run(group: &Group, progress: &Progress) -> Result<GroupReport, BenchError> {
    let mut crowd = Crowd {
        group,
        progress,
        epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll_create")?,
        viewers: Vec::new(),
        reply: Vec::new(),
        seen: Seen::default(),
        gone_ready: 0,
    };
    let mut buffer = vec![0; BUFFER];
    let mut events = Vec::with_capacity(1024);
    let mut joins = Pace::new(group.ramp);
    let mut churn = Pace::new(group.churn);
    let mut slow = Pace::new(if matches!(group.manner, Manner::Slow(_)) { SLOW_READS } else { 0.0 });
    let mut window: Option<(Instant, Seen)> = None;
    let mut advances =
        Pace::new(if matches!(group.target.scheme, Scheme::Whep { .. }) { ADVANCES } else { 0.0 });
    let mut joined = 0;
    let mut oldest = 0;
    loop {
        match progress.phase.load(Ordering::Relaxed) {
            STOP => break,
            MEASURE if window.is_none() => {
                crowd.seen.delays.clear();
                crowd.seen.shown.clear();
                let sums = Seen { joins: Vec::new(), ..crowd.seen.clone() };
                window = Some((Instant::now(), sums));
            }
            _ => {}
        }
        if joined < group.viewers && joins.due(Instant::now()) {
            crowd.join(joined)?;
            joined += 1;
        }
        if joined == group.viewers && joined > 0 && churn.due(Instant::now()) {
            crowd.viewers[oldest] = None;
            crowd.join(oldest)?;
            oldest = (oldest + 1) % group.viewers;
        }
        if let Manner::Slow(rate) = group.manner
            && slow.due(Instant::now())
        {
            let part = (rate as f64 / SLOW_READS) as usize;
            for at in 0..crowd.viewers.len() {
                crowd.read(at, &mut buffer[..part.clamp(1, BUFFER)])?;
            }
        }
        if advances.due(Instant::now()) {
            crowd.advance();
        }
        let busy = joined < group.viewers || group.churn > 0.0 || slow.every.is_some();
        let patience = if busy { SHORT } else { LONG };
        events.clear();
        match epoll::wait(&crowd.epoll, rustix::buffer::spare_capacity(&mut events), Some(&patience)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll_wait"),
        }
        for event in &events {
            let event: &epoll::Event = event;
            let at = event.data.u64();
            if at & DATAGRAMS == 0 {
                crowd.read(at as usize, &mut buffer)?;
            } else {
                crowd.read_datagrams((at & !DATAGRAMS) as usize, &mut buffer);
            }
        }
        crowd.tell();
        if !group.rest.is_zero() {
            thread::sleep(group.rest);
        }
    }
    let seen = crowd.seen;
    let (start, before) = window.unwrap_or_else(|| (Instant::now(), seen.clone()));
    Ok(GroupReport {
        viewers: group.viewers,
        seconds: start.elapsed().as_secs_f64(),
        bytes: seen.bytes - before.bytes,
        messages: seen.messages - before.messages,
        missing: seen.missing - before.missing,
        damaged: seen.damaged - before.damaged,
        failed: seen.failed,
        closed: seen.closed,
        last_reason: seen.last_reason,
        first_decodable_ms: Percentiles::of(seen.joins),
        delay_ms: Percentiles::of(seen.delays),
        shown: seen.shown,
    })
}

/// The viewers there are.
struct Crowd<'a> {
    group: &'a Group,
    progress: &'a Progress,
    epoll: OwnedFd,
    viewers: Vec<Option<Viewer>>,
    reply: Vec<u8>,
    seen: Seen,
    /// Viewers that were served and have left as they should.
    gone_ready: usize,
}

impl Crowd<'_> {
    fn join(&mut self, at: usize) -> Result<(), BenchError> {
        let small = matches!(self.group.manner, Manner::Slow(_));
        let viewer = match Viewer::join(&self.group.target, self.group.format, small) {
            Ok(viewer) => {
                let data = epoll::EventData::new_u64(at as u64);
                epoll::add(&self.epoll, &viewer, data, epoll::EventFlags::IN).context("epoll_ctl")?;
                for socket in viewer.datagrams() {
                    let data = epoll::EventData::new_u64(at as u64 | DATAGRAMS);
                    epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN).context("epoll_ctl")?;
                }
                Some(viewer)
            }
            Err(error) => {
                self.seen.failed += 1;
                self.seen.last_reason = error.to_string();
                None
            }
        };
        match self.viewers.get_mut(at) {
            Some(place) => *place = viewer,
            None => self.viewers.push(viewer),
        }
        Ok(())
    }

    fn read(&mut self, at: usize, buffer: &mut [u8]) -> Result<(), BenchError> {
        let Some(place) = self.viewers.get_mut(at) else { return Ok(()) };
        let Some(viewer) = place else { return Ok(()) };
        let was_established = viewer.established();
        if let Err(reason) = viewer.read(buffer, &mut self.reply, &mut self.seen) {
            self.lose(at, reason);
            return Ok(());
        }
        if viewer.hung_up() {
            return epoll::delete(&self.epoll, &*viewer).context("epoll_ctl");
        }
        match self.group.manner {
            Manner::Healthy => {}
            Manner::Stalled | Manner::Slow(_) => {
                if !was_established && viewer.established() {
                    epoll::delete(&self.epoll, &*viewer).context("epoll_ctl")?;
                }
            }
            Manner::Glance => self.leave_if_served(at),
        }
        Ok(())
    }

    fn read_datagrams(&mut self, at: usize, buffer: &mut [u8]) {
        let Some(Some(viewer)) = self.viewers.get_mut(at) else { return };
        match viewer.read_datagrams(buffer, &mut self.seen) {
            Err(reason) => self.lose(at, reason),
            Ok(()) if self.group.manner == Manner::Glance => self.leave_if_served(at),
            Ok(()) => {}
        }
    }

    /// Lets time pass for all.
    fn advance(&mut self) {
        let now = Instant::now();
        for at in 0..self.viewers.len() {
            let Some(viewer) = &mut self.viewers[at] else { continue };
            if let Err(reason) = viewer.advance(now) {
                self.lose(at, reason);
            }
        }
    }

    /// One whose connection is over.
    fn lose(&mut self, at: usize, reason: String) {
        let Some(viewer) = self.viewers[at].take() else { return };
        let turned_away = !viewer.established();
        self.seen.failed += u64::from(turned_away);
        self.seen.closed += u64::from(!turned_away);
        self.seen.last_reason = reason;
    }

    fn leave_if_served(&mut self, at: usize) {
        if self.viewers[at].as_ref().is_some_and(Viewer::decodable) {
            self.viewers[at] = None;
            self.gone_ready += 1;
        }
    }

    /// Tells the thread that waits how far the viewers are.
    fn tell(&self) {
        if self.progress.phase.load(Ordering::Relaxed) != MEASURE {
            let ready = self.viewers.iter().flatten().filter(|viewer| match self.group.manner {
                Manner::Healthy | Manner::Glance => viewer.decodable(),
                Manner::Stalled | Manner::Slow(_) => viewer.established(),
            });
            self.progress.ready.store(ready.count() + self.gone_ready, Ordering::Relaxed);
        }
        self.progress.failed.store(self.seen.failed, Ordering::Relaxed);
        let ended = self.seen.closed + self.seen.failed;
        if self.progress.closed.swap(self.seen.closed, Ordering::Relaxed) < ended
            && let Ok(mut reason) = self.progress.reason.lock()
        {
            reason.clone_from(&self.seen.last_reason);
        }
    }
}

/// So many times a second, without catching up on what was missed.
struct Pace {
    every: Option<Duration>,
    next: Instant,
}

impl Pace {
    fn new(rate: f64) -> Self {
        Self { every: (rate > 0.0).then(|| Duration::from_secs_f64(1.0 / rate)), next: Instant::now() }
    }

    fn due(&mut self, now: Instant) -> bool {
        let Some(every) = self.every else { return false };
        if now < self.next {
            return false;
        }
        self.next = (self.next + every).max(now - every);
        true
    }
}

const BUFFER: usize = 256 * 1024;
/// How often a second it is looked who has something to say.
const ADVANCES: f64 = 100.0;
/// Marks events of a viewer's datagrams.
const DATAGRAMS: u64 = 1 << 32;
/// Reads a second of a slow viewer.
const SLOW_READS: f64 = 20.0;
const SHORT: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
const LONG: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_due_so_many_times_a_second() {
        let mut pace = Pace::new(10.0);
        let start = pace.next;
        let due = (0..1000).filter(|ms| pace.due(start + Duration::from_millis(*ms))).count();
        assert_eq!(due, 10);
    }

    #[test]
    fn no_pace_is_never_due() {
        assert!(!Pace::new(0.0).due(Instant::now()));
    }
}
