"""Migration between the districts: flows split from those at hand, the response to jobs, and what may be told of them."""
