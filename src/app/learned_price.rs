//! What jobs of an operation were charged on an account, and what that says about the next one.

use std::ops::RangeInclusive;

use super::{App, Caller, Charging};
use crate::catalog::{Basis, CHECK_CREDITS, Operation, Run};
use crate::jobs::ledger::PriceObservation;
use crate::text::counted;

/// A callback is charged beside the checks, if at all.
const CALLBACK_CREDITS: i64 = 2;
/// So many of the newest jobs count.
pub(super) const OBSERVATIONS: u32 = 20;
/// And so many of the newest jobs of several pages, of any operation.
const OBSERVATIONS_OF_ALL: u32 = 100;

/// What the jobs of one operation were charged on one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LearnedPrice {
    /// How many jobs that is known from.
    pub jobs: usize,
    /// Credits of one job, or of one page where each is charged.
    pub unit: RangeInclusive<i64>,
    /// How the pages are charged; none while no job of several pages has shown it, or they differ.
    pub charging: Option<Charging>,
    /// Whether that is known from another operation of the account.
    pub is_from_another: bool,
}

impl LearnedPrice {
    /// What `observations`, newest first, show; `price` is the catalog's. None where no job reported what it cost.
    pub fn of(observations: &[PriceObservation], price: Option<i64>) -> Option<LearnedPrice> {
        let jobs: Vec<Job> = observations.iter().filter_map(Job::of).collect();
        let verdicts: Vec<(Charging, i64)> = jobs.iter().filter_map(|job| job.verdict(price, &jobs)).collect();
        let is_one = |charging| !verdicts.is_empty() && verdicts.iter().all(|(found, _)| *found == charging);
        let charging = [Charging::Once, Charging::PerPage].into_iter().find(|charging| is_one(*charging));
        let units: Vec<i64> = match charging {
            Some(_) => verdicts.iter().map(|(_, unit)| *unit).collect(),
            None => jobs.iter().map(|job| job.submit).collect(),
        };
        let (least, most) = (units.iter().min()?, units.iter().max()?);
        Some(LearnedPrice { jobs: jobs.len(), unit: *least..=*most, charging, is_from_another: false })
    }

    /// The least and the most that a job of so many pages is charged, checks not counted; the most is none where it
    /// cannot be known.
    pub fn range(&self, operation: &Operation, pages: Option<u32>) -> (i64, Option<i64>) {
        let (least, most) = (*self.unit.start(), *self.unit.end());
        let is_per_call = operation.price.basis() == Some(Basis::Call);
        let all = |unit: i64| pages.map(|pages| unit.saturating_mul(i64::from(pages.max(1))));
        match self.charging {
            Some(Charging::Once) => (least, Some(most)),
            Some(Charging::PerPage) => (all(least).unwrap_or(least), all(most)),
            None if is_per_call => (least, Some(most)),
            None => (least, all(most)),
        }
    }

    /// The price of the catalog, or what jobs were charged, with the way of charging that another operation showed.
    fn by_another(learned: Option<LearnedPrice>, price: Option<i64>, charging: Charging) -> Option<LearnedPrice> {
        let (charging, is_from_another) = (Some(charging), true);
        match learned {
            Some(known) => Some(LearnedPrice { charging, is_from_another, ..known }),
            None => price.map(|price| LearnedPrice { jobs: 0, unit: price..=price, charging, is_from_another }),
        }
    }

    /// Where the numbers are from, in a sentence.
    pub fn words(&self) -> String {
        let credits = match (*self.unit.start(), *self.unit.end()) {
            (least, most) if least == most => counted(least, "credit"),
            (least, most) => format!("{least} to {}", counted(most, "credit")),
        };
        let source = match self.jobs {
            0 => "By the service's price table".to_owned(),
            1 => "Learned from one job of this account".to_owned(),
            jobs => format!("Learned from {jobs} jobs of this account"),
        };
        let charged = match self.charging {
            Some(Charging::Once) => "a job, however many pages",
            Some(Charging::PerPage) => "for each page",
            None => "at the submit; whether further pages are charged has not been seen",
        };
        let another = if self.is_from_another { ", as another operation of this account was charged" } else { "" };
        format!("{source}: {credits} {charged}{another}.")
    }
}

