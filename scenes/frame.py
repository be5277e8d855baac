"""Frames: geodetic to Earth-centred to local east-north-up metres, in NumPy.

Heights in this module are ellipsoidal metres above WGS 84. Earth-centred (ECEF) is EPSG:4978.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# WGS 84: semi-major axis in metres and first eccentricity squared.
SEMI_MAJOR_M = 6_378_137.0
ECCENTRICITY_2 = 0.006694379990141316
METRES_PER_DEGREE = 111_320.0

# glTF is y up, 3D Tiles z up: tile (x, y, z) = glTF (x, -z, y).
Y_UP_TO_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1.0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1.0]])


def ecef(lon: Floats, lat: Floats, height: Floats) -> Floats:
    """Earth-centred metres, ``(n, 3)`` float64, of degrees and ellipsoidal metres."""
    lam, phi = np.radians(lon), np.radians(lat)
    sin_phi, cos_phi = np.sin(phi), np.cos(phi)
    normal = SEMI_MAJOR_M / np.sqrt(1.0 - ECCENTRICITY_2 * sin_phi * sin_phi)
    around = (normal + height) * cos_phi
    return np.stack(
        [around * np.cos(lam), around * np.sin(lam), (normal * (1.0 - ECCENTRICITY_2) + height) * sin_phi], axis=-1
    )


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """East-north-up metres at a place on the ellipsoid (height 0).

    ``origin``: (3,) ECEF metres. ``axes``: (3, 3), the columns are east, north, up in ECEF.
    """

    origin: Floats
    axes: Floats

    @classmethod
    def at(cls, lon: float, lat: float) -> Frame:
        """The frame at ``lon``, ``lat`` in degrees."""
        lam, phi = np.radians(lon), np.radians(lat)
        east = [-np.sin(lam), np.cos(lam), 0.0]
        north = [-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)]
        up = [np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)]
        origin = ecef(np.array([lon]), np.array([lat]), np.zeros(1))[0]
        return cls(origin, np.array([east, north, up]).T)

    def local(self, lon: Floats, lat: Floats, height: Floats) -> Floats:
        """East, north, up metres, ``(n, 3)``, of degrees and ellipsoidal metres."""
        local: Floats = (ecef(lon, lat, height) - self.origin) @ self.axes
        return local

    def transform(self) -> Floats:
        """The (4, 4) matrix from this frame to ECEF, for column vectors."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.axes
        matrix[:3, 3] = self.origin
        return matrix

    def into(self, other: Frame) -> Floats:
        """The (4, 4) matrix from this frame to ``other``, for column vectors."""
        matrix = np.eye(4)
        matrix[:3, :3] = other.axes.T @ self.axes
        matrix[:3, 3] = other.axes.T @ (self.origin - other.origin)
        return matrix
