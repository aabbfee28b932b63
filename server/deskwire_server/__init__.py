"""The Deskwire server."""

import os

# Read once, when numpy loads its library: workers share a machine, and threads that wait for each other cost more
# than they save on matrices of this size. The embedder and trainings choose for themselves.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
