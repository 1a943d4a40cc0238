//! Reports of errors to Sentry: each error of the log is an event. Nothing of a person goes with it.

use std::{sync::Arc, time::Duration};

use autorepost_core::seal::Secret;
use sentry::{
    ClientInitGuard, ClientOptions, Transport, TransportFactory, TransportOptions, protocol::Event,
    transports::ReqwestHttpTransportOptions,
};

use super::scrub::Scrub;

/// Begins to report.
pub(super) fn begin(dsn: &Secret, scrub: Scrub) -> anyhow::Result<ClientInitGuard> {
    let options = ClientOptions::new()
        .dsn(dsn.expose())
        .release(concat!("autorepost@", env!("CARGO_PKG_VERSION")))
        .send_default_pii(false)
        .max_breadcrumbs(0)
        .shutdown_timeout(Duration::ZERO)
        .before_send(move |event| clean(&scrub, event))
        .transport(Http(super::client()?));
    Ok(sentry::init(options))
}

/// Sends with a client of ours, whose requests end in time.
struct Http(reqwest::Client);

impl TransportFactory for Http {
    fn create_transport_with_options(&self, options: TransportOptions) -> Arc<dyn Transport> {
        Arc::new(ReqwestHttpTransportOptions::from(options).with_client(self.0.clone()).build())
    }
}

/// An event without secrets, and without what tells of the machine or a person.
fn clean(scrub: &Scrub, event: Event<'static>) -> Option<Event<'static>> {
    let mut value = serde_json::to_value(&event).ok()?;
    scrub.value(&mut value);
    // An event that cannot be cleaned is not sent.
    let mut event: Event<'static> = serde_json::from_value(value).ok()?;
    (event.user, event.request, event.server_name) = (None, None, None);
    Some(event)
}
