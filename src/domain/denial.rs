//! How Kaspi denies a shop access: the two have different remedies.

/// A denial of access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// 401: the token is not accepted.
    Token,
    /// 403: the token is known, and the shop has no access.
    Forbidden,
}

impl Denial {
    /// The stable code, a heading in `docs/OPERATIONS.md`; stored with the denial.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Token => "K401",
            Self::Forbidden => "K403",
        }
    }

    /// What to do about it.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Token => {
                "make a new token in the cabinet (Settings, API token, Generate) and put it in the token \
                 file: it is read again without a restart, or after `systemctl restart qabyl` where systemd \
                 passes it as a credential"
            }
            Self::Forbidden => {
                "the API is not activated for this shop, or not for this address: call 2323 and ask for access"
            }
        }
    }
}
