//! Scripted faults.

use super::faults::Fault;
use super::listing::STATE_FILTER;
use super::message::{Method, Request};
use super::terms::State;

/// A fault for the next requests that match. It takes precedence over random faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Only this method; `None` = every method the fault applies to.
    pub method: Option<Method>,
    /// Only a path that contains this text.
    pub path_contains: Option<String>,
    /// Only lists of this state.
    pub state: Option<State>,
    /// Only requests about this order.
    pub code: Option<String>,
    /// How many requests; each match uses one up.
    pub times: u32,
    /// What goes wrong.
    pub fault: Fault,
}

impl Script {
    /// The fault once, on any request it applies to.
    pub fn once(fault: Fault) -> Self {
        Self {
            method: None,
            path_contains: None,
            state: None,
            code: None,
            times: 1,
            fault,
        }
    }

    /// The same, on this method only.
    #[must_use]
    pub fn on(self, method: Method) -> Self {
        Self {
            method: Some(method),
            ..self
        }
    }

    /// The same, on paths that contain this text only.
    #[must_use]
    pub fn path(self, text: &str) -> Self {
        Self {
            path_contains: Some(text.to_owned()),
            ..self
        }
    }

    /// The same, on lists of this state only.
    #[must_use]
    pub fn state(self, state: State) -> Self {
        Self {
            state: Some(state),
            ..self
        }
    }

    /// The same, on requests about this order only.
    #[must_use]
    pub fn order(self, code: &str) -> Self {
        Self {
            code: Some(code.to_owned()),
            ..self
        }
    }

    /// The same, for this many requests.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    pub(super) fn matches(&self, request: &Request, code: Option<&str>) -> bool {
        let (method, path) = (request.method, &request.path);
        let lists = |state: &State| request.parameter(STATE_FILTER) == Some(state.as_str());
        self.fault.applies_to(method)
            && self.method.is_none_or(|only| only == method)
            && self.state.as_ref().is_none_or(lists)
            && self
                .path_contains
                .as_deref()
                .is_none_or(|text| path.contains(text))
            && self.code.as_deref().is_none_or(|only| code == Some(only))
    }
}
