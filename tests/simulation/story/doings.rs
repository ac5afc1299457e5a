//! What happens beside the program: buyers, the cabinet, couriers, counts, outages, clocks.

use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use qabyl::domain::ids::Sku;
use qabyl::domain::stock::{OnHand, StockRow};
use qabyl::domain::verdict::{CancelReason, Verdict};
use qabyl::runtime::build;
use qabyl_sandbox::{Order, Status, World};

use super::{Story, units};
use crate::link::Crash;
use crate::plan::{TOKEN, full_point};

impl Story {
    /// What others do between two steps.
    pub(super) async fn happen(&mut self) -> Result<(), String> {
        let wait = match self.rng.u8(..) {
            0..60 => 0,
            60..200 => self.rng.u64(1..30_000),
            _ => self.rng.u64(30_000..400_000),
        };
        self.time.advance(Duration::from_millis(wait));
        if self.chance(self.plan.people) {
            self.people().await;
        }
        if self.plan.foreign > 0.0 && self.chance(self.plan.foreign) {
            self.cabinet();
        }
        if self.plan.moves > 0.0 && self.chance(self.plan.moves) {
            self.move_one();
        }
        if self.plan.reopens > 0.0 && self.chance(self.plan.reopens) {
            self.reopen_one();
        }
        if self.plan.changes > 0.0 {
            self.show_couriers(false);
            if self.chance(self.plan.changes) {
                self.change().await;
            }
        }
        if self.chance(self.plan.outages) {
            self.outage();
        }
        if self.chance(self.plan.clock_jumps) {
            let by = *self
                .rng
                .choice(&[-172_800, -3_600, -200, 0, 200, 3_600, 172_800])
                .unwrap();
            let now = self.link.true_now() + SignedDuration::from_secs(by);
            self.time.set(now);
            self.say(|| format!("clock jumps to {now}"));
        }
        if self.chance(self.plan.couriers) {
            self.courier();
        }
        if self.chance(self.plan.counts) {
            self.count_shelf(false).await;
        }
        if self.chance(self.plan.crashes) {
            let crash = Crash {
                after: self.rng.u32(0..12),
                handled: self.rng.bool(),
            };
            self.say(|| format!("will die: {crash:?}"));
            self.link.crash_at(crash);
        }
        if self.sleeper.is_none() && self.chance(self.plan.takeovers) {
            self.link.sleep_at(self.rng.u32(0..12));
        } else if self.rng.u8(..) < 60 {
            self.wake_sleeper().await?;
        }
        Ok(())
    }

    fn outage(&mut self) {
        let kind = self.rng.u8(..4);
        self.say(|| format!("outage {kind}"));
        self.link.world(|world, _| match kind {
            0 => world.set_down(true),
            1 => world.set_tokens(["another"]),
            _ => {
                world.set_down(false);
                world.set_tokens([TOKEN]);
            }
        });
    }

    /// Somebody accepts an order in the cabinet.
    fn cabinet(&mut self) {
        let waits =
            |order: &Order, now| order.visible_at <= now && order.status == Status::ApprovedByBank;
        if let Some(code) = self.act_on_one(waits, World::cabinet_accepts) {
            self.say(|| format!("the cabinet accepts {code}"));
            if self.rng.u8(..) < 60 {
                let done = self.link.world(|world, now| world.complete(&code, now));
                self.say(|| format!("and hands it over: {done}"));
            }
        }
    }

    /// Somebody's goods leave.
    fn courier(&mut self) {
        let unshown: Vec<String> = self.unshown.iter().map(|it| it.code.clone()).collect();
        let waits = |order: &Order, _| {
            order.status == Status::AcceptedByMerchant
                && order.handed_over_at.is_none()
                && !unshown.iter().any(|code| code == order.code())
        };
        if let Some(code) = self.act_on_one(waits, World::hand_over) {
            self.say(|| format!("the courier takes {code}"));
        }
    }

    /// Does something to one of the orders that fit, where there are any and it can be done.
    pub(super) fn act_on_one(
        &mut self,
        fits: impl Fn(&Order, Timestamp) -> bool,
        act: impl Fn(&mut World, &str, Timestamp) -> bool,
    ) -> Option<String> {
        let pick = self.rng.usize(..);
        self.link.world(|world, now| {
            let fitting = world.orders().iter().filter(|order| fits(order, now));
            let fitting: Vec<_> = fitting.map(|order| order.code().to_owned()).collect();
            let code = fitting.get(pick % fitting.len().max(1))?.clone();
            act(world, &code, now).then_some(code)
        })
    }

