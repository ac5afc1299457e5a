//! Commands that change a running world: lines of text, by `POST /control` and on the command line.

use std::str::FromStr as _;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    command_words::{duration, known, leaves, one_of, share, units_of, word},
    faults::Faults,
    limit::Limit,
    order::{LineSeed, OrderSeed},
    overrides::Part,
    settings::{IncludeSupport, ListOrder},
    terms::{State, Status},
    world::{Event, World},
};

/// The commands, one in each line, as the help shows them.
pub const COMMANDS: &str = "\
limit RATE[/BURST][:silent] | limit off      a hidden limit: 429, or silence, beyond it
faults NAME=P,… | faults off                 random faults and their shares; see --fault
retry-after DURATION                         of a 429; 0s leaves it out
latency DURATION                             before every answer
down | up                                    no answer to anything
forgetful SHARE                              each reading leaves out any order with this probability
behind DURATION [SHARE]                      readings show what was so that long ago
include yes | ignored | partial              whether lists can include entries
lists any-state | one-state                  whether a list needs a state
list-order newest | oldest | scattered
token TOKEN…                                 the tokens accepted from now on
place CODE SKU=UNITS,… [POINT]               a new order
accept CODE | cancel CODE                    a person does, in the cabinet
buyer-cancel CODE | hand-over CODE | complete CODE
reopen CODE                                  an order of any state is NEW and APPROVED_BY_BANK again
state CODE STATE STATUS                      any state and status, documented or not
units CODE SKU=UNITS                         a partial cancel: so many remain, 0 removes the line
move CODE POINT                              to another pickup point
forget CODE | forget all                     Kaspi knows it no more: 404, and in no list
recall CODE | recall all                     Kaspi knows it again
set order CODE JSON                          values shown in place of the order's own, such as
                                             {\"attributes\":{\"totalPrice\":null}}
set order CODE POINTER JSON                  one of them, such as /attributes/code 900000001
set entry CODE NUMBER [POINTER] JSON         of an entry, from 0
set entries CODE JSON                        the whole list of entries
unset order CODE POINTER                     leaves a value out
reset CODE                                   shows the order's own values again
in DURATION COMMAND                          any of these, later
";

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{command}`: {why}")]
pub struct CommandError {
    command: String,
    why: String,
}

impl World {
    /// Carries out commands, one in each line; empty lines and those that begin with `#` are none.
    ///
    /// # Errors
    /// The first that cannot be carried out. Those before it are.
    pub fn carry_out_commands(
        &mut self,
        commands: &str,
        now: Timestamp,
    ) -> Result<usize, CommandError> {
        self.advance(now);
        let lines = commands.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut done = 0;
        for line in lines {
            self.command(line, now).map_err(|why| CommandError {
                command: line.to_owned(),
                why,
            })?;
            done += 1;
        }
        Ok(done)
    }

    pub(super) fn command(&mut self, line: &str, now: Timestamp) -> Result<(), String> {
        let (name, rest) = word(line);
        match name {
            "in" => {
                let (wait, command) = word(rest);
                let at = now
                    .checked_add(duration(wait)?)
                    .map_err(|error| error.to_string())?;
                self.schedule(at, Event::Command(command.to_owned()));
                Ok(())
            }
            "set" => self.set(rest),
            "unset" => {
                let (_, rest) = word(rest);
                let (code, pointer) = word(rest);
                known(self.put_value(code, Part::Order, pointer, None))
            }
            "place" => self.place_order(rest, now),
            "forget" | "recall" => self.forget_or_recall(name == "forget", rest, now),
            _ if self.setting(name, rest)? => Ok(()),
            _ => self.of_order(name, rest, now),
        }
    }

    /// A command that changes the settings. `false`: it is none of them.
    fn setting(&mut self, name: &str, rest: &str) -> Result<bool, String> {
        let settings = &mut self.settings;
        match name {
            "limit" if rest == "off" => settings.limit = None,
            "limit" => settings.limit = Some(Limit::from_str(rest).map_err(|e| e.to_string())?),
            "faults" if rest == "off" => settings.faults = Faults::default(),
            "faults" => settings.faults = rest.parse::<Faults>().map_err(|e| e.to_string())?,
            "retry-after" => settings.retry_after = duration(rest)?,
            "latency" => settings.latency = duration(rest)?,
            "down" | "up" => self.set_down(name == "down"),
            "forgetful" => settings.replicas.forget = share(rest)?,
            "behind" => {
                let (behind, of) = word(rest);
                settings.replicas.behind = duration(behind)?;
                settings.replicas.behind_share = if of.is_empty() { 1.0 } else { share(of)? };
            }
            "include" => {
                settings.include_support = match rest {
                    "yes" => IncludeSupport::Yes,
                    "ignored" => IncludeSupport::Ignored,
                    "partial" => IncludeSupport::Partial,
                    _ => return Err("one of yes, ignored, partial".to_owned()),
                }
            }
            "lists" => settings.state_required = one_of(rest, "one-state", "any-state")?,
            "list-order" => {
                settings.list_order = match rest {
                    "newest" => ListOrder::CreatedDesc,
                    "oldest" => ListOrder::CreatedAsc,
                    "scattered" => ListOrder::Scattered,
                    _ => return Err("one of newest, oldest, scattered".to_owned()),
                }
            }
            "token" => self.set_tokens(rest.split_whitespace()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A command about one order.
    fn of_order(&mut self, name: &str, rest: &str, now: Timestamp) -> Result<(), String> {
        let (code, rest) = word(rest);
        let is_allowed = match name {
            "accept" => self.cabinet_accepts(code, now),
            "cancel" => self.cabinet_cancels(code, now),
            "buyer-cancel" => self.buyer_cancels(code, now),
            "hand-over" => self.hand_over(code, now),
            "complete" => self.complete(code, now),
            "reopen" => self.force(code, State::New, Status::ApprovedByBank, now),
            "state" => {
                let (state, status) = word(rest);
                self.force(code, State::from(state), Status::from(status), now)
            }
            "units" => {
                let (sku, units) = units_of(rest)?;
                self.keep_units(code, sku, units, now)
            }
            "move" => self.move_to(code, rest),
            "reset" => {
                self.forget_values(code);
                self.order(code).is_some()
            }
            _ => return Err("there is no such command; GET /control lists them".to_owned()),
        };
        match (is_allowed, self.order(code)) {
            (true, _) => Ok(()),
            (false, None) => known(false),
            (false, Some(order)) => Err(format!(
                "the order does not allow it: it is {} {}",
                order.state, order.status
            )),
        }
    }

    fn forget_or_recall(
        &mut self,
        forgets: bool,
        which: &str,
        now: Timestamp,
    ) -> Result<(), String> {
        let codes = if which == "all" {
            self.orders.iter().map(|o| o.code().to_owned()).collect()
        } else {
            vec![which.to_owned()]
        };
        for code in codes {
            known(if forgets {
                self.lose(&code)
            } else {
                self.find(&code, now)
            })?;
        }
        Ok(())
    }

    fn place_order(&mut self, rest: &str, now: Timestamp) -> Result<(), String> {
        let (code, rest) = word(rest);
        let (lines, point) = word(rest);
        let mut seed = OrderSeed::new(code, now);
        for line in lines.split(',') {
            let (sku, units) = units_of(line)?;
            seed = seed.with_line(LineSeed::new(sku, units));
        }
        if !point.is_empty() {
            seed.pickup_point = Some(point.to_owned());
        }
        let is_free = self.place(seed);
        is_free
            .then_some(())
            .ok_or_else(|| "there is an order of this code".to_owned())
    }

    fn set(&mut self, rest: &str) -> Result<(), String> {
        let (what, rest) = word(rest);
        let (code, rest) = word(rest);
        let (part, rest) = match what {
            "order" => (Part::Order, rest),
            "entries" => (Part::Entries, rest),
            "entry" => {
                let (number, rest) = word(rest);
                let number = number.parse().map_err(|_| "the entry's number from 0")?;
                (Part::Entry(number), rest)
            }
            _ => return Err("set order, set entry or set entries".to_owned()),
        };
        let (pointer, json) = if rest.starts_with('/') {
            word(rest)
        } else {
            ("", rest)
        };
        let value: Value =
            serde_json::from_str(json).map_err(|error| format!("not JSON: {error}"))?;
        if part == Part::Entries || !pointer.is_empty() {
            return known(self.put_value(code, part, pointer, Some(value)));
        }
        let mut values = Vec::new();
        leaves(pointer, value, &mut values);
        known(
            values
                .into_iter()
                .all(|(pointer, value)| self.put_value(code, part, &pointer, Some(value))),
        )
    }
}
