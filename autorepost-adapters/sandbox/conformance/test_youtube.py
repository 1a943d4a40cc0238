"""Google's own client against the sandbox: google-api-python-client, with another base address and nothing else."""

import io
import json
import time

import google.auth.exceptions
import google.oauth2.credentials
import google_auth_httplib2
import googleapiclient.discovery
import googleapiclient.http
from googleapiclient.errors import HttpError

import check
import support

CHUNK = 256 << 10
# When a connection is cut, httplib2 sends its request once more with a body that was read already, and waits for what cannot come.
TIMEOUT_SECS = 2


class YouTube(support.Sandbox):
    def setUp(self):
        super().setUp()
        self.tokens, self.app = self.read("youtube-token.json"), self.apps["google"]
        self.youtube = self.client()

    def client(self, access=None, refresh=None):
        credentials = google.oauth2.credentials.Credentials(
            access or self.tokens["access_token"],
            refresh_token=refresh or self.tokens["refresh_token"],
            token_uri=f"{self.base}/google-oauth/token",
            client_id=self.app["id"],
            client_secret=self.app["secret"],
        )
        document = json.loads(check.DISCOVERY.read_text()) | {"rootUrl": f"{self.base}/google/", "baseUrl": f"{self.base}/google/"}
        http = googleapiclient.http.build_http()
        http.timeout = TIMEOUT_SECS
        authorized = google_auth_httplib2.AuthorizedHttp(credentials, http=http)
        client = googleapiclient.discovery.build_from_document(document, http=authorized)
        self.addCleanup(client.close)
        return client

    def insert(self, content, title="A title", youtube=None, **snippet):
        media = googleapiclient.http.MediaIoBaseUpload(io.BytesIO(content), "video/mp4", chunksize=CHUNK, resumable=True)
        body = {"snippet": {"title": title, "categoryId": "22"} | snippet, "status": {"privacyStatus": "public"}}
        return (youtube or self.youtube).videos().insert(part="snippet,status", body=body, media_body=media)

    def upload(self, request, faults=0):
        """Sends chunk after chunk. Each fault may end a request; the client goes on where the session stands."""
        failed, answer = 0, None
        while answer is None:
            try:
                _, answer = request.next_chunk()
            except (HttpError, OSError):
                failed += 1
                self.assertLessEqual(failed, faults)
        self.assertEqual(self.fired(), faults)
        return answer

    def refused(self, status, reason, call):
        with self.assertRaises(HttpError) as caught:
            call()
        self.assertEqual(caught.exception.status_code, status)
        self.assertIn(reason, [one.get("reason") for one in caught.exception.error_details])

    def test_a_video_in_chunks(self):
        content = support.video(3 * CHUNK + 5)
        answer = self.upload(self.insert(content))
        post = self.shows("youtube", content)
        self.assertEqual((answer["id"], answer["snippet"]["title"]), (post["id"], "A title"))

    def test_a_video_of_whole_chunks(self):
        content = support.video(2 * CHUNK)
        self.upload(self.insert(content))
        self.shows("youtube", content)

    def test_a_cut_in_the_middle_of_a_chunk(self):
        content = support.video(4 * CHUNK)
        self.fault("youtube", "bytes", "cut_middle", times=2)
        self.upload(self.insert(content), faults=2)
        self.shows("youtube", content)

    def test_errors_in_the_midst(self):
        content = support.video(2 * CHUNK + 1)
        self.fault("youtube", "bytes", "error_before", times=2)
        self.upload(self.insert(content), faults=2)
        self.shows("youtube", content)

    def test_the_last_answer_is_lost(self):
        for effect in ["cut_after", "error_after"]:
            content = support.video(CHUNK + 9, seed=effect)
            before = len(self.shown("youtube"))
            self.fault("youtube", "commit", effect)
            # A client each: see TIMEOUT_SECS.
            answer = self.upload(self.insert(content, title=effect, youtube=self.client()), faults=1)
            shown = self.shown("youtube")
            self.assertEqual((len(shown), shown[-1]["id"]), (before + 1, answer["id"]))

    def test_a_session_that_is_not_known(self):
        request = self.insert(support.video(2 * CHUNK))
        request.next_chunk()
        request.resumable_uri = request.resumable_uri.replace("upload_id=", "upload_id=no")
        self.refused(404, "notFound", request.next_chunk)

    def test_lists(self):
        ids = [self.upload(self.insert(support.video(CHUNK, seed), title=f"Number {seed}"))["id"] for seed in range(3)]
        channel = self.youtube.channels().list(part="id,snippet,contentDetails", mine=True).execute()["items"][0]
        uploads = channel["contentDetails"]["relatedPlaylists"]["uploads"]
        time.sleep(1)  # The sandbox's lists lag, as YouTube's do.
        found, request = [], self.youtube.playlistItems().list(part="snippet,contentDetails", playlistId=uploads, maxResults=2)
        while request is not None:
            page = request.execute()
            self.assertLessEqual(len(page["items"]), 2)
            found += [item["contentDetails"]["videoId"] for item in page["items"]]
            request = self.youtube.playlistItems().list_next(request, page)
        self.assertEqual(found, ids[::-1])
        videos = self.youtube.videos().list(part="status", id=",".join(ids)).execute()["items"]
        self.assertEqual([video["id"] for video in videos], ids)
        self.assertEqual({tuple(sorted(video)) for video in videos}, {("id", "kind", "status")})
        self.refused(404, "playlistNotFound", self.youtube.playlistItems().list(part="snippet", playlistId="UUother").execute)

    def test_a_thumbnail(self):
        video = self.upload(self.insert(support.video(CHUNK)))["id"]
        image = lambda content: googleapiclient.http.MediaInMemoryUpload(content, "image/jpeg")
        answer = self.youtube.thumbnails().set(videoId=video, media_body=image(b"\xff\xd8\xff\xe0 a picture")).execute()
        self.assertEqual(answer["kind"], "youtube#thumbnailSetResponse")
        self.refused(400, "invalidImage", self.youtube.thumbnails().set(videoId=video, media_body=image(b"no picture")).execute)
        self.refused(404, "videoNotFound", self.youtube.thumbnails().set(videoId="none", media_body=image(b"\xff\xd8\xff")).execute)

    def test_quotas(self):
        text = "Quota exceeded for quota metric 'Video Uploads' and limit 'Video Uploads per day' of service 'youtube.googleapis.com'."
        for status, reason in [(429, "rateLimitExceeded"), (403, "quotaExceeded"), (400, "uploadLimitExceeded")]:
            self.refuse("youtube", "begin", status, reason, text)
            self.refused(status, reason, self.insert(support.video(9)).next_chunk)
        self.assertEqual(self.shown("youtube"), [])

    def test_tokens(self):
        # A token that does not work is renewed by the client itself.
        content = support.video(CHUNK)
        self.upload(self.insert(content, youtube=self.client(access="ya29.wrong")))
        self.shows("youtube", content)
        dead = self.client(access="ya29.wrong", refresh="1//wrong")
        with self.assertRaises(google.auth.exceptions.RefreshError) as caught:
            dead.channels().list(part="id", mine=True).execute()
        self.assertEqual(caught.exception.args[1]["error"], "invalid_grant")

    def test_metadata(self):
        for reason, title, snippet in [
            ("invalidTitle", "t" * 101, {}),
            ("invalidTitle", "a < b", {}),
            ("invalidTitle", "", {}),
            ("invalidDescription", "t", {"description": "ä" * 2501}),
            ("invalidDescription", "t", {"description": "a > b"}),
            ("invalidTags", "t", {"tags": ["t" * 501]}),
        ]:
            self.refused(400, reason, self.insert(support.video(9), title, **snippet).next_chunk)
        self.assertEqual(self.shown("youtube"), [])
