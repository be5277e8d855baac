"""The synthetic building stock: buildings and parcels made from villages, census, elevation, land cover and corridors."""
