"""The same evening gives the same journal to the last byte, wherever and whenever it is played."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.stage import Wiring

RETELL = Path(__file__).with_name("retell.py")
PLACES = ({"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"}, {"PYTHONHASHSEED": "2", "TZ": "America/Lima"})


@pytest.mark.parametrize("wiring", list(Wiring))
def test_faults_deaths_replies_and_a_restore_leave_the_journal_the_same(wiring: Wiring) -> None:
    """Two processes with different hash seeds and time zones write identical journals."""
    running = [
        subprocess.Popen([sys.executable, str(RETELL), wiring], env=os.environ | place, stdout=subprocess.PIPE)
        for place in PLACES
    ]
    first, second = (process.communicate()[0] for process in running)
    assert [process.returncode for process in running] == [0, 0]
    for kind in (b"fault.hit", b"reply.received", b"incident.resolved", b"notification.retried"):
        assert kind in first
    assert (b"bridge.crashed" in first) is (wiring is Wiring.BRIDGE)
    assert first == second
