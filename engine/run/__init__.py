"""Plan → shards: streaming, chunks, random streams, writer, journal."""

from __future__ import annotations

import warnings

# Torch says so once where numpy is not installed. Nothing here hands arrays to numpy.
warnings.filterwarnings("ignore", message="Failed to initialize NumPy", category=UserWarning)
