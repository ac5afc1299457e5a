//! The merchant's rules and limits as one value under which orders are decided.

use super::limits::Limits;
use super::rules::Rules;

/// What orders are decided under. Its digest is stored with each decision.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The merchant's ordered rules.
    pub rules: Rules,
    /// The interlocks' limits.
    pub limits: Limits,
    digest: String,
}

impl Policy {
    /// Joins rules and limits; `digest` names them, and must differ whenever either does.
    pub const fn new(rules: Rules, limits: Limits, digest: String) -> Self {
        Self {
            rules,
            limits,
            digest,
        }
    }

    /// The name of this policy in stored decisions.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}
