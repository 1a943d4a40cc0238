//! The core's forms and the document's are the same.

use std::fmt::Debug;

use autorepost_core::{
    ErrorKind, Platform,
    access::Role,
    connection::{AuthMethod, ConnectionStatus},
    id::{ConnectionId, RepostId},
    job::{JobKind, JobState},
    operator::{Asked, Next, Untouched},
    post::{PostKind, Unusable},
    repost::Entry,
    rule::{
        DestinationSpec, Filters, HashtagRule, OnSourceDeleted, Options, Privacy, ReplySettings, RuleSpec, RuleState,
    },
    standing::{Inspection, Standing},
    state::{Owner, Reason, Receipt},
    webhook::EventType,
};
use serde::de::DeserializeOwned;

use super::*;

/// The core's value and the document's have one JSON form.
fn same<C: Serialize + DeserializeOwned + PartialEq + Debug, D: Serialize + DeserializeOwned>(value: C) {
    let text = serde_json::to_value(&value).unwrap();
    let read: D = serde_json::from_value(text.clone()).unwrap_or_else(|error| panic!("{text}: {error}"));
    let back = serde_json::to_value(&read).unwrap();
    assert_eq!(back, text);
    assert_eq!(serde_json::from_value::<C>(back).unwrap(), value);
}

fn shown<C: Serialize, D: Serialize + DeserializeOwned>(value: C) {
    let text = serde_json::to_value(&value).unwrap();
    let read: D = serde_json::from_value(text.clone()).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(serde_json::to_value(&read).unwrap(), text);
}

#[test]
fn every_word_of_the_core_is_one_of_the_document() {
    Platform::ALL.into_iter().for_each(same::<_, PlatformSchema>);
    Role::ALL.into_iter().for_each(same::<_, RoleSchema>);
    JobKind::ALL.into_iter().for_each(same::<_, JobKindSchema>);
    EventType::ALL.into_iter().for_each(same::<_, EventTypeSchema>);
    ErrorKind::ALL.into_iter().map(Owner::of).for_each(same::<_, OwnerSchema>);
    [Owner::Reconciling, Owner::Nobody].into_iter().for_each(same::<_, OwnerSchema>);
    AuthMethod::ALL.into_iter().for_each(same::<_, AuthMethodSchema>);
    use ConnectionStatus::{Active, Error, Expiring, NeedsReconnect, Revoked};
    [Active, Expiring, NeedsReconnect, Revoked, Error].into_iter().for_each(same::<_, ConnectionStatusSchema>);
    [RuleState::Active, RuleState::Paused, RuleState::Removed].into_iter().for_each(same::<_, RuleStateSchema>);
    use JobState::{Dead, Done, Queued, Running};
    [Queued, Running, Done, Dead].into_iter().for_each(same::<_, JobStateSchema>);
    use Unusable::{Deleted, Photo, Private, RegionBlocked, Restricted};
    for why in [Photo, Private, Deleted, RegionBlocked, Restricted] {
        same::<_, PostKindSchema>(PostKind::Unusable { why });
    }
    same::<_, PostKindSchema>(PostKind::Video { duration_secs: None });
}

#[test]
fn every_value_of_the_core_has_the_documents_form() {
    let at = DateTime::UNIX_EPOCH;
    let text = || Some("text".to_owned());
    same::<_, ReasonSchema>(Reason { code: text(), trace: text(), ..Reason::new(Owner::Content, "why") });
    same::<_, ReceiptSchema>(Receipt { id: text(), url: None, at });
    let why = || "why".to_owned();
    use Standing::{Gone, Limited, Live, NotPublic, Processing, Unknown};
    let all = [
        Live,
        Processing,
        NotPublic { why: why() },
        Limited { why: why() },
        Gone { why: why() },
        Unknown { why: why() },
    ];
    all.into_iter().for_each(|standing| same::<_, InspectionSchema>(Inspection { standing, at }));
    let words = || "words".to_owned();
    let entry = Entry { at, event: words(), state: words(), detail: words(), attempt: Some(1), by: words() };
    same::<_, EntrySchema>(entry);
    shown::<_, NextSchema>(Next { owner: Owner::Retry, at: Some(at), text: words() });
    let (rule, platform, handle, why) = (words(), Platform::X, words(), words());
    shown::<_, UntouchedSchema>(Untouched { rule, platform, handle, why });
    let repost = RepostId::from_uuid(Uuid::nil());
    shown::<_, AskedSchema>(Asked { repost, platform, answer: words(), queued: true });
}

#[test]
fn a_rule_of_every_form_has_the_documents_form() {
    let instagram = Options::Instagram { caption: "a".into(), share_to_feed: true, cover_offset_ms: Some(1) };
    let youtube = |privacy| Options::YouTube {
        title: "a".into(),
        description: "b".into(),
        tags: vec!["c".into()],
        privacy,
        made_for_kids: false,
        category_id: "22".into(),
        notify_subscribers: true,
        thumbnail_offset_ms: Some(1),
    };
    let x = |reply_settings| Options::X { text: "a".into(), reply_settings };
    use ReplySettings::{Everyone, Following, MentionedUsers, Subscribers};
    let mut all = vec![instagram];
    all.extend([Privacy::Public, Privacy::Unlisted, Privacy::Private].map(youtube));
    all.extend([Everyone, Following, MentionedUsers, Subscribers].map(x));
    let rules = [HashtagRule::Keep, HashtagRule::Drop, HashtagRule::Move].into_iter().cycle();
    let connection = ConnectionId::from_uuid(Uuid::nil());
    let to = |(options, hashtags)| DestinationSpec { connection, paused: true, hashtags, trim: true, options };
    let words = || vec!["word".to_owned()];
    let handles = Platform::ALL.map(|platform| (platform, "name".to_owned()));
    same::<_, RuleSpecSchema>(RuleSpec {
        filters: Filters {
            require_hashtags: words(),
            exclude_hashtags: words(),
            require_words: words(),
            exclude_words: words(),
            min_duration_secs: Some(1),
            max_duration_secs: Some(2),
            since: Some(DateTime::UNIX_EPOCH),
        },
        destinations: all.into_iter().zip(rules).map(to).collect(),
        delay_secs: 1,
        hourly_cap: Some(2),
        shadow: true,
        on_source_deleted: OnSourceDeleted::Notify,
        mentions: [("friend".to_owned(), handles.into())].into(),
    });
}
