//! What this process uses, as the kernel counts it.
//!
//! Only the process itself: the commands of `exec` sources are processes of their own.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Sizes of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in memory.
    pub resident: u64,
    /// Bytes of address space.
    pub virtual_size: u64,
    /// Threads.
    pub threads: u64,
}

/// CPU time used since the process began, in user and kernel mode.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

/// Memory and threads; `None` where there is no `/proc`.
pub fn usage() -> Option<Usage> {
    Some(parse(&std::fs::read_to_string("/proc/self/status").ok()?))
}

/// Descriptors that are open; `None` where there is no `/proc`.
pub fn open_descriptors() -> Option<u64> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some(entries.saturating_sub(1)) // without the one that counting needs
}

/// Descriptors that may be open; `None` if there is no limit.
pub fn most_descriptors() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Raises the limit of open descriptors to `wanted` if it is lower and the system lets us; gives what it is then.
pub fn allow_descriptors(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    let raised = limit.maximum.map_or(wanted, |most| wanted.min(most));
    if limit.current.is_some_and(|current| current < raised) {
        // Where it is refused, the old limit stands.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
    }
    most_descriptors().and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX)
}

fn parse(status: &str) -> Usage {
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Usage {
        resident: value("VmRSS:").unwrap_or(0) * 1_024,
        virtual_size: value("VmSize:").unwrap_or(0) * 1_024,
        threads: value("Threads:").unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_from_the_kernels_table() {
        let status = "Name:\tfirstlight\nVmSize:\t  200 kB\nVmRSS:\t   100 kB\nThreads:\t7\n";
        assert_eq!(parse(status), Usage { resident: 102_400, virtual_size: 204_800, threads: 7 });
        assert_eq!(parse(""), Usage::default());
    }

    #[test]
    fn this_process_uses_something() {
        let usage = usage().unwrap();
        assert!(usage.resident > 1 << 20 && usage.threads > 0);
        assert!(open_descriptors().unwrap() >= 3);
        assert!(cpu_time() > Duration::ZERO);
    }
}
