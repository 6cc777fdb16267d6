# SPDX-License-Identifier: Apache-2.0
"""Catalog entries that do not recognise speech: the voice detector, and recordings for demo and tests."""

from __future__ import annotations

from harken.models.spec import Archive, ModelFile, ModelSpec, Packages, Part

_FASTER_WHISPER = Archive(
    "faster-whisper",
    "1.2.1",
    "faster_whisper-1.2.1-py3-none-any.whl",
    "79a66ad50688c0b794dd501dc340a736992a6342f7f95e5811be60b5224a26a7",
    1_118_909,
)
_PYANNOTE_AUDIO = Archive(
    "pyannote-audio",
    "4.0.7",
    "pyannote_audio-4.0.7-py3-none-any.whl",
    "852ea15c4d85bc34773e618267603ffca6a521669a74d33742692cc67fc700d6",
    894_598,
)
_MOONSHINE_VOICE = Archive(
    "moonshine-voice",
    "0.1.5",
    "moonshine_voice-0.1.5-py3-none-manylinux_2_34_x86_64.whl",
    "1ed9e0ccf94be4845d69e7fa862dcf4c8b5801a758796966494c694f48184496",
    19_897_307,
)


def _packed(archive: Archive, members: dict[str, str]) -> Packages:
    return Packages({name: (Part(archive, member),) for name, member in members.items()})


EXTRAS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="silero-vad",
        family="vad",
        description="Silero VAD 6, the voice activity detector",
        licence="MIT",
        files=(
            ModelFile("silero_vad.onnx", 1_245_151, "4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2"),
        ),
        sources=(_packed(_FASTER_WHISPER, {"silero_vad.onnx": "faster_whisper/assets/silero_vad_v6.onnx"}),),
        aliases=("silero", "vad"),
        parameters=310_000,
    ),
    ModelSpec(
        name="sample",
        family="sample",
        description="30 s of a telephone call, two speakers, with who said what when",
        licence="MIT",
        files=(
            ModelFile("sample.wav", 960_104, "c319b4abca767b124e41432d364fd7df006cb26bb79d09326c487d606a134e6e"),
            ModelFile("sample.rttm", 596, "d78fe62c69d8e6dcbb42c26adfce83faccb374c5a1e6d987fe37f85f1c173c87"),
            ModelFile("sample.stm", 788, "f861f3004927e1c4429199f9695bfd252def75d7d5e4bdf735d3d85fd4a667f7"),
        ),
        sources=(
            _packed(
                _PYANNOTE_AUDIO,
                {f"sample.{suffix}": f"pyannote/audio/sample/sample.{suffix}" for suffix in ("wav", "rttm", "stm")},
            ),
        ),
    ),
    ModelSpec(
        name="moonshine-clips",
        family="sample",
        description="Two read passages in English, 44 s and 10 s",
        licence="MIT",
        files=(
            ModelFile("two_cities.wav", 4_260_326, "f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e"),
            ModelFile("beckett.wav", 318_978, "e5a26b3d29e5b0bc8dbd72c11d16a3808a4ec0ac45b21f12a27d2a2fe5c5ae61"),
        ),
        sources=(
            _packed(
                _MOONSHINE_VOICE,
                {name: f"moonshine_voice/assets/{name}" for name in ("two_cities.wav", "beckett.wav")},
            ),
        ),
    ),
)
