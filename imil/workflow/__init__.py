"""A study's steps in the clinician's order: the only door for screen and command line."""
