//! What the server may use before newcomers are turned away, so that those who watch go on.
//!
//! Once a second the process is measured. Above its share of the processors, or of memory, nobody is admitted until it is below
//! again. As its share comes near, so many are admitted within a second as there is room for by what one viewer costs on average:
//! what a crowd costs is seen only after it was let in.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::limits;
use crate::metrics::{Refused, process};

/// The budget and what is used of it.
#[derive(Debug)]
pub struct Budget {
    settings: RwLock<limits::Budget>,
    /// Said when there are others.
    set: Notify,
    cores: f64,
    /// Share of the processors in millionths, and bytes.
    cpu_used: AtomicU64,
    memory_used: AtomicU64,
    /// How many more may come before the next measurement.
    room: AtomicUsize,
}

/// What is used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Used {
    /// Share of the processors, from 0 to 1.
    pub cpu: f64,
    /// Bytes.
    pub memory: u64,
}

/// So many measurements make a mean: one busy moment turns nobody away.
const MEAN_OF: usize = 3;
const EVERY: Duration = Duration::from_secs(1);

impl Budget {
    /// Nothing is measured before [`Budget::watch`] runs, and nobody turned away.
    pub fn new(settings: limits::Budget) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        Self {
            settings: RwLock::new(settings),
            set: Notify::new(),
            cores,
            cpu_used: AtomicU64::new(0),
            memory_used: AtomicU64::new(0),
            room: AtomicUsize::new(usize::MAX),
        }
    }

    /// Whether there is anything to keep to.
    pub fn is_limited(&self) -> bool {
        let settings = self.settings();
        settings.cpu.is_some() || settings.memory.is_some()
    }

    /// What is allowed.
    pub fn settings(&self) -> limits::Budget {
        *self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allows something else from now on.
    pub fn set(&self, settings: limits::Budget) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        self.room.store(usize::MAX, Ordering::Relaxed);
        self.set.notify_one();
    }

    /// What was used when it was last measured.
    pub fn used(&self) -> Used {
        Used {
            cpu: self.cpu_used.load(Ordering::Relaxed) as f64 / 1e6,
            memory: self.memory_used.load(Ordering::Relaxed),
        }
    }

    /// Measures once a second until `stop`, while there is anything to keep to; `viewers` says how many watch.
    pub async fn watch(&self, viewers: impl Fn() -> usize, stop: CancellationToken) {
        let mut meter = Meter::default();
        meter.take(process::cpu_time(), Instant::now());
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick(), if self.is_limited() => {}
                () = self.set.notified() => continue,
            }
            let cores_used = meter.take(process::cpu_time(), Instant::now());
            let memory = process::usage().map_or(0, |usage| usage.resident);
            self.measured(Used { cpu: cores_used / self.cores, memory }, viewers());
        }
    }

    /// Whether somebody may come; takes up room for them.
    ///
    /// # Errors
    /// What is used up, and a sentence about it.
    pub fn admit(&self) -> Result<(), (Refused, String)> {
        self.look()?;
        let left = |room: usize| (room != usize::MAX).then(|| room.saturating_sub(1));
        // Full or unlimited: both stay as they are.
        let _ = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
        Ok(())
    }

    /// Whether somebody might come now.
    ///
    /// # Errors
    /// What is used up, and a sentence about it.
    pub fn look(&self) -> Result<(), (Refused, String)> {
        let used = self.used();
        let settings = self.settings();
        if let Some(memory) = settings.memory.filter(|memory| used.memory > memory.0) {
            let (used, most) = (used.memory >> 20, memory.0 >> 20);
            let words = format!(
                "this server is busy: it uses {used} MB of memory and admits nobody above {most} MB; those who watch go on"
            );
            return Err((Refused::Memory, words));
        }
        if let Some(cpu) = settings.cpu.filter(|_| self.room.load(Ordering::Relaxed) == 0) {
            let (used, most) = (used.cpu * 100.0, cpu * 100.0);
            let words = format!(
                "this server is busy: it uses {used:.0} % of its processors and admits nobody who would take it above {most:.0} %; those who watch go on"
            );
            return Err((Refused::Cpu, words));
        }
        Ok(())
    }

    fn measured(&self, used: Used, viewers: usize) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share of the processors
        self.cpu_used.store((used.cpu * 1e6) as u64, Ordering::Relaxed);
        self.memory_used.store(used.memory, Ordering::Relaxed);
        let room = self.settings().cpu.map_or(usize::MAX, |most| room(most, used.cpu, viewers));
        self.room.store(room, Ordering::Relaxed);
    }
}

