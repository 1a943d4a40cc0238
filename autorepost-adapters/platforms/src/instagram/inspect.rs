//! How a Reel stands after it was published.

use autorepost_core::{ErrorKind, Result, connection::AuthMethod, credential::Access, standing::Standing};
use serde_json::Value;

use super::Instagram;
use crate::catalogue::cleaned;

impl Instagram {
    /// The media tells that it exists; only its copyright check tells of limits (IG Media, copyright detection; read
    /// 2026-11-28). A Reel that Instagram hides for another reason looks like any other.
    pub(super) async fn standing(&self, access: &Access, id: &str) -> Result<Standing> {
        let op = "inspect Reel";
        match self.get(op, access, &format!("{id}?fields=id,permalink")).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Standing::Gone { why: format!("Instagram does not show it any more ({})", error.detail()) });
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        // The media of Instagram Login has no such check (IG Media, fields).
        if access.method != AuthMethod::FacebookLogin {
            return Ok(Standing::Live);
        }
        // A question of its own: where the field is not known the whole answer is an error, which says nothing of the Reel.
        let check = self.get(op, access, &format!("{id}?fields=copyright_check_information")).await;
        Ok(check.map_or(Standing::Live, |body| of_check(&body["copyright_check_information"])))
    }
}

/// What a copyright check means. A match of which the owner lets everybody do as they like is none.
fn of_check(check: &Value) -> Standing {
    let status = &check["status"];
    if status["status"] == "in_progress" {
        return Standing::Processing;
    }
    if status["matches_found"] != true {
        return Standing::Live;
    }
    let matches = check["copyright_matches"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut whys: Vec<String> = Vec::new();
    for one in matches {
        let title = cleaned(one["content_title"].as_str().unwrap_or("a work of somebody else"));
        let actions = one["owner_copyright_policy"]["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
        for action in actions {
            let action = action["action"].as_str().unwrap_or_default().to_ascii_lowercase();
            if matches!(action.as_str(), "mute" | "block") {
                whys.push(format!("{action} for {title}"));
            }
        }
    }
    match (whys.is_empty(), matches.is_empty()) {
        (false, _) => Standing::Limited { why: format!("copyright: {}", whys.join(", ")) },
        (true, true) => Standing::Limited { why: "copyright: Instagram found a match".into() },
        (true, false) => Standing::Live,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_match_that_its_owner_acts_on_limits_a_reel() {
        let of = |status: Value, policy: &str| {
            let one = json!({"content_title": "Song", "owner_copyright_policy": {"actions": [{"action": policy}]}});
            of_check(&json!({"status": status, "copyright_matches": [one]}))
        };
        let found = json!({"status": "completed", "matches_found": true});
        assert_eq!(of(found.clone(), "MUTE"), Standing::Limited { why: "copyright: mute for Song".into() });
        assert_eq!(of(found.clone(), "MONITOR"), Standing::Live);
        assert_eq!(of(json!({"status": "in_progress"}), "MUTE"), Standing::Processing);
        assert_eq!(of(json!({"status": "completed", "matches_found": false}), "MUTE"), Standing::Live);
        assert_eq!(of_check(&Value::Null), Standing::Live);
        assert!(of_check(&json!({"status": found})).needs_attention());
    }
}
