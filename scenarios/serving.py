"""Both simulators served on this machine, with a bridge when asked: what ``pagedrill serve`` starts and stops.

Each vendor host has a listener of its own. What the simulators send each other by the vendors' names stays in process;
what they send elsewhere reaches this machine and the hosts that were named, nothing else.

The bridge is the production bridge as a process of its own, in lockstep: it is told the virtual time and does what is
due, so that its pauses and its pace keep step with the simulators at any rate, through jumps, and while the clock
stands. A bridge left to the wall clock would wait a real second where sixty virtual ones go by, and be overtaken by
every jump. It is started again at once when it dies, so it may be killed at will. Somebody who wants a bridge on the
wall clock starts one, with the configuration that is printed, and lets the sample's rule notify it (``webhook``).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from scenarios import accounts
from scenarios.processes import BridgeProcess
from simulators.engine import instants, live
from simulators.engine.draft import Draft
from simulators.engine.errors import EngineError
from simulators.engine.fence import Fence, is_loopback
from simulators.engine.live import Mode, Runner
from simulators.engine.relay import Relay
from simulators.engine.serving import Listener, Servers
from simulators.engine.world import World
from simulators.pagerduty import account as pagerduty_account
from simulators.pagerduty import loading
from simulators.pagerduty import mail as pagerduty_mail
from simulators.pagerduty.api import API_HOST as REST_HOST
from simulators.pagerduty.api import APP_HOST, CONNECT_HOST, EVENTS_HOST, IDENTITY_HOST, WEB_HOST
from simulators.pagerduty.api import sites as pagerduty_sites
from simulators.pagerduty.component import PagerDuty
from simulators.pagerduty.model import DOCUMENTS
from simulators.pagerduty.model import Knobs as PagerDutyKnobs
from simulators.thousandeyes import commands
from simulators.thousandeyes import mails as thousandeyes_mails
from simulators.thousandeyes.api import API_HOST as THOUSANDEYES_HOST
from simulators.thousandeyes.api import APP_HOST as THOUSANDEYES_APP
from simulators.thousandeyes.api import sites as thousandeyes_sites
from simulators.thousandeyes.component import ThousandEyes
from simulators.thousandeyes.model import AGENTS, Test
from simulators.thousandeyes.model import Knobs as ThousandEyesKnobs
from simulators.thousandeyes.notifiers import EVENTS_URL

ResultT = TypeVar("ResultT")

BRIDGE = "bridge"
#: The first of the ports; hosts take this and the following ones in the order of :data:`HOSTS`.
FIRST_PORT = 8471
HOSTS = (
    THOUSANDEYES_HOST,
    REST_HOST,
    EVENTS_HOST,
    WEB_HOST,
    THOUSANDEYES_APP,
    APP_HOST,
    IDENTITY_HOST,
    CONNECT_HOST,
)
#: How far the bridge's port is from the first one.
BRIDGE_PLACE = 9
#: How much of what is wrong with an account is said.
PROBLEMS = 3
#: Journal entries kept at least.
JOURNAL = 50_000
#: Addresses that mean every address of this machine, and are no address to call.
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
#: The vendors' documented limits: requests per minute of an organization, of an API key, events of an integration key.
LIMITS = (
    ThousandEyesKnobs(rate_limit=240),
    PagerDutyKnobs(requests_per_minute=960, events_per_minute=120),
)
SAMPLE_TEST = "shop front"
SAMPLE_AGENTS = ("London", "Oslo", "Singapore")


class Unusable(EngineError):
    """What was asked for cannot be served; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to serve. ``start`` is virtual time in microseconds UTC (``None`` = now), ``account`` vendor JSON.

    ``ports`` are by vendor host name (or ``bridge``); a host without one takes any free port. With ``tls`` everything
    is https and certificates lie in ``tls_dir`` or somewhere temporary. ``webhook`` is where the sample's rule sends
    its notifications instead of to PagerDuty directly, ``allowed`` are hosts other than this machine that may be sent
    to. ``smtp_relay`` is the host and port of an SMTP server that e-mails are handed on to, too.
    """

    seed: int = 1
    start: int | None = None
    mode: Mode = Mode.RATE
    rate: float = 1.0
    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=dict)
    tls: bool = False
    tls_dir: Path | None = None
    account: Mapping[str, Any] | None = None
    sample: bool = True
    bridge: bool = False
    webhook: str = ""
    rate_limits: bool = False
    allowed: tuple[str, ...] = ()
    smtp_relay: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a client needs to know. ``urls`` are base URLs by vendor host name, ``bridge`` a webhook URL or empty,
    ``user_key`` a REST key that acts as a person and needs no From, or empty."""

    urls: Mapping[str, str]
    token: str
    aid: str
    api_key: str
    user_key: str
    routing_key: str
    person: str
    test: str
    bridge: str
    webhook: str
    ca: str
    seed: int
    now: str
    mode: str
    rate: float


