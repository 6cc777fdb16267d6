# SPDX-License-Identifier: Apache-2.0
"""``harken transcribe``: recordings in, text and subtitles out, in this process."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from harken.errors import HarkenError, InvalidOption
from harken.model import Channels, KnownVoice, Mode, Options, Task, WindowResult
from harken.text import FORMATS, line, render

if TYPE_CHECKING:
    from harken.cli.inputs import Recording
    from harken.config import Settings
    from harken.library import LoadedModel

app = typer.Typer(add_completion=False)


@app.command()
def transcribe(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES", help="Recordings, folders of recordings, or - for standard input."),
    ],
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--format", "-f", metavar="FORMAT", help=f"{', '.join(FORMATS)}; can be given again.", show_default="txt"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder for the results. Without it one recording in one format goes to standard output, and "
            "everything else into the current folder.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Any model or preset; see `harken models list`.")
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", "-l", help="Code or English name; else it is detected.")
    ] = None,
    task: Annotated[Task, typer.Option(help="translate writes English, whatever is spoken.")] = "transcribe",
    prompt: Annotated[str | None, typer.Option(help="Text taken as said before, for spelling and style.")] = None,
    vocabulary: Annotated[
        list[str] | None, typer.Option(help="Words to expect, comma-separated; can be given again.")
    ] = None,
    word_timestamps: Annotated[
        bool, typer.Option("--word-timestamps", "-w", help="Time every word; subtitles become more exact.")
    ] = False,
    mode: Annotated[Mode, typer.Option(help="fast trades accuracy for speed.")] = "default",
    channels: Annotated[Channels, typer.Option(help="split transcribes every channel on its own.")] = "mix",
    diarize: Annotated[
        bool, typer.Option("--diarize", "-d", help="Tell who says what: labels in every format.")
    ] = False,
    num_speakers: Annotated[
        int | None, typer.Option("--speakers", metavar="N", help="How many speak, if you know; implies --diarize.")
    ] = None,
    min_speakers: Annotated[int | None, typer.Option(metavar="N", help="How many speak at least.")] = None,
    max_speakers: Annotated[int | None, typer.Option(metavar="N", help="How many speak at most.")] = None,
    voices: Annotated[
        list[str] | None,
        typer.Option(
            "--voice",
            metavar="NAME=FILE",
            help="Someone to know: a name and a recording of that person alone; can be given again.",
        ),
    ] = None,
    offset: Annotated[float, typer.Option(metavar="SECONDS", help="Where in the recording to begin.")] = 0.0,
    duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How much of it to transcribe; all by default.")
    ] = None,
    beam_size: Annotated[int | None, typer.Option(help="Width of the search; the mode decides by default.")] = None,
    best_of: Annotated[int | None, typer.Option(help="Candidates at temperatures over 0.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Sampling temperature; 0, then higher where that fails, by default.")
    ] = None,
    vad: Annotated[bool, typer.Option("--vad/--no-vad", help="Leave out what is no speech.")] = True,
    condition_on_previous_text: Annotated[
        bool, typer.Option("--condition-on-previous-text", help="Tell each window what was said before it.")
    ] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that recognise.", show_default="one a core, at most 4")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors on standard error.")] = False,
) -> None:
    """Turn recordings into text and subtitles.

    Any audio or video that FFmpeg reads. Text comes as it is recognised; with speakers, when all was heard. A recording
    that fails does not stop the others; the exit status is then 1. Settings (HARKEN_*) for models and device hold too.
    """
    from harken.cli.inputs import find  # noqa: PLC0415 - not for --help

    forms = list(dict.fromkeys(form or ["txt"]))
    for name in forms:
        if name not in FORMATS:
            raise InvalidOption(f"no format {name!r}; there are {', '.join(FORMATS)}")
    options = Options(
        model=model,
        language=language,
        task=task,
        prompt=prompt,
        vocabulary=tuple(word.strip() for words in vocabulary or () for word in words.split(",")),
        word_timestamps=word_timestamps,
        vad_filter=vad,
        condition_on_previous_text=condition_on_previous_text,
        beam_size=beam_size,
        best_of=best_of,
        temperature=temperature,
        offset=offset,
        duration=duration,
        channels=channels,
        mode=mode,
        diarize=diarize or "rttm" in forms or bool(voices) or (num_speakers, min_speakers, max_speakers) != (None,) * 3,
        num_speakers=num_speakers,
        min_speakers=min_speakers,
        max_speakers=max_speakers,
    )
    recordings = find(files)
    try:
        loaded = _loaded(options, threads)
        options = options.but(known_voices=_known(loaded, voices or []))
        failed = _Run(loaded, options, recordings, forms, output, quiet=quiet).all()
    except KeyboardInterrupt:
        sys.stderr.write("harken: interrupted\n")
        _leave(130)
    except BrokenPipeError:
        _leave(1)
    raise typer.Exit(1 if failed else 0)


def _leave(status: int) -> NoReturn:
    """End at once: native code may be at work in the other thread, and would be torn down under its feet."""
    sys.stderr.flush()
    os._exit(status)


def _loaded(options: Options, threads: int | None) -> LoadedModel:
    """The model, loaded; fetched before, where it is not installed. A wrong option is told before that."""
    from harken import pipeline  # noqa: PLC0415
    from harken.cli.models import fetched  # noqa: PLC0415
    from harken.cli.settings import load_settings  # noqa: PLC0415
    from harken.library import LoadedModel  # noqa: PLC0415
    from harken.models.parts import DETECTOR, SPEAKERS  # noqa: PLC0415
    from harken.models.standard import model_store  # noqa: PLC0415

    settings = load_settings()
    store = model_store(settings)
    resolved = store.catalog.resolve(pipeline.validate(options, store.catalog).model)
    fetched(store, resolved.spec.name)
    fetched(store, DETECTOR)
    if options.diarize and options.channels == "mix":
        for name in SPEAKERS:
            fetched(store, name)
    compute_type = None if settings.compute_type == "default" else settings.compute_type
    if resolved.preset is not None and resolved.preset.compute_type is not None:
        compute_type = None
    return LoadedModel(
        options.model,
        store=store,
        device=settings.device,
        compute_type=compute_type,
        threads=threads,
        voices=_enrolled(settings) if options.diarize else (),
    )


def _known(model: LoadedModel, voices: list[str]) -> tuple[KnownVoice, ...]:
    """The voices that ``NAME=FILE`` name."""
    known = []
    for given in voices:
        name, equals, file = given.partition("=")
        if not (name.strip() and equals and file):
            raise InvalidOption(f"--voice takes NAME=FILE, not {given!r}")
        try:
            known.append(model.speakers.voice(name.strip(), Path(file)))
        except HarkenError as error:
            raise type(error)(f"--voice {given}: {error.message}") from None
    return tuple(known)


def _enrolled(settings: Settings) -> tuple[KnownVoice, ...]:
    """The voices enrolled on this machine; none where no server is installed, or they belong to one key of several."""
    if importlib.util.find_spec("sqlalchemy") is None:
        return ()
    if settings.database_url is None and not settings.database_path.exists():
        return ()
    from harken.cli.voices import owner  # noqa: PLC0415
    from harken.wiring.voices import voices  # noqa: PLC0415

    try:
        caller = owner(settings, None)
    except InvalidOption:
        return ()
    with voices(settings) as enrolled:
        return tuple(voice.known for voice in enrolled.voices(caller.id))


class _Run:
    """Every recording in turn."""

    def __init__(
        self,
        model: LoadedModel,
        options: Options,
        recordings: list[Recording],
        forms: list[str],
        output: Path | None,
        *,
        quiet: bool,
    ) -> None:
        from harken.cli.outputs import plan  # noqa: PLC0415

        self._model = model
        self._options = options
        self._recordings = recordings
        self._to_stdout = output is None and len(recordings) == 1 and len(forms) == 1
        self._streams = self._to_stdout and forms == ["txt"] and not options.diarize
        self._forms = forms
        self._paths = plan(recordings, output or Path(), forms)
        self._quiet = quiet

    def all(self) -> list[str]:
        """Transcribe; returns what failed, which has been told."""
        failed: list[str] = []
        for index, recording in enumerate(self._recordings):
            try:
                self._one(index, recording)
            except BrokenPipeError:
                raise
            except (HarkenError, OSError, RuntimeError, MemoryError) as error:
                reason = str(error) or type(error).__name__
                failed.append(f"{recording.name}: {reason}")
                sys.stderr.write(f"harken: {failed[-1]}\n")
        if failed and len(self._recordings) > 1:
            sys.stderr.write(f"harken: {len(failed)} of {len(self._recordings)} failed:\n")
            sys.stderr.write("".join(f"  {item}\n" for item in failed))
        return failed

    def _one(self, index: int, recording: Recording) -> None:
        from harken.cli.hearing import hear  # noqa: PLC0415
        from harken.cli.outputs import stem, write  # noqa: PLC0415
        from harken.cli.progress import bar, clock  # noqa: PLC0415

        many = len(self._recordings)
        title = f"[{index + 1}/{many}] {recording.name}" if many > 1 else recording.name
        source = recording.source()
        with bar(title, shown=not self._quiet) as progress:

            def tell(result: WindowResult, total: float | None) -> None:
                self._stream(result)
                progress(result.window.end, total)

            transcript = hear(self._model, source, self._options, tell)
        if self._to_stdout:
            if not self._streams:
                sys.stdout.write(render(transcript, self._forms[0], stem(recording)))
                sys.stdout.flush()
        else:
            for form, path in self._paths[index].items():
                write(path, render(transcript, form, stem(recording)))
        if self._quiet:
            return
        for warning in transcript.warnings:
            sys.stderr.write(f"harken: {recording.name}: {warning}\n")
        if not self._to_stdout:
            written = ", ".join(str(path) for path in self._paths[index].values())
            seconds = transcript.timing.processing
            sys.stderr.write(f"{title}: {written} ({clock(transcript.duration)} in {clock(seconds)})\n")

    def _stream(self, result: WindowResult) -> None:
        if self._streams:
            sys.stdout.write("".join(map(line, result.segments)))
            sys.stdout.flush()
