//! Files in and out: what may be touched on this disk, and how bytes travel over presigned links.
//!
//! What lives here: the sandbox of paths (`sandbox.rs`, `forms.rs`), safe names (`names.rs`), uploads (`upload.rs`), the hosts that
//! may be spoken to (`hosts.rs`), downloads that survive a cut (`follow.rs`, `download.rs`) and results as text
//! (`text.rs`). What never does: HTTP itself (`api/transfer.rs`), jobs and their states, or how a door words a result.
//!
//! Start at [`Sandbox`], then [`download()`].

pub mod download;
mod follow;
mod forms;
pub mod hosts;
pub mod names;
pub mod sandbox;
pub mod text;
pub mod upload;

pub use download::{Saved, download, save_text};
pub use hosts::{Hosts, is_private};
pub use names::{numbered, safe_file_name};
pub use sandbox::{FILE_BYTES_MAX, LocalFile, Sandbox, is_local, resolved};
pub use text::{TEXT_BYTES_MAX, Text, TextPage, fetch_links, fetch_text, page, tail};
pub use upload::{Uploaded, upload};
