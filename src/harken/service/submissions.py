# SPDX-License-Identifier: Apache-2.0
"""Making jobs: of recordings that arrived, that are at a URL, or that are kept."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from harken import pipeline
from harken.audio.remote import Stored
from harken.errors import AudioGone, InvalidOption, JobNotFinished, StorageUnavailable, StoreUnavailable
from harken.model import Job, JobState, Lane, MediaInfo, Options, Quote
from harken.ports import Arrival, Submission
from harken.service import fingerprints, prices
from harken.service.base import Base
from harken.service.nouns import Caller, Upload
from harken.telemetry import traces, work

_PAST_END = 0.1
"""Seconds that a span may seem to go on behind the end: clients round, and so do headers."""


class Submissions(Base):
    """Enters recordings."""

    def admit(self, url: str, param: str) -> str:
        """The form in which a URL is called. Raises InvalidOption or AddressRefused, which name the option."""
        return self._admit(url, param)

    def arriving(self, declared: int = 0) -> AbstractContextManager[Arrival]:
        """A recording that arrives; see :meth:`harken.ports.BlobStore.arriving`."""
        return self._blobs.arriving(declared)

    def sweep(self) -> None:
        """Remove what servers that died left behind of recordings that were arriving."""
        self._blobs.sweep()

    def probe(self, source: Stored) -> MediaInfo:
        """What a recording's headers say. Raises NotMedia, NoAudio, CorruptMedia, StorageUnavailable."""
        return self._probe(source)

    def estimate(self, job: Job) -> int | None:
        """What a job will cost, in thousandths of a credit; None as long as nobody knows how long it is."""
        return None if job.duration is None else self._quote(job).least

    def spent(self, job: Job) -> int:
        """What has been paid for a job of the caller's and for all its stages, in thousandths of a credit."""
        return prices.spent(job, self._stages.stages(job.id))

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
        """Make a job of a recording that has arrived; it is the job's from then on.

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
        options = self.check(options, caller)
        info = self._probe(upload.source)
        pipeline.check_duration(info.duration, self._limits.max_audio_seconds)
        short = info.duration is not None and info.duration <= self._limits.interactive_seconds
        key = upload.arrival.key
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
            webhook=webhook,
        )
        fingerprint = fingerprints.of_recording(upload.sha256, options, references, job.webhook)
        return self._enter(job, idempotency_key, fingerprint, upload.arrival.keep)

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
            webhook=webhook,
        )
        fingerprint = fingerprints.of_recording(f"url {url}", options, webhook=job.webhook)
        return self._enter(job, idempotency_key, fingerprint)

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
        # What is said in it is told to whoever asks so.
        known = self.job(job_id, caller)
        if known.audio is None and known.source is not None and not known.state.ended:
            raise JobNotFinished(f"the recording of job {job_id} is still being fetched")
        gone = AudioGone(f"the recording of job {job_id} is not kept any more; send the clip itself")
        if known.audio is None:
            raise gone
        if not 0 <= start < end or (known.duration is not None and start >= known.duration):
            length = "" if known.duration is None else f" of {known.duration:.2f} s"
            raise InvalidOption(
                f"there is nothing from {start:g} to {end:g} s in the recording{length}", param="start_time"
            )
        if known.duration is not None and end > known.duration + _PAST_END:
            raise InvalidOption(f"the recording ends at {known.duration:.2f} s", param="end_time")
        options = self.check(options.but(offset=start, duration=end - start), caller)
        audio, key = known.audio, str(uuid.uuid4())
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
        work.link_to(known)
        try:
            return self._enter(job, idempotency_key, fingerprint, lambda: self._blobs.copy(audio, key))
        except FileNotFoundError:
            raise gone from None

    def _enter(
        self, job: Job, idempotency_key: str | None, fingerprint: str, keep: Callable[[], None] = lambda: None
    ) -> Job:
        """Have ``keep`` put the job's recording in the blob store, and enter the job.

        The recording goes again if the job cannot be entered, or is there already by its idempotency key.
        """
        new = False
        try:
            keep()
            model = self.catalog.resolve(job.options.model).spec.name
            entered, new = self._engine.submit(
                Submission(
                    job,
                    idempotency_key,
                    fingerprints.of_request(fingerprint, job.view, job.keep),
                    quote=self._quote(job),
                    model=model,
                )
            )
        except StoreUnavailable:
            # Nobody knows whether it was entered. If it was not, the recording is nobody's, and swept as such.
            new = True
            raise
        finally:
            if not new and job.audio is not None:
                # What cannot be removed now is swept as well.
                with contextlib.suppress(StorageUnavailable):
                    self._blobs.delete(job.audio)
        if not new:
            work.link_to(entered)
        return entered

    def _new(
        self,
        caller: Caller,
        options: Options,
        lane: Lane,
        *,
        id: str | None = None,  # noqa: A002
        webhook: str | None = None,
        **rest: Any,
    ) -> Job:
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
            traceparent=traces.current(),
            webhook=None if webhook is None else self._admit(webhook, "webhook_url"),
            **rest,
        )

    def _quote(self, job: Job) -> Quote:
        return prices.quote(job.rates, job.options, job.duration, self._limits.max_audio_seconds)
