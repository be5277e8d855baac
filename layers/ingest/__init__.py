"""Files into layers: read in batches, check against the contract, repair, quarantine, COPY, swap."""
