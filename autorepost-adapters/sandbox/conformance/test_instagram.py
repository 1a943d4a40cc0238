"""Meta's own SDK against the sandbox: facebook_business, with another base address and nothing else. It sends no bytes of videos itself."""

import time

import requests
from facebook_business.adobjects.igmedia import IGMedia
from facebook_business.adobjects.iguser import IGUser
from facebook_business.adobjects.shadowigmediabuilder import ShadowIGMediaBuilder
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

import support

ACCOUNT = "17841400000000001"


class Instagram(support.Sandbox):
    def setUp(self):
        super().setUp()
        self.token = self.read("instagram-token.json")["access_token"]
        self.api, self.user = self.account(self.token)

    def account(self, token):
        app = self.apps["facebook"]
        session = FacebookSession(app["id"], app["secret"], token)
        session.GRAPH = f"{self.base}/facebook"
        api = FacebookAdsApi(session, api_version="v26.0")
        return api, IGUser(ACCOUNT, api=api)

    def container(self, caption):
        created = self.user.create_media(params={"media_type": "REELS", "upload_type": "resumable", "caption": caption})
        return created["id"], f"{self.base}/facebook-upload/ig-api-upload/v26.0/{created['id']}"

    def send(self, address, content, offset=0, token=None):
        headers = {"Authorization": f"OAuth {token or self.token}", "offset": str(offset), "file_size": str(len(content))}
        return requests.post(address, data=content[offset:], headers=headers, timeout=30)

    def status(self, container):
        fields = ["status_code", "status", "video_status"]
        return ShadowIGMediaBuilder(container, api=self.api).api_get(fields=fields)

    def finished(self, container):
        while self.status(container)["status_code"] != "FINISHED":
            time.sleep(0.1)

    def refused(self, code, subcode, call, *arguments, **named):
        with self.assertRaises(FacebookRequestError) as caught:
            call(*arguments, **named)
        self.assertEqual((caught.exception.api_error_code(), caught.exception.api_error_subcode()), (code, subcode))

    def publish(self, caption, content):
        container, address = self.container(caption)
        self.assertEqual(self.send(address, content).json()["success"], True)
        self.finished(container)
        return container, self.user.create_media_publish(params={"creation_id": container})["id"]

    def test_a_reel(self):
        content = support.video(300_001)
        container, media = self.publish("A caption & more ümläuts #one", content)
        post = self.shows("instagram", content)
        self.assertEqual(post["id"], media)
        self.assertEqual(self.status(container)["status_code"], "PUBLISHED")
        self.assertEqual(IGMedia(media, api=self.api).api_get(fields=["permalink"])["permalink"], post["url"])
        time.sleep(1)  # The sandbox's lists lag.
        listed = self.user.get_media(fields=["id", "caption", "media_product_type", "permalink", "timestamp"])
        self.assertEqual([(one["id"], one["media_product_type"]) for one in listed], [(media, "REELS")])
        limit = self.user.get_content_publishing_limit(fields=["quota_usage", "config"])[0]
        self.assertEqual(limit["quota_usage"], 1)
        self.refused(24, 2207006, self.user.create_media_publish, params={"creation_id": container})
        self.assertEqual(len(self.shown("instagram")), 1)

    def test_bytes_that_were_cut(self):
        content = support.video(400_000)
        container, address = self.container("cut")
        self.fault("instagram", "bytes", "cut_middle")
        self.assertRaises(requests.ConnectionError, self.send, address, content)
        has = self.status(container)["video_status"]["uploading_phase"]["bytes_transferred"]
        self.assertTrue(0 < has < len(content), has)
        self.assertEqual(self.send(address, content, offset=has).status_code, 200)
        self.finished(container)
        self.user.create_media_publish(params={"creation_id": container})
        self.shows("instagram", content)

    def test_refusals(self):
        self.refused(100, 2207023, self.user.create_media, params={"media_type": "WALTZ", "upload_type": "resumable"})
        long = {"media_type": "REELS", "upload_type": "resumable", "caption": "c" * 2201}
        self.refused(36004, 2207010, self.user.create_media, params=long)
        container, address = self.container("early")
        self.refused(9007, 2207027, self.user.create_media_publish, params={"creation_id": container})
        self.refused(24, 2207006, self.user.create_media_publish, params={"creation_id": "17889000000099999"})
        answer = self.send(address, b"bytes", token="wrong")
        self.assertEqual((answer.status_code, answer.json()["debug_info"]["type"]), (400, "NotAuthorizedError"))
        _, stranger = self.account("wrong")
        self.refused(190, 463, stranger.get_content_publishing_limit)
        self.refused(100, 33, IGUser("17841400000000002", api=self.api).get_media)
        self.refused(100, None, self.user.get_media, fields=["no_such_field"])
        self.assertEqual(self.shown("instagram"), [])
