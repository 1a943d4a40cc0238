//! Reposts.

use autorepost_core::{
    Error, Platform,
    connection::{AccountId, NAME_CHARS_MAX},
    id::{ConnectionId, PostId, RepostId},
    operator::{Asked, Destinations, Settled},
    port::RepostQuery,
    repost::Entry,
};
use axum::Json;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::api::{
    extract::{Answer, Body, Desk, Path, Query},
    page::{Page, PageAsk},
    problem::Problem,
    schema::{AskedSchema, EntrySchema, PlatformSchema},
    view::{RepostView, StateName},
};

/// Which reposts are listed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RepostsAsk {
    /// Only those in this state.
    state: Option<StateName>,
    /// Only those of this post.
    #[param(value_type = Option<Uuid>)]
    post: Option<PostId>,
    /// Only those to this account: the platform's own id of it, with `platform`.
    #[param(max_length = 100)]
    account: Option<String>,
    /// The account's platform.
    #[param(value_type = Option<PlatformSchema>)]
    platform: Option<Platform>,
}

/// Lists reposts, the newest post first.
#[utoipa::path(get, path = "/v1/reposts", tag = "Reposts", params(PageAsk, RepostsAsk),
    responses((status = 200, description = "A page of reposts", body = Page<RepostView>)))]
pub async fn list(
    desk: Desk,
    Query(page): Query<PageAsk>,
    Query(which): Query<RepostsAsk>,
) -> Answer<Page<RepostView>> {
    let asked = page.checked()?;
    let account = match (which.platform, which.account) {
        // No account has such an id, and Postgres takes no such text.
        (Some(_), Some(account))
            if account.chars().count() > NAME_CHARS_MAX || account.chars().any(char::is_control) =>
        {
            return Err(Error::invalid("list reposts", "\"account\" is not the id of an account").into());
        }
        (Some(platform), Some(account)) => Some((platform, AccountId::new(account))),
        (None, None) => None,
        _ => return Err(Error::invalid("list reposts", "\"account\" and \"platform\" come together").into()),
    };
    let query = RepostQuery {
        post: which.post,
        account,
        states: which.state.map(StateName::as_str).into_iter().collect(),
        newest_first: true,
        after: asked.after(RepostId::from_uuid),
        limit: asked.rows(),
        ..RepostQuery::default()
    };
    let rows = desk.ports().reposts.list(desk.tenant(), &query).await?;
    Ok(Json(asked.page(rows, |row| (row.posted_at, row.id.uuid()), RepostView::from)))
}

/// A post to be reposted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReposts {
    /// The post.
    #[schema(value_type = Uuid)]
    post: PostId,
    /// The destination; everywhere that a rule leads without it.
    #[schema(value_type = Option<Uuid>)]
    connection: Option<ConnectionId>,
}

/// Asks for a post's reposts: again after a failure, or in spite of a filter. What is published stays published once.
#[utoipa::path(post, path = "/v1/reposts", tag = "Reposts", request_body = NewReposts,
    responses((status = 200, description = "What happens at each destination", body = Vec<AskedSchema>)))]
pub async fn ask(desk: Desk, Body(new): Body<NewReposts>) -> Answer<Vec<Asked>> {
    let operator = desk.operator();
    let post = operator.post_by_id(new.post).await?;
    let to = match new.connection {
        Some(id) => Destinations::One(operator.connection_by_id(id).await?.id),
        None => Destinations::All,
    };
    Ok(Json(operator.repost(&post, to).await?))
}

/// Shows a repost.
#[utoipa::path(get, path = "/v1/reposts/{id}", tag = "Reposts", params(("id" = Uuid, Path, description = "The repost")),
    responses((status = 200, description = "The repost", body = RepostView)))]
pub async fn get(desk: Desk, Path(id): Path<RepostId>) -> Answer<RepostView> {
    Ok(Json(desk.operator().repost_by_id(id).await?.into()))
}

/// Tells everything that happened to a repost, the oldest first.
#[utoipa::path(get, path = "/v1/reposts/{id}/journal", tag = "Reposts",
    params(("id" = Uuid, Path, description = "The repost")),
    responses((status = 200, description = "The journal", body = Vec<EntrySchema>)))]
pub async fn journal(desk: Desk, Path(id): Path<RepostId>) -> Answer<Vec<Entry>> {
    desk.operator().repost_by_id(id).await?;
    Ok(Json(desk.ports().reposts.journal(desk.tenant(), id).await?))
}

/// Asks for one repost again: what failed or was skipped is tried again, what waits looks again now.
#[utoipa::path(post, path = "/v1/reposts/{id}/retry", tag = "Reposts",
    params(("id" = Uuid, Path, description = "The repost")),
    responses((status = 200, description = "What happens", body = AskedSchema)))]
pub async fn retry(desk: Desk, Path(id): Path<RepostId>) -> Answer<Asked> {
    let operator = desk.operator();
    Ok(Json(operator.retry(&operator.repost_by_id(id).await?).await?))
}

/// Calls a repost off, unless it may be public already. It can be asked for again.
#[utoipa::path(post, path = "/v1/reposts/{id}/cancel", tag = "Reposts",
    params(("id" = Uuid, Path, description = "The repost")),
    responses((status = 200, description = "The repost is called off", body = RepostView)))]
pub async fn cancel(desk: Desk, Path(id): Path<RepostId>) -> Answer<RepostView> {
    let operator = desk.operator();
    Ok(Json(operator.cancel(&operator.repost_by_id(id).await?).await?.into()))
}

/// Where a person saw a repost.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Its id at the destination, if it is known.
    #[schema(max_length = 200)]
    id: Option<String>,
    /// Its address, if it is known.
    #[schema(max_length = 2000)]
    url: Option<String>,
}

/// Says that a repost in doubt is there.
#[utoipa::path(post, path = "/v1/reposts/{id}/confirm", tag = "Reposts",
    params(("id" = Uuid, Path, description = "The repost")), request_body = Seen,
    responses((status = 200, description = "The repost is published", body = RepostView)))]
pub async fn confirm(desk: Desk, Path(id): Path<RepostId>, Body(seen): Body<Seen>) -> Answer<RepostView> {
    let long = |text: &Option<String>, max: usize| text.as_ref().is_some_and(|text| text.chars().count() > max);
    if long(&seen.id, 200) || long(&seen.url, 2_000) {
        return Err(Problem::bad_request("an id has at most 200 characters, an address 2000"));
    }
    settle(&desk, id, Settled::Published { id: seen.id, url: seen.url }).await
}

/// Says that a repost in doubt is not there: it is published anew.
#[utoipa::path(post, path = "/v1/reposts/{id}/deny", tag = "Reposts",
    params(("id" = Uuid, Path, description = "The repost")),
    responses((status = 200, description = "The repost is tried again", body = RepostView)))]
pub async fn deny(desk: Desk, Path(id): Path<RepostId>) -> Answer<RepostView> {
    settle(&desk, id, Settled::Absent).await
}

async fn settle(desk: &Desk, id: RepostId, seen: Settled) -> Answer<RepostView> {
    let operator = desk.operator();
    Ok(Json(operator.settle_repost(&operator.repost_by_id(id).await?, seen).await?.into()))
}
