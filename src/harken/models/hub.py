# SPDX-License-Identifier: Apache-2.0
"""The source that is a model hub: Hugging Face, or any server with the same paths.

Files are at ``{hub}/{repo}/resolve/{revision}/{file}``. A file that the catalog does not pin is held to what the hub
says of it: ``X-Linked-ETag`` is the SHA-256 of a large file, ``ETag`` the git blob id of a small one.
"""

from __future__ import annotations

import os
import re
from urllib.parse import quote, urljoin, urlsplit

import requests

from harken.models.delivery import Expected, Meter, SourceFailed, Workspace, WrongBytes
from harken.models.http import TIMEOUT, explain, obtain, redacted, refusal, session
from harken.models.spec import HubRepo, ModelFile, ModelSpec

_HOPS = 5


class Hub:
    """A model hub. ``token`` signs requests to it, and to nobody else; ``HF_TOKEN`` where none is given."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._token = token or os.environ.get("HF_TOKEN")

    @property
    def label(self) -> str:
        """The hub's address."""
        return f"hub {redacted(self._url)}"

    def offers(self, spec: ModelSpec) -> bool:
        """Whether the entry names a repository."""
        return any(isinstance(source, HubRepo) for source in spec.sources)

    def deliver(self, spec: ModelSpec, workspace: Workspace, meter: Meter) -> str:
        """See :class:`~harken.models.delivery.Source`."""
        repo = next(source for source in spec.sources if isinstance(source, HubRepo))
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            with session() as http:
                self._deliver(http, headers, repo, spec.files, workspace, meter)
        except requests.RequestException as error:
            raise SourceFailed(explain(error)) from error
        return f"{redacted(self._url)}/{repo.repo}@{repo.revision}"

    def _deliver(
        self,
        http: requests.Session,
        headers: dict[str, str],
        repo: HubRepo,
        files: tuple[ModelFile, ...],
        workspace: Workspace,
        meter: Meter,
    ) -> None:
        urls = {file.name: f"{self._url}/{repo.repo}/resolve/{repo.revision}/{quote(file.name)}" for file in files}
        meter.say("asking")
        expected = {
            file.name: Expected.of(file) if file.pinned else _ask(http, urls[file.name], headers, repo, file)
            for file in files
        }
        meter.begin(sum(item.size or 0 for item in expected.values()))
        # Small files first: what is wrong with a repository shows before its gigabytes have come.
        for name, item in sorted(expected.items(), key=lambda pair: pair[1].size or 0):
            done = workspace.files / name
            if item.met_by(done):
                meter.add(done.stat().st_size, name)
                continue
            download = workspace.downloads / name
            obtain(http, urls[name], download, item, meter, headers=headers)
            download.replace(done)


def _ask(http: requests.Session, url: str, headers: dict[str, str], repo: HubRepo, file: ModelFile) -> Expected:
    """What the hub says of a file. Its word is in its own answer, not in that of the storage it redirects to."""
    for _ in range(_HOPS):
        response = http.head(url, headers=headers, allow_redirects=False, timeout=TIMEOUT)
        if response.status_code >= requests.codes.bad_request:
            raise SourceFailed(refusal(response))
        target = urljoin(url, response.headers.get("Location", url))
        linked = response.headers.get("X-Linked-ETag")
        if linked is not None or target == url or urlsplit(target).netloc != urlsplit(url).netloc:
            break
        url = target  # the repository was renamed, or the hub keeps small files elsewhere
    else:
        raise SourceFailed(f"{redacted(url)} only leads on")
    commit = response.headers.get("X-Repo-Commit", repo.revision)
    if commit != repo.revision:
        raise WrongBytes(f"{repo.repo} is at revision {commit} there instead of {repo.revision}")
    tag = (linked or response.headers.get("ETag", "")).removeprefix("W/").strip('"')
    length = response.headers.get("X-Linked-Size") or (
        None if response.is_redirect else response.headers.get("Content-Length")
    )
    sha256 = file.sha256 or (tag if re.fullmatch("[0-9a-f]{64}", tag) else None)
    git_blob = tag if re.fullmatch("[0-9a-f]{40}", tag) else None
    if sha256 is None and git_blob is None:
        raise SourceFailed(f"it gives no hash of {file.name}, and the catalog pins none")
    return Expected(file.size or (int(length) if length else None), sha256, git_blob)
