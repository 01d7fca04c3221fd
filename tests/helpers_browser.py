"""A headless Chromium for tests, spoken to over its own pipe: the standard library is enough."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--mute-audio",
    "--remote-debugging-pipe",
)
# The browser reads commands from descriptor 3 and answers on 4.
_START = """import os, sys
held = [os.dup(0) for _ in range(4)]  # so that what follows is beyond 4
commands, answers = (os.dup(int(number)) for number in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])"""


def browser() -> str | None:
    """Return where a Chromium is, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab of a browser of its own. A context manager; speaks the DevTools protocol."""

    def __init__(self, profile: Path, patience: float = 30.0) -> None:
        program = browser()
        assert program is not None
        self.patience, self.events, self._number, self._held = patience, [], 0, b""
        read_commands, self._write = os.pipe()
        self._read, write_answers = os.pipe()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-S",
                "-c",
                _START,
                str(read_commands),
                str(write_answers),
                program,
                *FLAGS,
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            pass_fds=(read_commands, write_answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_commands)
        os.close(write_answers)
        self.session = ""
        try:
            self._attach()
        except BaseException:
            self.__exit__()
            raise

    def _attach(self) -> None:
        target = self._tab()
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)

    def _tab(self) -> str:
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            found = self.ask("Target.getTargets")["targetInfos"]
            tabs = [target["targetId"] for target in found if target["type"] == "page"]
            if tabs:
                return tabs[0]
        raise TimeoutError("the browser opened no tab")

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)
        os.close(self._write)
        os.close(self._read)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its answer; events are kept meanwhile."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        number = self._number
        answer = self._until(lambda said: said.get("id") == number)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + self.patience
        while True:
            while b"\0" not in self._held:
                ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
                more = os.read(self._read, 1 << 20) if ready else b""
                if not more:
                    raise TimeoutError("the browser did not answer")
                self._held += more
            text, _, self._held = self._held.partition(b"\0")
            said = json.loads(text)
            if "method" in said:
                self.events.append(said)
            if wanted(said):
                return said

    def open(self, path: Path, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Open a file in a window of this size, in light or dark."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        loader = self.ask("Page.navigate", url=path.resolve().as_uri())["loaderId"]

        def loaded(said: dict[str, Any]) -> bool:
            # of this document: that of the one before may come late, its own while an answer is awaited
            event = said.get("params", {})
            return event.get("loaderId") == loader and event.get("name") == "load"

        if not any(map(loaded, self.events)):
            self._until(loaded)

    def value(self, script: str) -> Any:
        """Return what a JavaScript expression comes to, promises awaited, as if a user did it."""
        found = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def complaints(self) -> list[str]:
        """Return what the browser complained of since the page was opened.

        That it stops reading a clip whose head it knows is no complaint.
        """
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Network.loadingFailed")
        found = [event["params"] for event in self.events if event["method"] in kinds]
        return [json.dumps(said) for said in found if not said.get("canceled")]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the page was opened, data apart."""
        sent = [e for e in self.events if e["method"] == "Network.requestWillBeSent"]
        urls = [event["params"]["request"]["url"] for event in sent]
        return [url for url in urls if not url.startswith("data:")]

    def shoot(self, path: Path, whole: bool = True) -> None:
        """Write what the page looks like as PNG."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))
