"""A server on this machine that behaves as ImmPort's data API is documented to, with the faults of real ones.

Two ports stand for two hosts: the API, and the storage that its signed addresses point to.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "token-"
ACCOUNT = {"username": ["scientist"], "password": ["s3cret&word"]}


@dataclass
class Immport:
    """What the server holds, how it misbehaves, and what it was asked."""

    url: str = ""
    storage: str = ""
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    manifest: list[dict[str, Any]] = field(default_factory=list)
    first_page: int = 0
    knows_pages: bool = True
    token_name: str = "access_token"
    requests_per_token: int = 1000
    faults: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # answers before the real one
    storage_faults: list[int] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)  # storage: bytes after which an answer breaks off
    ranges: bool = True
    stream: bool = False
    signed: str = ""  # more of the signed address
    asked: list[str] = field(default_factory=list)
    storage_headers: list[dict[str, str]] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)

    def add(self, path: str, content: bytes, md5: str | None = None) -> None:
        """A file and its row of the manifest."""
        uuid = f"uuid-{len(self.files)}"
        self.files[uuid] = content
        found = hashlib.md5(content, usedforsecurity=False).hexdigest() if md5 is None else md5
        self.manifest.append({
            "generatedMD5": found, "studyAccession": "SDY1",
            "filesizeBytes": len(content), "fileType": "result_file", "fileName": path.rpartition("/")[2],
            "path": path, "fileUUID": uuid,
        })  # fmt: skip

    def n_asked(self, part: str) -> int:
        """Requests whose path holds `part`."""
        return sum(part in path for path in self.asked)


class _Handler(BaseHTTPRequestHandler):
    state: Immport

    def log_message(self, *args: object) -> None:
        pass

    def _send(self, code: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _json(self, answer: object, code: int = 200) -> None:
        self._send(code, json.dumps(answer).encode())


class _Api(_Handler):
    def do_POST(self) -> None:
        state = self.state
        state.asked.append(self.path)
        given = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if state.faults:
            self._fault()
        elif given != ACCOUNT:
            self._json({"error": "bad credentials"}, 401)
        else:
            token = f"{TOKEN}{len(state.tokens)}"
            state.tokens[token] = state.requests_per_token
            self._json({state.token_name: token, "status": 200})

    def _fault(self) -> None:
        code, headers = self.state.faults.pop(0)
        if code:
            self._send(code, b"{}", **headers)
        else:  # the connection breaks in the body
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"[{")

    def do_GET(self) -> None:
        state = self.state
        state.asked.append(self.path)
        token = self.headers.get("Authorization", "").removeprefix("bearer ")
        if state.tokens.get(token, 0) <= 0:
            self._json({"error": "invalid_token"}, 401)
            return
        state.tokens[token] -= 1
        if state.faults:
            self._fault()
            return
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.startswith("/data/query/result/"):
            rows = state.rows[parts.path.rpartition("/")[2]]
            size, number = int(query["pageSize"]), int(query["pageNumber"]) - state.first_page
            first = max(number, 0) * size
            self._json(rows[first : first + size] if state.knows_pages else rows)
        elif parts.path.startswith("/data/query/api/study/manifest/"):
            self._json(state.manifest) if parts.path.endswith("SDY1") else self._json({}, 404)
        elif state.stream:
            self._file(state.files[parts.path.rpartition("/")[2]])
        else:
            uuid = parts.path.rpartition("/")[2]
            self._json({"url": f"{state.storage}/bucket/{uuid}?X-Amz-Signature=signed{state.signed}"})

    def _file(self, content: bytes) -> None:
        state = self.state
        wanted = self.headers.get("Range", "")
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
        if wanted and first >= len(content):
            self._send(416, b"")
            return
        body = content[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: state.cut.pop(0)] if state.cut else body)


class _Storage(_Api):
    def do_GET(self) -> None:
        self.state.asked.append(self.path)
        self.state.storage_headers.append(dict(self.headers))
        if self.state.storage_faults:
            self._send(self.state.storage_faults.pop(0), b"<Error/>", "application/xml")
        else:
            self._file(self.state.files[urlsplit(self.path).path.rpartition("/")[2]])


@contextmanager
def serve() -> Iterator[Immport]:
    """Run both hosts."""
    state = Immport()
    servers = [
        ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (kind,), {"state": state})) for kind in (_Api, _Storage)
    ]
    state.url, state.storage = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield state
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
