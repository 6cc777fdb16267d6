# SPDX-License-Identifier: Apache-2.0
"""``harken keys``: API keys, and the accounts whose jobs they see. Knows the terminal; the rules are the service's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from harken.errors import AccountNotFound, InvalidOption
from harken.model import EVERYDAY, ApiKey, Policy, Scope

if TYPE_CHECKING:
    from harken.wiring.accounts import Gate

app = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True, add_completion=False)

_BY = "command line"
_DAY = 24 * 3600.0

Account = Annotated[
    str | None, typer.Option("--account", metavar="ACCOUNT", help="Name or id of the account; jobs are its own.")
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for, for lists.")],
    account: Annotated[
        str | None,
        typer.Option("--account", metavar="ACCOUNT", help="Name or id of its account, made if new; unset is NAME."),
    ] = None,
    scope: Annotated[
        list[Scope] | None, typer.Option("--scope", help="What it may do, several times; unset is all but admin.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", metavar="MODEL", help="Models it may use; unset is any.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option("--language", metavar="LANGUAGE", help="Languages it may use; unset is any.")
    ] = None,
    rate: Annotated[int | None, typer.Option("--rate", min=1, help="Requests per minute.")] = None,
    concurrency: Annotated[int | None, typer.Option("--concurrency", min=1, help="Requests at once.")] = None,
    days: Annotated[float | None, typer.Option("--days", min=0, help="Days until it expires; unset is never.")] = None,
) -> None:
    """Make a key, and print it this once.

    Keys of one account see each other's jobs, and nobody else's.
    """
    policy = Policy(
        scopes=frozenset(scope) if scope else EVERYDAY,
        models=tuple(model or ()),
        languages=tuple(language or ()),
        rate=rate,
        concurrency=concurrency,
    )
    with _gate() as gate:
        accounts = gate.accounts
        try:
            owner = accounts.named(account or name)
        except AccountNotFound:
            owner = accounts.create(account or name, _BY)
        expires = None if days is None else time.time() + days * _DAY
        key, full = accounts.create_key(owner.id, name, policy, _BY, expires=expires)
    typer.echo(full)
    typer.echo(f"key {key.prefix} of account {owner.name}; it is not shown again", err=True)


@app.command("list")
def list_keys(account: Account = None) -> None:
    """The keys there are: prefix, account, name, scopes and limits, last use, and until when; revoked ones too."""
    with _gate() as gate:
        accounts = gate.accounts
        names = {one.id: one.name for one in accounts.accounts()}
        chosen = None if account is None else accounts.named(account).id
        for key in accounts.keys(chosen):
            typer.echo("\t".join((key.prefix, names[key.account], key.name, _policy(key.policy), *_times(key))))


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its prefix or its id, as lists show them.")],
) -> None:
    """Have a key open nothing any more, from the next request on. Jobs that it made go on."""
    with _gate() as gate:
        revoked = gate.accounts.revoke_key(gate.accounts.key(key).id, _BY)
    typer.echo(f"{revoked.prefix}: revoked")


@app.command("start-over")
def start_over(yes: Annotated[bool, typer.Option("--yes", help="Yes, every key is to be made anew.")] = False) -> None:
    """When the server's secret is lost: revoke every key, end every session, and go on with the present secret."""
    if not yes:
        raise InvalidOption("this revokes every API key; say --yes if they shall be made anew")
    with _gate(start_over=True) as gate:
        known = gate.accounts.keys()
        lost = [key for key in known if key.revoked is None]
        for key in lost:
            gate.accounts.revoke_key(key.id, _BY)
        gate.admin.log_out_everywhere()
    typer.echo(f"{len(lost)} keys revoked; make new ones with harken keys create")


@app.command("admin-password")
def admin_password() -> None:
    """Make a new administrator's password, and print it this once; every session ends."""
    with _gate() as gate:
        typer.echo(gate.admin.new_password(_BY))


@contextmanager
def _gate(*, start_over: bool = False) -> Iterator[Gate]:
    from harken.cli.settings import load_settings  # noqa: PLC0415 - not for --help
    from harken.wiring.accounts import offline_gate  # noqa: PLC0415

    with offline_gate(load_settings(), start_over=start_over) as gate:
        yield gate


def _policy(policy: Policy) -> str:
    limits = {"models": policy.models, "languages": policy.languages}
    told = [",".join(sorted(policy.scopes))]
    told += [f"{name}={','.join(values)}" for name, values in limits.items() if values]
    if policy.rate is not None:
        told.append(f"{policy.rate}/min")
    if policy.concurrency is not None:
        told.append(f"{policy.concurrency} at once")
    return " ".join(told)


def _times(key: ApiKey) -> tuple[str, str]:
    used = "never used" if key.last_used is None else f"used {_when(key.last_used)}"
    if key.revoked is not None:
        return used, f"revoked {_when(key.revoked)}"
    if key.expires is None:
        return used, ""
    return used, f"{'expired' if key.expired(time.time()) else 'expires'} {_when(key.expires)}"


def _when(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC).astimezone():%Y-%m-%d %H:%M}"
