"""The sectors that come with the twin. Each is one folder that knows of no other and is found by its entry point."""
