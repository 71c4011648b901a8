"""From outside into an ImageSet and a report of what was skipped, and why."""
