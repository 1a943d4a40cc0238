//! What those who test reach into from another process: the source's posts, the fault plan, the ledger.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};

use crate::{Fault, Shown, TikTokPost, World};

type Worldly = State<Arc<World>>;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/ledger", get(async |State(world): Worldly| -> Json<Vec<Shown>> { Json(world.ledger()) }))
        .route("/posts", post(add_post))
        .route("/faults", get(fired).put(set_faults))
}

async fn add_post(State(world): Worldly, Json(post): Json<TikTokPost>) -> StatusCode {
    world.add_post(post);
    StatusCode::CREATED
}

async fn fired(State(world): Worldly) -> Json<BTreeMap<String, u32>> {
    Json(world.fired())
}

async fn set_faults(State(world): Worldly, Json(faults): Json<Vec<Fault>>) -> StatusCode {
    world.set_faults(faults);
    StatusCode::NO_CONTENT
}
