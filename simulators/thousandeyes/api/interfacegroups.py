"""Interface groups of path visualization: names people give to routers they know by their addresses."""

from __future__ import annotations

import ipaddress

from simulators.engine.draft import View
from simulators.engine.resources import Document, thaw
from simulators.thousandeyes import documents
from simulators.thousandeyes.api.collection import Collection, Expand, Shown
from simulators.thousandeyes.api.resources import INTERFACE_GROUP
from simulators.thousandeyes.api.rest import Caller, FieldError

KIND = "interface-group"
VIEW, EDIT = "1", "2"


def _show(view: View, caller: Caller, group: Document, expand: Expand) -> Shown:
    return {"aid": group.parent, "groupId": group.id, "ipAddresses": [], "rdnsRegexes": [], **thaw(group.body)}


def _problems(view: View, caller: Caller, body: Shown, group: Document | None) -> list[FieldError]:
    found = []
    for place, address in enumerate(body.get("ipAddresses", ())):
        try:
            ipaddress.ip_address(address)
        except ValueError:
            found.append(FieldError(f"ipAddresses[{place}]", "must be an IP address"))
    return found


INTERFACE_GROUPS: Collection[Document] = Collection(
    resource=INTERFACE_GROUP,
    key="groupId",
    rows=lambda view, caller: documents.all_of(view, KIND, caller.aid),
    find=lambda view, caller, id: documents.find(view, KIND, caller.aid, id),
    show=_show,
    path=lambda group: f"{INTERFACE_GROUP.path}/{group.id}",
    problems=_problems,
    create=lambda draft, caller, body: documents.create(draft, KIND, caller.aid, body),
    update=lambda draft, caller, group, body: documents.replace_body(draft, group, body),
    delete=lambda draft, caller, group: documents.delete(draft, group),
    permissions=(VIEW, EDIT),
)
