# SPDX-License-Identifier: Apache-2.0
"""Checks of what is on this machine: Python, packages, native libraries, processor, models. Nothing waits."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, requires, version

from harken.cli.checks.finding import Finding, missing, note, ok
from harken.cli.settings import unknown_variables
from harken.config import Settings
from harken.errors import HarkenError
from harken.models.parts import DETECTOR
from harken.models.standard import model_store


def python() -> Finding:
    """The interpreter."""
    detail = (
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, harken {version('harken')}"
    )
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return ok("python", detail)
    return note("python", f"{detail}: harken is tested on 3.11, 3.12 and 3.13")


def variables(_: Settings) -> list[Finding]:
    """``HARKEN_*`` variables that mean nothing, typing errors as a rule."""
    unknown = unknown_variables()
    return [note("settings", line) for line in unknown] or [ok("settings", "every HARKEN_* variable is understood")]


def extras(_: Settings) -> list[Finding]:
    """Optional parts of harken."""
    findings = []
    for extra, what in _EXTRAS.items():
        absent = _absent(extra)
        if absent:
            detail = f"{what}: {', '.join(absent)} not installed; if you need it: pip install 'harken[{extra}]'"
            findings.append(note(f"extra {extra}", detail))
        else:
            findings.append(ok(f"extra {extra}", f"{what}: installed"))
    return findings


_EXTRAS = {
    "server": "the server",
    "postgres": "the server on PostgreSQL",
    "s3": "recordings in an S3-compatible store",
    "onnx": "the second engine",
    "bench": "the benchmarks",
}


def _absent(extra: str) -> list[str]:
    """Names of the extra's packages that are not installed."""
    absent = []
    for requirement in requires("harken") or ():
        package, _, marker = requirement.partition(";")
        if f"extra == '{extra}'" not in marker.replace('"', "'"):
            continue
        name = package.split("[")[0].rstrip("=<>!~ .0123456789,")
        try:
            version(name)
        except PackageNotFoundError:
            absent.append(name)
    return absent


def native(_: Settings) -> list[Finding]:
    """The native libraries that do the work, and the processor they do it on."""
    findings = []
    for part, module, what in _LIBRARIES:
        try:
            found = __import__(module)
        except Exception as error:  # noqa: BLE001 - a library that is broken raises whatever it likes
            findings.append(
                missing(part, f"{module} cannot be loaded ({error}): pip install --force-reinstall {module}")
            )
        else:
            findings.append(ok(part, f"{module} {found.__version__}: {what}"))
    return [*findings, _processor()]


_LIBRARIES = (
    ("decoding", "av", "reads recordings, with FFmpeg inside"),
    ("recognition", "ctranslate2", "runs Whisper"),
    ("detection", "onnxruntime", "finds speech"),
)


def _processor() -> Finding:
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        import ctranslate2  # noqa: PLC0415 - broken native libraries are told of, not died of

        types = sorted(ctranslate2.get_supported_compute_types("cpu"))
    except Exception:  # noqa: BLE001 - told under "recognition"
        return note("processor", f"{threads} threads; what it can compute is not known without ctranslate2")
    detail = f"{threads} threads, computes {', '.join(types)}"
    if "int8" not in types and "int8_float32" not in types:
        return note("processor", f"{detail}: without int8 recognition is slow and takes four times the memory")
    return ok("processor", detail)


def gpu(settings: Settings) -> list[Finding]:
    """CUDA devices, as the recognition library sees them."""
    try:
        import ctranslate2  # noqa: PLC0415

        count = ctranslate2.get_cuda_device_count()
    except Exception as error:  # noqa: BLE001 - a broken driver raises whatever it likes
        return [note("gpu", f"none can be used: {error}")]
    if count:
        return [ok("gpu", f"{count} CUDA device{'s' * (count > 1)}")]
    if settings.device == "cuda":
        return [
            missing("gpu", "HARKEN_DEVICE is cuda, and there is none: set it to cpu or auto, or install the driver")
        ]
    return [ok("gpu", "none; the CPU does the work")]


def models(settings: Settings) -> list[Finding]:
    """Which models are installed, and those that nothing works without."""
    try:
        store = model_store(settings)
    except HarkenError as error:
        return [
            missing("models", f"{error.message}: see HARKEN_DEFAULT_MODEL, HARKEN_PRESETS and HARKEN_MODEL_CATALOG")
        ]
    installed = {item.name for item in store.installed()}
    findings = [ok("models", f"in {settings.models_dir}: {', '.join(sorted(installed)) or 'none'}")]
    needed = (store.catalog.default.spec.name, DETECTOR)
    return findings + [
        missing(f"model {name}", f"not installed: harken models fetch {name}")
        for name in needed
        if name not in installed
    ]
