"""A Hugging Face hub on this machine: its protocol, as ``huggingface_hub`` speaks it.

Repositories, uploads through git-lfs, one commit each, and downloads by revision.
"""

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

Files = dict[str, bytes]
JSON = 'application/json'


class HubServer(ThreadingHTTPServer):
    """``commits`` has the files of every commit of a repository, oldest first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), Handler)
        self.commits: dict[str, list[Files]] = {}
        self.objects: dict[str, bytes] = {}
        self.log: list[str] = []
        self.refuse: str | None = None
        """Start of a request's ``METHOD path`` that is answered with 403."""

    @property
    def url(self) -> str:
        """The value of ``HF_ENDPOINT``."""
        return f'http://127.0.0.1:{self.server_port}'

    def add(self, repository: str, files: Files) -> None:
        """Commit files to a repository, beside those that it has."""
        before = self.commits.get(repository) or [{}]
        self.commits[repository] = [*self.commits.get(repository, []), {**before[-1], **files}]

    def files(self, repository: str) -> Files:
        """The newest files of a repository."""
        return self.commits[repository][-1]


def oid(repository: str, number: int) -> str:
    """The name of a commit."""
    return hashlib.sha1(f'{repository} {number}'.encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """See :class:`HubServer`."""

    server: HubServer
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args: Any) -> None:
        """Nothing is printed."""

    def answer(self, status: int, content: bytes = b'', **headers: str) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in {'Content-Length': str(len(content)), **headers}.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(content)

    def say(self, data: Any, status: int = 200) -> None:
        """Send JSON."""
        self.answer(status, json.dumps(data).encode(), Content_Type=JSON)

    def body(self) -> bytes:
        """The content of the request."""
        if self.headers.get('Transfer-Encoding') != 'chunked':
            return self.rfile.read(int(self.headers.get('Content-Length') or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b''.join(parts)

    def refused(self) -> bool:
        """Write the request down; whether it has been answered with 403."""
        line = f'{self.command} {self.path}'
        self.server.log.append(line)
        wrong = self.server.refuse is not None and line.startswith(self.server.refuse)
        if wrong:
            self.body()
            self.say({'error': 'you may not write here'}, 403)
        return wrong

    def do_HEAD(self) -> None:
        """As GET, without the content."""
        self.do_GET()

    def do_GET(self) -> None:
        """A file of a commit."""
        if self.refused():
            return
        match = re.fullmatch(r'/([^/]+/[^/]+)/resolve/([^/]+)/(.+)', unquote(self.path))
        commits = self.server.commits.get(match[1]) if match else None
        if not match or commits is None:
            return self.answer(404, X_Error_Code='RepoNotFound')
        names = {oid(match[1], i): i for i in range(len(commits))} | {'main': len(commits) - 1}
        if match[2] not in names:
            return self.answer(404, X_Error_Code='RevisionNotFound')
        number = names[match[2]]
        commit = oid(match[1], number)
        if match[3] not in commits[number]:
            return self.answer(404, X_Error_Code='EntryNotFound', X_Repo_Commit=commit)
        content = commits[number][match[3]]
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        self.answer(200, content, ETag=etag, X_Repo_Commit=commit)

    def do_PUT(self) -> None:
        """Content of git-lfs."""
        if not self.refused():
            self.server.objects[self.path.rpartition('/')[2]] = self.body()
            self.answer(200)

    def do_POST(self) -> None:
        """Create, ask how to upload, commit."""
        if self.refused():
            return
        body, path = self.body(), unquote(self.path).partition('?')[0]
        match = re.fullmatch(r'/api/models/([^/]+/[^/]+)/(preupload|commit)/main', path)
        if path == '/api/repos/create':
            given = json.loads(body)
            repository = f'{given["organization"]}/{given["name"]}'
            known = repository in self.server.commits
            self.server.commits.setdefault(repository, [])
            self.say({'url': f'{self.server.url}/{repository}'}, 409 if known else 200)
        elif path == '/api/validate-yaml':
            self.say({'errors': [], 'warnings': []})
        elif path.endswith('.git/info/lfs/objects/batch'):
            objects = json.loads(body)['objects']
            for each in objects:
                each['actions'] = {'upload': {'href': f'{self.server.url}/lfs/{each["oid"]}'}}
            self.say({'transfer': 'basic', 'objects': objects})
        elif match and match[2] == 'preupload':
            self.say({'files': [self.mode(f['path']) for f in json.loads(body)['files']]})
        elif match:
            self.commit(match[1], [json.loads(line) for line in body.splitlines()])
        else:
            self.answer(404)

    @staticmethod
    def mode(path: str) -> dict[str, Any]:
        """How a file is uploaded: weights through git-lfs."""
        large = path.endswith('.safetensors')
        mode = 'lfs' if large else 'regular'
        return {'path': path, 'uploadMode': mode, 'shouldIgnore': False, 'oid': None}

    def commit(self, repository: str, lines: list[dict[str, Any]]) -> None:
        """Add the files of a commit; what came through git-lfs must be what was announced."""
        files: Files = {}
        for line in lines:
            value = line['value']
            if line['key'] == 'file':
                files[value['path']] = base64.b64decode(value['content'])
            elif line['key'] == 'lfsFile':
                content = self.server.objects[value['oid']]
                assert hashlib.sha256(content).hexdigest() == value['oid']
                files[value['path']] = content
        self.server.add(repository, files)
        name = oid(repository, len(self.server.commits[repository]) - 1)
        url = f'{self.server.url}/{repository}/commit/{name}'
        self.say({'success': True, 'commitOid': name, 'commitUrl': url})


@contextlib.contextmanager
def hub_server() -> Iterator[HubServer]:
    """A hub without repositories."""
    with HubServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
