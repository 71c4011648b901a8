"""Zips of strangers: looked into, checked and unpacked."""
