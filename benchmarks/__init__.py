"""Benchmarks of the method: on synthetic films, and on images of one's own."""
