"""Operators' hands: changing a store while a bridge runs on it.

Only the process that serves may write a SQLite file, so it also listens on a socket beside it, ``bridge.db.control``,
that nobody but its owner may open; commands go there. With PostgreSQL, or when nothing is served, they change the store
themselves. Either way the same functions of :mod:`bridge.records` do the work.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
from flask import Flask, Response, request

from bridge import records
from bridge.config import Storage
from bridge.core import Bridge
from bridge.errors import StoreError
from bridge.store import Raw, Store, is_served, open_store

log = logging.getLogger("bridge")
#: What a path of a Unix socket may be long on all systems.
LONGEST_PATH = 100
PATIENCE = 30.0


class Hands(Protocol):
    """What operators may change."""

    def replay(self, letter: str) -> str:
        """Give a dead letter another chance; return what happens now."""

    def drop(self, letter: str) -> None:
        """Give a dead letter up for good."""

    def replay_since(self, since: int, now: int, *, dry_run: bool) -> list[tuple[str, str]]:
        """Send again what may have been lost since an instant; return (action, dedup key) of each."""

    def put_in(self, source: str, bodies: Sequence[bytes], now: int) -> None:
        """Store notifications as if they had come in."""


class OwnHands:
    """Changes the store itself."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def replay(self, letter: str) -> str:
        """Give a dead letter another chance; return what happens now."""
        return records.replay(self._store, letter)

    def drop(self, letter: str) -> None:
        """Give a dead letter up for good."""
        records.drop(self._store, letter)

    def replay_since(self, since: int, now: int, *, dry_run: bool) -> list[tuple[str, str]]:
        """Send again what may have been lost since an instant."""
        return records.replay_since(self._store, since, now, dry_run=dry_run)

    def put_in(self, source: str, bodies: Sequence[bytes], now: int) -> None:
        """Store notifications as if they had come in."""
        self._store.append([Raw(source, body, now) for body in bodies])


class RemoteHands:
    """Asks the serving process to change its store."""

    def __init__(self, path: Path) -> None:
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(path)), base_url="http://bridge", trust_env=False, timeout=PATIENCE
        )

    def replay(self, letter: str) -> str:
        """Give a dead letter another chance; return what happens now."""
        return str(self._ask("replay", letter=letter)["words"])

    def drop(self, letter: str) -> None:
        """Give a dead letter up for good."""
        self._ask("drop", letter=letter)

    def replay_since(self, since: int, now: int, *, dry_run: bool) -> list[tuple[str, str]]:
        """Send again what may have been lost since an instant."""
        chosen = self._ask("replay-since", since=since, dry_run=dry_run)["chosen"]
        return [(action, key) for action, key in chosen]

    def put_in(self, source: str, bodies: Sequence[bytes], now: int) -> None:
        """Store notifications as if they had come in."""
        self._ask("put-in", source=source, bodies=[body.decode() for body in bodies])

    def refusing(self) -> tuple[int, str] | None:
        """Return since when it cannot store notifications and why, ``None`` when it can."""
        found = self._ask("refusing")["refusing"]
        return None if found is None else (int(found[0]), str(found[1]))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer = self._client.post(f"/{verb}", json=arguments)
            document: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise StoreError(f"the running bridge does not answer ({type(error).__name__})") from None
        if answer.status_code != 200:
            raise StoreError(str(document.get("error")))
        return document


class Control:
    """The serving side: one application on a socket beside the store."""

    def __init__(self, bridge: Bridge, changed: Callable[[], None], clock: Callable[[], int]) -> None:
        self._bridge = bridge
        self._hands = OwnHands(bridge.store)
        self._changed = changed
        self._clock = clock
        self._path: Path | None = None

    def listen(self, storage: Storage) -> socket.socket | None:
        """Return the listening socket, or ``None`` when this store needs none or its path is too long for one."""
        path = path_beside(storage)
        if path is None:
            return None
        if len(os.fsencode(path)) > LONGEST_PATH:
            log.warning("the store's path is too long for a control socket: dead letters need the bridge stopped")
            return None
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(16)
        self._path = path
        return listener

    def close(self) -> None:
        """Remove the socket's file."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def application(self) -> Flask:
        """Return the application: one path for each of the :class:`Hands`' verbs."""
        app = Flask("bridge.control", static_folder=None)

        def answer(do: Callable[[dict[str, Any]], dict[str, Any]]) -> Response:
            try:
                given = request.get_json(force=True, silent=True)
                document, status = do(given if isinstance(given, dict) else {}), 200
            except (StoreError, KeyError, TypeError) as error:
                document, status = {"error": str(error)}, 409
            self._changed()
            return Response(json.dumps(document), status, content_type="application/json")

        def drop(given: dict[str, Any]) -> dict[str, Any]:
            self._hands.drop(given["letter"])
            return {}

        def since(given: dict[str, Any]) -> dict[str, Any]:
            dry_run = bool(given.get("dry_run"))
            return {"chosen": self._hands.replay_since(int(given["since"]), self._clock(), dry_run=dry_run)}

        def put_in(given: dict[str, Any]) -> dict[str, Any]:
            bodies = [str(body).encode() for body in given["bodies"]]
            self._hands.put_in(str(given["source"]), bodies, self._clock())
            return {}

        verbs: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "replay": lambda given: {"words": self._hands.replay(given["letter"])},
            "drop": drop,
            "replay-since": since,
            "put-in": put_in,
            "refusing": lambda given: {"refusing": self._bridge.refusing(self._clock())},
        }
        for name, verb in verbs.items():
            app.add_url_rule(f"/{name}", name, lambda verb=verb: answer(verb), methods=["POST"])
        return app


def path_beside(storage: Storage) -> Path | None:
    """Return where the control socket of a store is, ``None`` for a database that needs none."""
    if storage.postgresql is not None:
        return None
    return storage.path.absolute().with_name(f"{storage.path.name}.control")


def refusing(storage: Storage, store: Store, now: int) -> tuple[int, str] | None:
    """Return since when notifications cannot be stored and why, ``None`` when they can or nobody can tell.

    A SQLite file may only be written by the process that serves it, so that one is asked.
    """
    path = path_beside(storage)
    if path is None:
        try:
            store.prove(now)
        except StoreError as error:
            return now, str(error)
        return None
    if not path.exists():
        return None
    remote = RemoteHands(path)
    try:
        return remote.refusing()
    except StoreError as error:
        return now, str(error)
    finally:
        remote.close()


@contextmanager
def hands(storage: Storage) -> Iterator[Hands]:
    """Return who changes the store: the process that serves it, or ourselves."""
    path = path_beside(storage)
    if path is not None and is_served(storage.path):
        if not path.exists():
            raise StoreError(f"{storage.path}: a bridge uses this store and has no control socket; stop it first")
        remote = RemoteHands(path)
        try:
            yield remote
        finally:
            remote.close()
        return
    if path is not None and not storage.path.exists():
        raise StoreError(f"{storage.path}: there is no store yet")
    store = open_store(storage)
    try:
        yield OwnHands(store)
    finally:
        store.close()
