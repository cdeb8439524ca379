"""A headless Chromium, driven through its debugging pipe (standard library only)."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')
OPTIONS = (
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--hide-scrollbars',
    '--remote-debugging-pipe',
)
LONGEST = 60.0  # seconds to wait for an answer


def chromium() -> str | None:
    """Path of a browser that this machine has."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One tab of a browser.

    Attributes:
        errors: What the console has shown as errors, uncaught exceptions, and blocked loads.
    """

    def __init__(self, send: int, receive: int) -> None:
        self.send, self.receive = send, receive
        self.buffer, self.number = b'', 0
        self.session: str | None = None
        self.errors: list[str] = []
        self.seen: list[str] = []
        target = self('Target.createTarget', url='about:blank')['targetId']
        self.session = self('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for part in ('Page', 'Runtime', 'Log', 'Network'):
            self(f'{part}.enable')

    def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol; return its result."""
        self.number += 1
        message = dict(id=self.number, method=method, params=params)
        if self.session:
            message['sessionId'] = self.session
        os.write(self.send, json.dumps(message).encode() + b'\0')
        while True:
            answer = self._read()
            if answer.get('id') == self.number:
                assert 'error' not in answer, answer['error']
                return answer['result']

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + LONGEST
        while b'\0' not in self.buffer:
            ready = select.select([self.receive], [], [], max(0, end - time.monotonic()))[0]
            part = os.read(self.receive, 2**16) if ready else b''
            assert part, 'the browser does not answer'
            self.buffer += part
        text, self.buffer = self.buffer.split(b'\0', 1)
        message = json.loads(text)
        self._note(message.get('method', ''), message.get('params', {}))
        return message

    def _note(self, method: str, params: dict[str, Any]) -> None:
        self.seen.append(method)
        if method == 'Runtime.exceptionThrown':
            self.errors.append(json.dumps(params['exceptionDetails']))
        elif method == 'Log.entryAdded' and params['entry']['level'] in ('error', 'warning'):
            self.errors.append(params['entry']['text'])
        elif method == 'Runtime.consoleAPICalled' and params['type'] in ('error', 'warning'):
            self.errors.append(json.dumps(params['args']))
        elif method == 'Network.requestWillBeSent':
            url = params['request']['url']
            if not url.startswith('file:'):
                self.errors.append(f'request: {url:.80}')

    def look(
        self, width: int, height: int = 900, scheme: str = 'light', script: bool = True
    ) -> None:
        """Set the size of the window, light or dark, and whether scripts run."""
        size = dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self('Emulation.setDeviceMetricsOverride', **size)
        self(
            'Emulation.setEmulatedMedia', features=[dict(name='prefers-color-scheme', value=scheme)]
        )
        self('Emulation.setScriptExecutionDisabled', value=not script)

    def open(self, path: Path) -> None:
        """Open a file and wait until it has loaded."""
        self.seen.clear()
        self('Page.navigate', url=path.resolve().as_uri())
        while 'Page.loadEventFired' not in self.seen:
            self._read()

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        found = self(
            'Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True
        )
        assert 'exceptionDetails' not in found, found['exceptionDetails']
        return found['result'].get('value')

    def press(self, key: str) -> None:
        """Press a key."""
        code = dict(ArrowLeft=37, ArrowRight=39, Home=36, End=35, Tab=9, Enter=13)[key]
        for kind in ('keyDown', 'keyUp'):
            self('Input.dispatchKeyEvent', type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Write a picture of the window, or of the whole page, as PNG."""
        data = self('Page.captureScreenshot', format='png', captureBeyondViewport=whole)['data']
        path.write_bytes(base64.b64decode(data))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start a browser with a profile of its own, and end it."""
    path = chromium()
    assert path is not None
    to_child, send = os.pipe()
    receive, from_child = os.pipe()
    # above 4, so that one dup2 does not close the other
    ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_child, from_child)]
    actions = [(os.POSIX_SPAWN_DUP2, ends[0], 3), (os.POSIX_SPAWN_DUP2, ends[1], 4)]
    actions.append((os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0))
    command = [path, *OPTIONS, f'--user-data-dir={profile}']
    pid = os.posix_spawn(path, command, os.environ, file_actions=actions, setsid=True)
    for fd in (to_child, from_child, *ends):
        os.close(fd)
    try:
        yield Browser(send, receive)
    finally:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(send)
        os.close(receive)
