"""Branches over the layers: a change set, never a copy of the country."""
