//! Traces by OTLP: HTTP with protobuf.

use std::{collections::HashMap, fmt, sync::Arc};

use anyhow::Context as _;
use async_trait::async_trait;
use autorepost_core::seal::Secret;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::runtime::Handle;

use super::{ANSWER_MAX, Outage};

/// Makes what sends traces to the collector at `endpoint`.
pub(super) fn provider(endpoint: &Secret, headers: Option<&Secret>) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client {
            client: super::client()?,
            runtime: Handle::current(),
            outage: Arc::new(Outage::of("sending traces to OTEL_EXPORTER_OTLP_ENDPOINT")),
        })
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.expose().trim_end_matches('/')))
        .with_headers(headers.map(|headers| pairs(headers.expose())).unwrap_or_default())
        .with_timeout(ANSWER_MAX)
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT cannot be used")?;
    let resource = Resource::builder()
        .with_service_name("autorepost")
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// `name=value,name=value`, as the OpenTelemetry specification writes headers in a variable.
fn pairs(text: &str) -> HashMap<String, String> {
    let pair = |one: &str| one.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    text.split(',').filter_map(pair).collect()
}

/// Sends from the exporter's own thread, on the program's runtime.
struct Client {
    client: reqwest::Client,
    runtime: Handle,
    outage: Arc<Outage>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let outage = Arc::clone(&self.outage);
        let sending = async move {
            let answer = client.execute(request.try_into()?).await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    outage.goes_on(&super::reason(&error));
                    return Err(error.without_url().into());
                }
            };
            let status = answer.status();
            outage.note(Ok(answer));
            // What the collector says beyond that is for nobody here.
            Ok(Response::builder().status(status).body(Bytes::new())?)
        };
        self.runtime.spawn(sending).await?
    }
}
