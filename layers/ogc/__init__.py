"""OGC API Features over the layers: Part 1 (Core), Part 2 (CRS), Part 3 (Filtering with CQL2). A collection is a layer."""
