# SPDX-License-Identifier: Apache-2.0
"""What work costs, by the operator's list. Knows no balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harken.errors import InvalidOption, UnknownModel
from harken.model import Job, JobState, Options, Quote, Stage, StageKind
from harken.model.credits import CREDIT, RECOGNITION, cost, due, heard
from harken.model.jobs import own_stage
from harken.models.catalog import Catalog

SHORTEST = 60.0
"""Seconds that an account must be able to pay where nobody knows yet how long a recording is."""

MOST = 1e6
"""Credits that a minute can cost."""


class Prices:
    """Credits for a minute of audio: ``transcribe``, the stages by kind, and models that have a price of their own.

    What is not in the list is free, but for ``transcribe``, which is 1. Raises InvalidOption for a list that is none.
    """

    def __init__(self, price_list: Mapping[str, float], catalog: Catalog) -> None:
        self._catalog = catalog
        self._rates = {RECOGNITION: CREDIT}
        self._models: dict[str, int] = {}
        for name, price in price_list.items():
            if not 0 <= price <= MOST or abs(round(price * CREDIT) - price * CREDIT) > 1e-6:
                raise InvalidOption(
                    f"the price of {name} must be 0 to {MOST:g} credits a minute, with three decimals at most"
                )
            rate = round(price * CREDIT)
            if name == RECOGNITION or name in list(StageKind):
                self._rates[name] = rate
                continue
            try:
                self._models[catalog.resolve(name).name] = rate
            except UnknownModel:
                known = ", ".join([RECOGNITION, *StageKind])
                raise InvalidOption(f"{name!r} in the prices is neither a model nor one of {known}") from None

    def rates(self, options: Options) -> dict[str, int]:
        """What a job with these options, which were checked, costs by what is done, as a job has it."""
        resolved = self._catalog.resolve(options.model)
        own = (self._models[name] for name in (resolved.name, resolved.spec.name) if name in self._models)
        asked = {
            StageKind.DIARIZE: options.diarize and options.channels == "mix",
            StageKind.SUMMARISE: options.summary is not None,
            StageKind.FORMAT: options.formatting is not None,
        }
        rates = {RECOGNITION: next(own, self._rates[RECOGNITION])}
        rates.update({kind.value: self._rates.get(kind, 0) for kind, wanted in asked.items() if wanted})
        return {name: rate for name, rate in rates.items() if rate}

    def of_stage(self, kind: StageKind, job: Job) -> int:
        """What a stage costs that is done on a job which has completed, in thousandths of a credit."""
        return cost({kind.value: self._rates.get(kind, 0)}, heard(job.options, job.duration or 0.0))


def quote(rates: Mapping[str, int], options: Options, duration: float | None, longest: float) -> Quote:
    """What a job can cost, whose recording is ``duration`` seconds long, or, if nobody knows, at most ``longest``."""
    if duration is not None:
        known = cost(rates, heard(options, duration))
        return Quote(known, known)
    most = heard(options, longest)
    return Quote(cost(rates, min(SHORTEST, most)), cost(rates, most))


def spent(job: Job, stages: Sequence[Stage]) -> int:
    """What has been paid for a job and its stages, in thousandths of a credit, where its account pays."""
    completed = [stage for stage in stages if stage.state is JobState.COMPLETED]
    again = sum(stage.price for stage in completed)
    if job.state is not JobState.COMPLETED or job.duration is None:
        return again
    own = {stage.kind for stage in completed if stage.id == own_stage(job.id, stage.kind)}
    return again + due(job.rates, heard(job.options, job.duration), own)
