"""The demo: tiny trained models, the tasks they know, and a reader that shares no code with the engine."""
