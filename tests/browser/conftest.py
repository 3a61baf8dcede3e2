"""The page of a running server in a headless Chromium, or a skip where there is none."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("SPOTTER", str(ROOT / "build" / "spotter"))
SAMPLE = ROOT / "docs" / "images" / "sample.jpg"
WEIGHTS = ROOT / "models" / "weights" / "codes-nanodet-m-320.safetensors"
PATIENCE_S = 30
SKIPPED = 77

MISSING = "no Chromium: install chromium, chromium-driver and python3-selenium"
DRIVER = shutil.which("chromedriver")
try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    webdriver = Keys = None


def has_browser():
    return webdriver is not None and DRIVER is not None and shutil.which("chromium") is not None


def pytest_collection_modifyitems(items):
    for item in items:
        if "driver" in item.fixturenames and not has_browser():
            item.add_marker(pytest.mark.skip(reason=MISSING))


def pytest_sessionfinish(session, exitstatus):
    """So that CTest reports the test as skipped."""
    if exitstatus == pytest.ExitCode.OK and not has_browser():
        session.exitstatus = SKIPPED


def palette():
    """The colours of server/image/annotate.c."""
    source = (ROOT / "server" / "image" / "annotate.c").read_text()
    table = re.search(r"palette\[\]\[3\] = \{(.*?)\};", source, re.S).group(1)
    return [[int(n) for n in colour] for colour in re.findall(r"\{(\d+), (\d+), (\d+)\}", table)]


class Server:
    """`spotter serve` on a port of its own choosing."""

    def __init__(self, folder, *flags, listen="127.0.0.1:0"):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SPOTTER_")}
        self.log = folder / f"server-{time.monotonic_ns()}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", "--listen", listen, "--backend", "cpu", *flags],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, cwd=ROOT)
        self.address = self._wait_until_ready()
        self.url = f"http://{self.address}/"

    def _wait_until_ready(self):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self.process.poll() is None:
            ready = re.search(r"event=ready address=(\S+)", self.log.read_text())
            if ready:
                return ready.group(1)
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"the server did not become ready:\n{self.log.read_text()}")

    def post(self, path, body):
        """Status and JSON."""
        try:
            with urllib.request.urlopen(self.url + path, data=body, timeout=PATIENCE_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as answer:
            return answer.code, json.load(answer)

    def detect(self, picture, parameters=""):
        status, answer = self.post(f"detect{parameters}", pathlib.Path(picture).read_bytes())
        assert status == 200, answer
        return answer["detections"]

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=PATIENCE_S)


class Page:
    """What a person sees and does."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, url):
        self.driver.get(url)
        self.wait(lambda: self.script("return !document.getElementById('model').disabled"), "models")

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def command(self, name, **parameters):
        return self.driver.execute_cdp_cmd(name, parameters)

    def id(self, name):
        return self.driver.find_element(By.ID, name)

    def chip(self, label):
        return self.driver.find_element(By.CSS_SELECTOR, f'[data-label="{label}"]')

    def text(self, name):
        return self.script("return document.getElementById(arguments[0]).textContent", name)

    def wait(self, condition, what, seconds=PATIENCE_S):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                result = condition()
            except StaleElementReferenceException:
                result = None
            if result:
                return result
            time.sleep(0.05)
        raise AssertionError(f"waited in vain for {what}; the page shows:\n"
                             + self.driver.find_element(By.TAG_NAME, "body").text)

    def choose(self, path):
        """As the file dialog does; returns when the answer, or what went wrong, is shown."""
        self.id("file").send_keys(str(path))
        self.wait_for_outcome()

    def wait_for_outcome(self):
        self.wait(lambda: self.text("summary") or self.text("problem"), "an outcome")

    def problem(self):
        """The message, without the text of the button."""
        return self.script("return document.querySelector('#problem p')?.textContent ?? ''")

    def objects(self):
        """Rows of the table: (label, confidence, [x_min, y_min, x_max, y_max])."""
        rows = self.script("return [...document.querySelectorAll('#objects tr')].map("
                           "(row) => [...row.cells].map((cell) => cell.textContent))")
        return [(label, float(confidence), [int(n) for n in re.findall(r"-?\d+", box)])
                for label, confidence, box in rows]

    def labels(self):
        return [label for label, _, _ in self.objects()]

    def set_slider(self, value):
        self.script("const s = document.getElementById('threshold'); s.value = arguments[0];"
                    "s.dispatchEvent(new Event('input'))", value)

    def press(self, *keys):
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def focused(self):
        return self.script("const at = document.activeElement;"
                           "return at.id || at.dataset.label || at.textContent")

    def requests(self, path):
        """What the page has asked of a path so far: [{ name, startTime, responseEnd }]."""
        return self.script("return performance.getEntriesByType('resource').filter("
                           "(entry) => new URL(entry.name).pathname.startsWith(arguments[0]))"
                           ".map((entry) => entry.toJSON())", path)

    def box_pixel(self, x, y, width, height):
        """(red, green, blue, alpha) drawn over a point of a picture of this size."""
        return self.script("""
            const [x, y, width, height] = arguments;
            const canvas = document.getElementById("boxes");
            const at = [Math.round(x * canvas.width / width), Math.round(y * canvas.height / height)];
            return [...canvas.getContext("2d").getImageData(...at, 1, 1).data]""", x, y, width, height)

    def set_size(self, width, height, mobile=False):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=2 if mobile else 1, mobile=mobile)

    def set_dark(self, dark):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])


@pytest.fixture(scope="session")
def sample():
    return SAMPLE


@pytest.fixture(scope="session")
def start_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    servers = []

    def start(*flags, **options):
        servers.append(Server(folder, *flags, **options))
        return servers[-1]

    yield start
    for one in servers:
        one.stop()


@pytest.fixture(scope="session")
def server(start_server):
    return start_server()


@pytest.fixture(scope="session")
def driver():
    options = webdriver.ChromeOptions()
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "no-proxy-server",
                 "disable-background-networking", "use-fake-device-for-media-stream",
                 "use-fake-ui-for-media-stream"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(DRIVER))
    browser.set_script_timeout(PATIENCE_S)
    yield browser
    browser.quit()


@pytest.fixture
def blank(driver):
    """A browser as a desk has it, before it opened the page. Fails when a script of the page does."""
    page = Page(driver)
    driver.get("about:blank")
    page.set_size(1280, 900)
    page.set_dark(False)
    driver.get_log("browser")
    yield page
    faults = [entry["message"] for entry in driver.get_log("browser")
              if entry["level"] == "SEVERE" and entry["source"] != "network"]
    assert faults == []


@pytest.fixture
def page(blank, server):
    blank.open(server.url)
    return blank


@pytest.fixture
def shown(page, sample):
    """The page with the answer to the sample picture."""
    page.choose(sample)
    return page
