//! The PDF.co service, offline: a real HTTP service on a real loopback port, which says in a header that it is a simulator.
//!
//! Keys, credits, rate limit, job life, presigned uploads and result links behave as the service's do. Text, info, split,
//! merge, rotate and delete-pages are real work on real bytes; everything else is a sample that says that it is one. Where
//! sources disagree about the service ([`Shape`], [`Charging`], [`Failure`], [`Callbacks`]), it behaves either way; faults come
//! on request. Routes come from the catalog's rows, so every operation has one. Nothing of `jobs`, `api` or `mcp` is used
//! here: a fake that shares code with the client agrees with its bugs.
//!
//! Start at [`spawn`], then `router.rs` (what happens to a request), `handlers/submit.rs` and `handlers/check.rs` (a job's
//! life), `work/` (the results).

mod call;
mod faults;
mod handlers;
mod input;
mod life;
mod link;
mod listener;
mod names;
mod options;
mod price;
mod reply;
mod router;
mod routes;
mod state;
mod work;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::faults::{Fault, FaultKind};
use self::listener::{ConnectionControl, Port};
pub use self::options::{CallbackBody, Callbacks, Charging, Failure, Life, Options, Shape};
use self::state::World;
pub use self::state::journal::Request;
use crate::error::{Error, Kind, Result};

/// A key that works, for demonstrations. Any other that starts with `sim_` works too and is an account of its own.
pub const DEFAULT_KEY: &str = "sim_demo";

/// How long [`Handle::stop`] waits for requests that are being answered.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A running simulator. Dropping it stops the service.
#[derive(Debug)]
pub struct Handle {
    url: String,
    world: Arc<World>,
    ended: CancellationToken,
}

/// Starts the service.
///
/// # Errors
/// `file_access` when its folder cannot be made, `network` when the address is taken.
pub async fn spawn(options: Options) -> Result<Handle> {
    let wanted = options.address;
    let taken = |cause: std::io::Error| {
        Error::new(
            Kind::Network,
            format!("The simulator cannot listen on {wanted}."),
            "Choose another address or port.",
        )
        .with_source(cause)
    };
    let listener = TcpListener::bind(wanted).await.map_err(taken)?;
    let mut address = listener.local_addr().map_err(taken)?;
    // Links must be reachable, and "every address" is not one.
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let url = format!("http://{address}");
    let world = Arc::new(World::new(options, url.clone())?);
    let routes = Router::new().fallback(router::answer).with_state(Arc::clone(&world));
    let ended = CancellationToken::new();
    let (stop, guard) = (world.stop.clone(), ended.clone().drop_guard());
    tokio::spawn(async move {
        let _ended_at_last = guard;
        let service =
            axum::serve(Port::new(listener), routes.into_make_service_with_connect_info::<ConnectionControl>());
        if let Err(cause) = service.with_graceful_shutdown(stop.cancelled_owned()).await {
            tracing::warn!(%cause, "the simulator ended");
        }
    });
    Ok(Handle { url, world, ended })
}

/// The pages that a list names, item by item; nothing for what is no list. Here for `fuzz/` alone.
#[doc(hidden)]
pub fn pages_named(text: &str, base: u32, count: u32) -> Option<Vec<Vec<u32>>> {
    work::pages::parse(text, base, count).ok()
}

impl Handle {
    /// The base URL, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes the next matching requests go wrong.
    pub fn fault(&self, fault: Fault) {
        self.world.faults.add(fault);
    }

    /// Forgets the faults that wait: from now on everything goes well.
    pub fn heal(&self) {
        self.world.faults.clear();
    }

    /// How many requests met a fault that was given with this prefix; of the kind that [`FaultKind::word`] names, if one
    /// is named.
    pub fn faults_taken(&self, path_prefix: &str, word: Option<&str>) -> usize {
        self.world.faults.taken(path_prefix, word)
    }

    /// The latest requests, oldest first (at most 10 000 are remembered).
    pub fn requests(&self) -> Vec<Request> {
        self.world.journal.requests()
    }

    /// How many requests came for exactly this path.
    pub fn count(&self, path: &str) -> usize {
        self.world.journal.count(path)
    }

    /// How many jobs were accepted.
    pub fn jobs(&self) -> usize {
        usize::try_from(self.world.jobs.counts().0).unwrap_or(usize::MAX)
    }

    /// How many requests were refused because their key asked too fast.
    pub fn refused(&self) -> usize {
        self.world.accounts.refused()
    }

    /// The balance of a key.
    pub fn credits(&self, key: &str) -> i64 {
        self.world.accounts.balance(key)
    }

    /// Stops the service and waits until requests that are being answered are through, at most two seconds.
    pub async fn stop(self) {
        self.world.stop.cancel();
        let _ = tokio::time::timeout(STOP_PATIENCE, self.ended.cancelled()).await;
    }

    /// Waits until the service has ended.
    pub async fn finished(&self) {
        self.ended.cancelled().await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.world.stop.cancel();
    }
}
