//! The threads behind devices: one that produces while somebody subscribes, one that consumes what is put in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::Error;
#[cfg(any(feature = "display", feature = "sound"))]
use crate::inlet::Inlet;
use crate::life::State;
use crate::outlet::Outlet;
use crate::subscription::Subscription;

/// What produces on a thread of its own, on while somebody subscribes.
pub(crate) trait Device: Send + Sync + 'static {
    /// What it produces.
    type Item: Clone + Send + 'static;

    /// As its thread is called, and as it is named in errors.
    const NAME: &'static str;

    /// Where that goes.
    fn supply(&self) -> &Supply<Self::Item>;

    /// Produces until nobody wants any more.
    fn produce(&self) -> Result<(), Error>;

    /// Is over: lets go of what it holds.
    fn stop(&self) {}
}

/// What each [`Device`] has.
#[derive(Debug)]
pub(crate) struct Supply<T> {
    pub(crate) outlet: Outlet<T>,
    pub(crate) state: State,
    is_running: AtomicBool,
}

impl<T: Clone> Supply<T> {
    /// Each subscriber may be so many behind.
    pub(crate) fn new(keeps: usize) -> Self {
        Self { outlet: Outlet::new(keeps), state: State::default(), is_running: AtomicBool::new(false) }
    }
}

/// Subscribes, and starts it if it is off.
pub(crate) fn subscribe<D: Device>(device: &Arc<D>) -> Subscription<D::Item> {
    let subscription = device.supply().outlet.subscribe();
    start(device);
    subscription
}

/// Nothing will come any more.
pub(crate) fn end<D: Device>(device: &D, error: Option<Error>) {
    let Supply { outlet, state, .. } = device.supply();
    state.set_closed(error);
    outlet.close();
    device.stop();
}

fn start<D: Device>(device: &Arc<D>) {
    let supply = device.supply();
    if supply.state.is_closed() || supply.is_running.swap(true, Ordering::AcqRel) {
        return;
    }
    let running = Arc::clone(device);
    let started = thread::Builder::new().name(D::NAME.to_owned()).spawn(move || run(&running));
    if let Err(error) = started {
        end(&**device, Some(Error::device(D::NAME, &error)));
    }
}

fn run<D: Device>(device: &Arc<D>) {
    let over = device.produce();
    let supply = device.supply();
    supply.is_running.store(false, Ordering::Release);
    match over {
        Err(error) => end(&**device, Some(error)),
        // Somebody came just when it went off.
        Ok(()) if supply.outlet.has_subscribers() => start(device),
        Ok(()) => {}
    }
}

/// Has a thread of this name do `work` with what is put in; the consumer ends with it.
#[cfg(any(feature = "display", feature = "sound"))]
pub(crate) fn consume<T: Send + 'static>(
    name: &str,
    inlet: &Inlet<T>,
    state: &State,
    work: impl FnOnce(Subscription<T>, &State) -> Result<(), Error> + Send + 'static,
) {
    let Some(items) = inlet.end() else { return };
    let (closing, ending) = (inlet.clone(), state.clone());
    let run = move || {
        let over = work(items, &ending);
        closing.close();
        ending.set_closed(over.err());
    };
    if let Err(error) = thread::Builder::new().name(name.to_owned()).spawn(run) {
        state.set_closed(Some(Error::device("thread", &error)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Goes off by itself after each, and somebody comes just then.
    struct Odd {
        supply: Supply<usize>,
        latecomer: std::sync::Mutex<Option<Subscription<usize>>>,
        runs: AtomicUsize,
    }

    impl Device for Odd {
        type Item = usize;
        const NAME: &'static str = "odd";

        fn supply(&self) -> &Supply<usize> {
            &self.supply
        }

        fn produce(&self) -> Result<(), Error> {
            let number = self.runs.fetch_add(1, Ordering::Relaxed);
            while self.supply.outlet.put(&number) {
                thread::yield_now();
            }
            if number == 0 {
                *self.latecomer.lock().unwrap() = Some(self.supply.outlet.subscribe());
            }
            Ok(())
        }
    }

    #[tokio::test]
    async fn who_comes_while_it_goes_off_is_served() {
        let runs = AtomicUsize::new(0);
        let odd = Arc::new(Odd { supply: Supply::new(1), latecomer: None.into(), runs });
        assert_eq!(subscribe(&odd).get().await, Some(0));
        let mut latecomer = loop {
            if let Some(latecomer) = odd.latecomer.lock().unwrap().take() {
                break latecomer;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(latecomer.get().await, Some(1));
        end(&*odd, None);
    }
}
