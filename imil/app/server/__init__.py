"""How Gradio serves the page: events, sessions, errors, theme."""
