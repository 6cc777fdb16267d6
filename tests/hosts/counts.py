# SPDX-License-Identifier: Apache-2.0
"""What is counted of a round. Knows not how."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Count:
    """What became of the recordings of one round."""

    fault: str
    jobs: int
    in_flight: int
    """Jobs that had not ended when the fault struck."""
    held: int
    """Jobs that were in the hands of workers that it struck."""
    lost: int
    """Jobs that did not complete."""
    ended_again: int
    different: tuple[str, ...]
    """Recordings whose transcript, windows or bill is not that of the undisturbed run."""
    windows: int
    twice: int
    """Windows that were recognised a second time."""
    more: int
    """Windows that were recognised more often than that."""
    accounts_off: int
    left: int
    """Recordings, and unfinished uploads, in the store that no job owns: left to the sweeper, which is run then."""
    orphans: int
    """The same after the sweeper, and recordings of jobs that are not there."""
    unfinished: int
    """Workflows that the queue still holds although everything has ended."""
    refused: int
    """Requests that clients had to send again."""
    taken_over: float | None
    """Seconds until the struck workers' jobs were in other hands."""
    ended: float
    """Seconds from the first upload until everything had ended."""

    @property
    def bad(self) -> bool:
        """Whether anything is not as it should be."""
        wrong = self.lost + self.ended_again + self.more + self.accounts_off + self.orphans + self.unfinished
        return bool(wrong or self.different)

    def __str__(self) -> str:
        """For who watches."""
        return (
            f"{self.fault}: {self.in_flight} of {self.jobs} in flight, {self.held} held, {self.lost} lost, "
            f"{self.ended_again} ended again, different {list(self.different)}, {self.twice} of {self.windows} windows "
            f"twice, {self.more} more often, {self.accounts_off} accounts off, {self.left} left to the sweeper, "
            f"{self.orphans} orphans, "
            f"{self.unfinished} unfinished, {self.refused} refused, taken over after {self.taken_over}, "
            f"all ended after {self.ended:.1f} s"
        )
