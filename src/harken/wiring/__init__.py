# SPDX-License-Identifier: Apache-2.0
"""Which adapters stand behind the ports, for each kind of process. The only room that names them all.

One module a kind of process, so that each imports only what it runs: the supervisor is up at once.
"""
