//! The client.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use autorepost_core::{Error, ErrorKind, Result, Retry, port::Notifier, webhook::Message};
use reqwest::{
    Client, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
    redirect,
};
use url::{Host, Url};

use crate::address::is_public;

const OP: &str = "deliver webhook";
/// Addresses of a name that are looked at, at most.
const ADDRESSES_MAX: usize = 16;

/// Asks what addresses a name has.
#[async_trait]
pub trait Names: Send + Sync {
    /// The addresses of a name.
    ///
    /// # Errors
    ///
    /// When there are none, or nobody answers.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's own way to ask for names.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// How endpoints are reached.
#[derive(Clone)]
pub struct NotifierConfig {
    /// Permits addresses that are not public, and plain HTTP: for tests and intranets.
    pub private_targets: bool,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a delivery may take in all.
    pub timeout: Duration,
    /// Asks for names.
    pub names: Arc<dyn Names>,
}

impl Default for NotifierConfig {
    fn default() -> Self {
        Self {
            private_targets: false,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
            names: Arc::new(SystemNames),
        }
    }
}

/// Brings messages to endpoints over HTTP.
pub struct HttpNotifier {
    client: Client,
    private_targets: bool,
}

impl HttpNotifier {
    /// A client.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn new(config: NotifierConfig) -> Result<Self> {
        let NotifierConfig { private_targets, connect_timeout, timeout, names } = config;
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            // A proxy would ask for the name itself.
            .no_proxy()
            .http1_only()
            .https_only(!private_targets)
            .connect_timeout(connect_timeout)
            .timeout(timeout)
            // Each message asks for the name anew and is held against the answer.
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(Checked { names, private_targets }))
            .user_agent(concat!("autorepost/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| Error::internal("build HTTP client", "the TLS set-up failed").source(cause))?;
        Ok(Self { client, private_targets })
    }

    fn checked(&self, url: &str) -> Result<Url> {
        let bad = |why: &str| Err(Error::invalid("check webhook address", why));
        let Ok(url) = Url::parse(url) else { return bad("it is not an address such as https://example.com/hook") };
        match url.scheme() {
            "https" => {}
            "http" if self.private_targets => {}
            _ => return bad("the address must begin with https://"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return bad("the address must not hold a user name or a password: messages are signed");
        }
        // A literal address is not asked for, so it is looked at here.
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return bad("the address has no host"),
        };
        if literal.is_some_and(|literal| !self.private_targets && !is_public(literal)) {
            return bad(NOT_PUBLIC);
        }
        Ok(url)
    }
}

const NOT_PUBLIC: &str = "the address is not one on the internet; AUTOREPOST_WEBHOOK_PRIVATE_TARGETS permits others";

#[async_trait]
impl Notifier for HttpNotifier {
    fn check(&self, url: &str) -> Result<()> {
        self.checked(url).map(drop)
    }

    async fn deliver(&self, message: &Message) -> Result<()> {
        let url = self.checked(&message.url)?;
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", message.timestamp)
            .header("webhook-signature", &message.signature)
            .body(message.body.clone());
        // The body of the answer means nothing: it is not read, however long it is.
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let code = status.as_u16();
        let (kind, text, retry) = match status {
            StatusCode::GONE => {
                (ErrorKind::NotFound, "the endpoint says that it is gone (410)".to_owned(), Retry::Never)
            }
            _ if status.is_redirection() => {
                let text = format!("the endpoint answered with a redirect ({code}), which is not followed");
                (ErrorKind::Unavailable, text, Retry::Soon)
            }
            _ => {
                let retry = retry_after(response.headers()).map_or(Retry::Soon, Retry::After);
                (ErrorKind::Unavailable, format!("the endpoint answered {code}"), retry)
            }
        };
        Err(Error::new(kind, OP, text).retry(retry).code(code.to_string()))
    }
}

/// `Retry-After` in its form of seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Maps a transport error; the address, which may hold secrets, is left out.
fn failed(cause: reqwest::Error) -> Error {
    let cause = cause.without_url();
    if has_refusal(&cause) {
        return Error::invalid(OP, NOT_PUBLIC).source(cause);
    }
    let text = if cause.is_timeout() {
        "the endpoint did not answer in time"
    } else if cause.is_connect() {
        "the endpoint cannot be reached"
    } else {
        "the connection to the endpoint was cut"
    };
    Error::unavailable(OP, text).source(cause)
}

fn has_refusal(cause: &reqwest::Error) -> bool {
    let mut next = std::error::Error::source(cause);
    while let Some(error) = next {
        if error.is::<Refused>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// A name that has an address which is not public.
#[derive(Debug)]
struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name has an address that is not public")
    }
}

impl std::error::Error for Refused {}

/// Asks for names, and passes on only what may be reached: the connection is made to these addresses.
struct Checked {
    names: Arc<dyn Names>,
    private_targets: bool,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, private_targets) = (Arc::clone(&self.names), self.private_targets);
        Box::pin(async move {
            let mut addresses = names.lookup(name.as_str()).await?;
            addresses.truncate(ADDRESSES_MAX);
            // One bad address among good ones is no accident.
            if !private_targets && !addresses.iter().all(|address| is_public(*address)) {
                return Err(Refused.into());
            }
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}
