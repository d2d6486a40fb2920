"""Ids, keys and noise as keyed hashes of (seed, purpose, counter).

Nothing here draws from a stream, so one more request, a fork or another order of questions shifts nothing: the n-th
incident id of a seed is the same for ever, and the noise of a round can be asked for in any order. BLAKE2b keyed with
the seed is the only source; Python's own ``hash`` and ``random`` are never used because they differ between processes
and versions.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable

UPPER_ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: What each byte of a digest stands for. 256 is no multiple of 36, so early letters come up a little more often.
_LETTERS = bytes(ord(UPPER_ALPHANUMERIC[byte % len(UPPER_ALPHANUMERIC)]) for byte in range(256))


def digest(seed: int, purpose: str, *parts: str | int, size: int = 16) -> bytes:
    """Return ``size`` bytes (1..64) that depend on nothing but the arguments.

    ``seed`` is any integer, ``purpose`` names the use (``"incident.id"``), ``parts`` tell one draw from another.
    """
    state = _begun(seed, purpose, size).copy()
    for part in parts:
        state.update(f"\x1f{part}".encode())
    return state.digest()


@functools.lru_cache(maxsize=1024)
def _begun(seed: int, purpose: str, size: int) -> hashlib.blake2b:
    """Return the hash of what all draws of a purpose have in common; to be copied, never to be added to."""
    return hashlib.blake2b(f"{seed}\x1f{purpose}".encode(), digest_size=size)


def number(seed: int, purpose: str, *parts: str | int) -> int:
    """Return a 64-bit unsigned integer that depends on nothing but the arguments."""
    return int.from_bytes(digest(seed, purpose, *parts, size=8), "big")


def uuid(seed: int, purpose: str, *parts: str | int) -> str:
    """Return a text that reads as an RFC 4122 version 4 UUID."""
    raw = bytearray(digest(seed, purpose, *parts))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    hexed = raw.hex()
    return f"{hexed[:8]}-{hexed[8:12]}-{hexed[12:16]}-{hexed[16:20]}-{hexed[20:]}"


#: Makes the value of a draw from (seed, purpose, counter); see :meth:`simulators.engine.draft.Draft.fresh`.
Shape = Callable[[int, str, int], str]


def alphanumeric(prefix: str, length: int) -> Shape:
    """Return a shape for upper-case alphanumeric ids such as ``PABC123`` (``length`` counts the prefix)."""
    size = length - len(prefix)

    def shape(seed: int, purpose: str, counter: int) -> str:
        return prefix + digest(seed, purpose, counter, size=size).translate(_LETTERS).decode("ascii")

    return shape


def hexadecimal(length: int) -> Shape:
    """Return a shape for lower-case hexadecimal keys, at most 64 characters long."""

    def shape(seed: int, purpose: str, counter: int) -> str:
        return digest(seed, purpose, counter, size=(length + 1) // 2).hex()[:length]

    return shape


def decimal(first: int) -> Shape:
    """Return a shape for counting decimal ids: ``first``, ``first + 1``, ... (the seed plays no part)."""

    def shape(seed: int, purpose: str, counter: int) -> str:
        return str(first + counter)

    return shape


UUID4: Shape = uuid
