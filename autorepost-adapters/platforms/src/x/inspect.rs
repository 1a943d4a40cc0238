//! How a post stands after it was published (X API v2, posts lookup; OpenAPI document 2.167).

use autorepost_core::standing::Standing;
use serde_json::Value;

use crate::catalogue::cleaned;

/// What the answer to a look-up tells; nothing when it is another error, which says nothing of the post.
pub(super) fn standing(status: u16, body: &Value) -> Option<Standing> {
    let post = &body["data"];
    if status == 200 && post["id"].is_string() {
        return Some(withheld(&post["withheld"]).map_or(Standing::Live, |why| Standing::Limited { why }));
    }
    // An answer of 200 whose post is missing has the problem among its errors.
    let problem = if body["errors"][0]["type"].is_string() { &body["errors"][0] } else { body };
    let why = cleaned(problem["detail"].as_str().unwrap_or("X does not show the post"));
    match problem["type"].as_str().and_then(|kind| kind.rsplit('/').next()) {
        Some("resource-not-found") => Some(Standing::Gone { why }),
        Some("not-authorized-for-resource") if status == 200 => Some(Standing::NotPublic { why }),
        Some("resource-unavailable" | "disallowed-resource") if status == 200 => Some(Standing::Limited { why }),
        _ => None,
    }
}

/// Where and why a post is withheld.
fn withheld(told: &Value) -> Option<String> {
    let countries: Vec<&str> = told["country_codes"].as_array()?.iter().filter_map(Value::as_str).collect();
    let copyright = if told["copyright"] == true { " for a copyright claim" } else { "" };
    // Codes that mean the whole world (withheld content).
    let place = match countries.iter().any(|code| matches!(*code, "XX" | "XY")) {
        true => "everywhere".to_owned(),
        false => format!("in {}", countries.join(", ")),
    };
    (!countries.is_empty() || !copyright.is_empty()).then(|| format!("X withholds it {place}{copyright}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_thing_that_x_tells_is_known() {
        let name = |status, body: Value| standing(status, &body).map(|standing| standing.name());
        assert_eq!(name(200, json!({"data": {"id": "1"}})), Some("live"));
        let kept = json!({"data": {"id": "1", "withheld": {"copyright": true, "country_codes": ["DE"]}}});
        assert_eq!(
            standing(200, &kept),
            Some(Standing::Limited { why: "X withholds it in DE for a copyright claim".into() })
        );
        let problem = |kind: &str| json!({"type": format!("https://api.twitter.com/2/problems/{kind}"), "detail": "d"});
        assert_eq!(name(200, json!({"errors": [problem("resource-not-found")]})), Some("gone"));
        assert_eq!(name(404, problem("resource-not-found")), Some("gone"));
        assert_eq!(name(200, json!({"errors": [problem("not-authorized-for-resource")]})), Some("not_public"));
        assert_eq!(name(404, Value::Null), None);
        assert_eq!(name(401, json!({"title": "Unauthorized", "type": "about:blank"})), None);
    }
}
