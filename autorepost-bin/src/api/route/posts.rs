//! Posts.

use autorepost_core::{
    id::{ConnectionId, PostId},
    port::PostQuery,
};
use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::{
    extract::{Answer, Desk, Path, Query},
    page::{Page, PageAsk},
    view::{ExplanationView, PostView},
};

/// Which posts are listed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PostsAsk {
    /// Only those of this connection.
    #[param(value_type = Option<Uuid>)]
    connection: Option<ConnectionId>,
}

/// Lists the posts that were found, the newest first.
#[utoipa::path(get, path = "/v1/posts", tag = "Posts", params(PageAsk, PostsAsk),
    responses((status = 200, description = "A page of posts", body = Page<PostView>)))]
pub async fn list(desk: Desk, Query(page): Query<PageAsk>, Query(which): Query<PostsAsk>) -> Answer<Page<PostView>> {
    let asked = page.checked()?;
    let query = PostQuery {
        connection: which.connection,
        before: None,
        after: asked.after(PostId::from_uuid),
        limit: asked.rows(),
        ..PostQuery::default()
    };
    let rows = desk.ports().posts.list(desk.tenant(), &query).await?;
    Ok(Json(asked.page(rows, |row| (row.found.posted_at, row.id.uuid()), PostView::from)))
}

/// Shows a post.
#[utoipa::path(get, path = "/v1/posts/{id}", tag = "Posts", params(("id" = Uuid, Path, description = "The post")),
    responses((status = 200, description = "The post", body = PostView)))]
pub async fn get(desk: Desk, Path(id): Path<PostId>) -> Answer<PostView> {
    Ok(Json(desk.operator().post_by_id(id).await?.into()))
}

/// Tells why a post was published, was not, or waits; and what happens next.
#[utoipa::path(get, path = "/v1/posts/{id}/explanation", tag = "Posts",
    params(("id" = Uuid, Path, description = "The post")),
    responses((status = 200, description = "Everything that is known of the post", body = ExplanationView)))]
pub async fn explain(desk: Desk, Path(id): Path<PostId>) -> Answer<ExplanationView> {
    let operator = desk.operator();
    let post = operator.post_by_id(id).await?;
    Ok(Json(operator.explain(&post).await?.into()))
}
