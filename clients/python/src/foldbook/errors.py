from __future__ import annotations

import email.utils
import json
import time
from typing import Any

import httpx


class FoldbookError(Exception):
    """An answer with a status of 400 or more."""

    def __init__(
        self, status: int, code: str, message: str, request_id: str | None, details: dict[str, Any], retry_after: float | None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        """What is wrong, for a program: the codes of docs/errors.md; `unknown` where something before the service answered."""
        self.message = message
        self.request_id = request_id
        """By which the service's log has the request."""
        self.details = details
        """More about the error, by code; often empty."""
        self.retry_after = retry_after
        """In how many seconds a repeat makes sense, where the service says so."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message} (status {self.status}, request {self.request_id})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, self.code, self.message, self.request_id, self.details, self.retry_after)

    @classmethod
    def of(cls, response: httpx.Response) -> FoldbookError:
        """The error of an answer that has been read."""
        after = retry_after(response)
        try:
            body = json.loads(response.content)
            return cls(response.status_code, body["code"], body["message"], body["request_id"], body["details"], after)
        except (ValueError, KeyError, TypeError):  # not the service's answer
            message = f"{response.status_code} {response.reason_phrase}: {response.text[:200]}"
            return cls(response.status_code, "unknown", message, response.headers.get("X-Request-Id"), {}, after)


class FoldbookWarning(UserWarning):
    """What the service says of something that it has taken, such as a NaN that is stored as null."""


def retry_after(response: httpx.Response) -> float | None:
    """The seconds of Retry-After, which may also be a date."""
    value = response.headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
