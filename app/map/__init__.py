"""The 3D map as a Panel component, with its TypeScript beside it."""
