"""Whatever names, templates and addresses hold, a notification is sent or the journal says why not; nothing breaks."""

import contextlib
import json
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rounds_rig import Receiver, Rounds
from test_custom_webhooks import Custom

from contracts import traffic
from simulators.thousandeyes import commands, handlebars, mails
from simulators.thousandeyes.model import MAILS
from simulators.thousandeyes.presets import PRESETS

LONG = "näme " * 2_000
ODD = st.one_of(
    st.text(min_size=1, max_size=40),
    st.sampled_from(
        ["a\r\nBcc: x@y.example", "\x00\x1b[31m", "\ud800", 'say "no"', "{{alert.id}}", LONG, "\u2028\x85", "💥"]
    ),
)


@settings(max_examples=settings.default.max_examples // 4)
@given(ODD, ODD, ODD)
@example("a\nb", LONG, "\ud800")
def test_every_channel_survives_every_name(rule: str, test: str, note: str) -> None:
    """Mails are read back, webhooks are JSON with the names in them, and events go out; no error is in the journal."""
    here = Rounds(1)
    receiver = Receiver(here)
    here.do(commands.update_test, here.test, name=test)
    events = here.do(commands.add_integration, "pager-duty", name=rule, target="https://hooks.example.com/e", token="k")
    chat = here.do(commands.add_integration, "slack", name=test, target="https://chat.example.com")
    hook = receiver.asked["notifications"]["webhook"]
    third = [{"integrationId": events.id}, {"integrationId": chat.id}]
    asked = {"email": {"recipients": ["noc@example.com"], "message": note}, "webhook": hook, "thirdParty": third}
    here.rule(name=rule, notifications=asked)
    here.play("A .")
    here.world.advance("1h")
    assert [entry.data for entry in here.world.journal if entry.kind in {"error", "notification.lost"}] == []
    names = [(body["alert"]["ruleName"], body["alert"]["testName"]) for body in receiver.got if "alert" in body]
    assert names == [(_sent(rule), _sent(test))] * 2
    assert [body["event_action"] for body in receiver.got if "event_action" in body] == ["trigger", "resolve"]
    began, ended = (message_from_bytes(mail.raw, policy=default) for mail in here.world.view.all(MAILS))
    assert [set(mail.keys()) for mail in (began, ended)] == [
        {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"}
    ] * 2
    assert len(began["Subject"]) <= mails.LONGEST_SUBJECT


def _sent(text: str) -> str:
    return text.encode(errors="replace").decode()


@given(ODD, ODD, st.sampled_from(["", "/te", "/te?x=1", "/a b", "/\x07", "#f"]))
@example("a\r\nX: y", "v", "/te")
def test_a_custom_webhook_is_sent_or_the_journal_says_why(rule: str, value: str, path: str) -> None:
    """Names go unescaped into payload and headers, escaped into the query; it is tried once or there is one line."""
    custom = Custom(
        payload='{"rule": "{{alert.rule.name}}"}',
        headers=[{"name": "X-Team", "value": value}, {"name": "x-team", "value": "{{alert.rule.name}}"}],
        queryParams='{"q": "{{alert.rule.name}}"}',
        path=path,
        rule={"name": rule},
    )
    custom.here.play("A")
    attempts = [entry for entry in custom.here.world.journal if entry.kind == "send"]
    assert len(custom.lost) + len(attempts) == 1
    assert traffic.violations(custom.here.world.journal) == []
    if custom.got:
        (_, headers, body), *_ = custom.got
        assert (headers["X-Team"].strip(), json.loads(body)) == (_sent(rule).strip(), {"rule": _sent(rule)})


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"headers": [{"name": "X-Team", "value": "{{alert.rule.name}}"}]}, "header 'X-Team': the value holds a line"),
        ({"headers": [{"name": "X Team", "value": "v"}]}, "header 'X Team': there can be no header of this name"),
        ({"headers": [{"name": "Content-Length", "value": "1"}]}, "header 'Content-Length': there can be no header"),
        ({"path": "/a b"}, "the address holds a space or a control character"),
        ({"payload": "{{#each alert.details}}" * 40}, "payload: line 1 of the template: more than 30 blocks"),
        ({"payload": "[" * 100_000}, "payload: the rendered text is not JSON"),
        ({"payload": "{{formatDate 99999999999999999}}"}, "payload: formatDate: OverflowError"),
        ({"payload": "{{formatDate alert.firstSeen 'z' 'No/Where'}}"}, "payload: formatDate: UnknownZone"),
        ({"payload": f"{{{{eq {'(eq ' * 50}1{')' * 50} 2}}}}"}, "payload: line 1 of the template: more than 30 paren"),
    ],
)
def test_what_cannot_be_sent_is_told_in_one_line(settings: dict[str, Any], why: str) -> None:
    """The rule's name has a line break, which JSON refuses and headers cannot carry."""
    custom = Custom(rule={"name": "a\r\nb"}, **settings)
    custom.here.play("A")
    assert (custom.got, [line[: len(why)] for line in custom.lost]) == ([], [why])


