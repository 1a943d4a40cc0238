//! What those who test reach into from another process: the source's posts, the apps, the fault plan, the ledger.

use std::{collections::BTreeMap, sync::Arc};

use autorepost_core::Platform;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post, put},
};

use crate::{Fate, Fault, RegisteredApp, Shown, TikTokPost, World};

type Worldly = State<Arc<World>>;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/ledger", get(async |State(world): Worldly| -> Json<Vec<Shown>> { Json(world.ledger()) }))
        .route("/posts", post(add_post))
        .route("/apps", post(register))
        .route("/shown/{platform}/{id}", put(set_fate))
        .route("/faults", get(fired).put(set_faults))
}

async fn add_post(State(world): Worldly, Json(post): Json<TikTokPost>) -> StatusCode {
    world.add_post(post);
    StatusCode::CREATED
}

async fn register(State(world): Worldly, Json(app): Json<RegisteredApp>) -> StatusCode {
    world.register(app);
    StatusCode::CREATED
}

async fn set_fate(
    State(world): Worldly,
    Path((platform, id)): Path<(Platform, String)>,
    Json(fate): Json<Option<Fate>>,
) -> StatusCode {
    world.set_fate(platform, &id, fate);
    StatusCode::NO_CONTENT
}

async fn fired(State(world): Worldly) -> Json<BTreeMap<String, u32>> {
    Json(world.fired())
}

async fn set_faults(State(world): Worldly, Json(faults): Json<Vec<Fault>>) -> StatusCode {
    world.set_faults(faults);
    StatusCode::NO_CONTENT
}
