//! Jobs against the simulator: waiting, recovery, several processes, the ledger.

mod ledger;
mod multi_process;
mod recovery;
mod waiting;
