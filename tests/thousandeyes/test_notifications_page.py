"""The page and the lists on which a person reads what was told to whom."""

from test_custom_webhook_setup import Hooks

from simulators.thousandeyes import commands
from simulators.thousandeyes.api import sites

APP = "app.thousandeyes.com"


def history() -> Hooks:
    """A history with an outage that is told by custom webhook, mail and chat, and to somebody who is not there."""
    hooks = Hooks()
    hooks.here.world.serve(APP, sites()[APP])
    chat = hooks.here.do(commands.add_integration, "slack", name="ops chat", target="https://chat.example.com").id
    asked = {
        "customWebhook": [{"integrationId": hooks.operation, "integrationType": "custom-webhook"}],
        "email": {"recipients": ["noc@example.com"], "message": "call the hoster"},
        "thirdParty": [{"integrationId": chat, "integrationType": "slack"}],
        "webhook": [{"integrationId": "wb-999", "integrationType": "webhook"}],
    }
    test = hooks.here.test(alertRules=[], testName="<script>alert(1)</script>")
    hooks.here.rule(test, notifications=asked, notifyOnClear=True)
    hooks.here.fails("09:10", "09:20")
    hooks.here.world.advance("1h")
    return hooks


def test_a_person_reads_what_was_sent_on_a_page() -> None:
    """Deliveries with how they went, mails with their words, chats and losses; names are text and nothing else."""
    page = history().here.world.client.get(f"https://{APP}/notifications")
    assert page.status_code == 200
    text = page.text
    for words in ("ops", "delivered", "1 attempt", "noc@example.com", "call the hoster", "Alert Triggered",
                  "slack", "Alert Rule: down: Response Code", "no such integration", "wb-999"):  # fmt: skip
        assert words in text, words
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_an_empty_history_has_an_empty_page() -> None:
    """It says so."""
    hooks = Hooks()
    hooks.here.world.serve(APP, sites()[APP])
    text = hooks.here.world.client.get(f"https://{APP}/notifications").text
    assert ("Nothing was sent yet." in text, "There are no mails yet." in text) == (True, True)


def test_a_mail_is_read_as_text_and_as_it_was_sent() -> None:
    """The list has its words; a mail program opens the file."""
    hooks = history()
    began, ended = hooks.here.sim("GET", "/mails")["mails"]
    assert began["subject"].startswith("Alert Triggered: down - <script>")
    assert "call the hoster" in began["text"]
    answer = hooks.here.world.client.get(f"https://api.thousandeyes.com/_sim/mails/{ended['id']}.eml")
    assert answer.headers["Content-Type"].startswith("message/rfc822")
    assert answer.text == ended["message"]
    assert hooks.here.world.client.get("https://api.thousandeyes.com/_sim/mails/nothing.eml").status_code == 404
