"""Values of the raster layers over a box: heights, classes, for analysis; tiles only show them."""
