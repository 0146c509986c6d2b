//! What the simulator charges, from the catalog's prices.

use super::options::Charging;
use crate::catalog::{Basis, Operation, Run};
pub(in crate::simulator) use crate::catalog::{CHECK_CREDITS, UPLOAD_CREDITS};

/// What a page costs where no source names a price.
const UNKNOWN_PRICE: u32 = 10;

/// What the pages of an operation cost.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulator) struct PagePrice {
    /// The first page, or the call.
    pub(in crate::simulator) first: i64,
    other: i64,
}

impl PagePrice {
    /// The price of an operation; `charging` applies to background jobs alone.
    pub(in crate::simulator) fn of(operation: &Operation, charging: Charging) -> PagePrice {
        let first = i64::from(operation.price.credits().unwrap_or(UNKNOWN_PRICE));
        let once = operation.price.basis() == Some(Basis::Call)
            || (charging == Charging::Flat && operation.run != Run::Direct);
        PagePrice { first, other: if once { 0 } else { first } }
    }

    /// What all but the first of `pages` cost.
    pub(in crate::simulator) fn others(self, pages: u32) -> i64 {
        self.other.saturating_mul(i64::from(pages.saturating_sub(1)))
    }

    /// What `pages` cost.
    pub(in crate::simulator) fn all(self, pages: u32) -> i64 {
        self.first.saturating_add(self.others(pages))
    }
}
