"""A connection in terms of OpenTelemetry's conventions."""
