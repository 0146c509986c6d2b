//! Jobs against the simulator: waiting, recovery, several processes, the ledger.

mod ledger;
mod logs;
mod multi_process;
mod recovery;
mod waiting;
