"""The steps from the settings to the first sound."""
