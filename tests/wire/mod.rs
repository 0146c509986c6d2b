//! Single replies of the service, and files over real sockets.

mod callbacks;
mod doubts;
mod downloads;
mod matrix;
mod parameters;
mod prices;
mod replay;
mod replies;
mod results;
mod uploads;
