"""Schemathesis over every operation of the description each simulator serves of itself.

    python tests/fuzz/operations.py                       # both vendors, 50 requests to each operation: minutes
    python tests/fuzz/operations.py --vendor pagerduty --only incidents --examples 500 --seed 7

The description is fetched from the simulator that is judged, requests are drawn from it by Schemathesis (such as it
allows and such as it forbids), and every answer must be one it names: no 5xx, no undocumented status, content type or
shape. Requests name ids that exist more often than not, and each one meets the same furnished world, so that a finding
depends on nothing but itself. The exit code is 1 when something was found; each finding is printed once, with the
request that shows it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import schemathesis
from furnished import Furnished, pagerduty_world, thousandeyes_world
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

VENDORS: dict[str, Callable[[], Furnished]] = {"pagerduty": pagerduty_world, "thousandeyes": thousandeyes_world}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


@dataclass(frozen=True)
class Finding:
    """What is wrong with an answer, and the request that got it."""

    operation: str
    trouble: str
    request: str


class Vendor:
    """A furnished simulator and the operations of its served description, or of another one it is held to."""

    def __init__(self, name: str, description: dict[str, Any] | None = None) -> None:
        self.name = name
        self.here = VENDORS[name]()
        self.fresh = self.here.world.snapshot()
        self.known = self.here.ids()
        self.answers: Counter[int] = Counter()
        schema = schemathesis.openapi.from_dict(description or self.here.description)
        self.operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]

    def judge(self, operation: Any, examples: int, seed: int | None) -> Iterator[Finding]:
        """Send ``examples`` requests to an operation and yield the first one that is answered as it should not be."""
        found: list[Finding] = []
        self.here.world.restore(self.fresh)
        cases = self._case(operation)

        @settings(
            max_examples=examples,
            derandomize=seed is None,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(cases)
        def each(case: Any) -> None:
            if not found:
                found.extend(self._send(operation, case))

        (each if seed is None else seeded(seed)(each))()
        yield from found

    def _case(self, operation: Any) -> st.SearchStrategy[Any]:
        ids = st.sampled_from([id for owner in _owners(operation.path) for id in self.here.ids(owner)] or self.known)
        modes = st.one_of(*(operation.as_strategy(mode) for mode in MODES))

        def named(case: Any, chosen: list[str], keep: bool) -> Any:
            if not keep:
                for name, id in zip(case.path_parameters, chosen, strict=False):
                    case.path_parameters[name] = id
                case.body = _with_ids(case.body, self.known)
                case.query.pop("aid", None)  # any other account group than one's own is 403, whatever is asked for
            return case

        return st.builds(named, modes, st.lists(ids, min_size=4, max_size=4), st.sampled_from([False, False, True]))

    def _send(self, operation: Any, case: Any) -> Iterator[Finding]:
        self.here.world.restore(self.fresh)
        base = f"https://{self.here.host}"
        sent = case.as_transport_kwargs(base_url=base)
        content = json.dumps(sent["json"]) if "json" in sent else sent.get("data")
        headers = {**_plain(sent.get("headers") or {}), **self.here.headers}
        if "json" in sent:
            headers["Content-Type"] = "application/json"
        answer = self.here.world.client.request(
            sent["method"], sent["url"], params=sent.get("params"), content=content, headers=headers
        )
        self.answers[answer.status_code] += 1
        answer.elapsed = timedelta()  # virtual time: it took none
        trouble = [f"{error['trace']}" for error in self.here.errors]
        try:
            case.validate_response(answer, checks=CHECKS)
        except (Failure, FailureGroup) as problem:
            trouble += [str(one) for one in getattr(problem, "exceptions", (problem,))]
        for text in trouble:
            shown = (
                f"{sent['method']} {answer.request.url}\n{content or ''}\n-> {answer.status_code} {answer.text[:300]}"
            )
            yield Finding(f"{operation.method.upper()} {operation.path}", text, shown)


def _owners(path: str) -> list[str]:
    """Return how the tables may be called in which an operation's ids are found: ``/users/{id}`` means users."""
    parts = path.strip("/").split("/")
    return [before for before, part in itertools.pairwise(parts) if part.startswith("{")]


def _with_ids(value: Any, known: list[str], key: str = "") -> Any:
    """Return a body in which what stands for an id is one that exists; which one depends on the text it replaces."""
    if isinstance(value, dict):
        return {name: _with_ids(inner, known, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_ids(inner, known, key) for inner in value]
    stands = key == "id" or key.endswith(("Id", "Ids", "_id", "_ids"))
    return known[sum(value.encode(errors="replace")) % len(known)] if stands and isinstance(value, str) else value


def _plain(headers: Any) -> dict[str, str]:
    """Return what a client can send as headers."""
    return {name: value for name, value in dict(headers).items() if _printable(name) and _printable(value)}


def _printable(text: Any) -> bool:
    return isinstance(text, str) and text.isascii() and text.isprintable()


def main() -> int:
    """Judge every operation and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vendor", choices=tuple(VENDORS), help="one vendor instead of both")
    parser.add_argument("--only", default="", metavar="TEXT", help="operations whose path has this in it")
    parser.add_argument("--examples", type=int, default=50, help="requests to each operation")
    parser.add_argument("--seed", type=int, help="draw other requests than the usual ones")
    options = parser.parse_args()
    total = judged = 0
    for name in [options.vendor] if options.vendor else VENDORS:
        vendor = Vendor(name)
        chosen = [one for one in vendor.operations if options.only in one.path]
        for operation in chosen:
            for finding in vendor.judge(operation, options.examples, options.seed):
                total += 1
                print(f"{finding.operation}\n{finding.trouble}\n{finding.request}\n", flush=True)
        judged += len(chosen)
        shown = ", ".join(f"{count} x {status}" for status, count in sorted(vendor.answers.items()))
        print(f"{name}: {len(chosen)} operations; answers {shown}", flush=True)
    print(f"{judged} operations, {options.examples} requests each: {total} findings")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
