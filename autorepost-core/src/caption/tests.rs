//! Tables of captions, and properties that hold for any.

use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::{
    id::ConnectionId,
    rule::{Privacy, ReplySettings},
};

fn to(options: Options, hashtags: HashtagRule) -> DestinationSpec {
    DestinationSpec {
        connection: ConnectionId::from_uuid(uuid::Uuid::nil()),
        paused: false,
        hashtags,
        trim: false,
        options,
    }
}

fn x(text: &str) -> Options {
    Options::X { text: text.into(), reply_settings: ReplySettings::Everyone }
}

fn instagram(caption: &str) -> Options {
    Options::Instagram { caption: caption.into(), share_to_feed: true, cover_offset_ms: None }
}

fn youtube(title: &str, description: &str, tags: &[&str]) -> Options {
    Options::YouTube {
        title: title.into(),
        description: description.into(),
        tags: tags.iter().map(|tag| (*tag).into()).collect(),
        privacy: Privacy::Public,
        made_for_kids: false,
        category_id: "22".into(),
        notify_subscribers: true,
        thumbnail_offset_ms: None,
    }
}

fn source(caption: &str) -> Source<'_> {
    Source {
        caption,
        author: "alice",
        url: "https://www.tiktok.com/@alice/video/7300000000000000001",
        posted_at: DateTime::from_timestamp(1_763_600_000, 0).unwrap(),
    }
}

fn headline(caption: &str, options: Options, rule: HashtagRule) -> String {
    let mut mentions = Mentions::new();
    mentions
        .insert("bob".into(), BTreeMap::from([(Platform::Instagram, "bob.ig".into()), (Platform::X, "bob_x".into())]));
    render(&source(caption), &to(options, rule), &mentions).unwrap().content.headline().to_owned()
}

#[test]
fn weighs_as_x_does() {
    for (text, weight) in [
        ("Hello, world! 👋", 16),
        ("日本語", 6),
        ("👨‍👩‍👧‍👦", 2),
        ("see https://example.com/a/very/long/path?x=1 ok", 30),
        ("example.com", 23),
        ("cafe\u{301}", 4),
        ("“quote”–—…", 11),
        ("Привет", 6),
        ("ไทย", 3),
        ("½→", 3),
        ("http://localhost:80/x", 21),
        ("…", 2),
        ("❤️", 2),
        ("1️⃣", 2),
    ] {
        assert_eq!(weighted_length(text), weight, "{text}");
    }
}

#[test]
fn hashtags_stay_go_or_move() {
    let caption = "Morning run #fun in the park #run";
    assert_eq!(headline(caption, x("{caption}"), HashtagRule::Keep), caption);
    assert_eq!(headline(caption, x("{caption}"), HashtagRule::Drop), "Morning run in the park");
    assert_eq!(headline(caption, x("{caption}"), HashtagRule::Move), "Morning run in the park\n\n#fun #run");
    assert_eq!(headline(caption, x("{text} | {hashtags}"), HashtagRule::Keep), "Morning run in the park | #fun #run");
}

#[test]
fn instagram_keeps_five_hashtags_and_tells() {
    let rendered =
        render(&source("#a #b #c #d #e #f #g end"), &to(instagram("{caption}"), HashtagRule::Keep), &Mentions::new());
    let rendered = rendered.unwrap();
    assert_eq!(rendered.content.headline(), "#a #b #c #d #e end");
    assert_eq!(rendered.notes, ["2 hashtags over the limit of 5 left out"]);
}

#[test]
fn mentions_are_mapped_and_strangers_are_not_tagged() {
    let caption = "with @bob, @stranger and mail@host.com";
    assert_eq!(
        headline(caption, instagram("{caption}"), HashtagRule::Keep),
        "with @bob.ig, stranger and mail@host.com"
    );
    assert_eq!(headline(caption, x("{caption}"), HashtagRule::Keep), "with @bob_x, stranger and mail@host.com");
}

#[test]
fn youtube_gets_a_title_without_angle_brackets_and_tags() {
    let caption = "How I <3 this\nsecond line #one #two";
    let rendered = render(
        &source(caption),
        &to(youtube("{title}", "{caption}\n{url}", &["one", "my vlog"]), HashtagRule::Keep),
        &Mentions::new(),
    )
    .unwrap();
    let Content::YouTube { title, description, tags, .. } = rendered.content else { panic!("not YouTube") };
    assert_eq!(title, "How I ‹3 this");
    assert!(description.ends_with("7300000000000000001") && !description.contains('<'), "{description}");
    assert_eq!(tags, ["one", "my vlog", "two"]);
}

#[test]
fn a_caption_without_words_still_has_a_title() {
    assert_eq!(headline("#only #tags", youtube("{title}", "", &[]), HashtagRule::Keep), "Video by alice");
}

#[test]
fn shortening_takes_from_the_caption_and_never_from_the_template() {
    let long = "word ".repeat(100);
    let text = headline(&long, x("{caption}\n\nMore: {url}"), HashtagRule::Keep);
    assert!(weighted_length(&text) <= X_WEIGHT_MAX);
    assert!(text.contains("word…\n\nMore: https://www.tiktok.com/@alice/video/7300000000000000001"), "{text}");
}

#[test]
fn shortening_never_cuts_a_link_an_emoji_or_a_hashtag() {
    for tail in ["https://example.com/path", "#longhashtag", "👨‍👩‍👧‍👦"] {
        for pad in 250..285 {
            let caption = format!("{} {tail} and more words that go on and on for ever", "x".repeat(pad));
            let text = headline(&caption, x("{caption}"), HashtagRule::Keep);
            assert!(weighted_length(&text) <= X_WEIGHT_MAX, "{text}");
            let shown = text.trim_start_matches('x').trim_start();
            let whole = shown.starts_with(tail) || shown == "…" || shown.is_empty();
            assert!(whole, "{shown}");
        }
    }
}

#[test]
fn bad_templates_say_where_and_what() {
    for (template, part) in
        [("a {nope}", "{nope} at character 3"), ("{caption", "never closed"), ("x}", "without its {")]
    {
        let error = check_template(&x(template)).unwrap_err();
        assert!(error.detail().contains(part), "{error}");
    }
    check_template(&x("{{literal}} {caption}")).unwrap();
    assert_eq!(headline("hi", x("{{{caption}}}"), HashtagRule::Keep), "{hi}");
}

#[test]
fn a_template_that_is_too_long_by_itself_is_an_error() {
    let error = render(&source("hi"), &to(x(&"x".repeat(300)), HashtagRule::Keep), &Mentions::new()).unwrap_err();
    assert!(error.detail().contains("by its own words"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn any_caption_fits_everywhere(caption in "(?s).{0,60}( |#|@|👩‍🚀|é|https://a.de/b|\n|<|.{0,40}){0,60}") {
        for rule in [HashtagRule::Keep, HashtagRule::Drop, HashtagRule::Move] {
            let text = headline(&caption, x("{text}"), rule);
            prop_assert!(weighted_length(&text) <= X_WEIGHT_MAX);
            let text = headline(&caption, instagram("{text}\n{url}"), rule);
            prop_assert!(text.encode_utf16().count() <= INSTAGRAM_CAPTION_MAX);
            let title = headline(&caption, youtube("{title}", "{text}", &[]), rule);
            prop_assert!(!title.is_empty() && title.encode_utf16().count() <= YOUTUBE_TITLE_MAX);
            prop_assert!(!title.contains(['<', '>']));
        }
    }

    #[test]
    fn tokens_are_the_text(text in "(?s).{0,200}") {
        let units = token::units(&text);
        prop_assert_eq!(units.concat(), text);
    }
}
