"""Recipe and checkpoints → Plan: lock, checks, shards, cost. Nothing here imports torch."""
