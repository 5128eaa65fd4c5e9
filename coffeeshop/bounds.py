"""What the system takes at most, for the limits of its containers: one place, held by a test.

Threads do not grow with sessions: see `coffeeshop.actors.dispatcher`. Memory and the broker's
descriptors do; both are stated for a session of two partitions, the default, and measured by
``benchmarks/idle_sessions.py``.
"""

from __future__ import annotations

OPEN_SESSIONS = 1000
"""Sessions open at once, of all clients; a gateway refuses more with 503."""
BROKER_FILES = 65_536
"""File descriptors that the broker may have, unless a gateway is told otherwise."""
FILES_PER_JOURNAL = 3.1
"""Descriptors of the broker for a journal that is written and read. Measured on RabbitMQ 3.10: 22
for a session of two partitions, which has 7 journals, and 3 for its results. One without a batch
is not read by tasks and takes 15."""
ACTOR_THREADS = 16
"""Threads that run the actors of a node, while these make progress."""
MOST_ACTOR_THREADS = 128
"""The same, with those that stand in for threads whose actors do not come back."""
OTHER_THREADS = 96
"""All others of a process of any types: 40 for requests, some for each connection, keepers, clocks,
metrics, and two for each processor up to 16."""
THREADS = MOST_ACTOR_THREADS + OTHER_THREADS
"""Of one process, however many sessions are open; its container allows twice as many."""
GATEWAY_MIB = 0.1
"""Memory of a gateway for an open session, besides batches under way."""
WORKER_MIB = 0.3
"""Memory of a worker for a session whose clients began to send and then fell silent."""
BROKER_MIB = 0.9
"""Memory of the broker for such a session; 0.6 for one without a batch."""
TASKS_OF_A_STAGE = 16_384
"""Tasks that a node holds of one stage."""
