# SPDX-License-Identifier: Apache-2.0
"""What all parts of the service have in common: the ports, and the rules that hold for every request."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from harken import pipeline
from harken.audio.remote import Stored
from harken.errors import JobNotFound
from harken.model import Job, JobState, Lane, MediaInfo, Options, Scope, Stage, StageKind
from harken.models.catalog import Catalog
from harken.ports import BlobStore, JobEngine, Readiness, Stages, Store, Voices
from harken.service import policy, prices
from harken.service.nouns import Caller, Limits
from harken.service.texts import Texts
from harken.service.webhooks import Webhooks
from harken.telemetry import traces, work
from harken.text.providers import Providers


class Base:
    """A service over its ports.

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
        probe: Callable[[Stored], MediaInfo],
        voiceprint: Callable[[Stored], tuple[float, tuple[float, ...]]],
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
        self.texts = Texts(self._job, stages, engine, providers, self._new_stage, clock)

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

    def job(self, job_id: str, caller: Caller) -> Job:
        """The caller's job. Raises JobNotFound, for the jobs of others and those that have expired too; Forbidden."""
        policy.require(caller, Scope.READ)
        return self._job(job_id, caller)

    def _job(self, job_id: str, caller: Caller) -> Job:
        job = self._store.job(job_id, caller.id)
        # A text that is being made of it again keeps it, as it keeps it from the sweeper.
        if job.expired(self._clock()) and all(stage.state.ended for stage in self._stages.stages(job_id)):
            raise JobNotFound(f"job {job_id} has expired")
        return job

    def _new_stage(self, job: Job, kind: StageKind, options: dict[str, Any], lane: Lane | None = None) -> Stage:
        """A stage of a job, to be entered; in a lane of its own where one is named."""
        work.link_to(job)
        now = self._clock()
        return Stage(
            id=str(uuid.uuid4()),
            job_id=job.id,
            kind=kind,
            state=JobState.QUEUED,
            created=now,
            updated=now,
            options=options,
            deadline=now + self._limits.job_deadline,
            lane=lane,
            price=self.prices.of_stage(kind, job),
            traceparent=traces.current(),
        )

    def _cancel_stage(self, stage_id: str) -> Stage:
        stage = self._stages.request_cancel(stage_id)
        if stage.state is JobState.CANCELLED:
            self._engine.cancel(stage_id)
        return stage
