# SPDX-License-Identifier: Apache-2.0
"""The HTTP server: dialects over the service. Knows no store, queue or worker."""
