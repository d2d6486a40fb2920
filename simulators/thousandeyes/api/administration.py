"""Account groups, users, roles, permissions, credentials and BGP monitors.

Users hold roles in account groups, or in all of them; roles give permissions, and permissions decide what a token may
do. Roles that come with the account cannot be changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response

from simulators.engine.draft import Draft, View
from simulators.engine.resources import Document, thaw
from simulators.engine.web import world
from simulators.thousandeyes import administration, catalogue, documents
from simulators.thousandeyes.api import shapes
from simulators.thousandeyes.api.collection import Collection, Expand, Shown, mount
from simulators.thousandeyes.api.resources import ACCOUNT_GROUP, CREDENTIAL, MONITOR, PERMISSION, ROLE, USER
from simulators.thousandeyes.api.rest import BASE, Caller, FieldError, hal, iso, problem, reply, require
from simulators.thousandeyes.model import ACCOUNT_GROUPS, AGENTS, DOCUMENTS, USERS, AccountGroup, User

VIEW_USERS, EDIT_USERS, VIEW_ROLES, EDIT_ROLES, EDIT_GROUPS = "13", "14", "15", "16", "17"


# -- account groups ----------------------------------------------------------------------------------------------------


def _group(view: View, caller: Caller, group: AccountGroup, expand: Expand) -> Shown:
    """Return an account group as lists show it."""
    return {
        "aid": group.id,
        "accountGroupName": group.name,
        "isCurrentAccountGroup": group.id == caller.aid,
        "isDefaultAccountGroup": group.id == caller.user.aid,
        "organizationName": group.organization,
        "orgId": group.org_id,
    }


def _group_created(view: View, caller: Caller, group: AccountGroup, expand: Expand) -> Shown:
    """Return an account group as creating answers it: with its users when asked for."""
    shown = _group(view, caller, group, expand)
    if "user" in expand:
        shown["users"] = [_member(view, user, group.id) for user in view.all(USERS) if group.id in user.aids]
    return hal(shown, f"{ACCOUNT_GROUP.path}/{group.id}")


def _group_detail(view: View, caller: Caller, group: AccountGroup, expand: Expand) -> Shown:
    """Return an account group as reading answers it: with its token, and with its agents, too, when asked for."""
    shown = _group_created(view, caller, group, expand)
    links = shown.pop("_links")
    shown["accountToken"] = administration.group_token(view, group)
    if "agent" in expand:
        shown["agents"] = [shapes.simple_agent(agent) for agent in view.all(AGENTS) if group.id in agent.aids]
    return {**shown, "_links": links}


def _member(view: View, user: User, aid: str) -> Shown:
    return {
        "uid": user.id,
        "name": user.name,
        "email": user.email,
        "dateRegistered": iso(user.registered),
        "lastLogin": iso(user.registered),
        "roles": list(_roles(view, user.roles_in(aid))),
    }


def _group_problems(view: View, caller: Caller, body: Shown, group: AccountGroup | None) -> list[FieldError]:
    found = [
        FieldError(f"agents[{place}]", f"there is no agent {name}")
        for place, name in enumerate(body.get("agents", ()))
        if view.get(AGENTS, name) is None
    ]
    if any(
        other.name == body["accountGroupName"] and (group is None or other.id != group.id)
        for other in view.all(ACCOUNT_GROUPS)
    ):
        found.append(FieldError("accountGroupName", "is the name of another account group"))
    return found


def _create_group(draft: Draft, caller: Caller, body: Shown) -> AccountGroup:
    return administration.create_group(
        draft, like=caller.group, name=body["accountGroupName"], agents=body.get("agents", ()), founder=caller.user
    )


def _delete_group(draft: Draft, caller: Caller, group: AccountGroup) -> None:
    if any(user.aid == group.id for user in draft.all(USERS)):
        raise problem(400, "The account group is the login account group of a user.")
    administration.delete_group(draft, group)


ACCOUNT_GROUP_ROWS: Collection[AccountGroup] = Collection(
    resource=ACCOUNT_GROUP,
    key="id",
    rows=lambda view, caller: [group for group in view.all(ACCOUNT_GROUPS) if group.id in caller.user.aids],
    find=lambda view, caller, id: view.get(ACCOUNT_GROUPS, id) if id in _fresh(view, caller).aids else None,
    show=_group_detail,
    path=lambda group: f"{ACCOUNT_GROUP.path}/{group.id}",
    brief=_group,
    created=_group_created,
    problems=_group_problems,
    create=_create_group,
    update=lambda draft, caller, group, body: administration.update_group(
        draft, group, name=body["accountGroupName"], agents=body.get("agents")
    ),
    delete=_delete_group,
    permissions=("", EDIT_GROUPS),
)


def _fresh(view: View, caller: Caller) -> User:
    return view.need(USERS, caller.user.id)


# -- users -------------------------------------------------------------------------------------------------------------


def _user(view: View, caller: Caller, user: User, expand: Expand) -> Shown:
    """Return a user as lists show one."""
    return {
        "uid": user.id,
        "name": user.name,
        "email": user.email,
        "dateRegistered": iso(user.registered),
        "lastLogin": iso(user.registered),
        "loginAccountGroup": shapes.group_name(view.need(ACCOUNT_GROUPS, user.aid)),
    }


def _user_detail(view: View, caller: Caller, user: User, expand: Expand) -> Shown:
    """Return a user with the roles held in each account group and in all of them."""
    held = [(group, roles) for aid, roles in user.roles if (group := view.get(ACCOUNT_GROUPS, aid)) is not None]
    shown = _user(view, caller, user, expand) | {
        "accountGroupRoles": [
            {"accountGroup": shapes.group_name(group), "roles": list(_roles(view, roles))} for group, roles in held
        ],
        "allAccountGroupRoles": list(_roles(view, user.all_roles)),
    }
    return hal(shown, f"{USER.path}/{user.id}")


def _user_created(view: View, caller: Caller, user: User, expand: Expand) -> Shown:
    """Return a user who has never logged in."""
    return {name: value for name, value in _user_detail(view, caller, user, expand).items() if name != "lastLogin"}


def _user_problems(view: View, caller: Caller, body: Shown, user: User | None) -> list[FieldError]:
    found = [] if "@" in body["email"] else [FieldError("email", "must be an e-mail address")]
    others = [other for other in view.all(USERS) if user is None or other.id != user.id]
    if any(other.email == body["email"] for other in others):
        found.append(FieldError("email", "is the address of another user"))
    if "loginAccountGroupId" in body and view.get(ACCOUNT_GROUPS, body["loginAccountGroupId"]) is None:
        found.append(FieldError("loginAccountGroupId", "is not an account group"))
    for place, entry in enumerate(body.get("accountGroupRoles", ())):
        path = f"accountGroupRoles[{place}]"
        if view.get(ACCOUNT_GROUPS, entry["accountGroupId"]) is None:
            found.append(FieldError(f"{path}.accountGroupId", "is not an account group"))
        found.extend(_unknown_roles(view, entry["roleIds"], f"{path}.roleIds"))
    return [*found, *_unknown_roles(view, body.get("allAccountGroupRoleIds", ()), "allAccountGroupRoleIds")]


def _unknown_roles(view: View, roles: Iterable[str], path: str) -> Iterable[FieldError]:
    for place, role in enumerate(roles):
        if documents.find(view, "role", "", role) is None:
            yield FieldError(f"{path}[{place}]", f"there is no role {role}")


def _user_fields(body: Shown, home: str) -> dict[str, Any]:
    return {
        "name": body["name"],
        "email": body["email"],
        "aid": body.get("loginAccountGroupId", home),
        "roles": tuple(
            (entry["accountGroupId"], tuple(entry["roleIds"])) for entry in body.get("accountGroupRoles", ())
        ),
        "all_roles": tuple(body.get("allAccountGroupRoleIds", ())),
    }


def _delete_user(draft: Draft, caller: Caller, user: User) -> None:
    if user.id == caller.user.id:
        raise problem(400, "Nobody can delete themselves.")
    administration.delete_user(draft, user)


USER_ROWS: Collection[User] = Collection(
    resource=USER,
    key="id",
    rows=lambda view, caller: [user for user in view.all(USERS) if caller.aid in user.aids],
    find=lambda view, caller, id: view.get(USERS, id),
    show=_user_detail,
    path=lambda user: f"{USER.path}/{user.id}",
    brief=_user,
    created=_user_created,
    problems=_user_problems,
    create=lambda draft, caller, body: administration.create_user(draft, **_user_fields(body, caller.aid)),
    update=lambda draft, caller, user, body: administration.update_user(draft, user, **_user_fields(body, user.aid)),
    delete=_delete_user,
    permissions=(VIEW_USERS, EDIT_USERS),
)


# -- roles and permissions ---------------------------------------------------------------------------------------------


def _roles(view: View, roles: Iterable[str]) -> Iterable[Shown]:
    for role_id in roles:
        role = view.get(DOCUMENTS, role_id)
        if role is not None:
            yield _role(role)


def _role(role: Document) -> Shown:
    held = role.body.get("permissions", ())
    return {
        "roleId": role.id,
        "name": role.body["name"],
        "isBuiltin": role.body.get("isBuiltin", False),
        "hasManagementPermissions": any(row["isManagementPermission"] for row in permissions() if _id(row) in held),
    }


def permissions() -> list[Shown]:
    """Return every permission there is."""
    return [
        {"permissionId": id, "permission": name, "label": label, "isManagementPermission": management}
        for id, name, label, management in catalogue.PERMISSIONS
    ]


def _id(permission: Shown) -> str:
    return str(permission["permissionId"])


def _role_detail(view: View, caller: Caller, role: Document, expand: Expand) -> Shown:
    held = [row for row in permissions() if _id(row) in role.body.get("permissions", ())]
    return hal(_role(role) | {"permissions": held}, f"{ROLE.path}/{role.id}")


def _role_problems(view: View, caller: Caller, body: Shown, role: Document | None) -> list[FieldError]:
    known = [_id(row) for row in permissions()]
    return [
        FieldError(f"permissions[{place}]", f"there is no permission {name}")
        for place, name in enumerate(body.get("permissions", ()))
        if name not in known
    ]


def _changeable(role: Document) -> Document:
    if role.body.get("isBuiltin"):
        raise problem(403, "Roles that come with the account cannot be changed.")
    return role


ROLE_ROWS: Collection[Document] = Collection(
    resource=ROLE,
    key="id",
    rows=lambda view, caller: documents.all_of(view, "role", ""),
    find=lambda view, caller, id: documents.find(view, "role", "", id),
    show=_role_detail,
    path=lambda role: f"{ROLE.path}/{role.id}",
    brief=lambda view, caller, role, expand: _role(role),
    problems=_role_problems,
    create=lambda draft, caller, body: documents.create(draft, "role", "", {"permissions": [], **body}),
    update=lambda draft, caller, role, body: documents.replace_body(
        draft, _changeable(role), {"permissions": [], **body}
    ),
    delete=lambda draft, caller, role: documents.delete(draft, _changeable(role)),
    permissions=(VIEW_ROLES, EDIT_ROLES),
)
PERMISSION_ROWS: Collection[Shown] = Collection(
    resource=PERMISSION,
    key="id",
    rows=lambda view, caller: permissions(),
    find=lambda view, caller, id: None,
    show=lambda view, caller, row, expand: row,
    path=lambda row: PERMISSION.path,
    permissions=(VIEW_ROLES, ""),
)
MONITOR_ROWS: Collection[Shown] = Collection(
    resource=MONITOR,
    key="id",
    rows=lambda view, caller: shapes.monitors(),
    find=lambda view, caller, id: None,
    show=lambda view, caller, row, expand: row,
    path=lambda row: MONITOR.path,
)


# -- credentials -------------------------------------------------------------------------------------------------------


def _credential(view: View, caller: Caller, credential: Document, expand: Expand) -> Shown:
    shown = {"id": credential.id, "name": credential.body["name"]}
    return hal(shown, f"{CREDENTIAL.path}/{credential.id}")


def _credential_detail(view: View, caller: Caller, credential: Document, expand: Expand) -> Shown:
    """Return a credential with its value, encrypted: a text that tells nothing and changes with the value."""
    sealed = administration.seal(view, credential.id, str(credential.body["value"]))
    return _credential(view, caller, credential, expand) | {"value": sealed}


CREDENTIAL_ROWS: Collection[Document] = Collection(
    resource=CREDENTIAL,
    key="id",
    rows=lambda view, caller: documents.all_of(view, "credential", caller.aid),
    find=lambda view, caller, id: documents.find(view, "credential", caller.aid, id),
    show=_credential_detail,
    path=lambda credential: f"{CREDENTIAL.path}/{credential.id}",
    brief=_credential,
    written=_credential,
    create=lambda draft, caller, body: documents.create(draft, "credential", caller.aid, body),
    update=lambda draft, caller, credential, body: documents.replace_body(
        draft, credential, thaw(credential.body) | body
    ),
    delete=lambda draft, caller, credential: documents.delete(draft, credential),
    permissions=("1", "2"),
)

COLLECTIONS: tuple[Collection[Any], ...] = (
    ACCOUNT_GROUP_ROWS,
    USER_ROWS,
    ROLE_ROWS,
    PERMISSION_ROWS,
    MONITOR_ROWS,
    CREDENTIAL_ROWS,
)


def blueprint() -> Blueprint:
    """Return the routes of administration."""
    routes = Blueprint("administration", __name__)
    for collection in COLLECTIONS:
        mount(routes, collection)

    @routes.get(f"{BASE}/users/current")
    def current() -> Response:
        asking, view = require(""), world().view
        return reply(_user_detail(view, asking, asking.user, ()))

    return routes
