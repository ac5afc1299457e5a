//! What a hostile server does, and what the client must make of it.

use std::net::SocketAddr;
use std::time::Duration;

/// What a connection is met with, in order; then it is closed.
pub(crate) type Plan = Vec<Step>;

/// One thing a server does on a connection.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Waits for a whole request.
    Read,
    /// Sends bytes.
    Write(Vec<u8>),
    /// Sends bytes one at a time.
    Drip(Vec<u8>, Duration),
    /// Sends the same bytes without end.
    Flood(Vec<u8>),
    /// Does nothing for a while.
    Pause(Duration),
    /// Stays silent until the client goes.
    Hold,
    /// Ends the connection with a reset.
    Reset,
}

/// What stands at the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// A server that follows its plan.
    Serves,
    /// The same, where the client expects TLS.
    Https,
    /// Nobody.
    Refuses,
    /// A listener whose backlog is full.
    Full,
    /// A listener that lets connections lie.
    NeverAccepts,
}

/// The four calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Call {
    Page,
    Order,
    Entries,
    Post,
}

impl Call {
    pub(crate) const ALL: [Self; 4] = [Self::Page, Self::Order, Self::Entries, Self::Post];
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Class {
    /// Exactly what an honest server would have answered.
    Right,
    /// A list without an order in it, or an order without lines, and nothing wrong with that.
    Empty,
    /// A list of another order, which is as good as any.
    Another,
    Outage,
    Unreadable,
    Snooze,
    Token,
    Forbidden,
    Parameters,
    NotFound,
    Breaker,
    Applied,
    Rejected,
    Snoozed,
    NotSent,
    Denied,
    Unknown,
    /// Something that must not be written anywhere.
    Wrong(String),
}

/// One behaviour and the classes that are right for it; more than one where the wire decides who wins.
pub(crate) struct Behaviour {
    pub(crate) name: String,
    pub(crate) port: Port,
    plan: Box<dyn Fn(Call, SocketAddr) -> Plan + Send + Sync>,
    page: Vec<Class>,
    order: Vec<Class>,
    entries: Vec<Class>,
    post: Vec<Class>,
    /// The client must run into its time limit.
    pub(crate) waits: bool,
    /// It needs all the room an answer may take.
    pub(crate) large: bool,
    /// The call is made twice with one client, so long after each other.
    pub(crate) again_after: Option<Duration>,
    /// The pause in seconds that a 429 must lead to.
    pub(crate) pause_s: Option<u64>,
}

impl Behaviour {
    /// A behaviour without any answer, unless set otherwise.
    pub(crate) fn new(name: impl Into<String>, plan: Plan) -> Self {
        Self::by_call(name, move |_, _| plan.clone())
    }

    /// The same, different for each call; the address is of a host the client was never given.
    pub(crate) fn by_call(
        name: impl Into<String>,
        plan: impl Fn(Call, SocketAddr) -> Plan + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            port: Port::Serves,
            plan: Box::new(plan),
            page: vec![Class::Outage],
            order: vec![Class::Outage],
            entries: vec![Class::Outage],
            post: vec![Class::Unknown],
            waits: false,
            large: false,
            again_after: None,
            pause_s: None,
        }
    }

    pub(crate) fn plan(&self, call: Call, elsewhere: SocketAddr) -> Plan {
        (self.plan)(call, elsewhere)
    }

    /// What this call may come to.
    pub(crate) fn allowed(&self, call: Call) -> &[Class] {
        match call {
            Call::Page => &self.page,
            Call::Order => &self.order,
            Call::Entries => &self.entries,
            Call::Post => &self.post,
        }
    }

    pub(crate) fn at(mut self, port: Port) -> Self {
        self.port = port;
        self
    }

    /// All three reads come to this.
    pub(crate) fn reads(mut self, class: Class) -> Self {
        self.page = vec![class.clone()];
        self.order = vec![class.clone()];
        self.entries = vec![class];
        self
    }

    pub(crate) fn page(mut self, class: Class) -> Self {
        self.page = vec![class];
        self
    }

    pub(crate) fn entries(mut self, class: Class) -> Self {
        self.entries = vec![class];
        self
    }

    pub(crate) fn post(mut self, class: Class) -> Self {
        self.post = vec![class];
        self
    }

    /// A POST may come to either.
    pub(crate) fn post_either(mut self, one: Class, other: Class) -> Self {
        self.post = vec![one, other];
        self
    }

    /// As good as an honest answer.
    pub(crate) fn harmless(self) -> Self {
        self.reads(Class::Right).post(Class::Applied)
    }

    /// Whichever side wins a race: an honest answer, or none.
    pub(crate) fn races(mut self) -> Self {
        for allowed in [&mut self.page, &mut self.order, &mut self.entries] {
            *allowed = vec![Class::Right, Class::Outage];
        }
        self.post = vec![Class::Applied, Class::Unknown];
        self
    }

    /// The connection may also be seen to close before the request is given to it: nothing was sent then.
    pub(crate) fn races_the_request(self) -> Self {
        let mut races = self.races();
        races.post.push(Class::NotSent);
        races
    }

    pub(crate) fn waits(mut self) -> Self {
        self.waits = true;
        self
    }

    pub(crate) fn large(mut self) -> Self {
        self.large = true;
        self
    }

    pub(crate) fn twice(self) -> Self {
        self.again_after(Duration::ZERO)
    }

    pub(crate) fn again_after(mut self, gap: Duration) -> Self {
        self.again_after = Some(gap);
        self
    }

    pub(crate) fn pause_s(mut self, seconds: u64) -> Self {
        self.pause_s = Some(seconds);
        self
    }
}
