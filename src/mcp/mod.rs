//! The agent's door: the Model Context Protocol over the use cases of `app.rs`.
//!
//! What lives here: the server (`server.rs`), what tools there are (`tools.rs`, `job_tools.rs`), how an answer looks to
//! an agent (`present.rs`), tasks in both dialects (`tasks.rs`, `legacy.rs`), who listens to what (`listen.rs`)
//! and what is told then (`news.rs`), progress, resources, prompts, the icon, and the client side that `demo` uses. With `serve/`
//! this is the only room that knows rmcp. What never does: deciding anything about jobs, files or credits.
//!
//! Start at `server.rs`.

pub mod client;
pub mod icon;
pub mod job_tools;
pub mod legacy;
pub mod listen;
pub mod news;
pub mod present;
pub mod progress;
pub mod prompts;
pub mod resources;
pub mod server;
pub mod tasks;
pub mod tools;

pub use server::Server;
