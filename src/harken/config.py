# SPDX-License-Identifier: Apache-2.0
"""Settings, from the environment (``HARKEN_*``) and the command line.

Read only by ``cli`` and ``wiring``; every other room is given the values it needs. A test fails when a setting here is
missing from ``docs/settings.md``.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_cache_path, user_data_path
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from harken.model import Lane

SHORTEST_KEY = 16
"""Characters of a key in the settings at least."""
Listed = Annotated[tuple[str, ...], NoDecode]
"""Several values in one variable: comma-separated, or a JSON list."""


class Settings(BaseSettings):
    """Every setting of the server and the workers. Sizes in bytes, times in seconds."""

    model_config = SettingsConfigDict(env_prefix="HARKEN_", env_ignore_empty=True, extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="Address the server binds.")
    port: int = Field(8000, ge=0, le=65535, description="Port the server binds; 0 takes a free one.")
    data_dir: Path = Field(
        default_factory=lambda: user_data_path("harken"), description="Folder of the database and the recordings."
    )
    models_dir: Path = Field(
        default_factory=lambda: user_cache_path("harken") / "models", description="Folder of the installed models."
    )
    model_source: Path | None = Field(
        None, description="Folder that is asked for a model's files before the hub and the package index."
    )
    hub_url: str = Field("https://huggingface.co", description="Model hub; any server with the same paths.")
    offline: bool = Field(False, description="Never fetch anything over the network.")
    default_model: str = Field("base", description="Model of requests that name none.")
    presets: dict[str, dict[str, str | int | float | bool]] = Field(
        default_factory=dict,
        description="Further presets as JSON: name to {model, compute_type, cpu_threads, and decoding defaults}.",
    )
    model_catalog: Path | None = Field(
        None, description="TOML file with further models, for either engine; see docs/models.md."
    )
    database_url: str | None = Field(
        None,
        description="postgresql://... for several machines, which then share the recordings too: by blobs, or by a "
        "data_dir that all see; unset is SQLite in the data folder.",
    )
    blobs: str | None = Field(
        None,
        description="s3://bucket/prefix that recordings are kept in, see docs/storage.md; unset is a folder in "
        "data_dir.",
    )
    api_keys: Listed = Field(
        (), description="Further keys that may call the server, of 16 characters or more; see docs/keys.md."
    )
    secret: SecretStr | None = Field(
        None,
        description="What API keys are hashed with, 32 characters or more, the same on every server of one database; "
        "unset makes one in data_dir.",
    )
    prices: dict[str, float] = Field(
        default_factory=dict,
        description="Credits for a minute of audio as JSON, by what is done: transcribe (1 when unset), diarize, "
        "summarise, format, chat (0), and models that have a price of their own. Only accounts with a balance pay.",
    )
    redis_url: str | None = Field(
        None, description="redis://... that counts requests per minute; unset counts them in the database."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="cpu, cuda or auto.")
    compute_type: str = Field("default", description="CTranslate2 compute type; default is int8 on a CPU.")
    worker_lanes: Annotated[tuple[Lane, ...], NoDecode] = Field(
        (), description="Lanes that workers take from, of interactive, batch and text; unset is all of them."
    )
    worker_models: Listed = Field(
        (), description="Models whose recordings workers take, by any name that requests may give; unset is any model."
    )
    children: int = Field(
        default_factory=lambda: max(1, min(os.cpu_count() or 1, 8)),
        ge=1,
        description="Processes that hold a model each, one thread each unless cpu_threads says more.",
    )
    cpu_threads: int = Field(1, ge=1, description="Threads of each of them.")
    batch_size: int = Field(8, ge=1, le=64, description="Windows that are recognised together at most.")
    window_timeout: float = Field(
        300.0,
        gt=0,
        description="Seconds after which a step of recognition, or the planning of a chapter, counts as hung; those in "
        "which it waits for a core do not count.",
    )
    diarize_timeout: float = Field(
        1.0,
        gt=0,
        description="Seconds that telling speakers apart may take for each second of a recording, beside "
        "window_timeout; about 25 times what it takes.",
    )
    max_upload_bytes: int = Field(2 * 1024**3, gt=0, description="Largest upload.")
    max_audio_seconds: float = Field(12 * 3600.0, gt=0, description="Longest recording.")
    min_free_bytes: int = Field(256 * 1024**2, ge=0, description="Room that uploads must leave on the disk.")
    max_queued_jobs: int = Field(1000, ge=1, description="Jobs that may wait, over all callers.")
    max_queued_per_account: int | None = Field(
        None, ge=1, description="The same of one account; unset is half of them, where there are keys."
    )
    max_kept_bytes_per_account: int | None = Field(
        None, gt=0, description="Recordings that are kept of one account, together; unset is no bound."
    )
    max_concurrent_requests: int = Field(64, ge=1, description="Uploads and waiting requests of one caller at once.")
    requests_per_minute: int = Field(6000, ge=1, description="Requests of one caller per minute.")
    wrong_keys_per_minute: int = Field(
        30, ge=1, description="Keys that open nothing, from one address; further ones get 429 for a while."
    )
    interactive_seconds: float = Field(
        60.0, ge=0, description="Recordings up to this length take the interactive lane even as jobs."
    )
    job_deadline: float = Field(24 * 3600.0, gt=0, description="Seconds a job may take from submission to end.")
    sync_timeout: float = Field(3600.0, gt=0, description="Seconds a synchronous request waits for its result.")
    keep_audio: float = Field(24 * 3600.0, ge=0, description="Seconds a recording is kept after its job ended.")
    keep_results: float = Field(30 * 24 * 3600.0, ge=0, description="Seconds a job is kept after it ended.")
    keep_audit: float = Field(365 * 24 * 3600.0, ge=0, description="Seconds an entry of the audit log is kept.")
    dead_after: float = Field(5.0, gt=0, description="Seconds without a heartbeat after which a worker counts as dead.")
    drain_seconds: float = Field(10.0, ge=0, description="Seconds a stopping worker may use to finish what it began.")
    alive_file: Path | None = Field(
        None, description="File that a worker touches twice a second, for probes of containers; see docs/deploy.md."
    )
    cors_origins: Listed = Field((), description="Origins that browsers may call from; * is every one.")
    fetch_allow: Listed = Field(
        (), description="Networks that URLs may lead to although they are not public, such as 10.1.0.0/16."
    )
    fetch_ports: Listed = Field((), description="Ports that URLs may name, such as 443 or 8000-8999; see docs/urls.md.")
    fetch_timeout: float = Field(3600.0, gt=0, description="Seconds that fetching a recording from a URL may take.")
    fetch_slowest: float = Field(
        1024.0, ge=0, description="Bytes a second that must come from a URL, on the average of half a minute."
    )
    llm_base_url: str | None = Field(
        None,
        description="Language model for summaries and chat: an OpenAI-compatible server, such as "
        "http://127.0.0.1:11434/v1; unset quotes the transcript, or runs the model that llm_model names.",
    )
    llm_api_key: SecretStr | None = Field(None, description="Key that is sent there.")
    llm_model: Listed = Field(
        (),
        description="Models that requests choose among, the first by default: names at llm_base_url, or, without it, "
        "qwen2.5-coder-1.5b on this machine.",
    )
    llm_context: int = Field(8192, ge=1024, description="Tokens that these models read and write at once.")
    llm_timeout: float = Field(300.0, gt=0, description="Seconds for one answer.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error."
    )
    log_format: Literal["text", "json"] = Field("text", description="text, or json for one object a line.")
    traces: bool = Field(
        False, description="Send traces with OpenTelemetry, as the OTEL_* variables say; see docs/traces.md."
    )

    @field_validator(
        "api_keys",
        "cors_origins",
        "fetch_allow",
        "fetch_ports",
        "llm_model",
        "worker_lanes",
        "worker_models",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            try:
                return json.loads(value)
            except ValueError:
                raise ValueError("must be values separated by commas, or a JSON list") from None
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("api_keys")
    @classmethod
    def _guessable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(key) < SHORTEST_KEY for key in value):
            raise ValueError(
                f"holds a key of fewer than {SHORTEST_KEY} characters, which can be guessed; openssl rand -hex 32 "
                "makes one that cannot"
            )
        return value

    @field_validator("log_level", "log_format", "device", mode="before")
    @classmethod
    def _fold(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("fetch_allow")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network)
        return value

    @field_validator("fetch_ports")
    @classmethod
    def _ports(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for ports in value:
            first, _, last = ports.partition("-")
            if not 0 < int(first) <= int(last or first) <= 65535:
                raise ValueError(f"{ports} is no port, and no range such as 8000-8999")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql://; leave it unset for SQLite")
        return value

    @field_validator("blobs")
    @classmethod
    def _known_store(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w!.*'()-]+)*/?", value):
            raise ValueError("must be s3://bucket or s3://bucket/prefix; leave it unset for a folder in data_dir")
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_redis(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("redis://", "rediss://")):
            raise ValueError("must start with redis:// or rediss://")
        return value

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "harken.sqlite"

    @property
    def spool_dir(self) -> Path:
        """Uploads that have not become a job yet; on the same file system as the recordings."""
        return self.data_dir / "spool"

    @property
    def blob_dir(self) -> Path:
        """Recordings of jobs."""
        return self.data_dir / "audio"
