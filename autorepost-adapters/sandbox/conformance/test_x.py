"""Clients of X against the sandbox: tweepy (OAuth 1.0a) and X's own SDK (OAuth 2.0), with another base address and nothing else."""

import base64
import os
import time

import requests
import tweepy
import xdk
import xdk.oauth1_auth

import support

# The SDK's library refuses addresses without TLS otherwise.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
SEGMENT = 200_000
CALLBACK = "http://127.0.0.1:8788/callback"


class Session(requests.Session):
    """Sends what is meant for X to the sandbox. It is signed after that, as it is sent."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def request(self, method, url, **options):
        return super().request(method, url.replace("https://api.twitter.com", f"{self.base}/x"), **options)


class Tweepy(support.Sandbox):
    def setUp(self):
        super().setUp()
        self.app, self.token = self.apps["x1"], self.read("x-token.json")
        self.keys = [self.app["id"], self.app["secret"], self.token["oauth_token"], self.token["oauth_token_secret"]]
        self.client = self.signed_by(*self.keys)

    def signed_by(self, *keys):
        client = tweepy.Client(None, *keys, return_type=dict)
        client.session = Session(self.base)
        self.addCleanup(client.session.close)
        return client

    def initialize(self, content):
        body = {"media_type": "video/mp4", "total_bytes": len(content), "media_category": "tweet_video"}
        return self.client.request("POST", "/2/media/upload/initialize", json=body, user_auth=True).json()["data"]

    def append(self, media, content):
        """In multipart forms, which are signed without their fields."""
        for index, start in enumerate(range(0, len(content), SEGMENT)):
            answer = self.client.session.post(
                f"{self.base}/x/2/media/upload/{media}/append",
                data={"segment_index": index},
                files={"media": content[start : start + SEGMENT]},
                auth=tweepy.OAuth1UserHandler(*self.keys).apply_auth(),
            )
            self.assertEqual(answer.status_code, 200, answer.text)

    def finalize(self, media):
        return self.client.request("POST", f"/2/media/upload/{media}/finalize", user_auth=True).json()["data"]

    def upload(self, content):
        media = self.initialize(content)["id"]
        self.append(media, content)
        info = self.finalize(media)["processing_info"]
        while info["state"] in ["pending", "in_progress"]:
            time.sleep(0.1)
            query = {"command": "STATUS", "media_id": media}
            info = self.client.request("GET", "/2/media/upload", query, user_auth=True).json()["data"]["processing_info"]
        self.assertEqual(info["state"], "succeeded")
        return media

    def test_a_post_with_a_video(self):
        content = support.video(3 * SEGMENT + 7)
        media = self.upload(content)
        text = "Spaces, ümläuts & signs: ~!*'()%+ 日本 👋"
        data = self.client.create_tweet(text=text, media_ids=[media])["data"]
        post = self.shows("x", content)
        self.assertEqual((data["id"], data["text"].rsplit(" https://t.co/")[0]), (post["id"], text))
        time.sleep(1)  # The sandbox's lists lag.
        me = self.client.get_me()["data"]
        timeline = self.client.get_users_tweets(
            me["id"], max_results=5, tweet_fields=["created_at", "attachments"], expansions=["attachments.media_keys"], user_auth=True
        )
        self.assertEqual([(one["id"], one["attachments"]["media_keys"]) for one in timeline["data"]], [(data["id"], [f"7_{media}"])])
        self.assertEqual(self.client.get_tweet(data["id"], user_auth=True)["data"]["id"], data["id"])

    def test_signatures(self):
        for at in range(4):
            wrong = self.signed_by(*(key + ("x" if index == at else "") for index, key in enumerate(self.keys)))
            self.assertRaises(tweepy.Unauthorized, wrong.get_me)
            self.assertRaises(tweepy.Unauthorized, wrong.create_tweet, text="forged")
        # The very same request once more.
        auth = tweepy.OAuth1UserHandler(*self.keys).apply_auth()
        prepared = requests.Request("GET", f"{self.base}/x/2/users/me", auth=auth).prepare()
        self.assertEqual([self.client.session.send(prepared).status_code for _ in range(2)], [200, 401])
        # What was changed after it was signed.
        prepared = requests.Request("GET", f"{self.base}/x/2/tweets/1?tweet.fields=text", auth=auth).prepare()
        prepared.url = prepared.url.replace("text", "entities")
        self.assertEqual(self.client.session.send(prepared).status_code, 401)

    def test_refusals(self):
        content = support.video(SEGMENT)
        media = self.upload(content)
        self.assertRaises(tweepy.BadRequest, self.client.create_tweet, text="t" * 281, media_ids=[media])
        self.assertRaises(tweepy.BadRequest, self.client.create_tweet, text="no such media", media_ids=["1880000000000000999"])
        self.client.create_tweet(text="once", media_ids=[media])
        another = self.upload(support.video(SEGMENT, seed=2))
        with self.assertRaises(tweepy.Forbidden) as caught:
            self.client.create_tweet(text="once", media_ids=[another])
        self.assertIn("duplicate content", str(caught.exception))
        self.fault("x", "commit", {"rate_limit": 60})
        with self.assertRaises(tweepy.TooManyRequests) as caught:
            self.client.create_tweet(text="too many", media_ids=[another])
        self.assertGreater(caught.exception.reset_time, time.time() + 30)
        self.assertEqual(len(self.shown("x")), 1)

    def test_an_upload_with_a_hole(self):
        content = support.video(SEGMENT)
        media = self.initialize(content + b"more")["id"]
        self.append(media, content)
        self.assertRaises(tweepy.BadRequest, self.finalize, media)

    def test_an_owner_logs_in(self):
        auth = self.handler(self.app["secret"])
        _, back = self.allow(auth.get_authorization_url())
        self.assertEqual(back["oauth_token"], auth.request_token["oauth_token"])
        token, secret = auth.get_access_token(back["oauth_verifier"])
        self.assertTrue(self.signed_by(self.app["id"], self.app["secret"], token, secret).get_me()["data"]["id"])
        # A verifier works once, and an app's secret is looked at.
        self.assertRaises(tweepy.TweepyException, auth.get_access_token, back["oauth_verifier"])
        self.assertRaises(tweepy.TweepyException, self.handler("wrong").get_authorization_url)

    def handler(self, secret):
        auth = tweepy.OAuth1UserHandler(self.app["id"], secret, callback=CALLBACK)
        auth._get_oauth_url = lambda endpoint: f"{self.base}/x/oauth/{endpoint}"
        return auth


class Xdk(support.Sandbox):
    def client(self, **options):
        app = self.apps["x2"]
        scope = ["tweet.read", "tweet.write", "users.read", "media.write", "offline.access"]
        return xdk.Client(
            base_url=f"{self.base}/x",
            authorization_base_url=f"{self.base}/x-page/i",
            client_id=app["id"],
            client_secret=app["secret"],
            redirect_uri=CALLBACK,
            scope=scope,
            **options,
        )

    def logged_in(self):
        client = self.client()
        page = client.get_authorization_url("a-state")
        _, back = self.allow(page)
        self.assertEqual(back["state"], "a-state")
        return self.client(token=client.exchange_code(back["code"]))

    def publish(self, client, content, text):
        start = {"media_type": "video/mp4", "total_bytes": len(content), "media_category": "tweet_video"}
        media = client.media.initialize_upload(start).data
        media = media["id"] if isinstance(media, dict) else media.id
        for index, start in enumerate(range(0, len(content), SEGMENT)):
            segment = base64.b64encode(content[start : start + SEGMENT]).decode()
            client.media.append_upload(media, {"media": segment, "segment_index": index})
        client.media.finalize_upload(media)
        while "succeeded" not in str(client.media.get_upload_status(media_id=media, command="STATUS").model_dump()):
            time.sleep(0.1)
        return client.posts.create({"text": text, "media": {"media_ids": [media]}})

    def test_a_post_by_oauth_2(self):
        client, content = self.logged_in(), support.video(2 * SEGMENT + 3)
        self.assertIn("demo_x", str(client.users.get_me().model_dump()))
        self.publish(client, content, "By X's own SDK")
        self.shows("x", content)

    def test_a_post_by_oauth_1(self):
        app, token = self.apps["x1"], self.read("x-token.json")
        auth = xdk.oauth1_auth.OAuth1(app["id"], app["secret"], CALLBACK, token["oauth_token"], token["oauth_token_secret"])
        content = support.video(SEGMENT + 1)
        self.publish(xdk.Client(base_url=f"{self.base}/x", auth=auth), content, "Signed")
        self.shows("x", content)
        auth = xdk.oauth1_auth.OAuth1(app["id"], app["secret"], CALLBACK, token["oauth_token"], "wrong")
        with self.assertRaises(requests.HTTPError) as caught:
            xdk.Client(base_url=f"{self.base}/x", auth=auth).posts.create({"text": "forged"})
        self.assertEqual(caught.exception.response.status_code, 401)

    def test_tokens(self):
        client = self.logged_in()
        old = dict(client.token)
        new = client.refresh_token()
        self.assertNotEqual((old["access_token"], old["refresh_token"]), (new["access_token"], new["refresh_token"]))
        # A refresh token works once.
        self.assertRaises(Exception, self.client(token=old).refresh_token)
        stranger = xdk.Client(base_url=f"{self.base}/x", access_token="wrong")
        with self.assertRaises(requests.HTTPError) as caught:
            stranger.posts.create({"text": "forged"})
        self.assertEqual(caught.exception.response.status_code, 401)

    def test_a_code_and_its_verifier(self):
        client = self.client()
        _, back = self.allow(client.get_authorization_url("s"))
        self.assertRaises(Exception, client.exchange_code, back["code"], "another-verifier-that-is-long-enough-to-be-one")
