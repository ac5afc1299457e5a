//! What a run of the stock sources did.

/// Result of checking a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Not due yet, or still changing.
    NotYet,
    /// The same content as before.
    Unchanged,
    /// This number of levels was imported.
    Taken(usize),
    /// It could not be read; the levels are unchanged.
    Failed,
}

impl Outcome {
    /// The number of levels imported.
    pub const fn taken(self) -> usize {
        match self {
            Self::Taken(levels) => levels,
            Self::NotYet | Self::Unchanged | Self::Failed => 0,
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Each source and its result.
    pub checked: Vec<(String, Outcome)>,
    /// Whether a file must be checked again soon, as it may be complete by then.
    pub soon: bool,
}

impl Report {
    /// Whether levels changed.
    pub fn is_news(&self) -> bool {
        let taken = |(_, outcome): &(String, Outcome)| matches!(outcome, Outcome::Taken(_));
        self.checked.iter().any(taken)
    }
}
