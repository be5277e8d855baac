"""What leaves the twin for desks: tables, GeoPackages and the printed report of a comparison."""
