//! Answers one request: faults of the front end, requirements of every endpoint, and reads.

use fastrand::Rng;
use jiff::{Timestamp, fmt::rfc2822};

use super::{
    faults::Fault,
    message::{Method, Reply, Request, Wire},
    render,
    route::{Call, EndpointKind},
    world::World,
    writes::When,
};

impl World {
    pub(super) fn answer(
        &mut self,
        now: Timestamp,
        request: &Request,
        call: &Call,
        fault: Option<Fault>,
        rng: &mut Rng,
    ) -> Reply {
        if self.down {
            return Reply::silent(Wire::DropBefore);
        }
        if request
            .header("user-agent")
            .is_none_or(|agent| agent.trim().is_empty())
        {
            return Reply::silent(Wire::Hang);
        }
        if let Some(over) = self.bucket.take(self.settings.limit.as_ref(), now) {
            return over
                .wire()
                .map_or_else(|| self.too_many(now, rng), Reply::silent);
        }
        if let Some(reply) = fault.and_then(|fault| self.front_end(now, fault, rng)) {
            return reply;
        }
        let when = match fault {
            Some(Fault::NoEffect) => When::Never,
            Some(Fault::LateEffect) => When::Later,
            _ => When::Now,
        };
        let reply = self
            .refuse(request, call)
            .unwrap_or_else(|| match request.method {
                Method::Post if call.kind == EndpointKind::Import => {
                    self.take_products(now, request, when)
                }
                Method::Get if call.kind.is_product_endpoint() => {
                    self.read_products(now, request, call)
                }
                Method::Get => self.read(now, request, call),
                Method::Post => self.write(now, request, call, when),
            });
        match fault {
            Some(Fault::DropAfter) => reply.on_wire(Wire::DropAfter),
            Some(Fault::Truncated) => reply.on_wire(Wire::Truncate),
            Some(Fault::Http500After) => Reply::error(500, "Internal Server Error"),
            Some(Fault::LateEffect) if rng.bool() => Reply::silent(Wire::Hang),
            Some(Fault::Slow) => Reply {
                delay: self.settings.slow_by,
                ..reply
            },
            _ => reply,
        }
    }

    /// Faults that keep a request from reaching the API.
    fn front_end(&self, now: Timestamp, fault: Fault, rng: &mut Rng) -> Option<Reply> {
        Some(match fault {
            Fault::DropBefore => Reply::silent(Wire::DropBefore),
            Fault::Hang => Reply::silent(Wire::Hang),
            Fault::Http403 => Reply::error(403, "Forbidden"),
            Fault::Http429 => self.too_many(now, rng),
            Fault::Http500 => Reply::error(500, "Internal Server Error"),
            Fault::Http502Html => Reply::html(502, "502 Bad Gateway"),
            Fault::Http503 => Reply::error(503, "Service Unavailable"),
            Fault::Html200 => Reply::html(200, "Технические работы"),
            _ => return None,
        })
    }

    fn too_many(&self, now: Timestamp, rng: &mut Rng) -> Reply {
        let wait = self.settings.retry_after;
        if wait.is_zero() {
            return Reply::error(429, "Too Many Requests");
        }
        let date = now.checked_add(wait).ok().filter(|_| rng.bool());
        let date = date.and_then(|at| {
            rfc2822::DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&at)
                .ok()
        });
        let mut reply = Reply::error(429, "Too Many Requests");
        reply.headers.push((
            "Retry-After".to_owned(),
            date.unwrap_or_else(|| wait.as_secs().to_string()),
        ));
        reply
    }

    /// Refuses what no endpoint accepts (KASPI_API §1).
    fn refuse(&self, request: &Request, call: &Call) -> Option<Reply> {
        let token = request.header("x-auth-token");
        if !token.is_some_and(|token| self.settings.tokens.iter().any(|known| known == token)) {
            return Some(Reply::error(401, "Authorization token is invalid"));
        }
        if call.kind.is_product_endpoint() {
            return Self::refuse_products(request, call.kind);
        }
        let content_type = request
            .header("content-type")
            .and_then(|value| value.split(';').next());
        if content_type.is_none_or(|value| value.trim() != "application/vnd.api+json") {
            return Some(Reply::error(
                400,
                "Content-Type must be application/vnd.api+json",
            ));
        }
        None
    }

    fn read(&self, now: Timestamp, request: &Request, call: &Call) -> Reply {
        let id = call.id.as_deref().unwrap_or_default();
        let reading = self.reading(now);
        let body = match call.kind {
            EndpointKind::List | EndpointKind::ByCode => {
                return self.list(now, &reading, request).map_or_else(
                    |title| Reply::error(400, &title),
                    |body| Reply::json(200, &body),
                );
            }
            EndpointKind::Order => self
                .seen(id, &reading)
                .map(|order| render::order_document(order, &self.settings, self.request_number())),
            EndpointKind::Entries => self
                .seen(id, &reading)
                .map(|order| render::entries_document(order, &self.settings)),
            EndpointKind::MerchantProduct => self
                .by_master
                .get(id)
                .map(|linked| render::merchant_product(id, linked.as_ref())),
            EndpointKind::EntryProduct => self
                .by_entry
                .get(id)
                .filter(|(index, _)| self.orders[*index].visible_at <= now)
                .map(|(index, number)| {
                    render::catalogue_product(&self.orders[*index].lines()[*number])
                }),
            _ => None,
        };
        body.map_or_else(
            || Reply::error(404, "Not Found"),
            |body| Reply::json(200, &body),
        )
    }
}
