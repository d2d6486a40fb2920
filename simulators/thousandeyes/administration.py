"""Verbs for account groups and users; roles are documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from simulators.engine import ids
from simulators.engine.draft import Draft, View
from simulators.engine.instants import DAY
from simulators.thousandeyes import commands
from simulators.thousandeyes.model import (
    ACCOUNT_GROUPS,
    AGENTS,
    TESTS,
    TOKENS,
    USERS,
    AccountGroup,
    Token,
    User,
)

GROUP_ID = ids.decimal(1002)
USER_ID = ids.decimal(2)

TOKEN_LIFE, TOKEN_OVERLAP = 730 * DAY, 14 * DAY

Roles = tuple[tuple[str, tuple[str, ...]], ...]


def create_group(draft: Draft, *, like: AccountGroup, name: str, agents: Sequence[str], founder: User) -> AccountGroup:
    """Make an account group in the organization of ``like``; its founder and everybody with roles everywhere join."""
    group = AccountGroup(draft.fresh(GROUP_ID, "te.group"), name, like.organization, like.org_id, like.time_zone)
    draft.put(ACCOUNT_GROUPS, group)
    commands.add_default_rules(draft, group.id)
    for user in list(draft.all(USERS)):
        if user.id == founder.id or user.all_roles:
            draft.put(USERS, replace(user, aids=(*user.aids, group.id)))
    _lend(draft, group.id, agents)
    draft.record("account-group.created", group.id, name=name)
    return group


def update_group(draft: Draft, group: AccountGroup, *, name: str, agents: Sequence[str] | None) -> AccountGroup:
    """Rename an account group and say which agents it has (``None`` = as before)."""
    changed = replace(group, name=name)
    draft.put(ACCOUNT_GROUPS, changed)
    if agents is not None:
        _lend(draft, group.id, agents)
    draft.record("account-group.updated", group.id, name=name)
    return changed


def delete_group(draft: Draft, group: AccountGroup) -> None:
    """Delete an account group with its tests."""
    for test in draft.find(TESTS, "aid", group.id):
        commands.delete_test(draft, test.id)
    for user in list(draft.all(USERS)):
        left = tuple(aid for aid in user.aids if aid != group.id)
        if left != user.aids:
            draft.put(USERS, replace(user, aids=left))
    draft.delete(ACCOUNT_GROUPS, group.id)
    draft.record("account-group.deleted", group.id, name=group.name)


def _lend(draft: Draft, aid: str, agents: Sequence[str]) -> None:
    """Make ``agents`` those of an account group; cloud agents can be used by every group all the same."""
    for agent in list(draft.all(AGENTS)):
        if (aid in agent.aids) is not (agent.id in agents):
            others = tuple(other for other in agent.aids if other != aid)
            draft.put(AGENTS, replace(agent, aids=(*others, aid) if agent.id in agents else others))


def create_user(
    draft: Draft, *, name: str, email: str, aid: str, roles: Roles, all_roles: tuple[str, ...], token: str = ""
) -> User:
    """Make a user with roles in account groups; ``aid`` is the login account group, ``token`` a first API token."""
    user = User(draft.fresh(USER_ID, "te.user"), name, email, aid, _groups(draft, aid, roles, all_roles),
                draft.now, roles, all_roles)  # fmt: skip
    draft.put(USERS, user)
    if token:
        draft.put(TOKENS, Token(token, user.id))
    draft.record("user.created", user.id, name=name)
    return user


def update_user(
    draft: Draft, user: User, *, name: str, email: str, aid: str, roles: Roles, all_roles: tuple[str, ...]
) -> User:
    """Change a user; the roles given replace those there were."""
    aids = _groups(draft, aid, roles, all_roles)
    changed = replace(user, name=name, email=email, aid=aid, aids=aids, roles=roles, all_roles=all_roles)
    draft.put(USERS, changed)
    draft.record("user.updated", user.id, name=name)
    return changed


def delete_user(draft: Draft, user: User) -> None:
    """Delete a user and the user's tokens."""
    for token in list(draft.all(TOKENS)):
        if token.user == user.id:
            draft.delete(TOKENS, token.id)
    draft.delete(USERS, user.id)
    draft.record("user.deleted", user.id, name=user.name)


def _groups(draft: Draft, aid: str, roles: Roles, all_roles: tuple[str, ...]) -> tuple[str, ...]:
    everywhere = [group.id for group in draft.all(ACCOUNT_GROUPS)] if all_roles else []
    return tuple(dict.fromkeys([aid, *(group for group, _ in roles), *everywhere]))


def group_token(view: View, group: AccountGroup) -> str:
    """Return the token enterprise agents of an account group are installed with."""
    return ids.uuid(view.seed, "te.account.token", group.id).replace("-", "")


def regenerate_token(draft: Draft, old: Token) -> Token:
    """Make a user's next API token, good for two years; the old one lives on for 14 days at most."""
    made = Token(draft.fresh(ids.UUID4, "te.token"), old.user, draft.now + TOKEN_LIFE)
    overlap = draft.now + TOKEN_OVERLAP
    draft.put(TOKENS, made)
    draft.put(TOKENS, replace(old, expires=overlap if old.expires is None else min(old.expires, overlap)))
    draft.record("token.regenerated", old.user)
    return made


def api_tokens(view: View, user_id: str) -> list[Token]:
    """Return a user's API tokens that are good at present."""
    return [
        token
        for token in view.all(TOKENS)
        if token.user == user_id and not token.client and (token.expires is None or token.expires > view.now)
    ]


def seal(view: View, name: str, value: str) -> str:
    """Return a text that stands for an encrypted value: it tells nothing of it and changes with it."""
    return ids.digest(view.seed, "te.credential", name, value, size=32).hex()
