"""Stops transfers that are too slow or too long, whether they connect, read headers or bytes.

The timeouts of ``requests`` count between two bytes, so an occasional byte avoids them.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

from requests.adapters import HTTPAdapter

PATIENCE = 30.0
"""Seconds in which at least :data:`FEWEST` bytes must arrive."""
FEWEST = 1 << 15
"""Bytes; the end of a file may have fewer."""


class Watch:
    """Watches the transfers of one file.

    Args:
        seconds: For all of them together.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = time.monotonic() + seconds
        self.cut = ''
        """Why the transfer was stopped; empty if it was not."""
        self._sockets: list[socket.socket] = []
        self._timer: threading.Timer | None = None
        self._new = 0

    def start(self) -> None:
        """Begin to wait for :data:`FEWEST` bytes."""
        self.stop()
        self.cut, self._new = '', 0
        left = self.end - time.monotonic()
        slow = f'fewer than {FEWEST} bytes in {PATIENCE:g} s (the limit)'
        late = f'not there after {self.seconds:g} s in all (the limit; PPNAS_DOWNLOAD_SECONDS)'
        seconds, words = (PATIENCE, slow) if left > PATIENCE else (max(left, 0), late)
        self._timer = threading.Timer(seconds, self._close, [words])
        self._timer.daemon = True
        self._timer.start()

    def came(self, count: int) -> None:
        """Count received bytes."""
        self._new += count
        if self._new >= FEWEST and not self.cut:
            self.start()

    def stop(self) -> None:
        """Stop waiting."""
        if self._timer:
            self._timer.cancel()

    def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the end."""
        time.sleep(max(0.0, min(seconds, self.end - time.monotonic())))

    def add(self, connection: socket.socket) -> None:
        """Watch a connection, too."""
        self._sockets.append(connection)
        if self.cut:
            self._shut()

    def _close(self, words: str) -> None:
        self.cut = words
        self._shut()

    def _shut(self) -> None:
        """Close all connections, so that reading from one fails at once."""
        while self._sockets:
            with contextlib.suppress(OSError):  # one that is closed already
                # not the method of a TLS socket, which takes its reader's state away
                socket.socket.shutdown(self._sockets.pop(), socket.SHUT_RDWR)


class WatchedAdapter(HTTPAdapter):
    """Hands each connection to a :class:`Watch`."""

    def __init__(self, watch: Watch, **kwargs: Any) -> None:
        self.watch = watch
        super().__init__(**kwargs)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the connection pool of requests, and register it with the watch."""
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        kind: Any = pool.ConnectionCls
        watch = self.watch
        if not hasattr(kind, 'watched'):

            class Watched(kind):
                """A connection that the watch can close."""

                watched = True

                def connect(self) -> None:
                    """Connect, and tell the watch."""
                    super().connect()
                    watch.add(self.sock)

            Watched.__name__ = kind.__name__  # it is part of errors
            pool.ConnectionCls = Watched
        return pool
