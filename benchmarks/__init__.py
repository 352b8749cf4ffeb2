"""How fast, and in how much memory, against mergekit and against the disk. ``make bench`` runs it."""
