# SPDX-License-Identifier: Apache-2.0
"""What every dialect does with the service, without blocking: submit a form, wait for a job, follow it, give it up.

Knows no wire form.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect, HTTPConnection

from harken.errors import DeadlineExceeded, InvalidOption, JobEnded, JobNotFound, StoreUnavailable, WorkerUnavailable
from harken.model import Job, Options, Stage, Transcript
from harken.server.auth import Door
from harken.server.feeds import Feed, Feeds, Listener, Update
from harken.server.limits import LocalSlots
from harken.server.middleware import JOB
from harken.server.polling import Poller
from harken.server.uploads import Reception
from harken.server.waiting import unless_gone
from harken.service import Caller, Service, Upload

T = TypeVar("T")

AWAY_SECONDS = 30.0
"""How long the transcript of a job that has ended is asked for while the database is away."""
SOCKETS = 1000
"""Web sockets of one caller at once: one that listens costs little beside an upload or a stream."""
_AGAIN = 0.5
"""Seconds between two times of that."""

_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class Desk:
    """The service as dialects use it."""

    def __init__(
        self,
        service: Service,
        uploads: Reception,
        door: Door,
        *,
        sync_timeout: float,
        stopping: Callable[[], bool],
    ) -> None:
        self.service = service
        self.uploads = uploads
        self._door = door
        self._sockets = LocalSlots()
        self._sync_timeout = sync_timeout
        self._stopping = stopping
        self._poller = Poller()
        self.feeds = Feeds()
        # Quick reads and slow submissions do not take each other's threads.
        self._reads = CapacityLimiter(8)
        self._writes = CapacityLimiter(16)
        # One voice is learnt at a time; those that wait for it must not keep anybody from submitting jobs.
        self._voices = CapacityLimiter(4)

    async def slot(self, request: Request) -> AsyncIterator[None]:
        """A dependency: holds one of the caller's places until the response is sent. Raises TooManyRequests."""
        async with self._door.place(self.caller(request)):
            yield

    def socket(self, connection: HTTPConnection) -> contextlib.AbstractContextManager[None]:
        """Hold one of the caller's web sockets for the length of the context. Raises TooManyRequests."""
        return self._sockets.hold(self.caller(connection).subject, SOCKETS)

    @staticmethod
    def caller(connection: HTTPConnection) -> Caller:
        """Who asks."""
        caller: Caller = connection.state.caller
        return caller

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """A quick blocking call, in a thread."""
        return await to_thread.run_sync(function, *args, limiter=self._reads)

    async def work(self, function: Callable[..., T], *args: Any) -> T:
        """A blocking call that takes a while, in a thread."""
        return await to_thread.run_sync(function, *args, limiter=self._writes)

    async def learn(self, function: Callable[..., T], *args: Any) -> T:
        """A blocking call that learns voices, which takes seconds, and minutes when many are learnt."""
        return await to_thread.run_sync(function, *args, limiter=self._voices)

    async def submit(
        self,
        request: Request,
        upload: Upload,
        options: Options,
        *,
        waits: bool,
        references: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
        view: dict[str, Any] | None = None,
        keep: float | None = None,
        webhook: str | None = None,
    ) -> Job:
        """Make a job of an upload; its id goes out as a header, whatever becomes of the request."""
        key = idempotency_key(request)
        caller = self.caller(request)

        def submit() -> Job:
            return self.service.submit(
                upload,
                options,
                caller,
                waits=waits,
                idempotency_key=key,
                references=references,
                warnings=warnings,
                view=view,
                keep=keep,
                webhook=webhook,
            )

        job = await self.work(submit)
        request.state.headers[JOB] = job.id
        if waits:
            request.state.caller = caller.waiting()
        return job

    async def submit_url(
        self,
        request: Request,
        url: str,
        options: Options,
        *,
        warnings: tuple[str, ...] = (),
        view: dict[str, Any] | None = None,
        webhook: str | None = None,
    ) -> Job:
        """Make a job of a recording that is fetched; its id goes out as a header."""
        key = idempotency_key(request)
        caller = self.caller(request)

        def submit() -> Job:
            return self.service.submit_url(
                url, options, caller, idempotency_key=key, warnings=warnings, view=view, webhook=webhook
            )

        job = await self.work(submit)
        request.state.headers[JOB] = job.id
        return job

    async def transcript(
        self, request: Request, job: Job, *, later: str = "send long recordings to /v1/transcription-jobs"
    ) -> tuple[Job, Transcript]:
        """Wait for a job's transcript. ``later`` tells how not to.

        A client that hangs up takes its job with it, unless it sent an idempotency key: then it may come back for it.

        Raises:
            HarkenError: what the job failed with.
            DeadlineExceeded: it took longer than a request may; the job is cancelled.
            WorkerUnavailable: the server is stopping; the job goes on.
            ClientDisconnect: the client hung up.
        """
        caller = request.state.caller = self.caller(request).waiting()

        def ended() -> Job | None:
            now = self.service.job(job.id, caller)
            return now if now.state.ended else None

        async with self.given_up(request, job):
            try:
                async with asyncio.timeout(self._sync_timeout):
                    job = await unless_gone(request, self._poller.until(self._patient(job.id, ended)))
            except TimeoutError:
                await self.call(self.drop, job.id, caller)
                raise DeadlineExceeded(
                    f"the transcript was not done in {self._sync_timeout:.0f} s, the most that a request may wait; "
                    f"{later}"
                ) from None
        return job, await self.outcome(request, job.id)

    async def stage(self, request: Request, stage: Stage) -> Stage:
        """Wait for a stage's end, however it ends.

        A client that hangs up takes the stage with it, unless it sent an idempotency key.

        Raises:
            DeadlineExceeded: it took longer than a request may; the stage is cancelled.
            WorkerUnavailable: the server is stopping; the stage goes on.
            ClientDisconnect: the client hung up.
        """
        caller = self.caller(request).waiting()

        def ended() -> Stage | None:
            now = self.service.stage(stage.job_id, stage.id, caller)
            return now if now.state.ended else None

        def drop() -> None:
            with contextlib.suppress(JobEnded, JobNotFound):
                self.service.cancel_stage(stage.job_id, stage.id, caller)

        try:
            async with asyncio.timeout(self._sync_timeout):
                return await unless_gone(request, self._poller.until(self._patient(stage.job_id, ended)))
        except TimeoutError:
            await self.call(drop)
            raise DeadlineExceeded(
                f"it was not done in {self._sync_timeout:.0f} s, the most that a request may wait"
            ) from None
        except ClientDisconnect:
            if idempotency_key(request) is None:
                await self.call(drop)
            raise

    async def outcome(self, request: HTTPConnection, job_id: str) -> Transcript:
        """The transcript of a job that has ended, also over a short absence of the database.

        Raises HarkenError: what the job failed with, or StoreUnavailable.
        """
        return await self.insist(self.service.transcript, job_id, self.caller(request))

    async def insist(self, function: Callable[..., T], *args: Any) -> T:
        """A quick blocking call for what is done already: a short absence of the database must not lose it."""
        end = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                return await self.call(function, *args)
            except StoreUnavailable:
                if time.monotonic() >= end:
                    raise
            await asyncio.sleep(_AGAIN)

    def listen(
        self, connection: HTTPConnection, job_id: str, after: int = -1
    ) -> contextlib.AbstractContextManager[Listener]:
        """Listen to a job of the caller's, from the window after ``after`` on.

        Its listener raises WorkerUnavailable when the server is stopping, JobNotFound when the job is deleted, and
        Unauthenticated some seconds after the caller's key was revoked.
        """
        caller = self.caller(connection)
        presented = connection.state.presented

        async def let_in() -> None:
            with contextlib.suppress(StoreUnavailable):
                await self._door.still(*presented)

        def make() -> Feed:
            return Feed(
                lambda index: self.service.results(job_id, caller, index),
                lambda ask: self._poller.until(self._patient(job_id, ask)),
            )

        return self.feeds.listen(job_id, caller.id, make, after, let_in)

    async def news(self, request: Request, listener: Listener, since: Update | None, patience: float) -> Update | None:
        """What follows ``since`` of what is listened to; None when ``patience`` seconds brought nothing.

        Raises what the listener does, and ClientDisconnect.
        """
        try:
            async with asyncio.timeout(patience):
                return await unless_gone(request, listener.next(since))
        except TimeoutError:
            return None

    @contextlib.asynccontextmanager
    async def given_up(self, request: Request, job: Job) -> AsyncIterator[None]:
        """Cancel the job when the client hangs up inside the context."""
        try:
            yield
        except ClientDisconnect:
            if idempotency_key(request) is None:
                await self.call(self.drop, job.id, self.caller(request))
            raise

    def drop(self, job_id: str, caller: Caller) -> None:
        """Cancel a job that nobody waits for any more."""
        with contextlib.suppress(JobEnded, JobNotFound):
            self.service.cancel(job_id, caller)

    def _patient(self, job_id: str, ask: Callable[[], T | None]) -> Callable[[], T | None]:
        """The same question; a database that is away means that there is no answer yet, a server that stops an end."""

        def asked() -> T | None:
            with contextlib.suppress(StoreUnavailable):
                answer = ask()
                if answer is not None:
                    return answer
            if self._stopping():
                raise WorkerUnavailable(
                    f"the server is stopping; job {job_id} goes on when it runs again: ask for it by its id, or send "
                    "the same request again if it had an Idempotency-Key"
                )
            return None

        return asked


def idempotency_key(request: Request) -> str | None:
    """The request's ``Idempotency-Key``. Raises InvalidOption when it is not one."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidOption("Idempotency-Key must be 1 to 255 printable ASCII characters", param="Idempotency-Key")
    return key


def known(job_id: str) -> str:
    """A job's id as the store writes it. Raises JobNotFound for what cannot be one."""
    try:
        return str(uuid.UUID(job_id))
    except ValueError:
        raise JobNotFound("there is no such job") from None
