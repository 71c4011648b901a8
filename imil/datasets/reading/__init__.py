"""Processes of their own that read what strangers bring."""
