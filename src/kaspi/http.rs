//! HTTP by reqwest with its unsafe defaults switched off: no redirects (they carry the token to other
//! hosts), no retries of its own, no reuse of idle connections for writes (a POST on a dead one and
//! a POST that was read look the same), no proxy from the environment.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, RETRY_AFTER};
use secrecy::ExposeSecret as _;

use super::release::Release;
use super::transport::{Method, Transport, TransportError, WireRequest, WireResponse};
use crate::clock::Clock;
use crate::crash_point::{crash_point, in_flight};

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

/// The client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The proxy's URL is not one.
    #[error("the shop's proxy is not a usable URL")]
    Proxy,
    /// TLS could not be set up.
    #[error("HTTPS could not be set up: {0}; install the package ca-certificates")]
    Tls(String),
}

/// What is read of the body of a refusal: room for Kaspi's words about it.
const ERROR_BODY_BYTES_MAX: u64 = 64 * 1024;

/// Sends requests over HTTP/1.1.
pub struct HttpTransport {
    reads: reqwest::Client,
    writes: reqwest::Client,
    base_url: String,
    body_max_bytes: u64,
    clock: Clock,
}

/// Installs the cryptography for HTTPS, once in a process. Call it first in `main` and in tests.
pub fn install_crypto() {
    // Fails only when it is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl HttpTransport {
    /// Builds the two clients, one for reads and one for writes.
    pub fn new(settings: &HttpSettings, clock: Clock) -> Result<Self, BuildError> {
        install_crypto();
        let is_plain = settings.base_url.starts_with("http://");
        let builder = || -> Result<reqwest::ClientBuilder, BuildError> {
            let mut builder = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .http1_only()
                .connect_timeout(settings.connect_timeout)
                .timeout(settings.request_timeout)
                .https_only(!is_plain);
            if is_plain && settings.proxy.is_none() {
                // Nobody to trust: the machine's certificates are not read for nothing.
                builder = builder.tls_certs_only([]);
            }
            match &settings.proxy {
                None => Ok(builder.no_proxy()),
                Some(url) => {
                    let proxy = reqwest::Proxy::all(url).map_err(|_| BuildError::Proxy)?;
                    Ok(builder.no_proxy().proxy(proxy))
                }
            }
        };
        let build = |builder: reqwest::ClientBuilder| {
            builder
                .build()
                .map_err(|error| BuildError::Tls(error.without_url().to_string()))
        };
        Ok(Self {
            reads: build(builder()?)?,
            writes: build(builder()?.pool_max_idle_per_host(0))?,
            base_url: settings.base_url.clone(),
            body_max_bytes: settings.body_max_bytes,
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
            let (clock, until) = (self.clock.clone(), request.good_until);
            move || until.is_some_and(|until| clock.ticks() > until)
        };
        let stale = || TransportError::NotSent("its order was read too long ago".to_owned());
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
                    TransportError::NotSent(root(&error.without_url()))
                });
            }
            Err(error) => return Err(classify(error)),
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
        match read_body(&mut response, limit, &mut answer.body).await {
            // What the status says does not depend on the words that follow it.
            Err(_) if !is_success => Ok(answer),
            read => read.map(|()| answer),
        }
    }
}

/// Reads a decoded body as it comes, and stops before it grows over the limit.
async fn read_body(
    response: &mut reqwest::Response,
    limit: u64,
    body: &mut Vec<u8>,
) -> Result<(), TransportError> {
    while let Some(chunk) = response.chunk().await.map_err(classify)? {
        let length = body.len().saturating_add(chunk.len());
        if u64::try_from(length).unwrap_or(u64::MAX) > limit {
            return Err(TransportError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(())
}

fn headers(request: &WireRequest) -> Result<HeaderMap, TransportError> {
    let bad = |name: &str| TransportError::NotSent(format!("the value for {name} cannot be sent"));
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

/// A failure to connect proves that nothing was sent; so does a body that was never handed over.
fn classify(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    if error.is_connect() {
        return TransportError::NotSent(root(&error));
    }
    if error.is_timeout() {
        TransportError::Timeout
    } else {
        TransportError::Broken(root(&error))
    }
}

/// The innermost cause, which is the one that says something.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
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
