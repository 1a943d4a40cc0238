//! Where log lines, traces and reports of errors go.

use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use sentry::{ClientInitGuard, integrations::tracing::ErrorLayer};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::Targets, fmt::writer::BoxMakeWriter, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::{reports, scrub::Scrub, traces};
use crate::{config::Config, screen::Screen};

/// How long what is left may take to leave at the end.
const FLUSH_MAX: Duration = Duration::from_secs(3);

/// What must still be sent at the end.
#[must_use = "what is left must be flushed"]
#[derive(Default)]
pub struct Sinks {
    traces: Option<SdkTracerProvider>,
    reports: Option<ClientInitGuard>,
}

impl Sinks {
    /// Begins to log; with the configuration of a service also to trace and to report, where that is configured. A
    /// service logs JSON to standard output, everything else goes to standard error.
    pub fn begin(screen: Screen, level: &str, service: Option<&Config>) -> Self {
        let mut sinks = Self::default();
        let mut problems = Vec::new();
        if let Some(config) = service {
            if let Some(endpoint) = &config.otlp_endpoint {
                match traces::provider(endpoint, config.otlp_headers.as_ref()) {
                    Ok(provider) => sinks.traces = Some(provider),
                    Err(error) => problems.push(format!("no traces are sent: {error:#}")),
                }
            }
            if let Some(dsn) = &config.sentry_dsn {
                match reports::begin(dsn, Scrub::of(config)) {
                    Ok(guard) => sinks.reports = Some(guard),
                    Err(error) => problems.push(format!("no errors are reported: {error:#}")),
                }
            }
        }
        // The migration crate tells at each start that there is nothing to do.
        let level = format!("{level},sea_orm_migration=warn,fred=error");
        let filter = EnvFilter::try_from_env("AUTOREPOST_LOG").unwrap_or_else(|_| EnvFilter::new(level));
        let lines = tracing_subscriber::fmt::layer();
        let json = std::env::var("AUTOREPOST_LOG_FORMAT").is_ok_and(|format| format == "json");
        let lines = match (json, service.is_some()) {
            (true, true) => {
                let out = BoxMakeWriter::new(std::io::stdout);
                lines.json().flatten_event(true).with_span_list(false).with_writer(out).boxed()
            }
            (true, false) => {
                lines.json().flatten_event(true).with_span_list(false).with_writer(BoxMakeWriter::new(screen)).boxed()
            }
            (false, _) => {
                let ansi = std::io::stderr().is_terminal();
                lines.with_target(false).with_ansi(ansi).with_writer(BoxMakeWriter::new(screen)).boxed()
            }
        };
        // Ours alone: the libraries below tell of their own requests, and those of the exporter would cause others.
        let traced = sinks.traces.as_ref().map(|provider| {
            let ours = Targets::new().with_target("autorepost", LevelFilter::DEBUG);
            tracing_opentelemetry::layer().with_tracer(provider.tracer("autorepost")).with_filter(ours)
        });
        let reported = sinks.reports.as_ref().map(|_| {
            let ours = Targets::new().with_target("autorepost", LevelFilter::ERROR);
            ErrorLayer::new().with_filter(ours)
        });
        tracing_subscriber::registry().with(lines.with_filter(filter)).with(traced).with(reported).init();
        problems.iter().for_each(|problem| tracing::error!("{problem}"));
        sinks
    }

    /// Sends what is left, in bounded time.
    pub async fn flush(self) {
        let Self { traces, reports } = self;
        if traces.is_none() && reports.is_none() {
            return;
        }
        let (done, ended) = tokio::sync::oneshot::channel();
        // A thread of its own: neither blocks the runtime, nor holds up the end of the program when a sink hangs.
        std::thread::spawn(move || {
            let began = Instant::now();
            if let Some(traces) = traces {
                // What could not be sent was told while it happened.
                let _ = traces.shutdown_with_timeout(FLUSH_MAX / 2);
            }
            if let Some(reports) = reports {
                reports.flush(Some(FLUSH_MAX.saturating_sub(began.elapsed())));
                // Its end would wait for a sink that hangs.
                std::mem::forget(reports);
            }
            let _ = done.send(());
        });
        // Whatever is not sent by then is lost.
        let _ = tokio::time::timeout(FLUSH_MAX, ended).await;
    }
}
