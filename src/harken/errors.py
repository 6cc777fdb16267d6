# SPDX-License-Identifier: Apache-2.0
"""Everything that can go wrong, one tree, a stable code each.

This module knows no HTTP, no database and no engine; dialects map the classes to their own wire forms.

    HarkenError
    ├── InvalidRequest              what was asked cannot be done as asked
    │   ├── InvalidOption           an option is out of range, of the wrong type or not honoured here
    │   ├── UnknownModel            nobody knows this model
    │   ├── UnknownLanguage         nobody knows this language
    │   └── UnusableVoice           a recording that no voice can be learnt from
    ├── MediaError                  the bytes are not something to recognise
    │   ├── NotMedia                no decoder reads them
    │   ├── NoAudio                 media without an audio stream
    │   └── CorruptMedia            recognisable media that breaks before any audio comes out
    ├── LimitExceeded               an operator's limit
    │   ├── UploadTooLarge
    │   ├── UploadStalled           the client stopped sending
    │   ├── AudioTooLong
    │   ├── QueueFull
    │   ├── TooManyRequests
    │   └── DiskFull
    │       └── AccountFull         the account keeps as many bytes of recordings as it may
    ├── AccessError
    │   ├── Unauthenticated
    │   ├── Forbidden
    │   └── NotEnoughCredits
    ├── AccountError
    │   ├── AccountNotFound
    │   └── KeyNotFound
    ├── ModelError
    │   ├── ModelUnavailable        known, not installed, and no source delivered it
    │   ├── ModelCorrupt            a file does not have the pinned hash
    │   └── ModelInUse              it cannot be deleted now, or at all
    ├── JobError
    │   ├── JobNotFound
    │   │   ├── StageNotFound       the job has no such stage
    │   │   └── DeliveryNotFound    no such delivery of a webhook
    │   ├── JobNotFinished          its result was asked for too early
    │   ├── JobEnded                it cannot be cancelled any more
    │   ├── JobCancelled
    │   ├── JobFailed               the job's own error, told again
    │   ├── DeadlineExceeded
    │   ├── IdempotencyConflict     the same key with another request
    │   ├── StageRunning            a stage of that kind is not done yet
    │   └── AudioGone               the recording is not kept any more
    ├── VoiceError
    │   ├── VoiceNotFound
    │   └── VoiceExists             a voice of that name is enrolled already
    ├── WorkerError
    │   ├── RecogniserCrashed       native code died or hung on this input, more than once
    │   └── WorkerUnavailable       no worker answers
    ├── TextError                   summaries, notes and chat: the provider of text did not do its work
    │   ├── TextMisconfigured       it does not know the key, the model or the address
    │   ├── TextUnavailable         it does not answer, or only with its own faults
    │   ├── TextBusy                it asks to come back later
    │   ├── TextTooLong             more than its context holds
    │   ├── TextRefused             it will not answer this
    │   └── TextUnusable            what it answers cannot be used
    ├── FetchError                  what is at somebody's URL could not be had, or given
    │   ├── AddressRefused          a network that this server may not call
    │   ├── FetchFailed             nobody is there, or what answers does not give it
    │   └── FetchTimeout            it takes longer than it may
    ├── StoreUnavailable            the database does not answer
    ├── StorageUnavailable          the store of recordings does not answer
    │   └── StorageMisconfigured    it refuses this server, or is not there
    ├── WrongSecret                 not the secret that the database's keys were made with
    ├── DataFolderInUse             another server owns the data folder
    ├── DatabaseTooNew              a newer version changed the database for good
    └── MissingExtra                an optional part is not installed
"""

from __future__ import annotations


class HarkenError(Exception):
    """Base of every error that harken raises on purpose.

    ``code`` is stable and meant for programs, ``message`` for people, ``param`` names the option at fault. ``detail``
    is for whoever runs the machine: folders and addresses, which are in ``str(error)`` and in no answer to a client.
    ``lasting`` says that what was asked is at fault: the same request fails again, whenever it is sent.
    """

    code = "internal_error"
    lasting = False

    def __init__(self, message: str, *, param: str | None = None, detail: str | None = None) -> None:
        super().__init__(message if detail is None else f"{message} ({detail})")
        self.message = message
        self.param = param
        self.detail = detail

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.param, self.detail, self.code))


def _rebuild(kind: type[HarkenError], message: str, param: str | None, detail: str | None, code: str) -> HarkenError:
    error = kind(message, param=param, detail=detail)
    if error.code != code:
        error.code = code
    return error