/// How many may come before the next measurement: none above the limit, any number well below it, and as many as
/// there is room for by what one costs between.
fn room(most: f64, used: f64, viewers: usize) -> usize {
    if used > most {
        return 0;
    }
    if used < most / 2.0 || viewers == 0 {
        return usize::MAX;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at most as many as there are viewers
    let room = ((most - used) / used * viewers as f64) as usize;
    room.max(1)
}

/// CPU time into cores used, over the last few measurements.
#[derive(Debug, Default)]
struct Meter {
    samples: VecDeque<(Duration, Instant)>,
}

impl Meter {
    /// The mean over the last few measurements.
    fn take(&mut self, cpu: Duration, now: Instant) -> f64 {
        let since = |(before, at): &(Duration, Instant)| {
            let passed = now.saturating_duration_since(*at).as_secs_f64();
            if passed < 0.05 { 0.0 } else { cpu.saturating_sub(*before).as_secs_f64() / passed }
        };
        let mean = self.samples.front().map_or(0.0, since);
        self.samples.push_back((cpu, now));
        if self.samples.len() > MEAN_OF {
            self.samples.pop_front();
        }
        mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::Size;

    fn budget(cpu: Option<f64>, memory: Option<u64>) -> Budget {
        Budget::new(limits::Budget { cpu, memory: memory.map(Size) })
    }

    #[test]
    fn without_a_budget_nobody_is_turned_away() {
        let budget = budget(None, None);
        budget.measured(Used { cpu: 1.0, memory: u64::MAX }, 10);
        assert!(!budget.is_limited() && budget.admit().is_ok());
    }

    #[test]
    fn another_budget_counts_at_once() {
        let budget = budget(Some(0.5), None);
        budget.measured(Used { cpu: 0.9, memory: 0 }, 10);
        assert!(budget.admit().is_err());
        budget.set(limits::Budget::default());
        assert!(budget.admit().is_ok() && !budget.is_limited());
        budget.set(limits::Budget { cpu: None, memory: Some(Size(1 << 20)) });
        budget.measured(Used { cpu: 0.9, memory: 2 << 20 }, 10);
        assert!(budget.admit().is_err());
    }

    #[test]
    fn above_its_share_nobody_comes_and_below_it_they_come_again() {
        let budget = budget(Some(0.5), Some(100 << 20));
        for (cpu, memory, refused) in [
            (0.1, 1 << 20, None),
            (0.51, 1 << 20, Some(Refused::Cpu)),
            (0.1, 101 << 20, Some(Refused::Memory)),
            (0.1, 1 << 20, None),
        ] {
            budget.measured(Used { cpu, memory }, 10);
            assert_eq!(budget.admit().err().map(|(why, _)| why), refused, "{cpu} {memory}");
        }
    }

    #[test]
    fn near_its_share_only_as_many_come_as_there_is_room_for() {
        assert_eq!(room(0.8, 0.39, 100), usize::MAX);
        assert_eq!(room(0.8, 0.6, 90), 30, "a viewer costs a ninetieth of 0.6");
        assert_eq!(room(0.8, 0.799, 2), 1, "whoever is below may let somebody in");
        assert_eq!(room(0.8, 0.81, 2), 0);
        let budget = budget(Some(0.8), None);
        budget.measured(Used { cpu: 0.75, memory: 0 }, 30);
        let admitted = (0..100).filter(|_| budget.admit().is_ok()).count();
        assert_eq!(admitted, 2);
        let (why, words) = budget.admit().unwrap_err();
        assert_eq!(why, Refused::Cpu);
        assert!(words.contains("75 %") && words.contains("80 %"), "{words}");
    }

    #[test]
    fn looking_takes_no_room() {
        let budget = budget(Some(0.8), None);
        budget.measured(Used { cpu: 0.75, memory: 0 }, 15);
        assert!((0..10).all(|_| budget.look().is_ok()));
        assert!(budget.admit().is_ok() && budget.admit().is_err());
    }

    #[test]
    fn a_busy_moment_is_no_busy_server() {
        let start = Instant::now();
        let mut meter = Meter::default();
        let mut take =
            |cpu_ms, at_s| meter.take(Duration::from_millis(cpu_ms), start + Duration::from_secs(at_s));
        assert_eq!(take(0, 0), 0.0);
        take(100, 1);
        take(200, 2);
        let after_a_burst = take(1_200, 3);
        assert!((after_a_burst - 0.4).abs() < 1e-9, "{after_a_burst}");
        take(2_200, 4);
        take(3_200, 5);
        assert!((take(4_200, 6) - 1.0).abs() < 1e-9);
    }
}
