"""The ground floor: settings, errors, coordinates, the database and its doorway, audit, changes, scenarios."""
