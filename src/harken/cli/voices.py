# SPDX-License-Identifier: Apache-2.0
"""``harken voices``: voices that the server, and ``harken transcribe --diarize``, know by name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harken.errors import InvalidOption, NotMedia
from harken.model import Options, Voice
from harken.service import voice_name

if TYPE_CHECKING:
    from harken.config import Settings
    from harken.service import Caller
    from harken.store import SqlVoices

app = typer.Typer(help="Enrol, list and forget known voices.", no_args_is_help=True, add_completion=False)

Key = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="KEY", help="Whose voices, on a server with API keys; with one key only, it is that one."
    ),
]


@app.command()
def enrol(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Someone speaking alone: ten seconds are good, two the least.")
    ],
    key: Key = None,
) -> None:
    """Learn a voice. From now on it has its name in every recording whose speakers are told apart.

    Only numbers are kept of it, not the sound.
    """
    if not file.is_file():
        raise NotMedia(f"{file}: {'not a file' if file.exists() else 'no such file'}")
    from harken.cli.models import fetched  # noqa: PLC0415 - not for --help
    from harken.diarize.voices import single  # noqa: PLC0415
    from harken.library.speakers import SpeakerModels  # noqa: PLC0415
    from harken.models.parts import SPEAKERS  # noqa: PLC0415
    from harken.models.standard import model_store  # noqa: PLC0415

    with _voices(key) as (voices, caller, settings):
        name = voice_name(name)
        store = model_store(settings)
        for model in SPEAKERS:
            fetched(store, model)
        found = single(SpeakerModels(store).diarize(file, Options(diarize=True)))
        voices.enrol(Voice(caller.id, name, found.centroid, found.seconds, time.time()))
    typer.echo(f"{name}: enrolled from {found.seconds:.1f} s of speech")


@app.command("list")
def list_voices(key: Key = None) -> None:
    """The voices that are known: name, seconds of speech they were learnt from, and when."""
    with _voices(key) as (voices, caller, _):
        for voice in voices.voices(caller.id):
            when = datetime.fromtimestamp(voice.created, UTC).astimezone()
            typer.echo(f"{voice.name}\t{voice.seconds:.1f} s\t{when:%Y-%m-%d %H:%M}")


@app.command()
def forget(name: Annotated[str, typer.Argument(metavar="NAME")], key: Key = None) -> None:
    """Forget a voice. Transcripts that were made keep the name."""
    with _voices(key) as (voices, caller, _):
        voices.forget(caller.id, name)
    typer.echo(f"{name}: forgotten")


@contextmanager
def _voices(key: str | None) -> Iterator[tuple[SqlVoices, Caller, Settings]]:
    from harken.cli.settings import load_settings  # noqa: PLC0415 - not for --help
    from harken.wiring.voices import voices  # noqa: PLC0415

    settings = load_settings()
    caller = owner(settings, key)
    with voices(settings) as known:
        yield known, caller, settings


def owner(settings: Settings, key: str | None) -> Caller:
    """Whose voices are meant. Raises InvalidOption where there are several keys, or made ones, and none is named."""
    from harken.wiring.accounts import offline_gate  # noqa: PLC0415

    keys = settings.api_keys
    with offline_gate(settings) as gate:
        if key is None and (len(keys) > 1 or not (keys or gate.accounts.open)):
            raise InvalidOption("this server has API keys; say whose voices with --key KEY")
        return gate.accounts.caller(key or next(iter(keys), None))
