# SPDX-License-Identifier: Apache-2.0
"""Enrolled voices."""

from __future__ import annotations

from harken.audio.remote import Stored
from harken.errors import InvalidOption, VoiceExists
from harken.model import Scope, Voice
from harken.pipeline.validation import MAX_NAME
from harken.service import policy
from harken.service.base import Base
from harken.service.nouns import Caller


class VoiceBook(Base):
    """Learns, lists and forgets voices."""

    def voices(self, caller: Caller) -> list[Voice]:
        """The caller's enrolled voices, by name. Raises Forbidden."""
        policy.require(caller, Scope.READ)
        return self._voices.voices(caller.id)

    def enrol(self, name: str, source: Stored, caller: Caller) -> Voice:
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
        seconds, centroid = self.voiceprint(source)
        voice = Voice(caller.id, name, centroid, seconds, self._clock())
        self._voices.enrol(voice)
        return voice

    def forget(self, name: str, caller: Caller) -> None:
        """Remove an enrolled voice. Raises VoiceNotFound."""
        policy.require(caller, Scope.TRANSCRIBE)
        self._voices.forget(caller.id, name.strip())

    def voiceprint(self, source: Stored) -> tuple[float, tuple[float, ...]]:
        """Seconds of speech in a recording of one speaker, and the voice, as a KnownVoice has it.

        Raises as :meth:`enrol`.
        """
        return self._voiceprint(source)


def voice_name(name: str, param: str = "name") -> str:
    """``name`` as a voice or a speaker has it. Raises InvalidOption, which blames ``param``."""
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise InvalidOption(f"a name has 1 to {MAX_NAME} printable characters", param=param)
    return name
