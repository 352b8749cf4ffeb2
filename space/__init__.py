"""The form for people who write no code. Imports only the engine's public names."""
