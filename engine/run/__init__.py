"""Plan → shards: streaming, chunks, random streams, writer, journal."""
