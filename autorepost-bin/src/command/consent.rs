//! `connect` without a file: the platform's own page, and a listener for its answer.

use std::{net::Ipv4Addr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use autorepost_core::{
    Result,
    connection::Connection,
    operator::{LOGIN_MAX, Operator},
    port::{Ports, Returned},
};
use axum::{
    Router,
    extract::{RawQuery, State},
    response::Response,
    routing::get,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::timeout,
};
use url::form_urlencoded;

use super::{Context, accounts, operator};
use crate::{cli::Connect, credential, landing};

/// How long the browser may take to read the last page.
const LAST_PAGE_MAX: Duration = Duration::from_secs(2);

type Outcome = Result<Vec<Connection>>;

/// What the listener works with.
struct Waiting {
    ports: Ports,
    redirect: String,
    told: mpsc::Sender<Outcome>,
}

pub async fn connect(context: &Context, options: Connect) -> anyhow::Result<ExitCode> {
    let ports = context.ports_with_any_key().await?;
    let method = credential::consent_method(&ports, options.platform, options.login)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.with_context(|| {
        format!("cannot listen on port {}: set --port, and add its address to those of your app", options.port)
    })?;
    let redirect = format!("http://{}/callback", listener.local_addr()?);
    let asked = operator(&ports).ask_consent(method, &redirect).await?;
    let page = asked.page.expose();
    let minutes = LOGIN_MAX.as_secs() / 60;
    eprintln!(
        "Open this page on this machine and allow access; the answer is waited for at {redirect} for {minutes} minutes \
         (Ctrl-C ends):\n\n  {page}\n"
    );
    if !options.no_browser && open::that_detached(page).is_err() {
        eprintln!("no browser could be opened: open the page by hand");
    }
    let (told, mut outcomes) = mpsc::channel(1);
    let (stop, mut stopped) = watch::channel(false);
    let waiting = Arc::new(Waiting { ports, redirect, told });
    let app = Router::new().route("/callback", get(callback)).with_state(waiting);
    let serving = tokio::spawn(async move {
        let ended = async move { drop(stopped.wait_for(|stop| *stop).await) };
        axum::serve(listener, app).with_graceful_shutdown(ended).await
    });
    let outcome = timeout(LOGIN_MAX, outcomes.recv()).await;
    stop.send_replace(true);
    // A browser that holds its connection open is not waited for.
    let _ = timeout(LAST_PAGE_MAX, serving).await;
    let Ok(Some(outcome)) = outcome else {
        bail!("nobody answered within {minutes} minutes: nothing was connected");
    };
    let connections = outcome?;
    let shown: Vec<_> = connections.iter().map(accounts::shown).collect();
    context.show(&shown, || connections.iter().map(accounts::told).collect())
}

/// Takes the answer. One that is not of this log-in is told so, and goes on being waited for.
async fn callback(State(waiting): State<Arc<Waiting>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
    let comeback = match Returned::read(pairs) {
        Ok(returned) => Operator::come_back(&waiting.ports, &waiting.redirect, returned).await,
        Err(error) => Err(error),
    };
    let outcome = match comeback {
        Ok(comeback) => comeback.connect().await,
        Err(error) => return landing::page(&Err(error)),
    };
    let page = landing::page(&outcome);
    // Nobody listens any more when it came too late.
    let _ = waiting.told.try_send(outcome);
    page
}
