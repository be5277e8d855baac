"""The composition root: API, pages, command line."""
