"""OGC SensorThings API 1.1 over the twin's telemetry: every entity is read, observations are created by operators.

A Thing is a station, a feature of iot.sensors; its Location and its FeatureOfInterest are where it stands, or where it is now if it
moves. A Sensor is the kind of instrument, by its payload schema.
"""
