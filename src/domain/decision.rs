//! A decision: what a rule proposed, what the interlocks made of it, and why. Whoever carries it out has
//! nothing left to choose.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::ids::ShopName;
use super::interlocks::{self, Effect, Name, Objection, Remedy};
use super::policy::Policy;
use super::verdict::Verdict;

/// Stands for the rule in a manual decision. The audit log has who it was.
pub const SAID_BY_PERSON: &str = "(a person)";

/// A decision with all its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What is to be done.
    pub verdict: Verdict,
    /// What was put to the interlocks: the rule's proposal, unless the deadline overruled it.
    pub proposed: Verdict,
    /// The rule's proposal, where the deadline overruled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overruled: Option<Verdict>,
    /// Name of the rule that matched.
    pub rule: String,
    /// The objections of all interlocks, in the order of their table.
    pub objections: Vec<Objection>,
}

impl Decision {
    /// Whether both decisions say the same, apart from times of waiting and the texts of objections. Then
    /// the second one is not stored.
    pub fn same_as(&self, other: &Self) -> bool {
        let same_verdict = match (&self.verdict, &other.verdict) {
            (Verdict::Wait { .. }, Verdict::Wait { .. }) => true,
            (mine, theirs) => mine == theirs,
        };
        same_verdict
            && self.rule == other.rule
            && self.proposed.word() == other.proposed.word()
            && self.decisive_interlocks() == other.decisive_interlocks()
    }

    /// Whether interlocks objected, and a fresh reading of accepted orders answers every objection. What was
    /// proposed stands until then.
    pub fn waits_only_for_readings(&self) -> bool {
        !self.objections.is_empty() && self.objections.iter().all(|o| o.remedy.is_reading())
    }

    /// Whether a sweep helps with any of the objections.
    pub fn wants_sweep(&self) -> bool {
        self.objections.iter().any(|o| o.remedy.comes_with_sweep())
    }

    /// The other shops whose sweep helps with one of the objections.
    pub fn swept_shops(&self) -> impl Iterator<Item = &ShopName> {
        let remedies = self.objections.iter().map(|objection| &objection.remedy);
        remedies.flat_map(Remedy::swept_shops)
    }

    /// The interlocks that made the verdict: all that hold, or else the one that waits longest. A shorter
    /// wait beside them may come and go with every reading and is not worth another decision.
    fn decisive_interlocks(&self) -> Vec<Name> {
        let holds = self.objections.iter().filter(|o| o.effect == Effect::Hold);
        let holds: Vec<_> = holds.map(|o| o.interlock).collect();
        if !holds.is_empty() {
            return holds;
        }
        let waits = self.objections.iter().filter_map(|o| match o.effect {
            Effect::Wait { until } => Some((until, o.interlock)),
            Effect::Hold => None,
        });
        let longest = waits.max_by_key(|(until, _)| *until);
        longest.map(|(_, name)| name).into_iter().collect()
    }
}

/// Decides one order. The first rule that matches proposes a verdict; near the deadline a proposed hold or
/// wait may be overruled; each interlock may turn the proposal into a hold or a wait. The same input always
/// gives the same decision, and it cannot fail.
pub fn decide(facts: &Facts, policy: &Policy, now: Timestamp) -> Decision {
    let schedule = &policy.limits.schedule;
    let (rule, of_rule) = policy.rules.propose(facts, schedule, now);
    let (proposed, overruled) = match schedule.overrule(&facts.order, &of_rule, facts.by_kaspi(now))
    {
        Some(other) => (other, Some(of_rule)),
        None => (of_rule, None),
    };
    let objections = interlocks::check_all(facts, &policy.limits, &proposed, now);
    let verdict = combine(&proposed, &objections, now);
    Decision {
        verdict,
        proposed,
        overruled,
        rule: rule.to_owned(),
        objections,
    }
}

/// The proposal, or what the objections make of it: a hold outweighs a wait, and the longest wait counts.
fn combine(proposed: &Verdict, objections: &[Objection], now: Timestamp) -> Verdict {
    let mut verdict = proposed.clone();
    for objection in objections {
        verdict = match (objection.effect, verdict) {
            (Effect::Hold, _) | (Effect::Wait { .. }, Verdict::Hold) => Verdict::Hold,
            (Effect::Wait { until }, Verdict::Wait { until: other }) => Verdict::Wait {
                until: until.max(other),
            },
            (Effect::Wait { until }, _) => Verdict::Wait {
                until: until.max(now),
            },
        };
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objection(interlock: Name, effect: Effect, remedy: Remedy) -> Objection {
        Objection {
            interlock,
            effect,
            remedy,
            why: String::new(),
        }
    }

    fn wait(seconds: i64) -> Effect {
        Effect::Wait { until: at(seconds) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::constant(seconds, 0)
    }

    #[test]
    fn a_hold_outweighs_every_wait_and_the_longest_wait_counts() {
        let waits = [
            objection(Name::Restored, wait(30), Remedy::CatchUp),
            objection(Name::CancelEvidence, wait(20), Remedy::Sweep),
        ];
        let verdict = combine(&Verdict::Accept, &waits, at(25));
        assert_eq!(verdict, Verdict::Wait { until: at(30) });
        let held = objection(Name::Paused, Effect::Hold, Remedy::Person);
        let all = [&waits[..], &[held], &waits[..]].concat();
        assert_eq!(combine(&Verdict::Accept, &all, at(25)), Verdict::Hold);
        assert_eq!(combine(&Verdict::Accept, &[], at(25)), Verdict::Accept);
    }

    #[test]
    fn a_wait_is_never_over_before_it_is_decided() {
        let past = [objection(Name::Restored, wait(10), Remedy::CatchUp)];
        let verdict = combine(&Verdict::Accept, &past, at(25));
        assert_eq!(verdict, Verdict::Wait { until: at(25) });
    }

    #[test]
    fn the_remedies_say_what_a_sweep_is_good_for() {
        let decided = |objections: Vec<Objection>| Decision {
            verdict: Verdict::Hold,
            proposed: Verdict::Accept,
            overruled: None,
            rule: "all".to_owned(),
            objections,
        };
        let sweep = objection(Name::CancelEvidence, wait(1), Remedy::Sweep);
        let outcomes = objection(Name::ShortageCertain, wait(1), Remedy::Outcomes);
        let stock = objection(Name::StockAge, Effect::Hold, Remedy::Stock);
        let of = |list: &[&Objection]| {
            let decision = decided(list.iter().map(|o| (*o).clone()).collect());
            (decision.waits_only_for_readings(), decision.wants_sweep())
        };
        assert_eq!(of(&[]), (false, false));
        assert_eq!(of(&[&sweep]), (true, true));
        assert_eq!(of(&[&sweep, &outcomes]), (false, true));
        assert_eq!(of(&[&outcomes]), (false, true));
        assert_eq!(of(&[&sweep, &stock]), (false, true));
        assert_eq!(of(&[&stock]), (false, false));
    }
}
