"""The merge engine: recipe → lock → plan → run → card → publish."""
