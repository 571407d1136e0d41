"""A client of ImmPort's data API: token, retries, redirects. Nothing is sent unless credentials are in the environment.

``IMMPORT_USERNAME`` and ``IMMPORT_PASSWORD`` of an account, or a token in ``IMMPORT_TOKEN``. They are read when a
client is made, stay in memory, go to ImmPort's host only, and are in no message, table or file. ``IMMPORT_URL`` names
another host, for tests and mirrors.

A token may be short-lived (60 s on the older host): an answer of 401 or 403 gets a new one, once per request. Answers
of 429 and 5xx, broken connections and bodies that end too early are tried again, each time after twice the pause.
"""

import http.client
import json
import os
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from immport_cyto import __version__
from immport_cyto.exceptions import NetworkError, OptionError

DEFAULT_URL = "https://www.immport.org"
QUERY = "/data/query"
_TOKEN_PATH = "/auth/token"  # noqa: S105 - a path
_TOKEN = re.compile(r"[!-~]+")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_AGAIN = {408, 429, 500, 502, 503, 504}
_LONGEST_PAUSE = 120.0
_LARGEST_ANSWER = 1 << 20
_LARGEST_PAGE = 1 << 30
BROKEN = (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
"""What a connection can raise while a body is read."""


@dataclass
class Client:
    """ImmPort's API with one account; made by :func:`connect`.

    Attributes
    ----------
    url
        Scheme and host.
    attempts
        How often a request is tried.
    pause
        Seconds before the second try; doubled before each further one.
    timeout
        Seconds without any byte.
    """

    url: str
    attempts: int = 5
    pause: float = 1.0
    timeout: float = 60.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    _account: tuple[str, str] | None = field(default=None, repr=False)
    _token: str = field(default="", repr=False)

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[http.client.HTTPResponse]:
        """Answer to a GET request, redirects followed; the token goes to ImmPort's host only.

        Parameters
        ----------
        url
            A path below the host (``/data/query/...``), or a whole URL.
        headers
            Such as ``Range``.

        Raises
        ------
        NetworkError
            No answer after all tries, or one that says no.
        """
        try:
            whole = urllib.parse.urljoin(self.url, _encoded(url))
        except ValueError:
            whole = ""
        response = self._answer(whole, dict(headers or {}))
        try:
            yield response
        finally:
            response.close()

    def json(self, url: str) -> Any:
        """Answer of a query as JSON; a body that ends too early is asked for again."""
        shown = _shown(url)
        for attempt in range(self.attempts):
            try:
                with self.get(url, {"Accept": "application/json"}) as response:
                    body = response.read(_LARGEST_PAGE + 1)
                if len(body) > _LARGEST_PAGE:
                    msg = f"{shown}: an answer of more than {_LARGEST_PAGE} bytes, which no page has; not read"
                    raise NetworkError(msg)
                if response.length:  # read(n) ends early without a word
                    raise http.client.IncompleteRead(body, response.length)
                return json.loads(body)
            except (*BROKEN, ValueError, RecursionError) as error:
                reason = "broke off" if isinstance(error, BROKEN) else "is no JSON"
                self.wait(attempt)
        msg = f"{shown}: the answer of ImmPort {reason} {self.attempts} times; try again later"
        raise NetworkError(msg)

    def _answer(self, url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        check_url(url)
        own = same_host(url, self.url)
        renewed = False
        attempt = 0
        while True:
            try:
                sent = {"User-Agent": f"immport-cyto/{__version__}", **headers}
                if own:
                    sent["Authorization"] = f"bearer {self._authorise()}"
                return _open(urllib.request.Request(url, headers=sent), self.timeout)  # noqa: S310 - checked above
            except urllib.error.HTTPError as error:
                error.close()
                if error.code in (401, 403) and own and not renewed and self._account:
                    self._token, renewed = "", True
                    continue
                if error.code not in _AGAIN:
                    raise NetworkError(_refusal(error.code, url)) from None
                reason, pause = f"answered {error.code}", error.headers.get("Retry-After", "")
            except (urllib.error.URLError, *BROKEN, OSError) as error:
                reason, pause = f"cannot be reached ({_reason(error)})", ""
            except ValueError:
                msg = f"{_shown(url)}: the server sends on to an address that cannot be read; tell ImmPort"
                raise NetworkError(msg) from None
            attempt += 1
            if attempt >= self.attempts:
                msg = f"{_shown(url)}: the server {reason} {attempt} times; try again later"
                raise NetworkError(msg) from None
            self.wait(attempt - 1, pause)

    def wait(self, attempt: int, asked: str = "") -> None:
        """Pause after a failed try, the longer the more there were, or as long as ``Retry-After`` asked for."""
        pause = self.pause * 2**attempt
        if asked.strip().isdigit():
            pause = max(pause, float(asked))
        self.sleep(min(pause, _LONGEST_PAUSE))

    def _authorise(self) -> str:
        """The token; a new one where there is none."""
        if self._token:
            return self._token
        for attempt in range(self.attempts):
            try:
                self._token = self._new_token()
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in _AGAIN:
                    what = f"ImmPort refuses the account ({error.code})"
                    msg = f"{self._token_url}: {what}; check IMMPORT_USERNAME and IMMPORT_PASSWORD"
                    raise NetworkError(msg) from None
                reason, pause = f"answered {error.code}", error.headers.get("Retry-After", "")
            except (urllib.error.URLError, *BROKEN) as error:
                reason, pause = f"cannot be reached ({_reason(error)})", ""
            except ValueError:
                reason, pause = "answered no JSON", ""
            else:
                return self._token
            self.wait(attempt, pause)
        msg = f"{self._token_url}: the server {reason} {self.attempts} times; try again later"
        raise NetworkError(msg)

    @property
    def _token_url(self) -> str:
        return urllib.parse.urljoin(self.url, _TOKEN_PATH)

    def _new_token(self) -> str:
        username, password = self._account or ("", "")
        body = urllib.parse.urlencode({"username": username, "password": password}).encode()
        request = urllib.request.Request(self._token_url, data=body, method="POST")  # noqa: S310 - checked by connect
        with _open(request, self.timeout) as response:
            answer = json.loads(response.read(_LARGEST_ANSWER))
        names = ("access_token", "token")  # of the present and of the older host
        token = next((answer[name] for name in names if answer.get(name)), "") if isinstance(answer, dict) else ""
        if not _TOKEN.fullmatch(str(token)):
            msg = f"{self._token_url}: the answer holds no token; check IMMPORT_USERNAME and IMMPORT_PASSWORD"
            raise NetworkError(msg)
        return str(token)


def connect(environment: Mapping[str, str] | None = None) -> Client:
    """Make a client with the credentials of the environment; nothing is sent yet.

    Raises
    ------
    OptionError
        There are none, or the host is neither https nor this machine.
    """
    environment = os.environ if environment is None else environment
    url = environment.get("IMMPORT_URL", "") or DEFAULT_URL
    username, password = environment.get("IMMPORT_USERNAME", ""), environment.get("IMMPORT_PASSWORD", "")
    token = environment.get("IMMPORT_TOKEN", "").strip()
    if not token and not (username and password):
        msg = (
            "no credentials of ImmPort in the environment, so nothing is sent; "
            "set IMMPORT_USERNAME and IMMPORT_PASSWORD, or IMMPORT_TOKEN"
        )
        raise OptionError(msg)
    if token and not _TOKEN.fullmatch(token):  # such a header would be refused with the token in the message
        msg = "IMMPORT_TOKEN holds characters that no token has; set it to the token alone"
        raise OptionError(msg)
    try:
        check_url(url)
    except NetworkError as error:
        msg = f"IMMPORT_URL: {error}"
        raise OptionError(msg) from error
    account = (username, password) if username and password else None
    return Client(url, _account=account, _token=token)


def check_url(url: str) -> None:
    """Refuse what is neither https nor on this machine."""
    try:
        parts = urllib.parse.urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named:
        msg = "an address that cannot be read; nothing is sent to it"
        raise NetworkError(msg)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        msg = f"{_shown(url)!r} is not an https address; nothing is sent to it"
        raise NetworkError(msg)


def same_host(one: str, other: str) -> bool:
    """Whether two URLs have the same scheme, host and port."""
    return urllib.parse.urlsplit(one)[:2] == urllib.parse.urlsplit(other)[:2]


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to https only, without the token where they leave the host."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        check_url(newurl)
        found = super().redirect_request(req, fp, code, msg, headers, newurl)
        if found is not None and not same_host(newurl, req.full_url):
            found.remove_header("Authorization")
        return found


def _open(request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    response: http.client.HTTPResponse = urllib.request.build_opener(_Redirects).open(request, timeout=timeout)
    return response


def _encoded(url: str) -> str:
    """A URL with what may not stand in one, such as blanks in the name of a file, as per cent codes."""
    return urllib.parse.quote(url, safe="%!#$&'()*+,/:;=?@[]~")


def _shown(url: str) -> str:
    """A URL without its query, which may hold a signature."""
    return urllib.parse.urlunsplit(urllib.parse.urlsplit(url)._replace(query="", fragment="", netloc=_host(url)))


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc.rpartition("@")[2]


def _reason(error: BaseException) -> str:
    if isinstance(error, http.client.InvalidURL):  # its text is the URL, maybe with a signature
        return "the address is not valid"
    reason = getattr(error, "reason", error)
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__


def _refusal(code: int, url: str) -> str:
    what = {
        401: "the token is not accepted; set a new one, or IMMPORT_USERNAME and IMMPORT_PASSWORD",
        403: "the account may not have this; accept the user agreement at immport.org, or check the study",
        404: "there is no such thing; check the study accession",
        416: "the server has less than was loaded before; remove the .part file",
    }.get(code, "the server refuses the request; check the study accession")
    return f"{_shown(url)}: {what} ({code})"