impl App {
    /// What a job of `operation` is charged on the caller's account: as its own jobs were, else in the way that others
    /// were; none where neither says so.
    pub(super) async fn learned_price(&self, caller: &Caller, operation: &Operation) -> Option<LearnedPrice> {
        if operation.run == Run::Direct {
            return None;
        }
        let ledger = self.jobs.ledger();
        let observations = ledger.price_observations(caller.owner.account(), operation.name, OBSERVATIONS).await;
        let price = operation.price.credits().map(i64::from);
        let learned = LearnedPrice::of(&observations.unwrap_or_default(), price);
        let is_known = learned.as_ref().is_some_and(|learned| learned.charging.is_some());
        let has_no_price = learned.is_none() && price.is_none();
        if is_known || has_no_price || operation.price.basis() == Some(Basis::Call) {
            return learned;
        }
        let found = match self.findings(caller).await.charging {
            Some(charging) => Some(charging),
            None => {
                let all = ledger.prices_of_several_pages(caller.owner.account(), OBSERVATIONS_OF_ALL).await;
                charging_of_all(&all.unwrap_or_default())
            }
        };
        match found {
            Some(charging) => LearnedPrice::by_another(learned, price, charging),
            None => learned,
        }
    }
}

/// How the pages of all operations with a price for each page are charged, as far as their jobs show it; none where they
/// differ.
fn charging_of_all(observations: &[PriceObservation]) -> Option<Charging> {
    let shown = crate::catalog::all().filter(|operation| operation.price.basis() == Some(Basis::Page));
    let mut shown = shown.filter_map(|operation| {
        let own: Vec<_> = observations.iter().filter(|seen| seen.operation == operation.name).cloned().collect();
        LearnedPrice::of(&own, operation.price.credits().map(i64::from))?.charging
    });
    let first = shown.next()?;
    shown.all(|other| other == first).then_some(first)
}

/// One job that reported what it cost.
struct Job {
    submit: i64,
    /// What was charged later, besides its checks; none where they reported nothing.
    later: Option<i64>,
    pages: i64,
}

impl Job {
    fn of(seen: &PriceObservation) -> Option<Job> {
        let submit = seen.submit_credits.filter(|credits| *credits > 0)?;
        let later = seen.check_credits.map(|credits| credits.saturating_sub(seen.checks.saturating_mul(CHECK_CREDITS)));
        Some(Job { submit, later, pages: seen.pages.unwrap_or(1) })
    }

    /// How this job was charged, and its unit: a job, or a page. None where both readings fit, or neither does.
    fn verdict(&self, price: Option<i64>, all: &[Job]) -> Option<(Charging, i64)> {
        if self.pages < 2 {
            return None;
        }
        let later = self.later?;
        let rest = self.submit.saturating_mul(self.pages - 1);
        let is_about = |wanted: i64| (wanted..=wanted.saturating_add(CALLBACK_CREDITS)).contains(&later.max(0));
        match (is_about(0), is_about(rest)) {
            (false, true) => Some((Charging::PerPage, self.submit)),
            (true, false) => self.at_submit(price, all),
            _ => None,
        }
    }

