"""The header, and the open study's own dialog."""
