//! Jobs against the simulator: waiting, recovery, several processes, the ledger.

mod checks_refused;
mod company;
mod contract;
mod ledger;
mod logs;
mod multi_process;
mod place;
mod postgres;
mod recovery;
mod secrecy;
mod submitting;
mod waiting;