def test_a_template_that_would_run_for_ever_is_given_up() -> None:
    """Lists inside lists inside lists: it stops after so many steps."""
    deep = "{{#each @root.alert.details}}" * 20 + "x" + "{{/each}}" * 20
    custom = Custom(payload=deep)
    custom.here.play("AB")
    assert custom.lost == [f"payload: it takes more than {handlebars.STEPS} steps"]


def test_a_template_full_of_beginnings_is_read_once() -> None:
    """A hundred thousand tags that nothing closes cost no more than one."""
    with pytest.raises(handlebars.TemplateError, match="line 1 of the template: a tag is not closed"):
        handlebars.render("{{!--" * 100_000, {})


TAGS = st.sampled_from(
    ["{{", "}}", "{{{", "#if ", "#each ", "/if", "/each", "else", "(", ")", "eq ", " ", "@first", "../", "this",
     "alert", ".details", "|x|", " as ", "~", "!--", "--", '"', "'", "=", "^", "9" * 30, "\\", "[", "]", "\n"]
)  # fmt: skip


@given(st.lists(TAGS, max_size=25).map("".join))
def test_any_text_is_a_template_or_says_where_it_is_not(source: str) -> None:
    """Nothing else is raised, whatever the order of its pieces."""
    context = {"alert": {"details": [{"a": 1}, {"a": None}]}, "this": 1}
    with contextlib.suppress(handlebars.TemplateError):
        assert isinstance(handlebars.render(source, context), str)


@pytest.mark.parametrize(
    "recipient", ["a@", "a@[", "a@b\nBcc: c@d.example", "a b@c.example", "\ud800@x", "x@" + "y" * 300]
)
def test_who_has_no_address_is_not_mailed_and_the_journal_says_so(recipient: str) -> None:
    """The others are."""
    here = Rounds(1)
    here.rule(notifications={"email": {"recipients": [recipient, "noc@example.com"]}})
    here.play("A")
    assert [mail.recipient for mail in here.world.view.all(MAILS)] == ["noc@example.com"]
    lost = [entry.data for entry in here.world.journal if entry.kind == "notification.lost"]
    assert [(row["integration"], row["why"]) for row in lost] == [("email", f"{recipient!r} is no address")]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_well_formed_templates(preset: str) -> None:
    """Both of their texts."""
    assert handlebars.parse(PRESETS[preset].payload + PRESETS[preset].query)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-dd'T'HH:mm:ss'Z'", "2026-03-02T09:01:00Z"),
        ("h''mm 100% d", "h'01 100% d"),
        ("EEEE dd MMMM yy SSS", "Monday 02 March 26 000"),
    ],
)
def test_dates_are_written_by_javas_letters(pattern: str, text: str) -> None:
    """What stands between quotes is left alone, and so are letters nobody knows."""
    custom = Custom(payload=f'{{"at": "{{{{formatDate alert.firstSeen "{pattern}"}}}}"}}')
    custom.here.play("A")
    assert custom.bodies == [{"at": text}]
