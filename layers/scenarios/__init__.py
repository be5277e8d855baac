"""Branches over HTTP, and what layers ask of an edit."""
