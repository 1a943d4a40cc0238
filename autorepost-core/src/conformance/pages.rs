//! Cases of lists that are read page by page.

use super::{Scene, Stores, post, repost};
use crate::{
    port::{Admission, NewPost, PostQuery, RepostQuery},
    post::Cursor,
};

/// Walking by pages meets every row once that was there from the start, whatever is added meanwhile.
pub async fn pages_are_whole_while_rows_are_added(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let tenant = scene.source.tenant;
    let admit = async |names: &[String]| {
        let posts = names.iter().map(|name| {
            // All of one time: the order is by id then.
            let post = post(&scene.source, name);
            let repost = repost(&post, &scene.rule, &scene.destination);
            NewPost { post, reposts: vec![(repost, None)] }
        });
        let admission = Admission { posts: posts.collect(), cursor: Cursor::default() };
        stores.posts.admit(scene.sync.lease(), tenant, scene.source.id, &admission).await.unwrap();
    };
    let names: Vec<_> = (0..5).map(|n| format!("early {n}")).collect();
    admit(&names).await;
    let mut wanted = names.clone();
    wanted.push("first".into());
    wanted.sort();

    let (mut met, mut after, mut page) = (Vec::new(), None, 0);
    loop {
        let query = PostQuery { after, limit: 2, ..PostQuery::default() };
        let rows = stores.posts.list(tenant, &query).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = Some((last.found.posted_at, last.id));
        met.extend(rows.iter().map(|row| row.found.key.clone()));
        admit(&[format!("late {page}")]).await;
        page += 1;
    }
    met.sort();
    assert_eq!(met, wanted);

    for newest_first in [true, false] {
        let whole = RepostQuery { newest_first, limit: 100, ..RepostQuery::default() };
        let whole = stores.reposts.list(tenant, &whole).await.unwrap();
        assert_eq!(whole.len(), wanted.len() + page);
        let (mut met, mut after) = (Vec::new(), None);
        loop {
            let query = RepostQuery { newest_first, after, limit: 2, ..RepostQuery::default() };
            let rows = stores.reposts.list(tenant, &query).await.unwrap();
            let Some(last) = rows.last() else { break };
            after = Some((last.posted_at, last.id));
            met.extend(rows);
        }
        assert_eq!(met, whole);
    }
}
