//! From a plan to a running server, and back to nothing.
//!
//! Ending is a list in order: stop accepting and stop sources (one token), streams close, sessions see it and say
//! goodbye, tasks are joined with a deadline and the late ones named.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::auth::Guard;
use crate::config::limits::LiveLimits;
use crate::config::plan::Plan;
use crate::config::tls::CertificatePlan;
use crate::config::values::ListenAddress;
use crate::endpoint::{Context, Listening};
use crate::endpoints::ENDPOINTS;
use crate::error::StartError;
use crate::http::router::Routes;
use crate::http::server::Http;
use crate::net::connections::{Connections, room_for};
use crate::net::listen;
use crate::net::notify::Notify;
use crate::net::tls::Tls;
use crate::roster::{Home, Live, Roster};
use crate::still::Stills;
use crate::supervise::accept::{self, Protocol};
use crate::supervise::audience::Audience;
use crate::supervise::budget::Budget;
use crate::supervise::cameras::Cameras;
use crate::supervise::standing;
use crate::supervise::tasks::Tasks;
use crate::supervise::watchdog;
use crate::webrtc::WebRtc;

/// Everything is over within this time after the signal.
const JOIN_DEADLINE: Duration = Duration::from_secs(4);

/// Listens on every address that was meant.
fn bind(address: &ListenAddress) -> Result<Vec<TcpListener>, StartError> {
    let listen = |address: &SocketAddr| {
        let failed = |source: io::Error| StartError::Listen { address: address.to_string(), source };
        listen::tcp(*address).map_err(failed)
    };
    address.0.iter().map(listen).collect()
}

fn bind_all(addresses: &[ListenAddress]) -> Result<Vec<TcpListener>, StartError> {
    let bound = addresses.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
    Ok(bound.into_iter().flatten().collect())
}

/// UDP where TCP is listened on, if it is wanted.
fn datagrams(bound: &[TcpListener], wanted: bool) -> Result<Vec<UdpSocket>, StartError> {
    let addresses = bound.iter().filter(|_| wanted).filter_map(|listener| listener.local_addr().ok());
    let socket = |address: SocketAddr| {
        listen::udp(address)
            .map_err(|source| StartError::Listen { address: format!("{address} (UDP)"), source })
    };
    addresses.map(socket).collect()
}

/// The certificate, from where the configuration says; what is made is kept if there is a configuration to keep it beside.
fn certified(plan: CertificatePlan, home: &Home) -> Result<Tls, StartError> {
    let folder = home.configuration.as_deref().map(|file| file.parent().unwrap_or(Path::new("")));
    let plan = plan.within(folder.unwrap_or(Path::new("")));
    Tls::new(plan, folder.is_some()).map_err(|error| StartError::Tls(error.to_string()))
}

/// A running server.
#[derive(Debug)]
pub struct App {
    context: Context,
    addresses: Vec<SocketAddr>,
    secure_addresses: Vec<SocketAddr>,
    routes: Routes,
    roster: Arc<Roster>,
}