    /// All that was charged was charged at the submit: once, or for all pages at once.
    fn at_submit(&self, price: Option<i64>, all: &[Job]) -> Option<(Charging, i64)> {
        let page = self.submit / self.pages;
        let is_multiple = page > 0 && page.saturating_mul(self.pages) == self.submit;
        if !is_multiple || price == Some(self.submit) {
            return Some((Charging::Once, self.submit));
        }
        if price == Some(page) {
            return Some((Charging::PerPage, page));
        }
        // A job of other pages distinguishes the two.
        let other = all.iter().find(|other| other.pages != self.pages)?;
        match (other.submit == self.submit, other.submit == page.saturating_mul(other.pages)) {
            (true, false) => Some((Charging::Once, self.submit)),
            (false, true) => Some((Charging::PerPage, page)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pages: i64, submit: i64, check_credits: i64, checks: i64) -> PriceObservation {
        let reported = |credits: i64| Some(credits).filter(|credits| *credits >= 0);
        PriceObservation {
            operation: "pdf_to_text".to_owned(),
            pages: Some(pages),
            submit_credits: reported(submit),
            check_credits: reported(check_credits),
            checks,
            at: 0,
        }
    }

    #[test]
    fn once_and_per_page_differ_for_jobs_of_several_pages() {
        use Charging::{Once, PerPage};
        type Case = (&'static [(i64, i64, i64, i64)], Option<i64>, Option<(usize, i64, i64, Option<Charging>)>);
        // Pages, credits at the submit, credits of its checks, and how many those were.
        let cases: &[Case] = &[
            (&[], Some(21), None),
            (&[(3, -1, 2, 1)], Some(21), None),
            (&[(1, 21, 2, 1)], Some(21), Some((1, 21, 21, None))),
            (&[(3, 21, 2, 1)], Some(21), Some((1, 21, 21, Some(Once)))),
            (&[(3, 21, 6, 3)], None, Some((1, 21, 21, None))),
            (&[(3, 21, 6, 3), (1, 21, 2, 1)], None, Some((2, 21, 21, Some(Once)))),
            (&[(4, 21, 6, 3)], None, Some((1, 21, 21, Some(Once)))),
            (&[(3, 21, 44, 1)], Some(21), Some((1, 21, 21, Some(PerPage)))),
            (&[(3, 21, 48, 3)], None, Some((1, 21, 21, Some(PerPage)))),
            // The end came by a callback, which may cost as much as a check or nothing.
            (&[(3, 21, 2, 0)], Some(21), Some((1, 21, 21, Some(Once)))),
            (&[(3, 21, 44, 0)], Some(21), Some((1, 21, 21, Some(PerPage)))),
            (&[(3, 21, 0, 0)], Some(21), Some((1, 21, 21, Some(Once)))),
            // Free checks.
            (&[(3, 100, 0, 4)], Some(100), Some((1, 100, 100, Some(Once)))),
            // All pages at the submit.
            (&[(3, 63, 2, 1)], Some(21), Some((1, 21, 21, Some(PerPage)))),
            (&[(3, 63, 2, 1), (5, 105, 2, 1)], None, Some((2, 21, 21, Some(PerPage)))),
            // A price so low that a callback could be a page.
            (&[(2, 2, 2, 0)], Some(2), Some((1, 2, 2, None))),
            // Neither, and both.
            (&[(3, 21, 30, 1)], Some(21), Some((1, 21, 21, None))),
            (&[(3, 21, 2, 1), (3, 21, 44, 1)], Some(21), Some((2, 21, 21, None))),
            (&[(3, 21, -1, 1)], Some(21), Some((1, 21, 21, None))),
            (&[(3, 14, 2, 1), (3, 21, 2, 1)], Some(21), Some((2, 14, 21, Some(Once)))),
        ];
        for (jobs, price, expected) in cases {
            let observations: Vec<_> = jobs.iter().map(|job| seen(job.0, job.1, job.2, job.3)).collect();
            let learned = LearnedPrice::of(&observations, *price);
            let found =
                learned.map(|learned| (learned.jobs, *learned.unit.start(), *learned.unit.end(), learned.charging));
            assert_eq!(found, *expected, "{jobs:?} at {price:?}");
        }
    }

    #[test]
    fn operations_of_an_account_show_it_for_each_other() {
        let of = |operation: &str, pages, submit, later| PriceObservation {
            operation: operation.to_owned(),
            ..seen(pages, submit, later, 1)
        };
        let per_page = of("pdf_to_text", 3, 21, 44);
        assert_eq!(charging_of_all(&[]), None);
        assert_eq!(charging_of_all(std::slice::from_ref(&per_page)), Some(Charging::PerPage));
        // They differ, or what a call costs says nothing of pages.
        assert_eq!(charging_of_all(&[per_page.clone(), of("pdf_to_csv", 3, 28, 2)]), None);
        assert_eq!(charging_of_all(&[of("html_templates_list", 3, 14, 2), of("no_such", 3, 21, 44)]), None);
        let csv = LearnedPrice::by_another(None, Some(21), Charging::PerPage).unwrap();
        assert_eq!(csv.range(crate::catalog::find("pdf_to_csv").unwrap(), Some(300)), (6_300, Some(6_300)));
        assert!(
            csv.words().ends_with("for each page, as another operation of this account was charged."),
            "{}",
            csv.words()
        );
    }
}
