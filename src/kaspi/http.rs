//! Kaspi over HTTP. Writes have a client of their own that never uses an idle connection again: a POST on a
//! closed one looks like one that Kaspi read.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, RETRY_AFTER};
use secrecy::ExposeSecret as _;

use super::release::Release;
use super::transport::{Method, Transport, TransportError, WireRequest, WireResponse};
use crate::clock::Clock;
use crate::crash_point::{crash_point, in_flight};
use crate::net::{self, ClientOptions, Failure, SetupError};
use crate::text::Secrets;

/// How to reach Kaspi.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Base URL without a slash at its end, `https://kaspi.kz/shop/api`.
    pub base_url: String,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time for the whole request.
    pub request_timeout: Duration,
    /// Largest answer in bytes, decoded.
    pub body_max_bytes: u64,
    /// Proxy URL.
    pub proxy: Option<String>,
}

/// Largest body of a refusal in bytes: room for Kaspi's message.
const ERROR_BODY_BYTES_MAX: u64 = 64 * 1024;

/// Sends requests over HTTP/1.1.
pub struct HttpTransport {
    reads: reqwest::Client,
    writes: reqwest::Client,
    base_url: String,
    body_max_bytes: u64,
    proxy_secrets: Secrets,
    clock: Clock,
}

impl HttpTransport {
    /// Builds the two clients, one for reads and one for writes.
    pub fn new(settings: &HttpSettings, clock: Clock) -> Result<Self, SetupError> {
        let build = |reuse_connections| {
            net::client(&ClientOptions {
                url: &settings.base_url,
                connect_timeout: settings.connect_timeout,
                request_timeout: settings.request_timeout,
                proxy: settings.proxy.as_deref(),
                reuse_connections,
            })
        };
        let proxy = settings.proxy.as_deref().unwrap_or_default();
        Ok(Self {
            reads: build(true)?,
            writes: build(false)?,
            base_url: settings.base_url.clone(),
            body_max_bytes: settings.body_max_bytes,
            proxy_secrets: Secrets::default().and_url(proxy),
            clock,
        })
    }

    async fn exchange(&self, request: &WireRequest) -> Result<WireResponse, TransportError> {
        let url = format!("{}{}", self.base_url, request.path);
        let builder = match request.method {
            Method::Get => self.reads.get(url),
            Method::Post => self.writes.post(url),
        };
        let mut builder = builder.query(&request.query).headers(headers(request)?);
        let release = Release::default();
        let is_stale = {
            let (clock, until) = (self.clock.clone(), request.send_by);
            move || until.is_some_and(|until| clock.ticks() > until)
        };
        let stale = || TransportError::NotSent("the order was read too long ago".to_owned());
        if is_stale() {
            return Err(stale());
        }
        if let Some(body) = &request.body {
            let is_stale = is_stale.clone();
            builder = builder
                .header(CONTENT_LENGTH, body.len())
                .body(release.body(body.clone(), move || !is_stale()));
        }
        let answer = match request.method {
            Method::Get => builder.send().await,
            Method::Post => {
                crash_point("post.leaving");
                let answer = in_flight("post.in_flight", builder.send()).await;
                crash_point("post.answered");
                answer
            }
        };
        let mut response = match answer {
            Ok(response) => response,
            Err(error) if request.body.is_some() && release.withdraw() => {
                return Err(if is_stale() {
                    stale()
                } else {
                    let why = match Failure::from(error) {
                        Failure::NotConnected(why) | Failure::Broken(why) => why,
                        failure => failure.to_string(),
                    };
                    TransportError::NotSent(why)
                });
            }
            Err(error) => return Err(Failure::from(error).into()),
        };
        let text = |name: reqwest::header::HeaderName| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let mut answer = WireResponse {
            status: response.status().as_u16(),
            retry_after: text(RETRY_AFTER),
            date: text(reqwest::header::DATE),
            body: Vec::new(),
        };
        let is_success = response.status().is_success();
        let limit = if is_success {
            self.body_max_bytes
        } else {
            self.body_max_bytes.min(ERROR_BODY_BYTES_MAX)
        };
        let secrets = self.proxy_secrets.clone();
        let secrets = secrets.and(request.token.expose_secret());
        match net::read_body(&mut response, limit, &secrets).await {
            Ok(body) => answer.body = body,
            // The status of a refusal is known, whatever became of the text behind it.
            Err(_) if !is_success => {}
            Err(failure) => return Err(failure.into()),
        }
        Ok(answer)
    }
}

fn headers(request: &WireRequest) -> Result<HeaderMap, TransportError> {
    let bad = |name: &str| {
        TransportError::NotSent(format!("the value of the header {name} cannot be sent"))
    };
    let mut headers = HeaderMap::new();
    let mut token =
        HeaderValue::from_str(request.token.expose_secret()).map_err(|_| bad("X-Auth-Token"))?;
    token.set_sensitive(true);
    headers.insert("X-Auth-Token", token);
    for (name, value) in &request.headers {
        headers.insert(*name, HeaderValue::from_str(value).map_err(|_| bad(name))?);
    }
    Ok(headers)
}

impl From<Failure> for TransportError {
    /// A failure to connect proves that nothing was sent.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotConnected(why) => Self::NotSent(why),
            Failure::Timeout => Self::Timeout,
            Failure::Broken(why) => Self::Broken(why),
            Failure::TooLarge { limit } => Self::TooLarge { limit },
        }
    }
}

impl Transport for HttpTransport {
    fn send<'a>(
        &'a self,
        request: &'a WireRequest,
    ) -> Pin<Box<dyn Future<Output = Result<WireResponse, TransportError>> + Send + 'a>> {
        Box::pin(self.exchange(request))
    }

    fn address(&self) -> Option<&str> {
        Some(&self.base_url)
    }
}
