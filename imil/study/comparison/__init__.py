"""Arms trained on, compared and handed out."""
