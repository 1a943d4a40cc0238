//! How a video stands after it was published (YouTube Data API, video resource; discovery document of 4 November 2026).

use autorepost_core::{rule::Privacy, standing::Standing, submission::Content};
use serde_json::Value;

use crate::catalogue::cleaned;

/// What the resource of a video tells; `Null` when YouTube lists none.
pub(super) fn standing(video: &Value, asked: &Content) -> Standing {
    let (status, details) = (&video["status"], &video["contentDetails"]);
    let word = |value: &Value| cleaned(value.as_str().unwrap_or("no reason told"));
    if video.is_null() {
        return Standing::Gone { why: "YouTube does not list the video".into() };
    }
    match status["uploadStatus"].as_str() {
        Some("rejected") => {
            return Standing::Gone { why: format!("YouTube rejected it: {}", word(&status["rejectionReason"])) };
        }
        Some("failed") => {
            return Standing::Gone { why: format!("YouTube could not process it: {}", word(&status["failureReason"])) };
        }
        Some("deleted") => return Standing::Gone { why: "it was deleted".into() },
        _ => {}
    }
    let processing = &video["processingDetails"];
    if matches!(processing["processingStatus"].as_str(), Some("failed" | "terminated")) {
        let why = format!("YouTube could not process it: {}", word(&processing["processingFailureReason"]));
        return Standing::Gone { why };
    }
    let is = status["privacyStatus"].as_str().unwrap_or_default();
    if let Content::YouTube { privacy, .. } = asked
        && audience(is) < audience(name(*privacy))
    {
        return Standing::NotPublic { why: format!("it is {is} instead of {}", name(*privacy)) };
    }
    if status["uploadStatus"] == "uploaded" || processing["processingStatus"] == "processing" {
        return Standing::Processing;
    }
    limits(details).map_or(Standing::Live, |why| Standing::Limited { why })
}

/// Why not everybody sees it.
fn limits(details: &Value) -> Option<String> {
    let list = |name: &str| details["regionRestriction"][name].as_array();
    let mut whys = Vec::new();
    match (list("allowed"), list("blocked")) {
        (Some(allowed), _) if allowed.is_empty() => whys.push("it is blocked in every country".to_owned()),
        (Some(allowed), _) => whys.push(format!("it is shown in {} countries only", allowed.len())),
        (None, Some(blocked)) if !blocked.is_empty() => {
            whys.push(format!("it is blocked in {} countries", blocked.len()))
        }
        _ => {}
    }
    if details["contentRating"]["ytRating"] == "ytAgeRestricted" {
        whys.push("YouTube shows it to adults only".to_owned());
    }
    (!whys.is_empty()).then(|| whys.join(", "))
}

const fn name(privacy: Privacy) -> &'static str {
    match privacy {
        Privacy::Public => "public",
        Privacy::Unlisted => "unlisted",
        Privacy::Private => "private",
    }
}

/// How many people see a video of this privacy, for comparison.
fn audience(privacy: &str) -> u8 {
    match privacy {
        "private" => 0,
        "unlisted" => 1,
        // Also what is not told, or not known: no reason to call anybody.
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(video: Value, privacy: Privacy) -> Standing {
        let content = Content::YouTube {
            title: "t".into(),
            description: String::new(),
            tags: Vec::new(),
            privacy,
            made_for_kids: false,
            category_id: "22".into(),
            notify_subscribers: false,
            thumbnail_offset_ms: None,
        };
        standing(&video, &content)
    }

    #[test]
    fn each_thing_that_youtube_tells_is_known() {
        let processed = |privacy: &str| json!({"status": {"uploadStatus": "processed", "privacyStatus": privacy}});
        assert_eq!(of(processed("public"), Privacy::Public), Standing::Live);
        assert_eq!(of(processed("private"), Privacy::Private), Standing::Live);
        assert_eq!(of(processed("private"), Privacy::Unlisted).name(), "not_public");
        assert_eq!(of(json!({"status": {"uploadStatus": "uploaded"}}), Privacy::Public), Standing::Processing);
        let rejected = json!({"status": {"uploadStatus": "rejected", "rejectionReason": "duplicate"}});
        assert_eq!(of(rejected, Privacy::Public), Standing::Gone { why: "YouTube rejected it: duplicate".into() });
        assert_eq!(of(Value::Null, Privacy::Public).name(), "gone");
        for details in [
            json!({"regionRestriction": {"blocked": ["DE"]}}),
            json!({"regionRestriction": {"allowed": []}}),
            json!({"contentRating": {"ytRating": "ytAgeRestricted"}}),
        ] {
            let mut video = processed("public");
            video["contentDetails"] = details;
            assert_eq!(of(video, Privacy::Public).name(), "limited");
        }
    }
}
