//! What `setup` does to a file, in a word and in a sentence.

/// What happened to the file, or would.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The entry is new.
    Added,
    /// The entry was there, and changed.
    Updated,
    /// The entry was there as it is to be.
    Unchanged,
    /// The entry was taken out.
    Removed,
    /// The entry was all there was, and the file went with it.
    Deleted,
    /// There was no entry to take out.
    Absent,
    /// The entry is shown.
    Printed,
}

impl Action {
    /// Its word in the envelope.
    pub fn word(self) -> &'static str {
        match self {
            Action::Added => "added",
            Action::Updated => "updated",
            Action::Unchanged => "unchanged",
            Action::Removed => "removed",
            Action::Deleted => "deleted",
            Action::Absent => "absent",
            Action::Printed => "printed",
        }
    }

    /// Its sentence, up to the file's name.
    pub fn sentence(self, is_dry: bool) -> &'static str {
        match (self, is_dry) {
            (Action::Added, false) => "added pdfco to",
            (Action::Added, true) => "would add pdfco to",
            (Action::Updated, false) => "brought pdfco up to date in",
            (Action::Updated, true) => "would bring pdfco up to date in",
            (Action::Unchanged, _) => "pdfco is already there, in",
            (Action::Removed, false) => "took pdfco out of",
            (Action::Removed, true) => "would take pdfco out of",
            (Action::Deleted, false) => "pdfco was all there was, so deleted",
            (Action::Deleted, true) => "pdfco is all there is, so would delete",
            (Action::Absent, _) => "pdfco is not in",
            (Action::Printed, _) => "goes into",
        }
    }
}
