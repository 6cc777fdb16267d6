# SPDX-License-Identifier: Apache-2.0
"""Jobs: submit, read, list, cancel, delete; do a stage again, hear a span again; enrol voices."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harken import pipeline
from harken.errors import (
    AudioGone,
    HarkenError,
    InvalidOption,
    JobCancelled,
    JobEnded,
    JobFailed,
    JobNotFinished,
    JobNotFound,
    StageNotFound,
    StageRunning,
    VoiceExists,
    revive,
)
from harken.model import (
    Job,
    JobState,
    Lane,
    MediaInfo,
    Options,
    Quote,
    Scope,
    Stage,
    StageKind,
    Transcript,
    Voice,
    WindowResult,
)
from harken.models.catalog import Catalog
from harken.pipeline.validation import MAX_NAME
from harken.ports import BlobStore, JobEngine, Page, Readiness, Stages, Store, Submission, Voices
from harken.service import fingerprints, policy, prices
from harken.service.nouns import Caller, Limits, Upload
from harken.service.texts import Texts
from harken.service.webhooks import Webhooks
from harken.text.providers import Providers

_PAST_END = 0.1
"""Seconds that a span may seem to go on behind the end: clients round, and so do headers."""


class Service:
    """The use cases of harken, over its ports.

    ``probe`` reads a recording's headers, ``voiceprint`` how many seconds of speech are in a recording of one speaker,
    and the voice. Both run native code on strangers' bytes, so wiring gives them processes of their own. ``admit``
    gives the form in which a URL is called, and names the option that is at fault if it must not be.
    """

    def __init__(
        self,
        store: Store,
        stages: Stages,
        voices: Voices,
        blobs: BlobStore,
        engine: JobEngine,
        catalog: Catalog,
        probe: Callable[[Path], MediaInfo],
        voiceprint: Callable[[Path], tuple[float, tuple[float, ...]]],
        limits: Limits,
        checks: Callable[[], list[Readiness]],
        providers: Providers,
        admit: Callable[[str, str], str],
        webhooks: Webhooks,
        clock: Callable[[], float] = time.time,
        price_list: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._stages = stages
        self._voices = voices
        self._blobs = blobs
        self._engine = engine
        self.catalog = catalog
        self._probe = probe
        self._voiceprint = voiceprint
        self._limits = limits
        self._checks = checks
        self._admit = admit
        self.webhooks = webhooks
        self._clock = clock
        self.prices = prices.Prices(price_list, catalog)
        self.texts = Texts(self._job, stages, engine, providers, self.prices, limits.job_deadline, clock)

    def check(self, options: Options, caller: Caller | None = None) -> Options:
        """``options`` with the model's canonical name and the language's code, as far as the caller may ask for them.

        Dialects call it before they read the recording, so that a bad field costs nobody an upload. Raises
        UnknownModel, UnknownLanguage or InvalidOption, which names the field, and Forbidden, which names the policy.
        """
        options = pipeline.validate(options, self.catalog)
        if options.summary is not None:
            options = options.but(summary=self.texts.check(options.summary))
        if options.formatting is not None:
            options = options.but(formatting=self.texts.check(options.formatting))
        return options if caller is None else policy.admit(caller, options, self.catalog)

    def admit(self, url: str, param: str) -> str:
        """The form in which a URL is called. Raises InvalidOption or AddressRefused, which name the option."""
        return self._admit(url, param)

    def submit(
        self,
        upload: Upload,
        options: Options,
        caller: Caller,
        *,
        waits: bool,
        idempotency_key: str | None = None,
        references: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
        view: dict[str, Any] | None = None,
        keep: float | None = None,
        webhook: str | None = None,
    ) -> Job:
        """Make a job of a spooled recording; on return the spooled file belongs to the job or is gone.

        ``waits`` says that the caller holds the line: such jobs, and short recordings, take the interactive lane.
        ``references`` are the SHA-256 of the recordings that the known voices were learnt from: by them a request that
        is sent again is known as the same. ``warnings`` and ``view`` are kept with the job for the dialect, which is
        itself kept ``keep`` seconds after its end if that is not the operator's to say. ``webhook`` is a URL that is
        told how the job ended.

        Raises:
            InvalidRequest: an option is not valid.
            AddressRefused: the webhook must not be called.
            Forbidden: the caller's policy refuses it.
            NotMedia, NoAudio: the bytes are not audio.
            AudioTooLong, QueueFull, NotEnoughCredits, IdempotencyConflict: nothing was made.
        """
        key: str | None = None
        try:
            options = self.check(options, caller)
            info = self._probe(upload.path)
            pipeline.check_duration(info.duration, self._limits.max_audio_seconds)
            short = info.duration is not None and info.duration <= self._limits.interactive_seconds
            key = str(uuid.uuid4())
            self._blobs.adopt(upload.path, key)
            job = self._new(
                caller,
                options,
                Lane.INTERACTIVE if waits or short else Lane.BATCH,
                id=key,
                filename=upload.filename,
                audio=key,
                size=upload.size,
                duration=info.duration,
                warnings=warnings,
                view=view or {},
                keep=keep,
                webhook=None if webhook is None else self._admit(webhook, "webhook_url"),
            )
            fingerprint = fingerprints.of_recording(upload.sha256, options, references)
            job, new = self._engine.submit(Submission(job, idempotency_key, fingerprint, quote=self._quote(job)))
            if not new:
                self._blobs.delete(key)
            return job
        except BaseException:
            if key is not None:
                self._blobs.delete(key)
            raise
        finally:
            upload.path.unlink(missing_ok=True)

    def submit_url(
        self,
        url: str,
        options: Options,
        caller: Caller,
        *,
        idempotency_key: str | None = None,
        warnings: tuple[str, ...] = (),
        view: dict[str, Any] | None = None,
        webhook: str | None = None,
    ) -> Job:
        """Make a job of a recording that a worker fetches from a URL; see :meth:`submit`.

        Raises:
            InvalidRequest: an option, or the URL, is not valid.
            Forbidden: the caller's policy refuses it.
            AddressRefused: that address must not be called.
            QueueFull, NotEnoughCredits, IdempotencyConflict: nothing was made.
        """
        options = self.check(options, caller)
        url = self._admit(url, "url")
        job = self._new(
            caller,
            options,
            Lane.BATCH,
            filename="",
            source=url,
            warnings=warnings,
            view=view or {},
            webhook=None if webhook is None else self._admit(webhook, "webhook_url"),
        )
        fingerprint = fingerprints.of_recording(f"url {url}", options)
        return self._engine.submit(Submission(job, idempotency_key, fingerprint, quote=self._quote(job)))[0]

    def job(self, job_id: str, caller: Caller) -> Job:
        """The caller's job. Raises JobNotFound, for the jobs of others and those that have expired too; Forbidden."""
        policy.require(caller, Scope.READ)
        return self._job(job_id, caller)

    def _job(self, job_id: str, caller: Caller) -> Job:
        job = self._store.job(job_id, caller.id)
        if job.expired(self._clock()):
            raise JobNotFound(f"job {job_id} has expired")
        return job

    def jobs(self, caller: Caller, limit: int = 20, cursor: str | None = None) -> Page:
        """The caller's recordings, newest first; transcripts that they gave are known by id alone. Raises Forbidden."""
        policy.require(caller, Scope.READ)
        return self._store.jobs(caller.id, limit, cursor)

    def all_jobs(self, limit: int = 20, cursor: str | None = None) -> Page:
        """Everybody's jobs, newest first: for administrators, who do what they do as a job's :meth:`owner`."""
        return self._store.jobs(None, limit, cursor)

    def owner(self, job_id: str) -> Caller:
        """Whose job it is, who may do everything with it. Raises JobNotFound."""
        return Caller(self._store.job(job_id).owner)

    def cancel(self, job_id: str, caller: Caller) -> Job:
        """Cancel: a queued job at once, a running one within a window or a second. Raises JobNotFound, JobEnded."""
        policy.require(caller, Scope.TRANSCRIBE, Scope.TEXT)
        self._job(job_id, caller)
        job = self._store.request_cancel(job_id)
        if job.state is JobState.CANCELLED:
            self._engine.cancel(job_id)
        return job

    def delete(self, job_id: str, caller: Caller) -> None:
        """Remove the job, its recording and its text; a running one is cancelled first."""
        policy.require(caller, Scope.TRANSCRIBE, Scope.TEXT)
        job = self._job(job_id, caller)
        with contextlib.suppress(JobEnded):
            self.cancel(job_id, caller)
        for stage in self._stages.stages(job_id):
            with contextlib.suppress(JobEnded):
                self._cancel_stage(stage.id)
        if job.audio is not None:
            self._blobs.delete(job.audio)
        self._store.delete(job_id)

    def transcript(self, job_id: str, caller: Caller) -> Transcript:
        """The result. Raises JobNotFound, JobNotFinished, or what the job failed with."""
        job = self.job(job_id, caller)
        if not job.state.ended:
            raise JobNotFinished(f"job {job_id} is {job.state.value}; its result is there once it has completed")
        transcript = self._store.transcript(job_id) if job.state is JobState.COMPLETED else None
        if transcript is None:
            raise self.failure(job)
        return transcript

    def draft(self, job_id: str, caller: Caller) -> Transcript | None:
        """The transcript as it is now, which is there before the job's stages are done; None before that."""
        self.job(job_id, caller)
        return self._store.transcript(job_id)

    def results(self, job_id: str, caller: Caller, after: int = -1) -> tuple[Job, list[tuple[int, WindowResult]]]:
        """The job as it is now and the windows done since ``after``, in order, each once.

        The job is read first: when it has ended, the windows that come with it are the last.
        """
        job = self.job(job_id, caller)
        return job, self._store.windows(job_id, after)

    def hear_again(
        self,
        job_id: str,
        start: float,
        end: float,
        options: Options,
        caller: Caller,
        *,
        idempotency_key: str | None = None,
        warnings: tuple[str, ...] = (),
        view: dict[str, Any] | None = None,
    ) -> Job:
        """Make a job of its own of the span ``[start, end)`` in seconds of a recording that is still kept.

        Raises:
            JobNotFound: there is no such job.
            AudioGone: its recording is not kept any more.
            InvalidRequest, Forbidden, QueueFull, NotEnoughCredits, IdempotencyConflict: nothing was made.
        """
        known = self._job(job_id, caller)
        if known.audio is None:
            raise AudioGone(f"the recording of job {job_id} is not kept any more; send the clip itself")
        if not 0 <= start < end or (known.duration is not None and start >= known.duration):
            length = "" if known.duration is None else f" of {known.duration:.2f} s"
            raise InvalidOption(
                f"there is nothing from {start:g} to {end:g} s in the recording{length}", param="start_time"
            )
        if known.duration is not None and end > known.duration + _PAST_END:
            raise InvalidOption(f"the recording ends at {known.duration:.2f} s", param="end_time")
        options = self.check(options.but(offset=start, duration=end - start), caller)
        key = str(uuid.uuid4())
        try:
            self._blobs.copy(known.audio, key)
        except FileNotFoundError:
            raise AudioGone(f"the recording of job {job_id} is not kept any more; send the clip itself") from None
        try:
            job = self._new(
                caller,
                options,
                Lane.INTERACTIVE,
                id=key,
                filename=known.filename,
                audio=key,
                size=known.size,
                duration=known.duration,
                warnings=warnings,
                view=view or {},
            )
            fingerprint = fingerprints.of_recording(job_id, options)
            job, new = self._engine.submit(Submission(job, idempotency_key, fingerprint, quote=self._quote(job)))
        except BaseException:
            self._blobs.delete(key)
            raise
        if not new:
            self._blobs.delete(key)
        return job

    def diarize_again(
        self,
        job_id: str,
        caller: Caller,
        *,
        num_speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
    ) -> Stage:
        """Find out anew who speaks in the recording of a completed job; its transcript is replaced when that is done.

        Raises:
            JobNotFound, JobNotFinished: there is no transcript to put speakers to.
            AudioGone: the recording is not kept any more.
            StageRunning: this is being done already.
            InvalidOption, Forbidden, QueueFull, NotEnoughCredits: nothing was made.
        """
        policy.require(caller, Scope.TRANSCRIBE)
        job = self._job(job_id, caller)
        options = self.check(
            job.options.but(
                diarize=True, num_speakers=num_speakers, min_speakers=min_speakers, max_speakers=max_speakers
            )
        )
        now = self._clock()
        return self._engine.submit_stage(
            Stage(
                id=str(uuid.uuid4()),
                job_id=job_id,
                kind=StageKind.DIARIZE,
                state=JobState.QUEUED,
                created=now,
                updated=now,
                options=options.speaker_counts,
                deadline=now + self._limits.job_deadline,
                price=self.prices.of_stage(StageKind.DIARIZE, job),
            )
        )

    def stages(self, job_id: str, caller: Caller) -> list[Stage]:
        """Every stage of the caller's job, oldest first. Raises JobNotFound."""
        self.job(job_id, caller)
        return self._stages.stages(job_id)

    def stage(self, job_id: str, stage_id: str, caller: Caller) -> Stage:
        """One stage of the caller's job. Raises JobNotFound, StageNotFound."""
        policy.require(caller, Scope.READ)
        return self._stage(self._job(job_id, caller), stage_id)

    def _stage(self, job: Job, stage_id: str) -> Stage:
        for stage in self._stages.stages(job.id):
            if stage.id == stage_id:
                return stage
        raise StageNotFound(f"job {job.id} has no stage {stage_id!r}")

    def cancel_stage(self, job_id: str, stage_id: str, caller: Caller) -> Stage:
        """Cancel a stage alone: its job keeps the transcript, or goes on to complete.

        Raises JobNotFound, StageNotFound, JobEnded.
        """
        policy.require(caller, Scope.TRANSCRIBE, Scope.TEXT)
        return self._cancel_stage(self._stage(self._job(job_id, caller), stage_id).id)

    def retry_stage(self, job_id: str, stage_id: str, caller: Caller) -> Stage:
        """Do again what a stage of a completed job was to do, as a new stage.

        Raises JobNotFound, StageNotFound, JobNotFinished, StageRunning, AudioGone, Forbidden, QueueFull,
        NotEnoughCredits.
        """
        job = self._job(job_id, caller)
        stage = self._stage(job, stage_id)
        policy.require(caller, Scope.TRANSCRIBE if stage.kind is StageKind.DIARIZE else Scope.TEXT)
        now = self._clock()
        return self._engine.submit_stage(
            Stage(
                id=str(uuid.uuid4()),
                job_id=job_id,
                kind=stage.kind,
                state=JobState.QUEUED,
                created=now,
                updated=now,
                options=stage.options,
                deadline=now + self._limits.job_deadline,
                lane=stage.lane or (None if stage.kind is StageKind.DIARIZE else Lane.TEXT),
                price=self.prices.of_stage(stage.kind, job),
            )
        )

    def name_speakers(self, job_id: str, names: Mapping[str, str | None], caller: Caller) -> Transcript:
        """Say who the speakers of a completed job are, by their ids; None takes a name away. Every dialect tells it.

        Raises:
            JobNotFound, JobNotFinished: there is nobody to name.
            StageRunning: it is being found out anew who speaks.
            InvalidOption, Forbidden: nothing was changed.
        """
        policy.require(caller, Scope.TRANSCRIBE, Scope.TEXT)
        job = self.job(job_id, caller)
        transcript = self._store.transcript(job_id) if job.state is JobState.COMPLETED else None
        if transcript is None:
            raise JobNotFinished(f"job {job_id} is {job.state.value}; speakers have names once it has completed")
        known = [speaker.id for speaker in transcript.speakers]
        for name in names:
            if name not in known:
                whom = f"only {', '.join(known)}" if known else "since nobody was told apart in it"
                raise InvalidOption(f"there is no speaker {name!r} in this recording, {whom}", param="speakers")
        checked = {one: None if name is None else voice_name(name, "speakers") for one, name in names.items()}
        if any(one.kind is StageKind.DIARIZE and not one.state.ended for one in self._stages.stages(job_id)):
            raise StageRunning("it is being found out anew who speaks; give names when that is done")
        return self._store.name_speakers(job_id, checked)

    def voices(self, caller: Caller) -> list[Voice]:
        """The caller's enrolled voices, by name. Raises Forbidden."""
        policy.require(caller, Scope.READ)
        return self._voices.voices(caller.id)

    def enrol(self, name: str, path: Path, caller: Caller) -> Voice:
        """Learn a voice from a recording of one speaker, which is read and left where it is.

        From then on the voice is looked for in every recording of the caller's whose speakers are told apart.

        Raises:
            InvalidOption: the name is none.
            VoiceExists: the name is taken.
            UnusableVoice: no speech, too little of it, or several speakers.
            NotMedia, NoAudio, CorruptMedia: the bytes are not audio.
        """
        policy.require(caller, Scope.TRANSCRIBE)
        name = voice_name(name)
        if name in {voice.name for voice in self._voices.voices(caller.id)}:
            raise VoiceExists(f"a voice named {name!r} is enrolled already; forget it first", param="name")
        seconds, centroid = self.voiceprint(path)
        voice = Voice(caller.id, name, centroid, seconds, self._clock())
        self._voices.enrol(voice)
        return voice

    def forget(self, name: str, caller: Caller) -> None:
        """Remove an enrolled voice. Raises VoiceNotFound."""
        policy.require(caller, Scope.TRANSCRIBE)
        self._voices.forget(caller.id, name.strip())

    def voiceprint(self, path: Path) -> tuple[float, tuple[float, ...]]:
        """Seconds of speech in a recording of one speaker, and the voice, as a KnownVoice has it.

        Raises as :meth:`enrol`.
        """
        return self._voiceprint(path)

    def probe(self, path: Path) -> MediaInfo:
        """What a recording's headers say. Raises NotMedia, NoAudio, CorruptMedia."""
        return self._probe(path)

    def estimate(self, job: Job) -> int | None:
        """What a job will cost, in thousandths of a credit; None as long as nobody knows how long it is."""
        return None if job.duration is None else self._quote(job).least

    def spent(self, job: Job) -> int:
        """What has been paid for a job of the caller's and for all its stages, in thousandths of a credit."""
        return prices.spent(job, self._stages.stages(job.id))

    def readiness(self) -> list[Readiness]:
        """Every part that must work, and whether it does."""
        return self._checks()

    def _new(self, caller: Caller, options: Options, lane: Lane, *, id: str | None = None, **rest: Any) -> Job:  # noqa: A002
        now = self._clock()
        return Job(
            id=id or str(uuid.uuid4()),
            owner=caller.id,
            state=JobState.QUEUED,
            lane=lane,
            options=options,
            created=now,
            updated=now,
            deadline=now + self._limits.job_deadline,
            rates=self.prices.rates(options),
            **rest,
        )

    def _quote(self, job: Job) -> Quote:
        return prices.quote(job.rates, job.options, job.duration, self._limits.max_audio_seconds)

    def _cancel_stage(self, stage_id: str) -> Stage:
        stage = self._stages.request_cancel(stage_id)
        if stage.state is JobState.CANCELLED:
            self._engine.cancel(stage_id)
        return stage

    @staticmethod
    def failure(ended: Job | Stage) -> HarkenError:
        """The error of a job or a stage that ended without having been done."""
        if ended.state is JobState.CANCELLED:
            return JobCancelled("it was cancelled")
        if ended.error_code is None:
            return JobFailed("it has no result")
        return revive(ended.error_code, ended.error_message or "it failed")


def voice_name(name: str, param: str = "name") -> str:
    """``name`` as a voice or a speaker has it. Raises InvalidOption, which blames ``param``."""
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise InvalidOption(f"a name has 1 to {MAX_NAME} printable characters", param=param)
    return name
