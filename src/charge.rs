//! What calls cost, as the service reported it.

use serde::Serialize;

/// Credits that the service reported for the requests of one call, and the balance it reported last.
///
/// Both are `None` while no answer reported them, which is not the same as zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Charge {
    /// Sum of the credits reported. Negative where a refund exceeds what was charged.
    #[serde(rename = "credits_used")]
    pub credits: Option<i64>,
    /// Balance of the account after the newest of these requests, in credits.
    #[serde(rename = "credits_remaining")]
    pub remaining: Option<i64>,
}

impl Charge {
    /// No answer reported anything.
    pub const NONE: Charge = Charge { credits: None, remaining: None };

    /// What one answer reported.
    pub fn new(credits: Option<i64>, remaining: Option<i64>) -> Charge {
        Charge { credits, remaining }
    }

    /// Adds a later charge: credits add up, and its balance, if it has one, is the newest.
    pub fn add(&mut self, later: Charge) {
        self.credits = match (self.credits, later.credits) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        self.remaining = later.remaining.or(self.remaining);
    }

    /// This charge, after counting it in the metrics.
    pub fn counted(self) -> Charge {
        if let Some(credits) = self.credits {
            // Refunds make this fall, so it is no counter.
            metrics::gauge!("pdfco_credits_spent").increment(credits as f64);
        }
        self
    }

    /// This charge and then `later`.
    #[must_use]
    pub fn and(mut self, later: Charge) -> Charge {
        self.add(later);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_add_up_and_the_newest_balance_stays() {
        let upload = Charge::new(Some(7), Some(93));
        assert_eq!(upload.and(Charge::new(Some(21), Some(72))), Charge::new(Some(28), Some(72)));
        assert_eq!(upload.and(Charge::NONE), upload);
        assert_eq!(Charge::NONE.and(Charge::new(None, Some(5))), Charge::new(None, Some(5)));
    }
}
