"""Remote Desktop Checkup: measures why Remote Desktop does not connect. No Qt anywhere below this package."""

__version__ = "0.1.0"
