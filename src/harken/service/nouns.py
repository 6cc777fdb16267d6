# SPDX-License-Identifier: Apache-2.0
"""What dialects hand to the service: who asks, what arrived; and what the operator allows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from harken.audio.remote import Stored
from harken.model import Policy, Scope
from harken.ports import Arrival


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the account, whose id owns jobs, and what they may. Everyone is the same caller where no keys are."""

    id: str
    key: str | None = None
    """Id of the key that they showed; None for keys from the settings, and without keys."""
    policy: Policy = field(default_factory=Policy)

    @property
    def subject(self) -> str:
        """Whom limits count: the key, which has limits of its own, or else the account."""
        return self.key or self.id

    def waiting(self) -> Caller:
        """The same caller where they hold the line for a job that they made: they may see what becomes of that."""
        return replace(self, policy=replace(self.policy, scopes=self.policy.scopes | {Scope.READ}))


EVERYONE = Caller("everyone")
"""The one caller of a server without keys."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A recording that has arrived whole and is nobody's yet: where it can be read, its name, bytes and SHA-256."""

    arrival: Arrival
    source: Stored
    filename: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's limits that hold for every dialect. Seconds."""

    max_audio_seconds: float
    interactive_seconds: float
    job_deadline: float
