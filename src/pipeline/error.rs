//! Why a stage stopped.

use crate::kaspi::ApiError;
use crate::store::StoreError;

/// Why a stage stopped.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Kaspi.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Another process has the claim on the shop.
    #[error("another process on this machine acts for this shop, with a database of its own")]
    Elsewhere,
}

impl StageError {
    /// The stable code of this error, a heading in the runbook.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Api(error) => error.code(),
            Self::Elsewhere => "D009",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(error) => error.hint(),
            Self::Api(error) => error.hint(),
            Self::Elsewhere => {
                "stop the other qabyl of this shop: two processes do not know of each other's decisions"
            }
        }
    }

    /// What happened, with the cause where the database gave one.
    pub fn words(&self) -> String {
        match self {
            Self::Store(error) => error.words(),
            Self::Api(_) | Self::Elsewhere => self.to_string(),
        }
    }
}
