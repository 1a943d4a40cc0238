//! The HTTP interface below `/v1`, its OpenAPI document, and a page to try it on.
//!
//! A request passes the guard (`guard.rs`), which knows from one table (`need.rs`) what each route needs; its handler
//! (`route.rs`) asks the core's operator; what goes wrong becomes a problem (`problem.rs`).

mod again;
mod callback;
mod crowd;
mod document;
mod extract;
mod guard;
mod incoming;
mod need;
mod page;
mod problem;
mod route;
mod schema;
mod view;

use std::{sync::Arc, time::Duration};

use autorepost_core::{port::Ports, webhook::SigningSecret};
use autorepost_secrets::AwsSecrets;
use axum::{
    Router,
    http::StatusCode,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use tokio::sync::{Mutex, MutexGuard, Semaphore};
use utoipa_swagger_ui::SwaggerUi;

pub use again::{IDEMPOTENCY_HEADER, REPLAYED_HEADER};
pub use callback::CALLBACK_PATH;
pub use document::document;
pub use guard::{REQUEST_HEADER, TENANT_HEADER};
pub use incoming::COOKIES_PATH;
pub use need::{NEEDS, Need, Scope};
pub use page::PAGE_MAX;
pub use problem::{PROBLEM_JSON, status};

use crowd::Crowd;
use problem::Problem;

/// Where the OpenAPI document is.
pub const DOCUMENT_PATH: &str = "/openapi.json";
/// Where the page to try the interface on is.
pub const DOCS_PATH: &str = "/docs";

/// What one process takes on.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a body at most: more than a browser's cookies have.
    pub body_bytes_max: usize,
    /// How long a request may take.
    pub request_max: Duration,
    /// Requests at once at most.
    pub requests_max: usize,
    /// Requests of one key at once at most.
    pub requests_of_key_max: usize,
    /// Requests of one key in a minute at most.
    pub requests_per_minute_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 512 << 10,
            request_max: Duration::from_secs(60),
            requests_max: 64,
            requests_of_key_max: 16,
            requests_per_minute_max: 600,
        }
    }
}

/// Requests of outside automations at once: nobody has shown yet who they are when their body is read.
const INCOMING_MAX: usize = 4;
/// Uploads of files at once.
const UPLOADS_MAX: usize = 4;

/// What every request is answered from.
#[derive(Clone)]
pub struct Api(Arc<Parts>);

struct Parts {
    ports: Ports,
    limits: Limits,
    places: Arc<Semaphore>,
    crowd: Crowd,
    incoming_places: Arc<Semaphore>,
    upload_places: Arc<Semaphore>,
    incoming: Option<SigningSecret>,
    redirect: Option<String>,
    bundles: Vec<Arc<AwsSecrets>>,
    turn: Mutex<()>,
}

impl Api {
    /// An interface to an installation. With the secret `incoming` it takes what an outside automation brings.
    /// With `base`, the address at which browsers reach it, accounts can be connected on the platforms' own pages.
    pub fn new(ports: Ports, limits: Limits, incoming: Option<SigningSecret>, base: Option<&str>) -> Self {
        Self::with_bundles(ports, limits, incoming, base, Vec::new())
    }

    /// The same; the owner's cookies that are brought are written to one of these bundles of secrets, too.
    pub fn with_bundles(
        ports: Ports,
        limits: Limits,
        incoming: Option<SigningSecret>,
        base: Option<&str>,
        bundles: Vec<Arc<AwsSecrets>>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(limits.requests_max));
        let upload_places = Arc::new(Semaphore::new(UPLOADS_MAX));
        let incoming_places = Arc::new(Semaphore::new(INCOMING_MAX));
        let redirect = base.map(|base| format!("{base}{CALLBACK_PATH}"));
        Self(Arc::new(Parts {
            ports,
            limits,
            places,
            crowd: Crowd::default(),
            incoming_places,
            upload_places,
            incoming,
            redirect,
            bundles,
            turn: Mutex::default(),
        }))
    }

    fn redirect(&self) -> Option<&str> {
        self.0.redirect.as_deref()
    }

    fn bundles(&self) -> &[Arc<AwsSecrets>] {
        &self.0.bundles
    }

    fn upload_places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.upload_places)
    }

    fn incoming_places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.incoming_places)
    }

    fn incoming(&self) -> Option<&SigningSecret> {
        self.0.incoming.as_ref()
    }

    /// Waits for one's turn among messages that come in.
    async fn turn(&self) -> MutexGuard<'_, ()> {
        self.0.turn.lock().await
    }

    fn ports(&self) -> &Ports {
        &self.0.ports
    }

    fn limits(&self) -> &Limits {
        &self.0.limits
    }

    fn places(&self) -> Arc<Semaphore> {
        self.0.places.clone()
    }

    fn crowd(&self) -> &Crowd {
        &self.0.crowd
    }

    /// Everything that is answered, with `others` beside it.
    pub fn router(self, others: Router) -> Router {
        let (routes, plain) = route::all().split_for_parts();
        let swagger = SwaggerUi::new(DOCS_PATH).external_url_unchecked(DOCUMENT_PATH, document::complete(&plain));
        let routes = routes.route_layer(from_fn_with_state(self.clone(), guard::guard)).with_state(self.clone());
        let keyless = Router::new()
            .route(COOKIES_PATH, post(incoming::cookies))
            .route(CALLBACK_PATH, get(callback::callback))
            .with_state(self.clone());
        Router::new()
            .merge(routes)
            .merge(keyless)
            .merge(swagger)
            .merge(others)
            .fallback(async || Problem::not_found("there is nothing at this address: /docs shows what there is"))
            .method_not_allowed_fallback(async || {
                let title = "The method is not one of this address";
                let detail = "the header Allow tells the methods that are";
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", title, detail)
            })
            .layer(from_fn_with_state(self, guard::frame))
    }
}
