"""A headless Chromium, told what to do through a pair of pipes (its DevTools protocol), and TensorBoard's server."""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# TensorBoard is made of web components: what a page shows stands in trees within trees
TEXT = """(function text(node) {
  const inner = [node.shadowRoot, ...node.childNodes].filter(child => child && !/STYLE|SCRIPT/.test(child.nodeName));
  return node.nodeType === 3 ? node.data.trim() : inner.map(text).filter(Boolean).join("\\n");
})(document.body)"""


@contextmanager
def tensorboard(folder):
    """Serves a folder; gives a function that fetches: server("data/runs"), server("data/...", {"a": "question"})."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)]
    board = subprocess.Popen(
        [*command, "--load_fast=false"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )

    def fetch(path, question=None):
        data = None if question is None else json.dumps(question).encode()
        request = urllib.request.Request(f"{fetch.url}/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = answer.read()
            return json.loads(content) if answer.headers.get_content_type() == "application/json" else content

    fetch.url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: fetch("data/runs"), lambda: board.poll() is None)
        yield fetch
    finally:
        board.kill()
        board.communicate()


@contextmanager
def chromium(folder, width=1400, height=800):
    """Gives a function that does one thing in a page: page("Page.navigate", url=...)."""
    (ours, hears), (says, our_end) = os.pipe(), os.pipe()  # what it says, what it is told
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    more = f"--disable-component-update --disable-sync --user-data-dir={folder} --remote-debugging-pipe"
    size = f"--window-size={width},{height}"
    # the protocol's pipes have the numbers 3 and 4
    shell = f'exec "$0" "$@" 3<&{says} 4>&{hears}'
    command = ["bash", "-c", shell, CHROMIUM, *flags.split(), *more.split(), size, "about:blank"]
    browser = subprocess.Popen(
        command, pass_fds=(says, hears), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    os.close(says)
    os.close(hears)
    with os.fdopen(ours, "rb", buffering=0) as answers, os.fdopen(our_end, "wb", buffering=0) as questions:

        def tell(method, session=None, **parameters):
            tell.number += 1
            message = {"id": tell.number, "method": method, "params": parameters}
            questions.write(json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
            while True:
                raw = bytearray()
                while not raw.endswith(b"\0"):
                    piece = answers.read(1)
                    assert piece, f"{CHROMIUM} ended"
                    raw += piece
                answer = json.loads(raw[:-1])
                if answer.get("id") == tell.number:
                    assert "error" not in answer, answer
                    return answer["result"]

        tell.number = 0
        try:
            target = tell("Target.createTarget", url="about:blank")["targetId"]
            session = tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            yield lambda method, **parameters: tell(method, session, **parameters)
        finally:
            os.killpg(browser.pid, 9)
            browser.wait()


def text_of(page, url, *expected):
    """The text that a page shows, once everything that is expected is there, or after half a minute."""
    page("Page.navigate", url=url)
    shown = [""]

    def there():
        shown.append(page("Runtime.evaluate", expression=TEXT, returnByValue=True)["result"].get("value", ""))
        return all(word in shown[-1] for word in expected)

    until(there, seconds=30)
    return shown[-1]


def picture(page):
    """What the page looks like, as PNG."""
    return base64.b64decode(page("Page.captureScreenshot")["data"])


def until(happens, alive=lambda: True, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert alive()
        try:
            if happens():
                return
        except OSError:
            pass
        time.sleep(0.2)
