"""A study's steps in the clinician's order."""
