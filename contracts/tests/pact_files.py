"""Pact files: written anew by the consumers' tests, compared with the ones that are kept, verified against a provider.

A consumer's test states one interaction, plays it with the real consumer against pact's mock server, and adds it to the
file. What is generated must be what is kept in ``contracts/pacts``: set ``PAGEDRILL_WRITE_PACTS=1`` to keep it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pact import Verifier, match

import contracts

PACTS = Path(contracts.__file__).parent / "pacts"
#: What pact itself says about its own version is no part of an agreement.
TOOL = "pactRust"


def one_of(*words: str) -> Any:
    """Return a matcher for exactly these texts; the first is the example."""
    return match.regex(words[0], regex="|".join(words))


def any_keys(example: Mapping[str, Any]) -> Any:
    """Return a matcher for an object with whatever keys and values."""
    return match.each_key_matches(example, rules=match.regex(next(iter(example)), regex=".+"))


def canonical(path: Path) -> str:
    """Return a pact file as text that depends on the agreement only."""
    document = json.loads(path.read_text(encoding="utf-8"))
    document["metadata"].pop(TOOL, None)
    document["interactions"].sort(key=lambda interaction: interaction["description"])
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def check_kept(folder: Path, name: str) -> None:
    """Fail when the generated file differs from the one that is kept; keep it when asked to."""
    generated, kept = canonical(folder / name), PACTS / name
    if os.environ.get("PAGEDRILL_WRITE_PACTS") == "1":
        kept.write_text(generated, encoding="utf-8")
    if not kept.is_file() or kept.read_text(encoding="utf-8") != generated:
        pytest.fail(
            f"{kept.name} is not what the consumer's tests say; run them with PAGEDRILL_WRITE_PACTS=1", pytrace=False
        )


def verify(provider: str, name: str, prepare: Callable[[Verifier], Verifier]) -> dict[str, Any]:
    """Replay the kept file ``name`` against ``provider`` as ``prepare`` sets it up; return what pact found."""
    verifier = prepare(Verifier(provider, host="127.0.0.1")).add_source(PACTS / name)
    try:
        verifier.verify()
    except RuntimeError:
        # A plain text: pact's own kind frees its memory when it is copied into an exception.
        pytest.fail("".join(verifier.output(strip_ansi=True)), pytrace=False)
    finally:
        # pact stops the servers behind its handlers and leaves their sockets open.
        for helper in (verifier._state_handler, verifier._message_producer):
            server = getattr(helper, "_server", None)
            if server is not None:
                server.server_close()
    return verifier.results
