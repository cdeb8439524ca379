"""A real HTTP server on this machine that cuts, stalls, corrupts, redirects and answers pages."""

import contextlib
import re
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGE = b'<!DOCTYPE html><html><body>Please log in</body></html>'


class FlakyServer(ThreadingHTTPServer):
    """Serves ``files``; the faults of a path are used up, one a request.

    A fault is a dict: ``cut`` (close after so many bytes), ``stall`` (be silent after so many),
    ``flip`` (the byte whose lowest bit is wrong), ``status``, ``redirect``, ``page`` (its content
    type), ``replace`` (other bytes), ``ranges`` (False: ignore Range), ``length`` (False: send no
    Content-Length), ``pause`` (seconds between pieces of 16 kB), ``drip`` (seconds between bytes),
    ``slow_headers`` (the same, before the answer), ``headers`` (more of them), ``silent`` (hang up
    without an answer).
    """

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(('127.0.0.1', 0), Handler)
        self.files = files
        self.faults: dict[str, list[dict[str, Any]]] = {}
        self.always: dict[str, Any] = {}
        self.log: list[tuple[str, str | None]] = []
        self.closing = threading.Event()
        self.scheme = 'http'

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of these tests are killed on purpose."""

    def url(self, name: str) -> str:
        """The address of a file."""
        return f'{self.scheme}://127.0.0.1:{self.server_port}/{name}'

    def ranges(self, name: str) -> list[str | None]:
        """The ``Range`` of each request for a file."""
        return [value for path, value in self.log if path == f'/{name}']


class Handler(BaseHTTPRequestHandler):
    """See :class:`FlakyServer`."""

    server: FlakyServer

    def log_message(self, *args: Any) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        """Answer with the file or the next fault."""
        server, name, wanted = self.server, self.path[1:], self.headers.get('Range')
        server.log.append((self.path, wanted))
        faults = server.faults.get(name)
        fault = {**server.always, **(faults.pop(0) if faults else {})}
        status = 200 if name in server.files or 'redirect' in fault else 404
        status = fault.get('status', 302 if 'redirect' in fault else status)
        content = PAGE if 'page' in fault else fault.get('replace', server.files.get(name, b''))
        if 'flip' in fault:
            at = fault['flip']
            content = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        match = re.fullmatch(r'bytes=(\d+)-', wanted or '')
        start = int(match.group(1)) if match and fault.get('ranges', True) else 0
        status = 206 if start and status == 200 else status
        if 'silent' in fault:
            self.close_connection = True
            return
        for _ in range(1000 if 'slow_headers' in fault else 0):
            self._slowly(b'H', fault['slow_headers'])
        self.send_response(status)
        for header in fault.get('headers', {}).items():
            self.send_header(*header)
        if status == 206:
            self.send_header('Content-Range', f'bytes {start}-{len(content) - 1}/{len(content)}')
        if 'redirect' in fault:
            self.send_header('Location', fault['redirect'])
        if fault.get('length', True):
            self.send_header('Content-Length', str(len(content) - start))
        self.send_header('Content-Type', fault.get('page', 'application/octet-stream'))
        self.end_headers()
        self._send(content[start:], fault)

    def _slowly(self, content: bytes, seconds: float) -> None:
        self.wfile.write(content)
        self.wfile.flush()
        self.server.closing.wait(seconds)

    def _send(self, content: bytes, fault: dict[str, Any]) -> None:
        if 'drip' in fault:
            for i in range(len(content)):
                self._slowly(content[i : i + 1], fault['drip'])
            return
        if 'pause' in fault:
            for i in range(0, len(content), 16384):
                self.wfile.write(content[i : i + 16384])
                time.sleep(fault['pause'])
            return
        self.wfile.write(content[: fault.get('cut', fault.get('stall', len(content)))])
        if 'stall' in fault:
            self.wfile.flush()
            self.server.closing.wait(20)


@contextlib.contextmanager
def flaky(files: dict[str, bytes], certificate: Path | None = None) -> Iterator[FlakyServer]:
    """Run a server in a thread; with a certificate (key and certificate in one file) over TLS."""
    server = FlakyServer(files)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = 'https'
    thread = threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.02))
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
