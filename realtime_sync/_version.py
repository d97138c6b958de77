"""The one place for the version of the library."""

VERSION = "0.1.0"
