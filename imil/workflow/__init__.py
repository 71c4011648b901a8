"""A study's steps in the clinician's order: the only door for screen, command line and benchmarks."""
