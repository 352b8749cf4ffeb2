"""Xet storage: files as lists of chunks, and chunks packed into xorbs, so that no chunk is sent or kept twice.

Source: the Xet protocol specification, https://huggingface.co/docs/xet. Everything here is checked as it comes: a
xorb against its hash, a file against its Xet hash and its SHA-256. This package needs blake3 and lz4.
"""