impl App {
    /// Starts what the plan says: listens first, so that a taken port is an error and nothing else has happened.
    ///
    /// # Errors
    /// [`StartError::Exposed`] for one that others could reach and do everything, [`StartError::Listen`] for an address that cannot be had.
    pub fn start(plan: Plan, home: Home) -> Result<Self, StartError> {
        plan.refuse_exposure()?;
        let (plain, secure) = (bind_all(&plan.http.listen)?, bind_all(&plan.http.listen_tls)?);
        let addresses = |listeners: &[TcpListener]| {
            listeners.iter().filter_map(|l| l.local_addr().ok()).collect::<Vec<_>>()
        };
        let (addresses, secure_addresses) = (addresses(&plain), addresses(&secure));
        let mut others = Vec::new();
        for mut listen in plan.listen {
            // Where nobody said where, what is listened for is where HTTP is, in clear and by TLS.
            let http = if listen.tls { &plan.http.listen_tls } else { &plan.http.listen };
            match (listen.is_default, http.is_empty()) {
                (true, true) if listen.tls => continue,
                (true, false) => listen.address = listen.address.beside(http),
                // In clear on this machine alone, where HTTP is by TLS only.
                (true, true) | (false, _) => {}
            }
            match bind(&listen.address).and_then(|bound| Ok((datagrams(&bound, listen.datagrams)?, bound))) {
                Ok((sockets, bound)) => others.push((bound, sockets, listen)),
                Err(StartError::Listen { address, source }) if listen.is_default => {
                    let protocol = listen.name;
                    warn!(protocol, %address, "going on without it: {source}; its section of the configuration can name another address, or none");
                }
                Err(error) => return Err(error),
            }
        }
        let listening = others.iter().flat_map(|(bound, _, listen)| {
            let address = |listener: &TcpListener| listener.local_addr().ok();
            bound.iter().filter_map(address).map(|address| Listening { protocol: listen.name, address })
        });
        let listening: Arc<[Listening]> = listening.collect();
        for Listening { protocol, address } in &*listening {
            info!(protocol, %address, "listens");
        }
        let wants_tls = !secure.is_empty() || others.iter().any(|(_, _, listen)| listen.tls);
        if let Some((port, by)) = plan.certificate.is_asked_at().filter(|_| wants_tls) {
            let ours = if port == 80 { &addresses } else { &secure_addresses };
            if !ours.iter().any(|address| address.port() == port) {
                warn!(
                    port,
                    "the certificate's authority asks by {by} at this port of the names, and nothing here listens there: it has to be led here, as by a \
                     router or a proxy"
                );
            }
        }
        let tls = if wants_tls { Some(certified(plan.certificate, &home)?) } else { None };
        let stop = CancellationToken::new();
        let (budget, metrics) = (Arc::new(Budget::new(plan.budget)), Arc::default());
        let limits = LiveLimits::new(plan.limits);
        let cameras = Cameras::new(stop.clone()).within(Arc::clone(&budget), Arc::clone(&metrics));
        let origins = Arc::new(plan.http.origins);
        let context = Context {
            cameras: Arc::new(cameras),
            tasks: Tasks::default(),
            stop,
            guard: Arc::new(Guard::new(plan.auth, Arc::clone(&origins))),
            origins,
            audience: Audience::new(limits.clone(), Arc::clone(&budget), Arc::clone(&metrics)),
            limits,
            connections: Connections::new(
                room_for(plan.limits.connections),
                plan.limits.connections_per_address,
            ),
            metrics,
            stills: Stills::default(),
            webrtc: WebRtc::default(),
            listening,
            proofs: tls.as_ref().map(Tls::answers).unwrap_or_default(),
        };
        context.connections.trust(plan.http.proxies);
        let live = Live {
            guard: Arc::clone(&context.guard),
            origins: Arc::clone(&context.origins),
            limits: context.limits.clone(),
            connections: Arc::clone(&context.connections),
            budget: Arc::clone(&budget),
        };
        let roster = Arc::new(Roster::new(
            Arc::clone(&context.cameras),
            context.tasks.clone(),
            live,
            ENDPOINTS,
            home,
            plan.streams,
            plan.sections,
        ));
        let parts = plan.serve.into_iter().map(|serve| serve(&context)).collect();
        let dialects = ENDPOINTS.iter().filter_map(|endpoint| endpoint.refusals()).collect();
        let routes = Routes::new(parts, dialects, &context, &roster);
        let (audience, stop) = (context.audience.clone(), context.stop.clone());
        context.tasks.spawn("budget", async move { budget.watch(|| audience.count(), stop).await });
        if !context.guard.is_open() {
            let (guard, audience) = (Arc::clone(&context.guard), context.audience.clone());
            let (cameras, stop) = (Arc::clone(&context.cameras), context.stop.clone());
            context.tasks.spawn("standing", standing::watch(guard, audience, cameras, stop));
            let (guard, stop) = (Arc::clone(&context.guard), context.stop.clone());
            context.tasks.spawn("issuer-keys", async move {
                tokio::select! {
                    () = guard.keep_keys() => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        let http: Arc<dyn Protocol> = Arc::new(Http::new(routes.answers(), context.clone()));
        let config = tls.as_ref().map(Tls::config);
        let serve = |listeners: Vec<TcpListener>, is_tls: bool, protocol: Arc<dyn Protocol>| {
            for listener in listeners {
                let config = config.clone().filter(|_| is_tls);
                let serve = accept::serve(listener, config, Arc::clone(&protocol), context.clone());
                context.tasks.spawn("listener", serve);
            }
        };
        for (bound, sockets, listen) in others {
            let protocol = (listen.protocol)(&context);
            if !sockets.is_empty() {
                protocol.datagrams(sockets);
            }
            serve(bound, listen.tls, protocol);
        }
        // Last, since by HTTP is asked for what goes over the others.
        serve(plain, false, Arc::clone(&http));
        serve(secure, true, http);
        if let Some(tls) = tls {
            let stop = context.stop.clone();
            context.tasks.spawn("certificate", async move {
                tokio::select! {
                    () = tls.look_after() => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        Ok(Self { context, addresses, secure_addresses, routes, roster })
    }

    /// Where HTTP is listened for; the port is the real one where 0 was asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where HTTPS is listened for.
    pub fn secure_addresses(&self) -> &[SocketAddr] {
        &self.secure_addresses
    }

    /// Every address that is answered, and what each asks of a caller.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Gives the service manager signs of life, if it waits for any.
    pub fn look_after(&self, notify: &Notify) {
        if let Some(patience) = notify.watchdog() {
            let (addresses, stop) = (self.addresses.clone(), self.context.stop.clone());
            self.context.tasks.spawn("watchdog", watchdog::watch(notify.clone(), patience, addresses, stop));
        }
    }

    /// Which streams there are, and how that changes.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// What runs.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Ends everything; `true` if all of it ended in time.
    pub async fn stop(self) -> bool {
        self.context.stop.cancel();
        self.context.cameras.close();
        match self.context.tasks.join(JOIN_DEADLINE).await {
            Ok(()) => {
                info!("ended");
                true
            }
            Err(late) => {
                warn!(?late, "these did not end in time");
                false
            }
        }
    }
}
