# SPDX-License-Identifier: Apache-2.0
"""What a line does to voices: two directions in which a telephone, a room or noise moves all embeddings alike.

Heard over a telephone, voices of different people have a cosine of 0.4 to one another, because the line moved them all
the same way; without these directions it is 0.1, and voices heard over different lines are nearer to themselves.

Made once: 18 readers as they are, through 300 to 3400 Hz with and without hiss, through 4 kHz, with noise and in a
reverberant room; the two main axes (singular vectors) of the means' differences between these lines. More axes
add nothing, and half of the readers give what helps the other half. They belong to the checkpoint, as
:mod:`harken.diarize.mean_voice` does.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

_FLOATS = (
    "vKxzp+oqXKwdri+oO6o3LtCsEKeerkUs26HHlLasDinvqdwsLCk3KSQv7SwvMN4v6CMlpmek/6cVK9wxxqXOKqeo4qqPqWsuLbO3rA8u"
    "eabiLfchdKdeovEXf55Ir6crxCINkR8tliw9J0Clh6uNKzEilycBJDev4aj9oIYn9hp2qCMpVa6vrqEngivDouwnGiJ6JCOu8izgnxsm"
    "bK4zp9OrpTABrfggHK6lqXcytiZ2sBiwHqwUKFyksSWtpPUkCCvCKseq06C7rOaqxazwpCIwEqiDKUgqZq8cLJ6obaWGJUCpSawqp/Ms"
    "nCK4KDmujq/oq7GpTRaerF+qbyw2rPsnYiXUpx4wCZ4YmkuqHyr8q2KuAa3CqLGsspw2JGAwjKEMsecr8yhlr8soAKqosE6d765RrKYo"
    "ma13qbygDK4WLjou9S99Mtioai0frJgdJym/K+MsqK2uqUYoqyo6JX8fiDBor/2oSaiXqkqvSjAWqsYrSakPnp8uqJRHKeUrLaUlK6aw"
    "U6iNsHmldxnVrMSfA6x8p/Ww56t5reus0yy1ri8vjCdGrh0sSZSsp/ysOaxZKvmqdjCQqxik3yZYKCCmUalBMHst6yiUrPmsGK6TKRGk"
    "nqOsmFSlOqnIq+0oQCnWrVWrlKh8o2QobSCCMawyOixIsD6rhCKcqciijq32HPggoyhSo2uqY6gCMfWseyiIKCmndCoBonguUyQmLGco"
    "gKhTqZAsSjDCnManYatfLvOvHiM4KBMoVioVG/Yslys5rHmwxSKPqQOwTDDhKHEa1iw3LqOhEil2ruIpL61xsTCtQqYCL/+hISr4IR6z"
    "H6z8LcsoMSqZLK0lVqq0KIqppyt/LQYsqS4IrRUkDq2uHXatgSIFKRus+i0tKDMwlaZqq8Amj6QgLMytp6jToDIlPyJqLdephqyHsiiv"
    "FKumrLGgDCWbqOUqca+1L6ejoazbKcUsLSn/qHIg4aHXqROoCaafI+Adg6kHLu8uMh0TpU4YHKR+pyuqS6wtqogw"
)

LINES: np.ndarray[Any, np.dtype[np.float64]] = (
    np.frombuffer(base64.b64decode(_FLOATS), "<f2").astype(np.float64).reshape(2, -1)
)
"""Two unit vectors at a right angle."""
