"""Models: pure functions of arrays that indicators and studies compute with; each cites its paper."""
