from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import httpx

from .errors import FoldbookError
from .transport import SAME_AGAIN, parameters

if TYPE_CHECKING:
    from . import models as m

LONGEST_WAIT = 15.0
SILENCE = httpx.Timeout(10, read=40)  # the service says something every 15 s


@dataclass(frozen=True)
class Message:
    """`hello` when the service has begun to tell, an `event`, or `reset` when some were missed for good: then read the lists anew."""

    type: Literal["hello", "event", "reset"]
    seq: int
    """Where to go on: `watch(after=message.seq)`."""
    event: m.Event | None = None


def listen(http: httpx.Client, query: Mapping[str, Any], after: int | None) -> Iterator[Message]:
    """Messages until the loop is left. A connection that is lost is made again, and what was missed comes first."""
    connected, wait = False, 0.25
    while True:
        headers = {"Accept": "text/event-stream", **({} if after is None else {"Last-Event-ID": str(after)})}
        try:
            with http.stream("GET", "/api/events", params=list(parameters(query)), headers=headers, timeout=SILENCE) as response:
                if response.status_code >= 400:
                    response.read()
                    raise FoldbookError.of(response)
                for message in messages(response):
                    yield message
                    connected, wait, after = True, 0.25, message.seq
        except httpx.TransportError:
            if not connected:
                raise
        except FoldbookError as error:
            if not connected or error.status not in (429, *SAME_AGAIN):
                raise
            wait = max(wait, error.retry_after or 0)
        time.sleep(wait)
        wait = min(LONGEST_WAIT, 2 * wait)


def messages(response: httpx.Response) -> Iterator[Message]:
    """What a stream of server-sent events says; comments and what is cut off say nothing."""
    rest = b""
    for part in response.iter_bytes():
        *frames, rest = (rest + part).split(b"\n\n")
        for frame in frames:
            fields = dict(line.split(": ", 1) for line in frame.decode().split("\n") if not line.startswith(":"))
            if "data" in fields:
                seq = int(fields["id"])
                if fields["event"] == "hello":
                    yield Message("hello", seq)
                elif fields["event"] == "reset":
                    yield Message("reset", seq)
                else:
                    yield Message("event", seq, json.loads(fields["data"]))
