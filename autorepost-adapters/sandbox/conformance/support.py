"""A sandbox for each test, an owner who answers its pages, and the faults that it can be told of."""

import hashlib
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import unittest
import urllib.parse

import requests

PROGRAM = os.environ.get("AUTOREPOST", "target/debug/autorepost")
MIB = 1 << 20


class Sandbox(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        command = [PROGRAM, "--json", "sandbox", "--port", "0", "--folder", folder.name]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop)
        self.base = json.loads(self.process.stdout.readline())["base"]
        self.before = 0
        self.apps = {app["login"]: app for app in self.read("apps.json")}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)
        self.process.stdout.close()

    def read(self, name):
        return json.loads((self.folder / name).read_text())

    def fault(self, platform, step, effect, times=1):
        self.before += self.fired()
        fault = {"platform": platform, "step": step, "effect": effect, "times": times, "per_mille": 1000}
        requests.put(f"{self.base}/sandbox/faults", json=[fault], timeout=30).raise_for_status()

    def fired(self):
        """How many faults happened, of those that were set last."""
        return sum(requests.get(f"{self.base}/sandbox/faults", timeout=30).json().values()) - self.before

    def refuse(self, platform, step, status, code, message):
        self.fault(platform, step, {"refuse": {"status": status, "code": code, "message": message}})

    def shown(self, platform):
        """What the public sees."""
        ledger = requests.get(f"{self.base}/sandbox/ledger", timeout=30).json()
        return [post for post in ledger if post["platform"] == platform]

    def shows(self, platform, content):
        """Exactly one post is there, and it has exactly these bytes."""
        (post,) = self.shown(platform)
        self.assertEqual(post["sha256"], hashlib.sha256(content).hexdigest())
        return post

    def allow(self, page):
        """An owner presses Allow on a page; where the browser is sent to then, with what it brings."""
        session = requests.Session()
        answer = session.get(page, timeout=30)
        answer.raise_for_status()
        account = answer.text.split('name="account" value="')[1].split('"')[0]
        scopes = [("scope", part.split('"')[0]) for part in answer.text.split('name="scope" value="')[1:]]
        form = [("account", account), ("decision", "allow"), *scopes]
        back = session.post(answer.url, data=form, allow_redirects=False, timeout=30)
        address = back.headers["location"]
        return address, dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))


def video(size, seed=1):
    return random.Random(seed).randbytes(size)
