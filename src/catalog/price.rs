//! What an operation costs, stated once as data; texts and estimates are made from it.

use std::ops::RangeInclusive;

use super::Run;
use crate::text::counted;

/// What a check of a job costs, in credits.
pub const CHECK_CREDITS: i64 = 2;
/// What the link for an upload costs, in credits.
pub const UPLOAD_CREDITS: i64 = 7;

/// What an operation costs.
///
/// A price is credits and a basis, with how well it is known. What an asynchronous job of several pages is charged is
/// not settled: older pages of the service say the price for each page, newer ones say the price once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// Credits a page, in the service's price table. A background job may be charged this once.
    PerPage(u32),
    /// Credits a call, in the service's price table.
    PerCall(u32),
    /// Credits a page, as replies show or other clients report. A background job may be charged this once.
    PerPageSeen(u32),
    /// Credits a call, as replies show or other clients report.
    PerCallSeen(u32),
    /// No source names a price.
    Unknown,
}

/// What a price is multiplied with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The pages of the document.
    Page,
    /// Nothing: every call costs the same.
    Call,
}

impl Price {
    /// The credits of one page or one call; `None` where no source names a price.
    pub fn credits(self) -> Option<u32> {
        match self {
            Price::PerPage(credits)
            | Price::PerCall(credits)
            | Price::PerPageSeen(credits)
            | Price::PerCallSeen(credits) => Some(credits),
            Price::Unknown => None,
        }
    }

    /// What the credits are multiplied with; `None` where no source names a price.
    pub fn basis(self) -> Option<Basis> {
        match self {
            Price::PerPage(_) | Price::PerPageSeen(_) => Some(Basis::Page),
            Price::PerCall(_) | Price::PerCallSeen(_) => Some(Basis::Call),
            Price::Unknown => None,
        }
    }

    /// Returns true if the price is in the service's own price table.
    pub fn is_documented(self) -> bool {
        matches!(self, Price::PerPage(_) | Price::PerCall(_))
    }

    /// The least and the most that `pages` pages can cost, checks not included. Both ends are the same for a price per
    /// call and for work that is done at once; for a job the first is "charged once", the last "charged per page".
    /// `None` where no source names a price.
    pub fn range(self, run: Run, pages: u32) -> Option<RangeInclusive<u64>> {
        let one = u64::from(self.credits()?);
        let all = one.saturating_mul(u64::from(pages.max(1)));
        Some(match (self.basis()?, run) {
            (Basis::Call, _) => one..=one,
            (Basis::Page, Run::Direct) => all..=all,
            (Basis::Page, Run::Job | Run::AlwaysJob) => one..=all,
        })
    }

    /// One short sentence for a description, which is in every conversation that lists the tool.
    pub(super) fn sentence(self, run: Run) -> String {
        match (self, run) {
            (Price::PerCall(0), _) => "Free.".to_owned(),
            (Price::Unknown, _) => "Price not published.".to_owned(),
            (price, Run::Job | Run::AlwaysJob) if price.basis() == Some(Basis::Page) => {
                format!("{}, per page or once (disputed).", counted(i64::from(price.credits().unwrap_or(0)), "credit"))
            }
            (price, run) => format!("{}.", price.amount(run)),
        }
    }

    /// The price in words, with how sure they are: `21 credits a call; documented`.
    pub fn words(self, run: Run) -> String {
        match self {
            Price::PerCall(0) => "free".to_owned(),
            Price::Unknown => "not published; every answer reports what was charged".to_owned(),
            price if price.is_documented() => format!("{}; documented", price.amount(run)),
            price => format!("about {}; reported by users, not documented", price.amount(run)),
        }
    }

    /// The price in a few words, for lists: `about 21 credits, per page or once`, `free`.
    pub fn short(self, run: Run) -> String {
        let credits = |credits: u32| counted(i64::from(credits), "credit");
        match (self.credits().map(credits), self.basis(), run) {
            _ if self.credits() == Some(0) => "free".to_owned(),
            (Some(credits), Some(Basis::Page), Run::Job | Run::AlwaysJob) => {
                format!("about {credits}, per page or once")
            }
            (Some(credits), Some(Basis::Page), Run::Direct) => format!("about {credits} a page"),
            (Some(credits), ..) => format!("about {credits} a call"),
            (None, ..) => "price not published".to_owned(),
        }
    }

    fn amount(self, run: Run) -> String {
        let credits = counted(i64::from(self.credits().unwrap_or(0)), "credit");
        match (self.basis(), run) {
            (Some(Basis::Page), Run::Job | Run::AlwaysJob) => {
                format!("{credits} (the service's pages disagree whether a job is charged per page or once)")
            }
            (Some(Basis::Page), Run::Direct) => format!("{credits} a page"),
            _ => format!("{credits} a call"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_many_pages_has_a_range() {
        assert_eq!(Price::PerPage(21).range(Run::Job, 10), Some(21..=210));
        assert_eq!(Price::PerPageSeen(21).range(Run::Direct, 10), Some(210..=210));
        assert_eq!(Price::PerCall(7).range(Run::Job, 10), Some(7..=7));
        assert_eq!(Price::PerPage(21).range(Run::Job, 0), Some(21..=21));
        assert_eq!(Price::Unknown.range(Run::Job, 10), None);
    }

    #[test]
    fn no_text_claims_per_page_or_once_for_a_job() {
        let long = Price::PerPageSeen(21).words(Run::AlwaysJob);
        let claim = "21 credits (the service's pages disagree whether a job is charged per page or once)";
        assert!(long.contains(claim) && long.contains("not documented"), "{long}");
        assert_eq!(Price::PerPage(21).short(Run::Job), "about 21 credits, per page or once");
        let short = "21 credits, per page or once (disputed).";
        assert_eq!(Price::PerPage(21).sentence(Run::Job), short);
        assert_eq!(Price::PerCall(7).sentence(Run::Direct), "7 credits a call.");
        assert_eq!(Price::PerCall(0).sentence(Run::Direct), "Free.");
    }
}
