//! Flags that name a tenant: a person who signs in, the own key, or what the ledger keeps in their place.

use std::path::PathBuf;

use clap::Args;

use super::session::CliSession;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::sandbox::tenant_folder;
use crate::tenant::Tenant;

/// Digits of what stands for a tenant in the ledger.
const STORED_DIGITS: usize = 32;

/// See the head of this file.
#[derive(Clone, Debug, Args)]
pub struct TenantArgs {
    /// The person whom the issuer knows under this name (`sub`)
    #[arg(long, value_name = "SUB", conflicts_with_all = ["own_key", "tenant"])]
    subject: Option<String>,
    /// The issuer of that name. Default: PDFCO_OAUTH_ISSUER
    #[arg(long, value_name = "URL", requires = "subject")]
    issuer: Option<String>,
    /// The key of this command (PDFCO_API_KEY)
    #[arg(long, conflicts_with = "tenant")]
    own_key: bool,
    /// The tenant as `pdfco audit` shows it
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
}

/// A tenant that was named.
pub struct Meant {
    /// As the ledger keeps it.
    pub stored: String,
    /// None where only that is known.
    tenant: Option<Tenant>,
}

impl Meant {
    /// Where the tenant's files are kept, as far as that can be said.
    pub fn folder(&self, config: &Config) -> Option<PathBuf> {
        Some(config.http_files.as_ref()?.join(tenant_folder(self.tenant.as_ref()?.as_str())))
    }
}

impl TenantArgs {
    /// The tenant that is meant; none where there is no flag.
    ///
    /// # Errors
    /// `invalid_argument` for an id that is none, and for a subject without an issuer; as the ledger.
    pub async fn meant(&self, session: &CliSession) -> Result<Option<Meant>> {
        if let Some(id) = &self.tenant {
            let is_one =
                id.len() == STORED_DIGITS && id.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
            return match is_one {
                true => Ok(Some(Meant { stored: id.clone(), tenant: None })),
                false => Err(Error::invalid(
                    "That is no tenant.",
                    "`pdfco audit` shows tenants: 32 hexadecimal digits. --subject names a person.",
                )),
            };
        }
        let config = &session.app.config;
        let tenant = match &self.subject {
            Some(subject) => {
                let issuer = self.issuer.as_ref().or(config.oauth_issuer.as_ref()).ok_or_else(|| {
                    Error::invalid(
                        "A person is known by an issuer.",
                        "Name it with --issuer, or set PDFCO_OAUTH_ISSUER.",
                    )
                })?;
                Tenant::of_person(issuer, subject)
            }
            None if self.own_key => {
                config.key_is_known().await;
                Tenant::of_account(config.key()?.fingerprint())
            }
            None => return Ok(None),
        };
        let stored = session.app.jobs().ledger().stored_name_of(&tenant).await?;
        Ok(Some(Meant { stored, tenant: Some(tenant) }))
    }
}
