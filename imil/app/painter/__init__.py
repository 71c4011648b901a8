"""The painter, and who paints."""
