"""The control plane ``/_sim``: what Python can do to a world, offered over HTTP on every simulator server.

Manifest, clock, agenda, faults, journal, verification with near misses, snapshots, reset, timeline and the fidelity
ledger. A vendor adds its own verbs (devices, conditions) beside these. Only local callers are served: the Host header
must name this machine or a host the world itself serves, and an Origin header, when there is one, must name this
machine too, so that no page from elsewhere can turn the clock.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, request

from contracts import ledger
from simulators.engine import faults, instants, timeline
from simulators.engine.errors import BadInstant, ClockError, EngineError, Refused, StaleSnapshot
from simulators.engine.faults import Fault, FaultKind
from simulators.engine.journal import Entry
from simulators.engine.tables import MissingRow
from simulators.engine.web import answer, json_body, world
from simulators.engine.world import Snapshot, World

LOOPBACK = ("localhost", "127.0.0.1", "::1")
JOURNAL_LIMIT = 1000
LONGEST_WAIT = 10 * instants.SECOND


def plane(name: str) -> Blueprint:
    """Return an empty part of the control plane: it serves local callers only and words every error as one line."""
    routes = Blueprint(name, __name__, url_prefix="/_sim")

    @routes.before_request
    def local_only() -> None:
        guard(world())

    @routes.errorhandler(EngineError)
    def refused(error: EngineError) -> Response:
        if isinstance(error, Refused):
            return answer(error.body, error.status, error.headers)
        status = 404 if isinstance(error, MissingRow) else 409 if isinstance(error, StaleSnapshot) else 400
        return answer({"error": str(error)}, status)

    return routes


def blueprint() -> Blueprint:
    """Return the engine's verbs as a blueprint to be registered on a vendor's application."""
    routes = plane("sim")

    @routes.get("/")
    def manifest() -> Response:
        here = world()
        return answer(
            {
                "name": "pagedrill",
                "seed": here.seed,
                "clock": clock_state(here),
                "components": list(here.components),
                "sites": {host: site.name for host, site in here.sites.items()},
                "journal": {"branch": here.journal.branch, "last": here.journal.last},
                "verbs": _verbs(),
            }
        )

    @routes.get("/clock")
    def read_clock() -> Response:
        return answer(clock_state(world()))

    @routes.post("/clock")
    def move_clock() -> Response:
        here, wish = world(), object_body()
        if "mode" in wish:
            here.controls.set_mode(str(wish["mode"]), wish.get("rate"))
        if "advance" in wish:
            here.controls.run(lambda: here.advance(_duration(wish["advance"])))
        if "to" in wish:
            here.controls.run(lambda: here.advance_to(instants.at_clock(str(wish["to"]), here.now)))
        if wish.get("run_next"):
            here.controls.run(here.run_next)
        return answer(clock_state(here))

    @routes.get("/agenda")
    def agenda() -> Response:
        here = world()
        return answer(
            {
                "agenda": [
                    {
                        "due": instants.iso_milliseconds(t.due),
                        "seq": t.seq,
                        "owner": t.owner,
                        "kind": t.kind,
                        "key": t.key,
                    }
                    for t in here.agenda.timers()
                ]
            }
        )

    @routes.get("/faults")
    def list_faults() -> Response:
        return answer({"faults": [asdict(fault) for fault in world().view.all(faults.FAULTS)]})

    @routes.post("/faults")
    def add_fault() -> Response:
        fault = read_fault(object_body())
        return answer({"fault": asdict(world().transact(lambda draft: faults.add(draft, fault)))}, 201)

    @routes.delete("/faults/<fault_id>")
    def remove_fault(fault_id: str) -> Response:
        world().transact(lambda draft: faults.remove(draft, fault_id))
        return answer(None, 204)

    @routes.get("/journal")
    def journal() -> Response:
        here, query = world(), request.args
        since = _integer("since", 0)
        if _integer("branch", here.journal.branch) != here.journal.branch:
            since = 0
        wait = min(instants.duration(query.get("wait", "0s")), LONGEST_WAIT)
        if wait and here.journal.last <= since:
            here.controls.wait(lambda: here.journal.last > since, wait)
        chosen = [entry for entry in here.journal.since(since) if _wanted(entry, query)]
        chosen = chosen[: min(_integer("limit", JOURNAL_LIMIT), JOURNAL_LIMIT)]
        last = chosen[-1].seq if chosen else here.journal.last
        return answer({"branch": here.journal.branch, "last": last, "entries": [entry_json(entry) for entry in chosen]})

    @routes.post("/verify")
    def check() -> Response:
        wish = object_body()
        found, near = verify(world(), wish)
        wanted = wish.get("count")
        good = bool(found) if wanted is None else len(found) == wanted
        return answer(
            {"ok": good, "found": [entry_json(entry) for entry in found], "near_misses": near}, 200 if good else 422
        )

    @routes.post("/snapshots")
    def take_snapshot() -> Response:
        here = world()
        taken: list[Snapshot] = []
        here.controls.run(lambda: taken.append(here.snapshot()))
        snapshot = taken[0]
        here.kept[str(snapshot.serial)] = snapshot
        return answer({"id": str(snapshot.serial), "now": instants.iso_milliseconds(snapshot.now)}, 201)

    @routes.post("/snapshots/<serial>/restore")
    def restore(serial: str) -> Response:
        here = world()
        snapshot = here.kept.get(serial)
        if snapshot is None:
            raise MissingRow(f"there is no snapshot {serial}")
        here.controls.run(lambda: here.restore(snapshot))
        return answer(clock_state(here))

    @routes.post("/reset")
    def reset() -> Response:
        here, wish = world(), object_body()
        here.controls.run(lambda: here.reset(wish.get("seed")))
        return answer(clock_state(here))

    @routes.get("/timeline.<form>")
    def tell(form: str) -> Response:
        told = timeline.lines(world())
        if form == "json":
            return answer({"timeline": timeline.as_json(told)})
        if form == "txt":
            return Response(timeline.as_text(told), content_type="text/plain; charset=utf-8")
        if form == "html":
            body = html.escape(timeline.as_text(told))
            page = f"<!doctype html><meta charset=utf-8><title>Timeline</title><pre>{body}</pre>"
            return Response(page, content_type="text/html; charset=utf-8")
        raise MissingRow(f"a timeline comes as json, txt or html, not as {form}")

    @routes.get("/fidelity")
    def fidelity() -> Response:
        return answer(ledger.as_json())

    return routes


def _verbs() -> list[str]:
    """Return method and path of everything the control plane of this server has, the vendor's own verbs included."""
    rules = [rule for rule in current_app.url_map.iter_rules() if rule.rule.startswith("/_sim/")]
    pairs = ((rule.rule, method) for rule in rules for method in rule.methods or () if method not in _IMPLIED)
    return [f"{method} {path}" for path, method in sorted(pairs)]


