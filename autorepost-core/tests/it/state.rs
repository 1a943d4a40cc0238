//! The state machine: what may follow what.

use autorepost_core::{
    media::{Media, MediaKey},
    memory::MemoryMedia,
    rule::ReplySettings,
    state::{Event, Owner, Reason, Receipt, RepostState, Ticket, apply},
    submission::{Content, Submission},
};

use crate::support::start;

fn submission() -> Submission {
    Submission {
        media: Media { key: MediaKey::of(b"x"), bytes: 1, facts: MemoryMedia::upright(9_000) },
        content: Content::X { text: "hi".into(), reply_settings: ReplySettings::Everyone },
        terms: None,
    }
}

fn ticket() -> Ticket {
    Ticket { handle: "h".into(), extra: None, begun_at: start(), expires_at: None }
}

fn receipt() -> Receipt {
    Receipt { id: Some("1".into()), url: None, at: start() }
}

fn reason() -> Reason {
    Reason::new(Owner::Operator, "why")
}

fn events() -> Vec<Event> {
    vec![
        Event::PrepStarted,
        Event::Prepared(submission()),
        Event::Skipped(reason()),
        Event::MediaLost,
        Event::Began(ticket()),
        Event::Sent(1),
        Event::Uploaded,
        Event::Incomplete,
        Event::TicketLost,
        Event::Intended(start()),
        Event::Confirmed(receipt()),
        Event::Absent,
        Event::Doubted(reason()),
        Event::Held { until: Some(start()), reason: reason() },
        Event::Resumed,
        Event::Failed(reason()),
        Event::Retried,
        Event::Denied,
    ]
}

/// Every state that can be reached, by breadth: enough events to see each shape.
fn reachable() -> Vec<RepostState> {
    let mut states = vec![RepostState::Planned];
    let mut at = 0;
    while at < states.len() {
        for event in events() {
            if let Ok(next) = apply(states[at].clone(), event)
                && !states.iter().any(|state| shape(state) == shape(&next))
            {
                states.push(next);
            }
        }
        at += 1;
    }
    states
}

fn shape(state: &RepostState) -> String {
    let commits = state.attempt().map_or(0, |attempt| attempt.commits.min(2));
    match state {
        RepostState::Waiting { resume, .. } => format!("waiting {:.6} {commits}", format!("{resume:?}")),
        state => format!("{} {commits}", state.name()),
    }
}

#[test]
fn every_state_has_a_stored_form_that_reads_back() {
    let states = reachable();
    let names: std::collections::BTreeSet<_> = states.iter().map(RepostState::name).collect();
    assert_eq!(names.len(), 11, "{names:?}");
    for state in states {
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<RepostState>(&text).unwrap(), state);
    }
}

#[test]
fn only_knowledge_or_a_persons_word_leaves_committing() {
    for state in reachable().into_iter().filter(|state| matches!(state, RepostState::Committing(_))) {
        for event in events() {
            let name = event.name();
            let moved = apply(state.clone(), event).map(|state| state.name());
            let allowed = match name {
                "confirmed" => Some("published"),
                "absent" => Some("processing"),
                "doubted" => Some("unconfirmed"),
                _ => None,
            };
            assert_eq!(moved.ok(), allowed, "{name}");
        }
    }
}

#[test]
fn nothing_leaves_published() {
    for event in events() {
        let state = RepostState::Published { receipt: receipt(), submission: submission(), inspection: None };
        assert!(apply(state, event.clone()).is_err(), "{}", event.name());
    }
}

#[test]
fn a_commit_is_preceded_by_its_intent_and_counted() {
    let mut state = RepostState::Planned;
    for event in [
        Event::PrepStarted,
        Event::Prepared(submission()),
        Event::Began(ticket()),
        Event::Uploaded,
        Event::Intended(start()),
        Event::Absent,
        Event::Intended(start() + chrono::TimeDelta::seconds(9)),
    ] {
        state = apply(state, event).unwrap();
    }
    let attempt = state.attempt().unwrap();
    assert_eq!((attempt.commits, attempt.first_commit_at), (2, Some(start())));
    assert_eq!(attempt.last_commit_at, Some(start() + chrono::TimeDelta::seconds(9)));
    assert_eq!(attempt.ticket, ticket());
}

#[test]
fn every_terminal_state_is_left_only_by_a_person() {
    for state in reachable().into_iter().filter(RepostState::is_terminal) {
        for event in events() {
            let name = event.name();
            let by_person = matches!(name, "retried" | "denied" | "confirmed" | "absent");
            assert!(apply(state.clone(), event).is_err() || by_person, "{} left by {name}", state.name());
        }
    }
}
