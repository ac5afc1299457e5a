//! The world: orders, what is due, and how one request is answered.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fastrand::Rng;
use jiff::Timestamp;

use super::{
    al_style,
    external::ExternalEvent,
    faults::Fault,
    ledger::{Cause, EffectRow, Ledger, RequestRow},
    limit::Bucket,
    listing::STATE_FILTER,
    message::{Reply, Request},
    order::{Order, OrderSeed},
    products::Products,
    render,
    route::{CODE_FILTER, Call, EndpointKind, WriteKind},
    script::Script,
    settings::Settings,
    terms::{OfferForm, State, Status},
    writes::Action,
};

/// Something scheduled: an external event, or a step of the world's own.
#[derive(Debug, Clone)]
pub(super) enum Event {
    External(ExternalEvent),
    /// A command of [`World::carry_out_commands`].
    Command(String),
    AutoAccept(usize),
    Deadline(usize),
    CancelDone(usize),
    Late {
        index: usize,
        action: Action,
        request: u64,
    },
}

/// The sandbox's state. Pure: callers pass the time, which must not run backwards (a request with an
/// earlier `now` is answered, but undoes nothing).
#[derive(Debug, Clone)]
pub struct World {
    pub(super) settings: Settings,
    pub(super) orders: Vec<Order>,
    /// By creation time in ms, then by index in `orders`.
    pub(super) by_created: BTreeSet<(i64, usize)>,
    pub(super) by_code: HashMap<String, usize>,
    pub(super) by_id: HashMap<String, usize>,
    /// Entry id → order and line.
    pub(super) by_entry: HashMap<String, (usize, usize)>,
    /// Master product id → SKU and name; `None` = not linked to an offer of the merchant.
    pub(super) by_master: HashMap<String, Option<(String, String)>>,
    pub(super) queue: BTreeMap<(Timestamp, u64), Event>,
    queued: u64,
    pub(super) scripts: Vec<Script>,
    pub(super) down: bool,
    pub(super) bucket: Bucket,
    /// The latest moment that was reported to it.
    pub(super) now: Timestamp,
    pub(super) products: Products,
    rng: Rng,
    requests: u64,
    pub(super) ledger: Ledger,
}

impl World {
    /// An empty world.
    pub fn new(settings: Settings) -> Self {
        Self {
            rng: Rng::with_seed(settings.seed),
            settings,
            orders: Vec::new(),
            by_created: BTreeSet::new(),
            by_code: HashMap::new(),
            by_id: HashMap::new(),
            by_entry: HashMap::new(),
            by_master: HashMap::new(),
            queue: BTreeMap::new(),
            queued: 0,
            scripts: Vec::new(),
            down: false,
            bucket: Bucket::default(),
            now: Timestamp::MIN,
            products: Products::default(),
            requests: 0,
            ledger: Ledger::default(),
        }
    }

    /// Answers one request, after applying everything that was due by `now`.
    pub fn handle(&mut self, now: Timestamp, request: &Request) -> Reply {
        if let Some(supplier) = &mut self.settings.al_style
            && request.path.starts_with(al_style::ROOT)
        {
            return supplier.handle(now, request);
        }
        self.advance(now);
        self.requests += 1;
        // Each request draws once from the world's generator, so that the random choices of one answer
        // cannot shift those of the next.
        let mut rng = Rng::with_seed(self.rng.u64(..));
        let call = Call::read(request);
        let about = self.about(&call, request);
        let code = about.map(|index| self.orders[index].code().to_owned());
        let random = self.settings.faults.draw(request.method, &mut rng);
        let fault = self.scripted(request, code.as_deref()).or(random);
        let blind_repeat = about.is_some_and(|index| self.already(index, call.write));
        let mut reply = self.answer(now, request, &call, fault, &mut rng);
        reply.delay += self.settings.latency;
        self.ledger.record_request(RequestRow {
            n: self.requests,
            at: now,
            method: request.method,
            kind: call.kind,
            state: request.parameter(STATE_FILTER).map(str::to_owned),
            id: call.id,
            code,
            write: call.write,
            blind_repeat,
            answered: reply.seen_status(),
            wire: reply.wire,
            fault,
        });
        reply
    }

