//! The OpenAPI document: what the handlers' own descriptions leave out because every route has it.

use serde_json::{Map, Value, json};
use utoipa::{OpenApi as _, PartialSchema, openapi::OpenApi};

use super::{
    again::IDEMPOTENCY_KEY_MAX,
    incoming::{self, COOKIES_PATH},
    need::{NEEDS, Need, Scope},
    problem::{PROBLEM_JSON, ProblemBody},
    route,
};

const DESCRIPTION: &str = "Publishes each new video of a creator's TikTok account to Instagram Reels, YouTube and X: once each. \
    Every request carries a key, `Authorization: Bearer ar_...`; `autorepost api-keys add` makes the first one. What goes \
    wrong is told as problem details (RFC 9457).";

const SIGNATURE: &str = "`v1,` and the base64 of HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>` by \
    AUTOREPOST_WEBHOOK_SECRET (Standard Webhooks)";

/// What may go wrong, by status: the name of the answer, what it means, and whether only requests that change something
/// meet it.
const REFUSALS: [(&str, &str, &str, bool); 12] = [
    ("400", "BadRequest", "The request cannot be read", false),
    ("401", "Unauthenticated", "There is no key, or it opens nothing", false),
    ("403", "NotAllowed", "The key may not do this", false),
    ("404", "NotFound", "There is no such thing, or not for this key", false),
    ("409", "Conflict", "It is not in a state for this, or the same request is being done", true),
    ("413", "TooLarge", "The body is too large", false),
    ("415", "NotJson", "The body is not JSON", true),
    ("422", "Refused", "What is asked cannot work; the detail says why", false),
    (
        "429",
        "TooMany",
        "Too many requests, or an allowance is used up; the header Retry-After says when to come again",
        false,
    ),
    ("500", "Failed", "The program failed", false),
    ("502", "BadAnswer", "A platform, or a stored value, gave an answer that is not understood", false),
    (
        "503",
        "Unavailable",
        "Something does not answer for the moment; the header Retry-After says when to come again",
        false,
    ),
];

/// The whole OpenAPI document.
pub fn document() -> Value {
    complete(&route::all().into_openapi())
}

/// Adds to the handlers' descriptions what every route has.
///
/// # Panics
///
/// When a route is missing in the table of what routes need: it would answer nobody.
pub(super) fn complete(plain: &OpenApi) -> Value {
    let mut whole = plain.clone();
    whole.merge(incoming::Described::openapi());
    let mut document = serde_json::to_value(whole).expect("an OpenAPI document has a JSON form");
    document["info"] = json!({
        "title": "autorepost", "description": DESCRIPTION, "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "MIT", "identifier": "MIT" },
    });
    document["servers"] = json!([{ "url": "/", "description": "This installation" }]);
    let components = &mut document["components"];
    components["securitySchemes"] = json!({
        "key": { "type": "http", "scheme": "bearer", "bearerFormat": "ar_<key id>_<secret>" },
        "signature": { "type": "apiKey", "in": "header", "name": "webhook-signature", "description": SIGNATURE },
    });
    components["schemas"]["Problem"] = serde_json::to_value(ProblemBody::schema()).expect("a schema has a JSON form");
    // Its variants have exactly their own fields; the macro does not say so.
    for variant in components["schemas"]["Options"]["oneOf"].as_array_mut().into_iter().flatten() {
        variant["additionalProperties"] = false.into();
    }
    for (_, name, meaning, _) in REFUSALS {
        components["responses"][name] = json!({
            "description": meaning,
            "content": { PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } } },
            "headers": { "x-request-id": request_id() },
        });
    }
    let paths = document["paths"].as_object_mut().expect("a document has paths");
    let mut described = 0;
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let operation = operation.as_object_mut().expect("an operation is an object");
            if path == COOKIES_PATH {
                describe_signed(operation);
                continue;
            }
            let method = method.to_uppercase();
            let need = NEEDS.iter().find(|need| need.path == path && need.method == method);
            let need = need.unwrap_or_else(|| panic!("{method} {path} is not among NEEDS"));
            describe(operation, need);
            described += 1;
        }
    }
    assert_eq!(described, NEEDS.len(), "NEEDS names a route that does not exist");
    document
}

fn request_id() -> Value {
    json!({ "description": "The id of the request", "required": true, "schema": { "type": "string" } })
}

fn describe(operation: &mut Map<String, Value>, need: &Need) {
    operation.insert("operationId".into(), need.action.into());
    operation.insert("security".into(), json!([{ "key": [] }]));
    operation.insert("x-role".into(), need.role.as_str().into());
    let whole = need.scope == Scope::Installation;
    operation.insert("x-scope".into(), if whole { "installation" } else { "tenant" }.into());
    let whom = if whole { ", to the whole installation" } else { "" };
    let needs = format!("Needs a key with the role **{}**{whom}.", need.role);
    let description = operation.get("description").and_then(Value::as_str).map(|text| format!("{text}\n\n{needs}"));
    operation.insert("description".into(), description.unwrap_or(needs).into());

    add_refusals(operation, need.changes());
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    let parameters = parameters.as_array_mut().expect("parameters are a list");
    parameters.push(json!({
        "name": "Autorepost-Tenant", "in": "header", "required": false, "schema": { "type": "string", "format": "uuid" },
        "description": "The tenant in which a key to the whole installation acts; the installation's owner without it",
    }));
    if need.repeatable {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": {
                "type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_MAX, "pattern": "^[!-~]+$",
            },
            "description": "A name for this request: asked again by it within a day, it is answered as before and not done again",
        }));
    }
}

/// The one route that no key opens: what is brought there is signed.
fn describe_signed(operation: &mut Map<String, Value>) {
    operation.insert("security".into(), json!([{ "signature": [] }]));
    add_refusals(operation, true);
}

fn add_refusals(operation: &mut Map<String, Value>, changes: bool) {
    let responses = operation["responses"].as_object_mut().expect("an operation has responses");
    for response in responses.values_mut() {
        response["headers"]["x-request-id"] = request_id();
    }
    for (status, name, _, for_changes) in REFUSALS {
        if changes || !for_changes {
            responses.insert(status.into(), json!({ "$ref": format!("#/components/responses/{name}") }));
        }
    }
    // What is too long to be read as a request at all reaches nobody who could say more.
    responses
        .insert("414".into(), json!({ "description": "The address is longer than 64 KiB; the answer has no body" }));
    responses.insert("431".into(), json!({ "description": "The headers are too large; the answer has no body" }));
}
