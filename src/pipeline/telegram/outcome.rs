//! What a message says below its order: what its buttons ask, or what became of the order and who decided.

use super::messages::Chat;
use crate::domain::action::State as ActionState;
use crate::domain::buttons::Panel;
use crate::domain::order::Status;
use crate::domain::verdict::VerdictKind;
use crate::store::{ButtonMessage, OrderView};

impl Chat<'_> {
    /// What a message says below what it says of its order.
    pub(super) fn footer(
        &self,
        message: &ButtonMessage,
        view: Option<&OrderView>,
    ) -> Option<String> {
        let code = view.map(|view| view.order.code.to_string());
        let code = code.unwrap_or_default();
        let key = match &message.panel {
            Panel::Decide { again: false } => return None,
            Panel::Decide { again: true } => "telegram-asks_again",
            Panel::Reason(_) => "telegram-asks_reason",
            Panel::Override { asked, names, .. } => {
                let names: Vec<String> = names.iter().map(|n| n.as_str().to_owned()).collect();
                let why = self.writer.reasons(&names);
                let key = format!("objects-{}", asked.verdict().word());
                return Some(self.writer.words(&key, &[("why", why)]));
            }
            Panel::Kept => {
                let by = view.and_then(|view| view.held.as_ref());
                let by = by.map_or_else(String::new, |(by, _)| self.who(by));
                return Some(self.writer.words(
                    "telegram-kept",
                    &[("name", by), ("command", format!("/order_{code}"))],
                ));
            }
            Panel::Late => "telegram-late",
            Panel::Decided | Panel::Ended => return Some(self.outcome(view)),
        };
        Some(self.writer.words(key, &[("order", code)]))
    }

    /// What became of the order, and who decided.
    pub(super) fn outcome(&self, view: Option<&OrderView>) -> String {
        let Some(view) = view else {
            return self.writer.words("outcome-unknown", &[]);
        };
        let by = view.decision.as_ref().map(|decision| {
            let verdict = decision.decision.verdict.kind();
            (verdict, self.who(&decision.actor))
        });
        let ours = |kind: VerdictKind| {
            let by = by.as_ref().filter(|(verdict, _)| *verdict == kind);
            let last = view.actions.last();
            let is_ours = last.is_some_and(|action| {
                action.kind.word() == kind.as_str() && action.state != ActionState::Superseded
            });
            by.filter(|_| is_ours).map(|(_, who)| who.clone())
        };
        let (key, name) = match &view.order.status {
            Status::Cancelled | Status::Cancelling => match ours(VerdictKind::Cancel) {
                Some(who) => ("outcome-cancelled", who),
                None => ("outcome-cancelled_elsewhere", String::new()),
            },
            Status::ApprovedByBank if view.order.awaits_merchant() => {
                match (ours(VerdictKind::Accept), ours(VerdictKind::Cancel)) {
                    (Some(who), _) => ("outcome-accepting", who),
                    (_, Some(who)) => ("outcome-cancelling", who),
                    _ => ("outcome-decided_again", String::new()),
                }
            }
            _ => match ours(VerdictKind::Accept) {
                Some(who) => ("outcome-accepted", who),
                None => ("outcome-accepted_elsewhere", String::new()),
            },
        };
        self.writer.words(key, &[("name", name)])
    }

    /// A person or a program as a message names them.
    fn who(&self, actor: &str) -> String {
        match actor.split_once(':') {
            Some((_, name)) => name.to_owned(),
            None if actor == "person" => self.writer.words("telegram-by_command_line", &[]),
            None => "Qabyl".to_owned(),
        }
    }
}
