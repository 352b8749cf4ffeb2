"""Folder and Hub sinks, the card, lineage, licences and the record."""
