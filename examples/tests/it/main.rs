//! Every example runs, and does what it says.

#[path = "../../embed.rs"]
#[expect(dead_code, reason = "the tests call `run` and not `main`")]
mod embed;
#[path = "../../quickstart.rs"]
#[expect(dead_code, reason = "the tests call `run` and not `main`")]
mod quickstart;

use autorepost_core::media::MediaKey;

#[tokio::test]
async fn quickstart_publishes_one_post_once() {
    let shown = quickstart::run().await.expect("it runs");
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].media, MediaKey::of(b"the bytes of a video"));
}

#[tokio::test]
async fn embed_pins_both_posts_in_their_order() {
    let pinned = embed::run().await.expect("it runs");
    assert_eq!(pinned.len(), 2);
    assert!(pinned[0].starts_with("The first") && pinned[1].starts_with("The second"), "{pinned:?}");
}
