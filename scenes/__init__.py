"""Meshes of the country: buildings as 3D Tiles 1.1 and the ground as quantized-mesh, made from packed arrays."""
