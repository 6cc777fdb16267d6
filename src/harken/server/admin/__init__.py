# SPDX-License-Identifier: Apache-2.0
"""For administrators: an API under ``/admin/api``, and the same as a page for people at ``/admin``.

``entrance`` lets them in, ``login``, ``tokens``, ``accounts``, ``jobs``, ``models`` and ``operations`` are the routes,
``shapes`` draws what they tell, ``schema`` what they take; ``page`` serves the files in ``static``. Knows the service's
office, and no dialect.
"""

from harken.server.admin.routes import LOGIN, PREFIX, install

__all__ = ["LOGIN", "PREFIX", "install"]
