//! What calls cost, as the service reported it.

use serde::Serialize;

use crate::clock::Millis;

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
    /// When the request was sent whose answer reported the balance, as far as that is known. Answers may overtake each
    /// other; the balance of the later request is the newer one.
    #[serde(skip)]
    pub balance_at: Option<Millis>,
}

impl Charge {
    /// No answer reported anything.
    pub const NONE: Charge = Charge { credits: None, remaining: None, balance_at: None };

    /// What one answer reported.
    pub fn new(credits: Option<i64>, remaining: Option<i64>) -> Charge {
        Charge { credits, remaining, balance_at: None }
    }

    /// The same, reported in answer to a request that was sent at `at`, unless that is known already.
    #[must_use]
    pub fn asked_at(self, at: Millis) -> Charge {
        Charge { balance_at: self.balance_at.or(self.remaining.map(|_| at)), ..self }
    }

    /// Adds a later charge: credits add up, and its balance, if it has one, is the newest unless its request was sent
    /// earlier.
    pub fn add(&mut self, later: Charge) {
        self.credits = match (self.credits, later.credits) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        let is_older = self.balance_at.zip(later.balance_at).is_some_and(|(known, new)| new < known);
        if later.remaining.is_some() && !is_older {
            (self.remaining, self.balance_at) = (later.remaining, later.balance_at);
        }
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

    #[test]
    fn an_answer_that_was_overtaken_brings_no_older_balance() {
        let callback = Charge::new(None, Some(50)).asked_at(2_000);
        let submit = Charge::new(Some(21), Some(71)).asked_at(1_000);
        assert_eq!((callback.and(submit).credits, callback.and(submit).remaining), (Some(21), Some(50)));
        assert_eq!(submit.and(callback).remaining, Some(50));
        assert_eq!(callback.asked_at(9_000).balance_at, Some(2_000), "what is known stays");
        assert_eq!(Charge::NONE.asked_at(1).balance_at, None);
    }
}
