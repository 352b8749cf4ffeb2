"""Events in, engine calls out: pull request review and publishing. Imports only the engine's public names."""
