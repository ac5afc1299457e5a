//! Settings for behaviour of Kaspi's that is unknown, varies, or is under test.

use std::time::Duration;

use super::al_style::AlStyle;
use super::faults::Faults;
use super::limit::Limit;
use super::replica::Replicas;

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
    /// Either, depending on the order.
    #[default]
    Mixed,
    /// With the `data` array.
    Data,
    /// Links only, without `data`.
    LinksOnly,
}

/// The order of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListOrder {
    /// Oldest first.
    CreatedAsc,
    /// Newest first.
    #[default]
    CreatedDesc,
    /// Shuffled, but the same on every page.
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
    /// Seed of every random choice.
    pub seed: u64,
    /// Accepted tokens; any other gets 401.
    pub tokens: Vec<String>,
    /// Delay before every answer.
    pub latency: Duration,
    /// Additional delay of the fault `slow`. Default 8 s.
    pub slow_by: Duration,
    /// Delay of the effect with the fault `late_effect`. Default 30 s.
    pub late_by: Duration,
    /// `Retry-After` of a 429, in whole seconds; zero leaves it out. Default 2 s.
    pub retry_after: Duration,
    /// Time until an import of products has a result. Default 3 s.
    pub import_takes: Duration,
    /// Whether entries can be included in a list.
    pub include_support: IncludeSupport,
    /// Which form `relationships.entries` takes.
    pub entries_form: EntriesForm,
    /// The order of lists.
    pub list_order: ListOrder,
    /// How a successful write is answered.
    pub success: SuccessForm,
    /// When set, a write without this `X-Merchant-Uid` is answered with 2xx but has no effect.
    pub require_merchant_uid: Option<String>,
    /// Time after approval when Kaspi cancels an undecided order; `None` = never. Plain hours, as the
    /// sandbox has no shop schedule. Default 3 h (KASPI_API §3).
    pub deadline: Option<Duration>,
    /// A text added to every name, phone and address, to detect leaks in tests.
    pub canary: Option<String>,
    /// Whether a list needs a state, as the guide says (KASPI_API §2).
    pub state_required: bool,
    /// A limit of requests that the client does not know.
    pub limit: Option<Limit>,
    /// How readings differ from what is so.
    pub replicas: Replicas,
    /// Random faults.
    pub faults: Faults,
    /// The supplier Al-Style at the same port.
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
            state_required: false,
            limit: None,
            replicas: Replicas::default(),
            faults: Faults::default(),
            al_style: None,
        }
    }
}