class InvalidRequest(HarkenError):
    """The request cannot be done as it was asked."""

    code = "invalid_request"
    lasting = True


class InvalidOption(InvalidRequest):
    """An option is out of range, of the wrong type, or cannot be honoured here."""

    code = "invalid_option"


class UnknownModel(InvalidRequest):
    """No catalog entry, alias or preset has this name."""

    code = "model_not_found"


class UnknownLanguage(InvalidRequest):
    """Neither an ISO 639-1 code nor an English name of a language that Whisper knows."""

    code = "language_not_found"


class UnusableVoice(InvalidRequest):
    """A recording that no voice can be learnt from: no speech, too little of it, or several speakers."""

    code = "unusable_voice"


class MediaError(HarkenError):
    """The input is not something that can be recognised."""

    code = "media_error"
    lasting = True


class NotMedia(MediaError):
    """No demuxer or decoder reads these bytes."""

    code = "not_media"


class NoAudio(MediaError):
    """Media without an audio stream."""

    code = "no_audio"


class CorruptMedia(MediaError):
    """The container was recognised, yet no audio could be decoded from it."""

    code = "corrupt_media"


class LimitExceeded(HarkenError):
    """A limit of the operator's was met."""

    code = "limit_exceeded"
    retry_after: float | None = None


class UploadTooLarge(LimitExceeded):
    """More bytes than an upload may have."""

    code = "upload_too_large"
    lasting = True


class UploadStalled(LimitExceeded):
    """The client stopped sending in the middle of an upload."""

    code = "upload_stalled"


class AudioTooLong(LimitExceeded):
    """More seconds of audio than a recording may have."""

    code = "audio_too_long"
    lasting = True


class QueueFull(LimitExceeded):
    """As many jobs wait as may wait."""

    code = "queue_full"
    retry_after = 5.0


class TooManyRequests(LimitExceeded):
    """A rate or concurrency limit was met."""

    code = "too_many_requests"
    retry_after = 1.0


class DiskFull(LimitExceeded):
    """Not enough room on the disk."""

    code = "disk_full"


class AccountFull(DiskFull):
    """The account keeps as many bytes of recordings as it may."""

    code = "account_storage_full"


class AccessError(HarkenError):
    """The caller may not do this."""

    code = "access_denied"


class Unauthenticated(AccessError):
    """No key, or one that is not valid."""

    code = "invalid_api_key"


class Forbidden(AccessError):
    """A valid key whose policy refuses this; ``param`` names the policy or the option that it refuses."""

    code = "forbidden"


class NotEnoughCredits(AccessError):
    """The account's balance does not cover this."""

    code = "insufficient_credits"


class AccountError(HarkenError):
    """What was asked of accounts and keys cannot be done."""

    code = "account_error"


class AccountNotFound(AccountError):
    """No such account."""

    code = "account_not_found"


class KeyNotFound(AccountError):
    """No such key."""

    code = "key_not_found"


class ModelError(HarkenError):
    """A model cannot be used."""

    code = "model_error"


class ModelUnavailable(ModelError):
    """A known model that is not installed and that no source delivered."""

    code = "model_unavailable"


class ModelCorrupt(ModelError):
    """A file of a model does not have the size or hash that it must have."""

    code = "model_corrupt"


class ModelInUse(ModelError):
    """The server needs the model's files, so they are not deleted."""

    code = "model_in_use"


class JobError(HarkenError):
    """What was asked of a job cannot be done."""

    code = "job_error"


class JobNotFound(JobError):
    """No such job, or not one that this caller may see."""

    code = "job_not_found"


class DeliveryNotFound(JobNotFound):
    """No such delivery of a webhook, or not one that this caller may see."""

    code = "delivery_not_found"


class JobNotFinished(JobError):
    """The job has no result yet."""

    code = "job_not_finished"


class JobEnded(JobError):
    """The job has ended and cannot be changed any more."""

    code = "job_already_ended"


class JobCancelled(JobError):
    """The job was cancelled."""

    code = "job_cancelled"


class JobFailed(JobError):
    """The job failed; ``code`` and ``message`` are those of what went wrong."""

    code = "job_failed"

    @classmethod
    def of(cls, code: str, message: str) -> JobFailed:
        """The failure of a job, with the stored ``code`` in place of this class's own."""
        error = cls(message)
        error.code = code
        return error


