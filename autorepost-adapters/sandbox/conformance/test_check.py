"""What the check of recorded requests lets pass, and what not."""

import json

import pytest

import check

BEARER = {"authorization": "Bearer ***", "host": "h"}
JSON = BEARER | {"content-type": "application/json"}
INSERT = {
    "host": "www.googleapis.com",
    "method": "POST",
    "path": "/upload/youtube/v3/videos",
    "query": [["uploadType", "resumable"], ["part", "snippet,status"], ["notifySubscribers", "false"]],
    "headers": JSON | {"x-upload-content-type": "video/mp4", "x-upload-content-length": "9"},
    "json": {"snippet": {"title": "t", "tags": ["a"]}, "status": {"privacyStatus": "public", "selfDeclaredMadeForKids": False}},
}
POST = {"host": "api.x.com", "method": "POST", "path": "/2/tweets", "query": [], "headers": JSON, "json": {"text": "t", "media": {"media_ids": ["1"]}}}
CONTAINER = {
    "host": "graph.facebook.com",
    "method": "POST",
    "path": "/v26.0/17/media",
    "query": [],
    "headers": BEARER,
    "form": [["media_type", "REELS"], ["upload_type", "resumable"], ["caption", "c"]],
}
LIST = {
    "host": "www.googleapis.com",
    "method": "GET",
    "path": "/youtube/v3/videos",
    "query": [["part", "status"], ["id", "1"]],
    "headers": BEARER,
    "status": 200,
    "answer": {"items": [{"id": "1", "status": {"uploadStatus": "processed"}}]},
}


@pytest.fixture(scope="module")
def contract():
    return check.Contract()


@pytest.mark.parametrize("line", [INSERT, POST, CONTAINER, LIST])
def test_what_is_documented_passes(contract, line):
    name, problems = contract.match(line)
    assert name and not problems


def changed(line, **changes):
    return json.loads(json.dumps(line | changes))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (changed(INSERT, path="/upload/youtube/v4/videos"), "no documented POST"),
        (changed(INSERT, host="oauth2.googleapis.com"), "no documented POST"),
        (changed(INSERT, query=[*INSERT["query"], ["notify", "true"]]), "query has notify"),
        (changed(INSERT, query=[["uploadType", "resumable"]]), "query lacks part"),
        (changed(INSERT, query=[["uploadType", "resumable"], ["part", "snippet"]]), "json has status, which part does not name"),
        (changed(INSERT, query=[["uploadType", "resumable"], ["part", "snippet,status,words"]]), "the part words"),
        (changed(INSERT, json={"snippet": {"title": "t", "caption": "c"}}), "json.snippet has caption"),
        (changed(INSERT, json={"status": {"privacyStatus": "secret"}}), "json.status.privacyStatus is 'secret'"),
        (changed(INSERT, json={"snippet": {"title": 1}}), "json.snippet.title is no string"),
        (changed(INSERT, headers=JSON), "headers lacks x-upload-content-length"),
        (changed(INSERT, headers=INSERT["headers"] | {"x-other": "1"}), "the header x-other"),
        (changed(INSERT, headers=INSERT["headers"] | {"authorization": "OAuth ***"}), "the authorization is OAuth"),
        (changed(POST, json={"status": "t"}), "json has status"),
        (changed(POST, query=[["command", "INIT"]]), "query has command"),
        (changed(POST, json={"text": "t", "reply_settings": "everyone"}), "json has reply_settings='everyone'"),
        (changed(CONTAINER, host="graph.instagram.com"), "form has upload_type"),
        (changed(CONTAINER, form=[["media_type", "WALTZ"], ["upload_type", "resumable"]]), "form has media_type='WALTZ'"),
        (changed(LIST, answer={"items": [{"id": "1", "state": "x"}]}), "the sandbox's answer.items[] has state"),
    ],
)
def test_what_is_not_documented_is_told(contract, line, told):
    _, problems = contract.match(line)
    assert any(told in problem for problem in problems), problems
