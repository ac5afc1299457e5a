//! reqwest with its unsafe defaults switched off: no redirects (they carry tokens to other hosts), no
//! retries of its own, no proxy from the environment.

use std::time::Duration;

/// How a client is set up.
#[derive(Debug, Clone, Copy)]
pub struct ClientOptions<'a> {
    /// The address it is for. An `https://` address is never reached without TLS.
    pub url: &'a str,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time for a whole request, its answer included.
    pub request_timeout: Duration,
    /// The proxy's URL.
    pub proxy: Option<&'a str>,
    /// Whether an idle connection is used again. Not for requests that change something: a POST on a
    /// closed connection looks like one that was read.
    pub reuse_connections: bool,
}

/// The client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The proxy's URL cannot be used.
    #[error("the proxy is not a usable URL")]
    Proxy,
    /// There are no random bytes for a secret.
    #[error("the operating system gives no random bytes")]
    Random,
    /// TLS could not be set up.
    #[error("HTTPS could not be set up: {0}; install the package ca-certificates")]
    Tls(String),
}

/// Installs the cryptography for HTTPS, once in a process. Call it first in `main` and in tests.
pub fn install_crypto() {
    // Fails only when it is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Random bytes for secrets, from the operating system.
///
/// # Errors
/// The system gives none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], SetupError> {
    let mut bytes = [0; N];
    let provider = rustls::crypto::ring::default_provider();
    match provider.secure_random.fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(SetupError::Random),
    }
}

/// An HTTP/1.1 client. Its `User-Agent` is `qabyl/VERSION` unless a request has its own.
pub fn client(options: &ClientOptions<'_>) -> Result<reqwest::Client, SetupError> {
    install_crypto();
    let is_plain = options.url.starts_with("http://");
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that builds a client"
    )]
    let builder = reqwest::Client::builder();
    let mut builder = builder
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .http1_only()
        .https_only(!is_plain)
        .no_proxy()
        .user_agent(concat!("qabyl/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(options.connect_timeout)
        .timeout(options.request_timeout);
    if !options.reuse_connections {
        builder = builder.pool_max_idle_per_host(0);
    }
    if let Some(url) = options.proxy {
        builder = builder.proxy(reqwest::Proxy::all(url).map_err(|_| SetupError::Proxy)?);
    } else if is_plain {
        // No TLS, so the machine's certificates need not be read.
        builder = builder.tls_certs_only([]);
    }
    let client = builder.build();
    client.map_err(|error| SetupError::Tls(error.without_url().to_string()))
}
