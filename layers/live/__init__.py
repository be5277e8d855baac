"""Telemetry: devices publish over MQTT, the consumer keeps every observation in PostGIS, the hub streams them to the map."""
