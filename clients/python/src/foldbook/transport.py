from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any, TypeVar

import httpx

from .errors import FoldbookError, retry_after

T = TypeVar("T")

READS = ("GET", "HEAD")
NOTHING_DONE = (409, 429)  # of any method
SAME_AGAIN = (502, 503, 504)  # something may have been done, and a repeat of what may be repeated ends in the same state


class Transport:
    """Sends requests, and repeats what may be repeated."""

    def __init__(self, http: httpx.Client, retries: int, longest_wait: float) -> None:
        self.http = http
        self.retries = retries
        self.longest_wait = longest_wait

    def send(
        self,
        method: str,
        path: str,
        read: Callable[[httpx.Response], T],
        query: Mapping[str, Any],
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
        timeout: httpx.Timeout | None = None,
    ) -> T:
        """What `read` makes of the answer. A read whose answer is cut off is repeated as a whole."""
        request = self.http.build_request(
            method, path, params=list(parameters(query)), content=content, headers=headers, timeout=timeout or self.http.timeout
        )
        for attempt in range(self.retries + 1):
            wait = 0.25 * 2**attempt
            try:
                response = self.http.send(request, stream=True)
                try:
                    if response.status_code < 400:
                        return read(response)
                    response.read()
                finally:
                    response.close()
            except httpx.TransportError:
                # Whether the request did anything is not known.
                if attempt == self.retries or not (method in READS or repeatable):
                    raise
            else:
                asked = retry_after(response)
                again = response.status_code in NOTHING_DONE or (
                    response.status_code in SAME_AGAIN and (repeatable or method in (*READS, "PUT", "DELETE"))
                )
                if attempt == self.retries or asked is None or asked > self.longest_wait or not again:
                    raise FoldbookError.of(response)
                wait = asked
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")


def parameters(query: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Several values are separated by commas, as the service takes them; each `metric` is a parameter of its own."""
    for name, value in query.items():
        if value is None:
            continue
        if isinstance(value, str) or not isinstance(value, Iterable):
            yield name, text(value)
        elif name == "metric":
            yield from ((name, text(one)) for one in value)
        else:
            yield name, ",".join(text(one) for one in value)


def text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


def plain(value: Any) -> Any:
    """What json does not know: times, UUIDs, and the numbers and arrays of numpy."""
    if isinstance(value, date):
        return value.isoformat()
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    return str(value)


class Body:
    """An answer as a file that is read while it arrives."""

    closed = False

    def __init__(self, response: httpx.Response) -> None:
        self.parts = response.iter_bytes()
        self.rest = b""

    def read(self, size: int = -1) -> bytes:
        parts, have = [self.rest], len(self.rest)
        while size < 0 or have < size:
            part = next(self.parts, None)
            if part is None:
                break
            parts.append(part)
            have += len(part)
        whole = b"".join(parts)
        end = have if size < 0 else min(size, have)
        self.rest = whole[end:]
        return whole[:end]
