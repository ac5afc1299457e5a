//! How a world behaves where Kaspi's behaviour is unknown, varies, or is being tested.

use std::time::Duration;

use super::al_style::AlStyle;
use super::faults::Faults;

/// Whether `include[orders]=entries` is honoured (KASPI_API §2: not confirmed live).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IncludeSupport {
    /// Every order's entries are included.
    #[default]
    Yes,
    /// The parameter is ignored.
    Ignored,
    /// Some orders' entries are left out, always the same ones.
    Partial,
}

/// Which form `relationships.entries` takes (KASPI_API §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EntriesForm {
    /// One or the other, by order.
    #[default]
    Mixed,
    /// With the `data` array.
    Data,
    /// Links only, without `data`.
    LinksOnly,
}

/// The order in which lists are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListOrder {
    /// Oldest first.
    CreatedAsc,
    /// Newest first.
    #[default]
    CreatedDesc,
    /// In no order a client could rely on, yet the same on every page.
    Scattered,
}

/// How a successful write is answered (KASPI_API §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SuccessForm {
    /// 200 with an echo of what was sent.
    #[default]
    Echo200,
    /// 201 with an echo of what was sent.
    Created201,
    /// 204 with an empty body.
    NoContent204,
}

/// The settings of a [`World`](super::World).
#[derive(Debug, Clone)]
pub struct Settings {
    /// Every random choice follows from it.
    pub seed: u64,
    /// The tokens let in; anything else is 401.
    pub tokens: Vec<String>,
    /// How long every answer takes.
    pub latency: Duration,
    /// How much longer a `slow` one takes. Default 8 s.
    pub slow_by: Duration,
    /// How long after its POST a `late_effect` happens. Default 30 s.
    pub late_by: Duration,
    /// What a 429 asks for in `Retry-After`, to the second. Default 2 s.
    pub retry_after: Duration,
    /// How long an import of products is worked on. Default 3 s.
    pub import_takes: Duration,
    /// Whether entries can be included in a list.
    pub include_support: IncludeSupport,
    /// Which form `relationships.entries` takes.
    pub entries_form: EntriesForm,
    /// The order of lists.
    pub list_order: ListOrder,
    /// How a successful write is answered.
    pub success: SuccessForm,
    /// When set, a write without this value in `X-Merchant-Uid` answers 2xx and does nothing.
    pub require_merchant_uid: Option<String>,
    /// How long after approval Kaspi cancels an undecided order by itself; `None` = never.
    /// Plain hours: the sandbox knows no shop schedule. Default 3 h (KASPI_API §3).
    pub deadline: Option<Duration>,
    /// A text put into every name, phone and address, for leak tests.
    pub canary: Option<String>,
    /// Random faults, by probability.
    pub faults: Faults,
    /// A supplier that also answers at this port.
    pub al_style: Option<AlStyle>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            tokens: vec!["sandbox-token".to_owned()],
            latency: Duration::ZERO,
            slow_by: Duration::from_secs(8),
            late_by: Duration::from_secs(30),
            retry_after: Duration::from_secs(2),
            import_takes: Duration::from_secs(3),
            include_support: IncludeSupport::default(),
            entries_form: EntriesForm::default(),
            list_order: ListOrder::default(),
            success: SuccessForm::default(),
            require_merchant_uid: None,
            deadline: Some(Duration::from_hours(3)),
            canary: None,
            faults: Faults::default(),
            al_style: None,
        }
    }
}
