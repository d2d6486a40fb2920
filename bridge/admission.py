"""Who may come in: secrets compared in constant time, signatures over the bytes as they came."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.config import Receiver, Secret

SIGNATURE = "x-pagerduty-signature"


class Door(StrEnum):
    """The paths notifications come in by."""

    THOUSANDEYES = "/thousandeyes"
    PAGERDUTY = "/pagerduty"


@dataclass(frozen=True, slots=True)
class Inbound:
    """A request to one of the doors: header names in lower case, ``body`` None when it was larger than allowed."""

    body: bytes | None = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    door: Door = Door.THOUSANDEYES


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told."""

    status: int
    body: str


ACCEPTED = Answer(200, "stored\n")
UNAUTHORIZED = Answer(401, "the credentials are missing or wrong\n")
TOO_LARGE = Answer(413, "the body is too large\n")
UNAVAILABLE = Answer(503, "the notification could not be stored, send it again\n")


def authentic(receiver: Receiver, headers: Mapping[str, str]) -> bool:
    """Say whether a request carries one of the valid secrets; every secret is compared, in constant time."""
    if receiver.auth == "none":
        return True
    name = receiver.header if receiver.auth == "header" else "authorization"
    given = headers.get(name, "").encode("latin-1", "replace")
    user_fits = True
    if receiver.auth != "header":
        scheme, _, rest = given.partition(b" ")
        given = rest.strip()
        if scheme.lower() != receiver.auth.encode():
            return False
    if receiver.auth == "basic":
        try:
            user, _, given = base64.b64decode(given, validate=True).partition(b":")
        except binascii.Error:
            return False
        user_fits = hmac.compare_digest(user, receiver.username.encode())
    fits = [hmac.compare_digest(given, secret.value.encode()) for secret in receiver.secrets]
    return user_fits and any(fits)


def looks_meant(receiver: Receiver, request: Inbound) -> bool:
    """Say whether a refused request is a sender's with the wrong secret, and not one of the internet's passers-by."""
    name = receiver.header if receiver.auth == "header" else "authorization"
    return name in request.headers or (request.body is not None and b'"eventType"' in request.body)


def signed(secrets: Sequence[Secret], headers: Mapping[str, str], body: bytes) -> bool:
    """Say whether a PagerDuty v3 webhook is signed with one of ``secrets``.

    The header holds one or several ``v1=HEX`` parts, one for each secret that is live; other versions are ignored.
    """
    given = [part.strip()[3:] for part in headers.get(SIGNATURE, "").split(",") if part.strip().startswith("v1=")]
    made = [hmac.new(secret.value.encode(), body, hashlib.sha256).hexdigest().encode() for secret in secrets]
    fits = [hmac.compare_digest(one.encode("latin-1", "replace"), other) for one in given[:8] for other in made]
    return any(fits)
