//! The HTTP client of the exporters: our own, on the runtime of the server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

use crate::api::Collector;
use crate::error::{Error, Result};
use crate::telemetry::Throttle;

static FAILURES: Throttle = Throttle::new(Duration::from_secs(60));

/// See the head of this file.
pub(super) struct Client {
    pub(super) collector: Arc<Collector>,
    /// Exporters have threads without a runtime; requests need one.
    pub(super) runtime: Handle,
}

impl Client {
    async fn send(&self, request: Request<Bytes>) -> Result<()> {
        // Of the head only the address counts: `config` has read the headers that the environment names.
        let (address, collector) = (request.uri().to_string(), Arc::clone(&self.collector));
        let sending = self.runtime.spawn(async move { collector.send(&address, request.into_body()).await });
        sending.await.map_err(|error| Error::internal("The server ends.").with_source(error))?
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let path = request.uri().path().to_owned();
        match self.send(request).await {
            Ok(()) => Ok(Response::new(Bytes::new())),
            Err(error) => {
                // The thread of an exporter exports no line of its own.
                if FAILURES.allows() {
                    tracing::warn!(%error, path, "traces, metrics or logs are lost: the collector did not take them");
                }
                Err(error.into())
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").finish_non_exhaustive()
    }
}
