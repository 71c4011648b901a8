"""Values as HTML, plots and sentences; no Gradio."""
