# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One object of the region that a module declares: found by what tells it from others, planned, and made so.

Such a module is its kind, its options and its docs. Objects that own lists of others have plans of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from .client import RegionClient
from .plan import Action, Plan, differing

Row = Mapping[str, Any]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """What is declared.

    :param word: for people, such as ``resource pool``.
    :param listing: where the API has all of them and takes new ones; the wish's values may stand in braces.
    :param one: where it has each, by its ``id``; the field ``id_field`` has that.
    :param made_by: how such a thing comes to be, where that is not by the API.
    :param new: the fields that are decided on, besides the key, with what a new object has of them; None where the
        region chooses, or where it is required.
    :param key: the fields that tell one from the others; they are never changed.
    :param required: the fields that a new object cannot be without, and one that is there need not be given.
    :param view: a row of the API in the module's words, where those differ.
    :param form: values in the module's words as the API takes them, where those differ.
    :param wish: options as the region would keep them; raises ValueError for what it would refuse.
    :param label: how people tell it from others, by its values.
    :param rows: how all of them are read, where that is not the listing.
    :param chosen: which one is meant of those that have the key, where several can: given the wish and them in the
        module's words, the place of that one; raises ValueError where nobody can know. The first one without it.
    :param operations: what is no field but an operation of the API, by name: it can be wished, and is ended only by
        wishing it of another object.
    :param posts: where each has no place of its own in the API: by what is done (create, update, delete) the operation
        of the listing that does it, which takes the key and the values.
    """

    word: str
    listing: str
    one: str
    new: Values
    id_field: str = "id"
    made_by: str = ""
    key: tuple[str, ...] = ("name",)
    required: tuple[str, ...] = ()
    view: Callable[[Row], Values] = dict
    form: Callable[[Values], Values] = dict
    wish: Callable[[Values], Values] = dict
    label: Callable[[Values], str] | None = None
    rows: Callable[[RegionClient], Iterable[Row]] | None = None
    chosen: Callable[[Values, Sequence[Values]], int] | None = None
    operations: Mapping[str, str] = field(default_factory=dict)
    posts: Mapping[str, str] = field(default_factory=dict)

    def shown(self, row: Row) -> dict[str, Any]:
        """What can be decided on, empty for an empty row."""
        if not row:
            return {}
        view = self.view(row)
        return {name: view[name] for name in (*self.key, *self.new, *self.operations)}

    def whole(self, row: Row) -> dict[str, Any]:
        """All that the API shows of it, what the module knows of in its words."""
        return {**row, **self.view(row)} if row else {}

    def target(self, values: Values) -> str:
        """The object in words."""
        return f"{self.word} {self.label(values) if self.label else values[self.key[0]]}"


def plan_for(kind: Kind, current: Values, wish: Values, state: str) -> Plan:
    """``current`` is what ``shown`` gives, empty when there is none. A wished None is left alone."""
    target = kind.target(wish)
    if state == "absent":
        return Plan(current, {}, (Action("delete", target),) if current else ())
    given = {name: wish[name] for name in (*kind.new, *kind.operations) if wish.get(name) is not None}
    for name in kind.operations:
        if current.get(name) and given.get(name) is False:
            raise ValueError(f"{name}: {target} is that; wish it of another one instead")
    if not current:
        if kind.made_by:
            raise ValueError(f"There is no {target}; {kind.made_by}")
        for name in kind.required:
            if not wish.get(name):
                raise ValueError(f"There is no {target} yet; give its {name}")
        whole = {
            **{name: wish[name] for name in kind.key},
            **kind.new,
            **dict.fromkeys(kind.operations, False),
            **given,
        }
        values = {name: value for name, value in whole.items() if value is not None}
        return Plan({}, values, (Action("create", target, values),))
    changes = differing(current, given)
    return Plan(current, {**current, **changes}, (Action("update", target, changes),) if changes else ())


def find(client: RegionClient, kind: Kind, wish: Values) -> Row:
    """The API's object that the wish is about, empty when there is none."""
    listed = kind.rows(client) if kind.rows else client.get(_listing(kind, wish))
    shown = [(row, kind.view(row)) for row in listed]
    found = [(row, view) for row, view in shown if all(view[name] == wish[name] for name in kind.key)]
    if not found:
        return {}
    place = kind.chosen(wish, [view for _row, view in found]) if kind.chosen else 0
    return dict(found[place][0])


def ensure(client: RegionClient, kind: Kind, options: Values, check_mode: bool) -> tuple[Plan, Values]:
    """Read, decide, and act outside check mode; what was decided, and the object afterwards as the API shows it, what
    the module knows of in its words."""
    wish = kind.wish(options)
    row = find(client, kind, wish)
    plan = plan_for(kind, kind.shown(row), wish, options["state"])
    if not plan.changed or check_mode:
        return plan, {**kind.whole(row), **plan.after} if plan.after else {}
    return plan, kind.whole(_carry_out(client, kind, wish, row, plan.actions[0]))


def _carry_out(client: RegionClient, kind: Kind, wish: Values, row: Row, action: Action) -> Row:
    if kind.posts:
        values = {name: wish[name] for name in kind.key if wish[name] is not None} | dict(action.values)
        return client.post(_listing(kind, wish), kind.posts[action.verb], **kind.form(values)) or {}
    if action.verb == "delete":
        client.delete(_one(kind, row))
        return {}
    fields = {name: value for name, value in action.values.items() if name not in kind.operations}
    if action.verb == "create":
        row = client.post(_listing(kind, wish), **kind.form(fields))
    elif fields:
        row = client.put(_one(kind, row), **kind.form(fields))
    for name, operation in kind.operations.items():
        if action.values.get(name):
            row = client.post(_one(kind, row), operation)
    return row


def _one(kind: Kind, row: Row) -> str:
    return kind.one.format(id=quote(str(row[kind.id_field])))


def _listing(kind: Kind, wish: Values) -> str:
    return kind.listing.format(**{name: quote(str(wish[name]), safe="") for name in kind.key})