    /// Applies everything that was due by `now`, in the order of its due time.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some(entry) = self.queue.first_entry() {
            let (due, _) = *entry.key();
            if due > now {
                break;
            }
            let event = entry.remove();
            self.now = self.now.max(due);
            self.apply(due, event);
        }
        self.now = self.now.max(now);
    }

    fn apply(&mut self, at: Timestamp, event: Event) {
        match event {
            Event::External(event) => {
                self.apply_external(event, at);
            }
            // Nobody waits for what becomes of it.
            Event::Command(command) => drop(self.command(&command, at)),
            Event::AutoAccept(index) => {
                self.accept(index, Cause::Cabinet, None, at);
            }
            Event::Deadline(index) => {
                if self.orders[index].status == Status::ApprovedByBank {
                    self.cancel(index, "MERCHANT_OUT_OF_STOCK", Cause::Deadline, None, at);
                }
            }
            Event::CancelDone(index) => {
                if self.orders[index].status == Status::Cancelling {
                    self.change(
                        index,
                        State::Archive,
                        Status::Cancelled,
                        Cause::Kaspi,
                        None,
                        at,
                    );
                }
            }
            Event::Late {
                index,
                action,
                request,
            } => {
                self.carry_out(index, &action, Cause::Late, request, at);
            }
        }
    }

    /// Adds an order. Returns `false`, changing nothing, when its code is taken.
    pub fn place(&mut self, seed: OrderSeed) -> bool {
        if self.by_code.contains_key(&seed.code) {
            return false;
        }
        let order = Order::place(seed);
        let index = self.orders.len();
        self.by_created
            .insert((order.seed.created_at.as_millisecond(), index));
        self.by_code.insert(order.code().to_owned(), index);
        self.by_id.insert(order.id.clone(), index);
        for (number, line) in order.lines().iter().enumerate() {
            self.by_entry
                .insert(render::entry_id(&order, number), (index, number));
            let linked =
                (line.offer != OfferForm::Unlinked).then(|| (line.sku.clone(), line.name.clone()));
            let known = self
                .by_master
                .entry(render::master_id(&line.sku))
                .or_default();
            *known = known.take().or(linked);
        }
        if order.seed.auto_accepted {
            self.schedule(order.visible_at, Event::AutoAccept(index));
        }
        if let Some(due) = self
            .settings
            .deadline
            .and_then(|wait| order.approved_at.checked_add(wait).ok())
        {
            self.schedule(due, Event::Deadline(index));
        }
        self.orders.push(order);
        true
    }

    /// From now on the order has this id, and its former one is unknown. Returns `false` if there is no such order.
    pub fn set_id(&mut self, code: &str, id: &str) -> bool {
        let Some(index) = self.index(code) else {
            return false;
        };
        let former = std::mem::replace(&mut self.orders[index].id, id.to_owned());
        self.by_id.remove(&former);
        self.by_id.insert(id.to_owned(), index);
        true
    }

    pub(super) fn schedule(&mut self, due: Timestamp, event: Event) {
        self.queued += 1;
        self.queue.insert((due, self.queued), event);
    }

    pub(super) fn index(&self, code: &str) -> Option<usize> {
        self.by_code.get(code).copied()
    }

    fn about(&self, call: &Call, request: &Request) -> Option<usize> {
        match (call.kind, call.id.as_deref()) {
            (EndpointKind::ByCode, _) => self.index(request.parameter(CODE_FILTER)?),
            (EndpointKind::EntryProduct, Some(id)) => {
                self.by_entry.get(id).map(|(index, _)| *index)
            }
            (_, Some(id)) => self.by_id.get(id).copied(),
            (_, None) => None,
        }
    }

    fn already(&self, index: usize, write: Option<WriteKind>) -> bool {
        let order = &self.orders[index];
        match write {
            Some(WriteKind::Accept) => order.accepted_at.is_some(),
            Some(WriteKind::Cancel) => order.cancelled_at.is_some(),
            Some(WriteKind::Other) | None => false,
        }
    }

    fn scripted(&mut self, request: &Request, code: Option<&str>) -> Option<Fault> {
        let matches = |script: &Script| script.times > 0 && script.matches(request, code);
        let script = self.scripts.iter_mut().find(|script| matches(script))?;
        script.times -= 1;
        let fault = script.fault;
        self.scripts.retain(|script| script.times > 0);
        Some(fault)
    }

    pub(super) fn request_number(&self) -> u64 {
        self.requests
    }

    /// Changes an order and records it.
    pub(super) fn change(
        &mut self,
        index: usize,
        state: State,
        to: Status,
        cause: Cause,
        request: Option<u64>,
        at: Timestamp,
    ) {
        let order = &mut self.orders[index];
        order.remember(at);
        let from = std::mem::replace(&mut order.status, to.clone());
        order.state = state;
        let units = order
            .lines()
            .iter()
            .map(|line| (line.sku.clone(), line.quantity))
            .collect();
        let code = order.code().to_owned();
        self.ledger.record_effect(EffectRow {
            code,
            from,
            to,
            cause,
            request,
            at,
            units,
        });
    }
}
