"""The way of an owner: `autorepost connect` prints an address, Chromium opens it, and a click connects the account."""

import json
import os
import pathlib
import shutil
import socket
import subprocess

import requests
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import support

# Screenshots are kept here when it is set.
PICTURES = os.environ.get("SCREENSHOTS")


class Browser(support.Sandbox):
    def setUp(self):
        super().setUp()
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        self.assertTrue(chromium and shutil.which("chromedriver"), "Chromium or chromedriver is missing: run scripts/setup")
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for option in ["headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-background-networking", "window-size=800,900"]:
            options.add_argument(f"--{option}")
        self.browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        self.addCleanup(self.browser.quit)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        for app in self.apps.values():
            app = app | {"redirects": [f"http://127.0.0.1:{self.port}/callback"]}
            requests.post(f"{self.base}/sandbox/apps", json=app, timeout=30).raise_for_status()

    def start(self, *arguments):
        """The program, with a folder of its own for all that it keeps."""
        command, environment = [pathlib.Path(support.PROGRAM).resolve(), *arguments], {"AUTOREPOST_SANDBOX": self.base, "PATH": os.environ["PATH"]}
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=pipe, stderr=pipe, text=True)
        self.addCleanup(process.kill)
        return process

    def connect(self, *arguments):
        process = self.start("connect", *arguments, "--no-browser", "--port", str(self.port))
        return process, next(line.strip() for line in process.stderr if line.strip().startswith("http"))

    def picture(self, name):
        if PICTURES:
            self.browser.save_screenshot(f"{PICTURES}/{name}.png")

    def click(self, text):
        self.browser.find_element(By.XPATH, f"//button[text()='{text}']").click()

    def arrived(self, title):
        WebDriverWait(self.browser, 30).until(lambda browser: browser.title == title)

    def test_each_platform_is_connected_by_a_click(self):
        for at, arguments in enumerate(
            [["tiktok"], ["instagram"], ["instagram", "--login", "instagram"], ["youtube"], ["x"], ["x", "--login", "oauth2"]]
        ):
            process, address = self.connect(*arguments)
            self.browser.get(address)
            self.picture(f"{at}-{arguments[0]}-asked")
            self.click("Allow")
            self.arrived("Connected")
            self.picture(f"{at}-{arguments[0]}-connected")
            self.assertEqual(process.wait(timeout=30), 0, process.stderr.read())
        told, _ = self.start("--json", "status").communicate(timeout=60)
        platforms = {account["platform"] for account in json.loads(told)["accounts"]}
        self.assertEqual(platforms, {"tiktok", "instagram", "youtube", "x"})

    def test_an_owner_refuses(self):
        process, address = self.connect("youtube")
        self.browser.get(address)
        self.click("Deny")
        self.arrived("Not connected")
        self.picture("refused")
        self.assertEqual(process.wait(timeout=30), 1)
