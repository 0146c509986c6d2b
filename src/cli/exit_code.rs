//! Exit codes: what a script learns without reading a word.

use crate::error::Kind;
use crate::jobs::JobStatus;
use crate::signals::Stop;

/// It worked.
pub const SUCCESS: u8 = 0;
/// The job failed or was aborted.
pub const JOB_FAILED: u8 = 1;
/// The command line, an argument or a local file cannot be used.
pub const USAGE: u8 = 2;
/// No key, a refused key, or no credits.
pub const ACCOUNT: u8 = 3;
/// No such job, operation or document.
pub const NOT_FOUND: u8 = 4;
/// The timeout ended before the job did.
pub const STILL_RUNNING: u8 = 5;
/// The network or the service.
pub const SERVICE: u8 = 6;
/// SIGHUP: the terminal was closed.
pub const HUNG_UP: u8 = 129;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;
/// SIGTERM.
pub const TERMINATED: u8 = 143;

/// The exit code of an error.
pub fn of_error(kind: Kind) -> u8 {
    match kind {
        Kind::JobFailed | Kind::JobAborted => JOB_FAILED,
        Kind::InvalidArgument | Kind::FileAccess | Kind::TooLarge => USAGE,
        Kind::Auth | Kind::InsufficientCredits => ACCOUNT,
        Kind::NotFound => NOT_FOUND,
        Kind::RateLimited
        | Kind::LinkExpired
        | Kind::Network
        | Kind::Upstream
        | Kind::LedgerUnavailable
        | Kind::Internal => SERVICE,
        Kind::Cancelled => INTERRUPTED,
    }
}

/// The exit code of a program that was asked to stop.
pub fn of_stop(stop: Stop) -> u8 {
    match stop {
        Stop::Interrupt => INTERRUPTED,
        Stop::Terminate => TERMINATED,
        Stop::HangUp => HUNG_UP,
    }
}

/// The exit code of a job whose outcome was asked for.
pub fn of_outcome(status: &JobStatus) -> u8 {
    match status {
        JobStatus::Success => SUCCESS,
        JobStatus::Failed | JobStatus::Aborted | JobStatus::Cancelled => JOB_FAILED,
        JobStatus::Unknown => NOT_FOUND,
        JobStatus::Queued | JobStatus::Working | JobStatus::Other(_) => STILL_RUNNING,
    }
}

/// One exit code for several outcomes: a final failure outranks a job that still runs.
pub fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    const RANK: &[u8] = &[SUCCESS, STILL_RUNNING, NOT_FOUND, USAGE, SERVICE, ACCOUNT, JOB_FAILED];
    let rank = |code: &u8| RANK.iter().position(|ranked| ranked == code).unwrap_or(RANK.len());
    codes.into_iter().max_by_key(rank).unwrap_or(SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_has_its_exit_code() {
        for (kind, code) in [
            (Kind::JobFailed, 1),
            (Kind::JobAborted, 1),
            (Kind::InvalidArgument, 2),
            (Kind::FileAccess, 2),
            (Kind::TooLarge, 2),
            (Kind::Auth, 3),
            (Kind::InsufficientCredits, 3),
            (Kind::NotFound, 4),
            (Kind::Network, 6),
            (Kind::Upstream, 6),
            (Kind::RateLimited, 6),
            (Kind::LinkExpired, 6),
            (Kind::Internal, 6),
            (Kind::Cancelled, 130),
        ] {
            assert_eq!(of_error(kind), code, "{kind}");
        }
    }

    #[test]
    fn every_state_has_its_exit_code() {
        for (status, code) in [
            (JobStatus::Success, 0),
            (JobStatus::Failed, 1),
            (JobStatus::Aborted, 1),
            (JobStatus::Cancelled, 1),
            (JobStatus::Unknown, 4),
            (JobStatus::Queued, 5),
            (JobStatus::Working, 5),
            (JobStatus::Other("paused".into()), 5),
        ] {
            assert_eq!(of_outcome(&status), code, "{status:?}");
        }
    }

    #[test]
    fn of_several_exit_codes_the_worst_counts() {
        for (codes, worst_of_all) in [
            (&[][..], 0),
            (&[0, 0], 0),
            (&[0, 5], 5),
            (&[5, 1, 0], 1),
            (&[5, 4], 4),
            (&[6, 1], 1),
            (&[3, 6], 3),
            (&[1, 3], 1),
        ] {
            assert_eq!(worst(codes.iter().copied()), worst_of_all, "{codes:?}");
        }
    }
}
