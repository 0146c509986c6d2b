//! A person who signed in: whose jobs these are, the key that pays, and what the token allows.

use std::time::Instant;

use rmcp::RoleServer;
use rmcp::service::RequestContext;

use crate::error::{Error, Result};
use crate::secret::ApiKey;
use crate::tenant::{Owner, Tenant};

/// Lets a person read: lists, states, results, balances.
pub const READ: &str = "pdfco:read";
/// Lets a person spend and write, and read.
pub const RUN: &str = "pdfco:run";

/// Who signed in, as the transport found it out. The token itself is not kept.
#[derive(Debug)]
pub struct Principal {
    /// Stands for issuer and subject.
    pub tenant: Tenant,
    /// The key that pays, or why there is none.
    pub key: Result<ApiKey>,
    /// Whether the token has [`RUN`].
    pub may_run: bool,
    /// When the token ends.
    pub expires: Instant,
}

impl Principal {
    /// The person behind a request, where the transport asks people to sign in.
    pub fn of(request: &RequestContext<RoleServer>) -> Option<&Principal> {
        let head = request.extensions.get::<http::request::Parts>()?;
        head.extensions.get::<std::sync::Arc<Principal>>().map(AsRef::as_ref)
    }

    /// Whose jobs these are, and the key.
    ///
    /// # Errors
    /// `auth` where there is no key for this person.
    pub fn owner(&self) -> Result<Owner> {
        match &self.key {
            Ok(key) => Ok(Owner::new(self.tenant.clone(), key.clone())),
            Err(error) => Err(error.share()),
        }
    }
}

/// The error of a request without a person where people sign in.
pub fn not_signed_in() -> Error {
    Error::new(crate::error::Kind::Auth, "This server asks people to sign in.", "Sign in, then try again.")
}
