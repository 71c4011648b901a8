"""The audit log of one study, and its replay."""