_IMPLIED = ("HEAD", "OPTIONS")


def guard(here: World) -> None:
    """Refuse callers that are not local (403)."""
    host = urlsplit("//" + request.host).hostname or ""
    if host not in LOOPBACK and host not in here.sites and request.host not in here.sites:
        raise Refused(403, {"error": f"the control plane is not served to Host {host!r}; use 127.0.0.1"})
    origin = request.headers.get("Origin")
    if origin is not None and (urlsplit(origin).hostname or "") not in LOOPBACK:
        raise Refused(403, {"error": f"the control plane is not served to pages of {origin}"})


def object_body() -> dict[str, Any]:
    """Return the request's JSON object (an empty body is an empty object); anything else is refused with 400."""
    if not request.get_data(cache=True):
        return {}
    try:
        body = json_body()
    except ValueError as problem:
        raise Refused(400, {"error": f"the body is not JSON: {problem}"}) from None
    if not isinstance(body, dict):
        raise Refused(400, {"error": "the body must be a JSON object"})
    return body


def clock_state(here: World) -> dict[str, Any]:
    """Return the clock as JSON."""
    due = here.next_due()
    return {
        "now": instants.iso_milliseconds(here.now),
        "microseconds": here.now,
        "next_due": None if due is None else instants.iso_milliseconds(due),
        **here.controls.state(),
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return a journal entry as JSON."""
    return {
        "seq": entry.seq,
        "at": instants.iso_milliseconds(entry.at),
        "kind": entry.kind,
        "subject": entry.subject,
        "data": entry.data,
        "cause": entry.cause,
    }


def read_fault(wish: Mapping[str, Any]) -> Fault:
    """Return the fault a JSON object describes; refuses unknown names and wrong kinds with 400."""
    known = {entry.name for entry in fields(Fault)} - {"id", "seen", "hits"}
    unknown = sorted(set(wish) - known)
    if unknown:
        raise Refused(400, {"error": f"unknown fault setting {unknown[0]!r}; known are {', '.join(sorted(known))}"})
    values = dict(wish)
    try:
        values["kind"] = FaultKind(values["kind"])
        for name in ("since", "until"):
            if isinstance(values.get(name), str):
                values[name] = instants.parse(values[name])
        if "delay" in values:
            values["delay"] = _duration(values["delay"])
        values["headers"] = tuple((str(name), str(value)) for name, value in values.get("headers", ()))
        return Fault(id="", **values)
    except (KeyError, ValueError, TypeError) as problem:
        raise Refused(400, {"error": f"not a fault: {problem}; kind is one of {', '.join(FaultKind)}"}) from None


def verify(here: World, wish: Mapping[str, Any]) -> tuple[list[Entry], list[dict[str, Any]]]:
    """Return the entries that match ``wish`` (kind, subject, data); when none do, the closest ones and why not."""
    expected: dict[str, Any] = {name: wish[name] for name in ("kind", "subject") if name in wish}
    data = wish.get("data", {})
    if not isinstance(data, Mapping):
        raise Refused(400, {"error": "data must be an object"})
    expected.update({f"data.{name}": value for name, value in data.items()})
    found: list[Entry] = []
    close: list[tuple[int, Entry, dict[str, Any]]] = []
    for entry in here.journal:
        actual = {"kind": entry.kind, "subject": entry.subject, **{f"data.{k}": v for k, v in entry.data.items()}}
        differing = {
            name: {"expected": value, "actual": actual.get(name)}
            for name, value in expected.items()
            if actual.get(name) != value
        }
        if not differing:
            found.append(entry)
        else:
            close.append((len(differing), entry, differing))
    close.sort(key=lambda item: item[0])
    near = [{"entry": entry_json(entry), "differs": differing} for _, entry, differing in close[:3]]
    return found, [] if found else near


def _duration(value: Any) -> int:
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return instants.duration(value)
    raise BadInstant(f"{value!r} is not a duration")


def _integer(name: str, default: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        raise ClockError(f"{name}={text!r} is not a whole number") from None


def _wanted(entry: Entry, query: Mapping[str, str]) -> bool:
    kind, subject = query.get("kind"), query.get("subject")
    return (kind is None or entry.kind.startswith(kind)) and (subject is None or entry.subject == subject)
