"""Where training runs, and who saves its checkpoints."""
