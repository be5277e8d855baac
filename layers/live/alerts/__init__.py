"""Alerts: rules over datastreams, what they find, who is told."""
