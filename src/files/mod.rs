//! Files in and out: what may be touched on this disk, and how bytes travel over presigned links.
//!
//! Start at [`Sandbox`], then [`download()`]. What was judged by the sandbox is a [`LocalFile`] or a [`Target`], which are
//! opened relative to a folder that is held open (`root.rs`).

mod blocking;
pub mod digest;
mod download;
mod follow;
pub mod hosts;
mod local_file;
pub mod names;
mod pdf_pages;
mod private_links;
mod quota;
mod refusals;
mod requested_path;
mod root;
pub mod sandbox;
mod similar;
mod source;
mod target;
pub mod text;
pub mod upload;
mod windows_names;

#[cfg(all(test, target_os = "linux"))]
mod race_tests;

pub(crate) use blocking::off_runtime;
pub use download::{Saved, digest_of, download, save_text};
pub use hosts::Hosts;
pub use local_file::LocalFile;
pub use names::{numbered, safe_file_name};
pub use pdf_pages::pdf_pages;
pub use private_links::{is_private, private_link_in};
pub use root::resolved;
pub use sandbox::{FILE_BYTES_MAX, Sandbox};
pub use source::{has_known_scheme, is_local};
pub use target::Target;
pub use text::{Charset, TEXT_BYTES_MAX, Text, TextPage, fetch_links, fetch_text, page, tail};
pub use upload::{UploadTicket, Uploaded, upload, upload_ticket};
