"""Planning on a branch: zones with rules, envelopes, massing, single buildings, networks, facilities, parcels, shocks."""
