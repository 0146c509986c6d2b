//! What a reader of the page asked for: which jobs, and from where on.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::app::OverviewRequest;
use crate::error::{Error, Result};

/// The query of the page's address. Empty fields of the form count as left out.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Asked {
    /// `next_cursor` of the page before.
    #[serde(default)]
    pub after: String,
    /// A state, or `running`.
    #[serde(default)]
    pub status: String,
    /// An operation's catalog name.
    #[serde(default)]
    pub operation: String,
    /// A day, as `2026-11-30`.
    #[serde(default)]
    pub since: String,
    /// Part of a document's name.
    #[serde(default)]
    pub document: String,
}

impl Asked {
    /// Whether it begins with the newest job.
    pub fn is_first(&self) -> bool {
        self.after.is_empty()
    }

    /// Whether it leaves jobs out.
    pub fn is_filtered(&self) -> bool {
        [&self.status, &self.operation, &self.since, &self.document].iter().any(|field| !field.trim().is_empty())
    }

    /// The request for at most `limit` jobs.
    ///
    /// # Errors
    /// `invalid_argument` for a day that is none.
    pub fn request(&self, limit: u32) -> Result<OverviewRequest> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let since =
            match given(&self.since) {
                None => None,
                Some(day) => Some(start_of(&day).ok_or_else(|| {
                    Error::invalid("The day to begin with cannot be read.", "Write it like 2026-11-30.")
                })?),
            };
        Ok(OverviewRequest {
            status: given(&self.status),
            operation: given(&self.operation),
            since,
            document: given(&self.document),
            limit,
            cursor: given(&self.after),
        })
    }

    /// The query of the page that begins after `cursor`, with the same filters.
    pub fn query(&self, cursor: Option<&str>) -> String {
        let fields = [
            ("status", self.status.as_str()),
            ("operation", &self.operation),
            ("since", &self.since),
            ("document", &self.document),
            ("after", cursor.unwrap_or_default()),
        ];
        let given = fields.iter().filter(|(_, value)| !value.is_empty());
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        if query.is_empty() { String::new() } else { format!("?{query}") }
    }
}

/// The first millisecond of a day (UTC).
fn start_of(day: &str) -> Option<i64> {
    let day: Date = day.parse().ok()?;
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_survive_the_next_page_and_bad_days_are_refused() {
        let asked = Asked { status: "failed".into(), document: "a&b=\"c".into(), ..Asked::default() };
        assert!(asked.is_filtered() && asked.is_first());
        assert_eq!(asked.query(Some("9")), "?status=failed&document=a%26b%3D%22c&after=9");
        let day = |day: &str| Asked { since: day.into(), ..Asked::default() }.request(5).map(|request| request.since);
        assert_eq!(day("2026-11-30").unwrap(), Some(1_795_996_800_000));
        assert_eq!(day(" ").unwrap(), None);
        assert!(day("yesterday").is_err() && day("2026-13-01").is_err());
        assert_eq!(Asked::default().query(None), "");
    }
}
