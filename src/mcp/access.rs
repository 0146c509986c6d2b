//! What a transport lets its callers use: whose key, and which files.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::files::sandbox::Sandbox;
use crate::hint;
use crate::secret::ApiKey;
use crate::tenant::Tenant;

/// What callers may use.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whether callers without a key of their own use the server's.
    pub server_key: bool,
    /// Whether callers are people who signed in: then the key is theirs by that, and none is taken from a call.
    pub signed_in: bool,
    /// Which files they use.
    pub files: FileAccess,
}

/// Which files of the server's machine callers use.
#[derive(Clone, Debug)]
pub enum FileAccess {
    /// The server's folders: there is one person, and it is their machine.
    Folders,
    /// `<root>/<tenant>/`, at most so many bytes each.
    PerTenant {
        /// The folder above the tenants' own.
        root: PathBuf,
        /// Bytes that one tenant may keep.
        bytes: u64,
    },
    /// None: files of remote callers travel past the server.
    Nothing,
}

impl Access {
    /// Everything that the server itself may use.
    pub fn everything() -> Access {
        Access { server_key: true, signed_in: false, files: FileAccess::Folders }
    }

    /// The key of a caller who sent none.
    ///
    /// # Errors
    /// `auth` where there is no key that they may use.
    pub fn default_key<'a>(&self, config: &'a Config) -> Result<&'a ApiKey> {
        if self.server_key {
            return config.key();
        }
        Err(Error::new(
            Kind::Auth,
            "This server works with the key of each caller, and the request has none.",
            hint!["Send your PDF.co API key in the header x-api-key; keys are at https://app.pdf.co."],
        ))
    }

    /// Whether callers use files of the server's machine at all.
    pub fn has_files(&self) -> bool {
        !matches!(self.files, FileAccess::Nothing)
    }

    /// The files of `tenant`; `shared` are the server's folders.
    pub fn sandbox(&self, shared: &Arc<Sandbox>, tenant: &Tenant, config: &Config) -> Arc<Sandbox> {
        match &self.files {
            FileAccess::Folders => Arc::clone(shared),
            FileAccess::PerTenant { root, bytes } => {
                let own = Sandbox::tenant(root, tenant.as_str(), *bytes);
                Arc::new(own.with_max_bytes(config.max_file_bytes))
            }
            FileAccess::Nothing => Arc::new(Sandbox::nothing()),
        }
    }
}