def ports(first: int, given: Mapping[str, int]) -> dict[str, int]:
    """Return a port per host: those ``given``, the others in the order of :data:`HOSTS` from ``first`` on (0 = any)."""
    places = dict(zip(HOSTS, range(len(HOSTS)), strict=True)) | {BRIDGE: BRIDGE_PLACE}
    return {name: given.get(name, first + place if first else 0) for name, place in places.items()}


class Served:
    """Both simulators, running until :meth:`stop`.

    Raises :class:`Unusable`, :class:`~simulators.engine.serving.CannotListen`,
    :class:`~scenarios.processes.BridgeFailed` or :class:`OSError` when that is not possible; nothing runs then.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._folder = Path(tempfile.mkdtemp(prefix="pagedrill-"))
        self._servers: Servers | None = None
        self._relay: Relay | None = None
        self.process: BridgeProcess | None = None
        start = live.wall() if settings.start is None else settings.start
        self.world = World(
            seed=settings.seed,
            start=start,
            components=[ThousandEyes(), PagerDuty()],
            knobs=LIMITS if settings.rate_limits else (),
            journal_bound=JOURNAL,
        )
        try:
            self.facts = self._start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Served:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the world, the listeners and the bridge, and remove what was written for the occasion."""
        if self._servers is not None:
            self._servers.stop()
        if self._relay is not None:
            self._relay.stop()
        if self.process is not None:
            self.process.close()
        self.world.client.close()
        if self.world.network is not None:
            self.world.network.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _start(self) -> Facts:
        settings, world = self.settings, self.world
        served = thousandeyes_sites() | pagerduty_sites()
        sites = {host: served[host] for host in HOSTS}
        for host, site in sites.items():
            world.serve(host, site)
        key, user_key, routing_key, person = self._open_accounts()
        ca, certificate = self._certificates(tuple(sites))
        world.network = Fence(lambda: live.network(ca), settings.allowed)
        runner = Runner(world, settings.mode, settings.rate)
        self._servers = Servers(
            runner,
            tuple(
                Listener(site, settings.host, settings.ports.get(host, 0), certificate, name=host)
                for host, site in sites.items()
            ),
        )
        urls = {host: _callable(self._servers.urls[host], settings.host) for host in sites}
        world.addresses.update(urls)
        if not is_loopback(settings.host) and settings.host not in ANYWHERE:
            # The control plane answers to names the world serves; this one was asked for.
            for host, url in urls.items():
                world.serve(url.partition("://")[2], sites[host])
        if settings.bridge:
            self.process = self._bridge(urls[EVENTS_HOST], routing_key, ca)
        webhook = settings.webhook if self.process is None else self.process.webhook_url
        test = self._do(sample, routing_key, webhook) if settings.sample else None
        if settings.smtp_relay is not None:
            self._relay = relay(world, *settings.smtp_relay, settings.allowed)
            self._relay.start()
        if self.process is None:
            world.baseline = world.snapshot()
        self._servers.start()
        return Facts(
            urls=urls,
            token=commands.DEFAULT_TOKEN,
            aid=commands.DEFAULT_AID,
            api_key=key,
            user_key=user_key,
            routing_key=routing_key,
            person=person,
            test="" if test is None else test.name,
            bridge="" if self.process is None else self.process.webhook_url,
            webhook=settings.webhook,
            ca="" if ca is None else str(ca.resolve()),
            seed=settings.seed,
            now=instants.iso(world.now),
            mode=settings.mode.value,
            rate=settings.rate,
        )

    def _open_accounts(self) -> tuple[str, str, str, str]:
        """Open both accounts; return an API key, a user's own one, an integration key and somebody's address, as far
        as there are any."""
        self._do(commands.open_account)
        given = self.settings.account
        account = accounts.seeded(self.settings.seed, now=self.world.now) if given is None else dict(given)
        wrong = loading.problems(account)
        if wrong:
            raise Unusable("the PagerDuty account cannot be used: " + "; ".join(wrong[:PROBLEMS]))
        keys = account.get("api_keys") or [{"key": accounts.API_KEY}]
        self._do(pagerduty_account.load, account | {"api_keys": keys})
        key = str(keys[0]["key"])
        user_key = next((str(each["key"]) for each in keys if each.get("user")), "")
        view = self.world.view
        found = [str(row.body.get("integration_key") or "") for row in view.all(DOCUMENTS["integrations"])]
        routing_key = next((each for each in found if each), "")
        if not routing_key and (self.settings.sample or self.settings.bridge):
            raise Unusable("no service of the account has an integration with a key; give one or use --no-sample")
        people = [str(row.body.get("email") or "") for row in view.all(DOCUMENTS["users"])]
        return key, user_key, routing_key, next((each for each in people if each), "")

    def _certificates(self, hosts: tuple[str, ...]) -> tuple[Path, Path] | tuple[None, None]:
        if not self.settings.tls:
            return None, None
        names = dict.fromkeys((self.settings.host, "localhost", "127.0.0.1", "::1", *hosts))
        return live.issue_certificates(self.settings.tls_dir or self._folder, tuple(names))

    def _bridge(self, events: str, key: str, ca: Path | None) -> BridgeProcess:
        return BridgeProcess(
            self.world,
            self._folder,
            key=key,
            events_url=f"{events}/v2/enqueue",
            port=self.settings.ports.get(BRIDGE, 0),
            ca_file=ca,
            network=self.world.network,
            revive=True,
        )

    def _do(self, verb: Callable[..., ResultT], *args: Any, **kwargs: Any) -> ResultT:
        def decide(draft: Draft) -> ResultT:
            return verb(draft, *args, **kwargs)

        return self.world.transact(decide)