    /// The buyer, the cabinet, the courier, or a person at Qabyl's own command line.
    async fn people(&mut self) {
        let (roll, pick) = (self.rng.u8(..10), self.rng.usize(..));
        let Some(code) = self.link.world(|world, now| {
            let seen: Vec<&str> = world
                .orders()
                .iter()
                .filter(|order| order.visible_at <= now)
                .map(Order::code)
                .collect();
            (!seen.is_empty()).then(|| seen[pick % seen.len()].to_owned())
        }) else {
            return;
        };
        if self.has_left_unseen(&code) {
            return;
        }
        self.say(|| format!("person {roll} about {code}"));
        let done = self.link.world(|world, now| match roll {
            0 | 1 => world.buyer_cancels(&code, now),
            2 => world.cabinet_accepts(&code, now),
            3 => world.cabinet_cancels(&code, now),
            4 | 5 => world.hand_over(&code, now),
            6 => world.complete(&code, now),
            _ => false,
        });
        if roll < 7 {
            if done && roll == 3 {
                self.known.by_people.insert(code);
            }
            return;
        }
        self.command(&code, roll).await;
    }

    async fn command(&mut self, code: &str, roll: u8) {
        let process = self.process.take().unwrap();
        let (store, now) = (&process.store, process.clock().now());
        if let Ok((shop, id)) = store.find_order(code, None).await {
            let input = build::deciding_input(&self.config);
            let verdict = match self.rng.u8(..3) {
                0 => Verdict::Accept,
                _ => Verdict::Cancel {
                    reason: CancelReason::BuyerNotReachable,
                    comment: "simulated".to_owned(),
                },
            };
            let done = match roll {
                7 => {
                    store
                        .hold_order(&shop, &id, "simulated", "person:sim", now)
                        .await
                }
                8 => store.release_order(&shop, &id, "person:sim", now).await,
                _ => {
                    self.known.by_people.insert(code.to_owned());
                    store
                        .order_by_person(&shop, &id, &verdict, &input, "person:sim", now)
                        .await
                }
            };
            self.say(|| format!("command about {code}: {done:?}"));
        }
        self.process = Some(process);
    }

    /// The shelf is counted and imported; sometimes more came in, sometimes some is lost, sometimes a
    /// number is missing.
    pub(super) async fn count_shelf(&mut self, first: bool) {
        let mut rows = Vec::new();
        let is_available = self.plan.is_available;
        let unshown: Vec<String> = self.unshown.iter().map(|it| it.code.clone()).collect();
        let known = &self.known;
        let left = self.link.world(|world, _| {
            units(world, known, |order| {
                let is_taken_off = is_available && order.status.as_str() == "ACCEPTED_BY_MERCHANT";
                is_taken_off
                    || unshown.iter().any(|code| code == order.code())
                    || order.handed_over_at.is_some()
                    || order.status.as_str() == "COMPLETED"
            })
        });
        let now = self.process().clock().now();
        // Not of the story's own draws: it stays what it would be without.
        let mut rng = Rng::with_seed(u64::from(
            self.link.true_now().subsec_nanosecond().unsigned_abs(),
        ));
        let ahead = if self.plan.counts_ahead && rng.bool() {
            SignedDuration::from_secs(rng.i64(0..7_200))
        } else {
            SignedDuration::ZERO
        };
        for (sku, start) in self.plan.stock.clone() {
            let left = left.get(&sku).copied().unwrap_or(0);
            let there = self.known.capacity(&sku);
            let capacity = match self.rng.u8(..) {
                _ if first => start,
                0..60 => there + self.rng.u32(1..4),
                // Broken, or lost.
                60..90 => there - self.rng.u32(0..=there.saturating_sub(left)),
                _ => there,
            };
            self.known.counted(&sku, capacity, self.link.true_now());
            let on_hand = capacity.saturating_sub(left);
            let on_hand = match self.rng.u8(..) {
                ..=8 => OnHand::Unknown,
                _ => OnHand::Exactly(on_hand),
            };
            let (name, point) = sku.split_once('@').unwrap_or((&sku, ""));
            let warehouse = if point.is_empty() {
                String::new()
            } else {
                full_point(point)
            };
            rows.push(StockRow {
                sku: Sku::new(name).unwrap(),
                warehouse,
                on_hand,
                as_of: now + ahead,
            });
        }
        self.say(|| {
            format!(
                "counted {:?}",
                rows.iter()
                    .map(|r| (r.sku.as_str(), r.on_hand.units()))
                    .collect::<Vec<_>>()
            )
        });
        let trusted = (true, qabyl::runtime::build::semantics(&self.config));
        let taken = self
            .process()
            .store
            .import_stock("sim", &rows, trusted, "sim", now)
            .await;
        taken.unwrap();
    }
}
