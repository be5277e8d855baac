"""Vector and raster tiles, made from the layers and kept fresh by their changes."""
