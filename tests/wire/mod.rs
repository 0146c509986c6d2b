//! Single replies of the service, and files over real sockets.

mod downloads;
mod replay;
mod replies;
