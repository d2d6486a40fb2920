"""Plays one rich evening over a wiring and prints its journal: faults on every hop, deaths, replies, an undone hour.

    python retell.py bridge|native

Two processes must print the same bytes, whatever their hash seed and their time zone.
"""

from __future__ import annotations

import sys

from machine import EXPRESSIONS, HUMANS, household

from bridge.core import Point
from scenarios.stage import EVENTS_HOST, Stage, Wiring
from simulators.engine import instants
from simulators.engine.faults import FaultKind
from simulators.pagerduty import devices, incidents
from simulators.pagerduty.model import INCIDENTS, MESSAGES, Agent, CallState, Channel, Status
from simulators.thousandeyes import commands


def answer_everything(stage: Stage, digit: str) -> None:
    """Let everybody answer the latest message of every channel, outdated or not."""
    word = {"4": "acknowledge", "6": "resolve", "8": "escalate"}[digit]
    newest = {message.channel: message for message in stage.world.view.all(MESSAGES)}
    for channel, message in newest.items():
        if channel is Channel.SMS:
            stage.do(devices.reply_sms, message.user, f"{message.code or ''}{digit}")
        elif channel is Channel.PHONE and message.call is CallState.RINGING:
            stage.do(devices.answer, message.id)
            stage.do(devices.press, message.id, digit)
            stage.do(devices.hang_up, message.id)
        elif channel is Channel.PUSH:
            stage.do(devices.push_action, message.id, word)
        elif channel is Channel.EMAIL:
            stage.do(devices.email_action, message.id, word)


def play(wiring: Wiring) -> str:
    """Return the journal of the evening as JSON lines."""
    with Stage(seed=20, wiring=wiring, account=household()) as stage:
        desk, first_hop = stage.thousandeyes, "bridge.example.com" if wiring is Wiring.BRIDGE else EVENTS_HOST
        shop, pay = desk.http_test("shop", interval="1m", agents=("London",)), desk.http_test("pay")
        odd = desk.alert_rule(shop, EXPRESSIONS[0], severity="critical")
        desk.alert_rule(shop, EXPRESSIONS[1], severity="minor", name="shop is odd")
        desk.alert_rule(pay, EXPRESSIONS[0], rounds="2 of 2", agents=2, severity="major")
        for kind in (FaultKind.REFUSE, FaultKind.LOSE_ANSWER, FaultKind.DUPLICATE):
            stage.fault(kind, first_hop)
        stage.fault(FaultKind.DELAY, first_hop, delay=6 * instants.MINUTE, skip=2)
        for status in (429, 500):
            stage.fault(FaultKind.STATUS, EVENTS_HOST, status=status, skip=1, probability=700_000)
        shop.fails(status=503, at="10:00", until="11:30", every="14m")
        pay.fails(status=503, at="10:03", until="11:10", agents=("Oslo", "London"))
        if stage.bridge is not None:
            stage.fault(FaultKind.DELAY, EVENTS_HOST, delay=3 * instants.MINUTE, skip=3)
            stage.bridge.crash(Point.AFTER_SEND, down_for="90s")
        stage.run_until("10:20")
        answer_everything(stage, "8")
        if stage.bridge is not None:
            stage.bridge.crash(Point.AFTER_APPEND, down_for="4m")
        stage.run_until("10:40")
        before = stage.snapshot()
        answer_everything(stage, "6")
        stage.run_until("11:40")
        stage.restore(before)
        answer_everything(stage, "4")
        stage.do(commands.update_rule, odd.id, expression=EXPRESSIONS[2])
        for row in list(stage.world.view.all(INCIDENTS)):
            if row.status is not Status.RESOLVED:
                stage.do(
                    incidents.reassign, row, Agent("user_reference", HUMANS[1].id, "web_ui"), users=(HUMANS[1].id,)
                )
        stage.run_until("14:00")
        return stage.world.journal.lines()


if __name__ == "__main__":
    sys.stdout.write(play(Wiring(sys.argv[1])))