class DeadlineExceeded(JobError):
    """The job was not done in the time it was given."""

    code = "deadline_exceeded"


class IdempotencyConflict(JobError):
    """The idempotency key was used before with a different request."""

    code = "idempotency_conflict"


class StageNotFound(JobNotFound):
    """No such stage, or not one that this caller may see."""

    code = "stage_not_found"


class StageRunning(JobError):
    """A stage of this kind waits or runs already."""

    code = "stage_running"


class AudioGone(JobError):
    """The recording is not kept any more, so nothing can be heard again."""

    code = "audio_gone"


class VoiceError(HarkenError):
    """What was asked of enrolled voices cannot be done."""

    code = "voice_error"


class VoiceNotFound(VoiceError):
    """No voice of this name is enrolled."""

    code = "voice_not_found"


class VoiceExists(VoiceError):
    """A voice of this name is enrolled already."""

    code = "voice_exists"


class WorkerError(HarkenError):
    """The part that recognises could not do its work."""

    code = "worker_error"


class RecogniserCrashed(WorkerError):
    """Native code crashed or hung on this input, more than once."""

    code = "recogniser_crashed"


class WorkerUnavailable(WorkerError):
    """No worker is alive to take the job."""

    code = "worker_unavailable"
    retry_after = 5.0


class TextError(HarkenError):
    """What provides summaries, notes and chat did not do its work."""

    code = "text_error"


class TextMisconfigured(TextError):
    """The language model's server does not know the key, the model or the address; only the operator can help."""

    code = "text_misconfigured"


class TextUnavailable(TextError):
    """The language model does not answer, or only with faults of its own."""

    code = "text_unavailable"
    retry_after = 5.0


class TextBusy(TextError):
    """The language model's server asks to come back later; ``retry_after`` is when, in seconds."""

    code = "text_busy"
    retry_after = 30.0


class TextTooLong(TextError):
    """The request holds more than the language model's context."""

    code = "text_too_long"
    lasting = True


class TextRefused(TextError):
    """The language model, or a filter before it, will not answer this."""

    code = "text_refused"
    lasting = True


class TextUnusable(TextError):
    """The language model answers with something that cannot be used, also when asked again."""

    code = "text_unusable"


class FetchError(HarkenError):
    """What is at an address that a client named could not be fetched, or nothing be sent there."""

    code = "fetch_error"


class AddressRefused(FetchError):
    """The address, or one that it leads to, is in a network or at a port that this server may not call."""

    code = "url_refused"
    lasting = True


class FetchFailed(FetchError):
    """Nobody answers at the address, the answer breaks off, or it is not what was asked for."""

    code = "url_unreachable"


class FetchTimeout(FetchError):
    """The server at the address takes longer than it may."""

    code = "url_timeout"


class StoreUnavailable(HarkenError):
    """The database does not answer, for now."""

    code = "store_unavailable"
    retry_after = 2.0


class StorageUnavailable(HarkenError):
    """The store of recordings does not answer, for now."""

    code = "storage_unavailable"
    retry_after = 5.0


class StorageMisconfigured(StorageUnavailable):
    """The store of recordings refuses this server, or has no such bucket; only the operator can help."""

    code = "storage_misconfigured"


class WrongSecret(HarkenError):
    """The server's secret is not the one that the keys in the database were made with."""

    code = "wrong_secret"


class DataFolderInUse(HarkenError):
    """Another server runs on this data folder."""

    code = "data_folder_in_use"


class DatabaseTooNew(HarkenError):
    """A newer version has changed the database in a way that this one cannot work with."""

    code = "database_too_new"


class MissingExtra(HarkenError):
    """An optional part of harken is not installed."""

    code = "missing_extra"


def by_code() -> dict[str, type[HarkenError]]:
    """Every error class by its stable code."""
    found: dict[str, type[HarkenError]] = {}
    todo: list[type[HarkenError]] = [HarkenError]
    while todo:
        kind = todo.pop()
        found.setdefault(kind.code, kind)
        todo.extend(kind.__subclasses__())
    return found


def is_lasting(code: str) -> bool:
    """Whether what was stored as ``code`` is the fault of what was asked. Of unknown codes nobody can say so."""
    kind = by_code().get(code)
    return kind is not None and kind.lasting


def revive(code: str, message: str) -> HarkenError:
    """The error that was stored as ``code`` and ``message``; unknown codes become :class:`JobFailed`."""
    kind = by_code().get(code)
    return kind(message) if kind is not None else JobFailed.of(code, message)
