# SPDX-License-Identifier: Apache-2.0
"""One server per data folder, and a lock that a killed server does not leave behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harken.errors import DataFolderInUse
from harken.worker.datafolder import own

HOLDER = """
import pathlib, sys
from harken.worker.datafolder import own
with own(pathlib.Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_a_second_server_is_told_who_has_the_folder_until_that_one_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        with pytest.raises(DataFolderInUse, match=f"process id {holder.pid};"), own(folder):
            pass
        holder.kill()
        holder.wait()
    with own(folder):
        pass