def relay(world: World, host: str, port: int, allowed: tuple[str, ...]) -> Relay:
    """Return what hands both vendors' mails on; raises :class:`Unusable` for a server outside the fence."""
    if not is_loopback(host) and host.lower() not in (name.lower() for name in allowed):
        raise Unusable(f"no mail is handed on to {host}: it is not this machine, and --allow-host does not name it")
    finders = {"notification.sent": pagerduty_mail.posted, "notice.sent": pagerduty_mail.posted}
    return Relay(world, host, port, {**finders, "email.sent": thousandeyes_mails.posted})


def sample(draft: Draft, routing_key: str, webhook: str) -> Test:
    """Make a test and a rule whose alert reaches PagerDuty: straight, or by way of ``webhook`` when one is given."""
    if webhook:
        integration = commands.add_integration(draft, "webhook", name="bridge", target=webhook)
        group = "webhook"
    else:
        integration = commands.add_integration(
            draft, "pager-duty", name="PagerDuty", target=EVENTS_URL, token=routing_key
        )
        group = "thirdParty"
    known = {agent.name: agent.id for agent in draft.all(AGENTS)}
    test = commands.create_test(
        draft,
        name=SAMPLE_TEST,
        interval=60,
        agents=tuple(known[name] for name in SAMPLE_AGENTS),
        body={"url": "https://shop-front.example.com"},
    )
    commands.create_rule(
        draft,
        name="Shop front is down",
        expression_text="((responseCode >= 500))",
        required=2,
        out_of=2,
        minimum_sources=2,
        severity="critical",
        tests=(test.id,),
        notifications={group: [{"integrationId": integration.id, "integrationType": integration.kind}]},
    )
    return test


def _callable(url: str, host: str) -> str:
    """Return a URL that can be called, where one listens on every address."""
    if host not in ANYWHERE:
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://127.0.0.1:{rest.rpartition(':')[2]}"
