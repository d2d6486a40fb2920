"""E-mails of the simulators handed on to a real SMTP server, so that they can be read in a real mailbox.

Only a served world has a relay. It watches the journal: whenever a vendor says that it sent a mail, the mail is put
into an outbox and carried to the server by a thread of its own, one after the other, outside the world's lock, so that
a server that is slow or gone holds up nobody. What became of each mail is written to the journal; a mail that could not
be handed on is not tried again. Speaks plain SMTP without a login, as mail sinks and local servers do.
"""

from __future__ import annotations

import queue
import smtplib
from collections.abc import Callable, Mapping

from simulators.engine.draft import Committed
from simulators.engine.journal import Entry
from simulators.engine.live import Worker
from simulators.engine.world import World

#: Who every relayed mail comes from as far as the server is concerned; nobody has that address.
SENDER = "pagedrill@pagedrill.example"
#: Mails that wait at most; further ones are lost.
WAITING = 1000
#: Wall seconds a server may take to answer.
PATIENCE = 10.0


#: Returns id, recipient and content (RFC 5322) of the mail a journal entry says was sent, ``None`` when there is none.
Finder = Callable[[Committed, Entry], tuple[str, str, bytes] | None]


class Relay:
    """Hands mails of ``world`` on to the SMTP server at ``host`` and ``port`` from :meth:`start` to :meth:`stop`.

    ``finders`` are by kind of journal entry.
    """

    def __init__(self, world: World, host: str, port: int, finders: Mapping[str, Finder]) -> None:
        self._world = world
        self._host = host
        self._port = port
        self._finders = finders
        self._outbox: queue.Queue[Entry] = queue.Queue(WAITING)
        self._worker = Worker(self._outbox, self._hand_on)

    def start(self) -> None:
        """Begin to watch."""
        self._world.journal.listener = self._watch
        self._worker.start()

    def stop(self) -> None:
        """Stop watching; what waits is given a moment to be handed on."""
        self._world.journal.listener = None
        self._worker.stop()

    def _watch(self, entry: Entry) -> None:
        """Take note of a mail; runs while the world decides, so nothing is done here."""
        if entry.kind not in self._finders:
            return
        try:
            self._outbox.put_nowait(entry)
        except queue.Full:
            self._world.record("mail.lost", entry.subject, error=f"{WAITING} mails wait for the relay already")

    def _hand_on(self, entry: Entry) -> None:
        world = self._world
        with world.caused_by(entry.seq):
            try:
                with world.lock:
                    mail = self._finders[entry.kind](world.view, entry)
                if mail is not None:
                    self._send(mail[1], mail[2])
                    world.record("mail.relayed", mail[0], recipient=mail[1], relay=f"{self._host}:{self._port}")
            except Exception as problem:  # whatever it is, the next mail is to be handed on
                error = " ".join(f"{type(problem).__name__}: {problem}".split())
                world.record("mail.lost", entry.subject, error=error)

    def _send(self, recipient: str, content: bytes) -> None:
        with smtplib.SMTP(self._host, self._port, timeout=PATIENCE) as server:
            server.ehlo_or_helo_if_needed()
            options = ["BODY=8BITMIME"] if server.has_extn("8bitmime") else []
            server.sendmail(SENDER, [recipient], content, options)
