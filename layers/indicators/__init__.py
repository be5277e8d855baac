"""Indicators: named figures with unit, method, inputs and interval, for a place and a branch."""
