"""How the app looks and what it may do: handed to `Blocks.launch`."""

from __future__ import annotations

from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from imil.app.server.middleware import FirstPage, FullDisk, Guarded
from imil.report.parts.markup import ASSETS

# Bytes of one uploaded file: a zip that inflates to what may be unpacked hardly has more, since
# pictures are compressed already. A Space's disk of 50 GB holds it, its content, and its copy.
MAX_UPLOAD = 10 * 2**30


def launch_options() -> dict[str, Any]:
    """Return what `Blocks.launch` needs for looks and privacy; nothing leaves the machine."""
    plain = "var(--surface)"
    theme = gr.themes.Base(
        font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        **_both(
            body_background_fill="var(--bg)",
            body_text_color="var(--text)",
            body_text_color_subdued="var(--text-2)",
            background_fill_primary=plain,
            background_fill_secondary="var(--sunken)",
            block_background_fill=plain,
            block_border_color="var(--line)",
            block_info_text_color="var(--text-2)",
            block_label_text_color="var(--text-2)",
            block_title_text_color="var(--text)",
            border_color_primary="var(--line)",
            border_color_accent="var(--primary)",
            color_accent_soft="var(--primary-soft)",
            input_background_fill=plain,
            input_border_color="var(--line-strong)",
            input_border_color_focus="var(--primary)",
            input_placeholder_color="var(--text-2)",
            link_text_color="var(--primary-text)",
            button_primary_background_fill="var(--primary)",
            button_primary_background_fill_hover="var(--primary-hover)",
            button_primary_text_color="var(--on-primary)",
            button_secondary_background_fill=plain,
            button_secondary_text_color="var(--text)",
            checkbox_background_color_selected="var(--primary)",
            checkbox_border_color="var(--line-strong)",
            loader_color="var(--primary)",
        ),
        color_accent="var(--primary)",
        input_border_width="1px",
        input_radius="6px",
        block_radius="10px",
        button_medium_radius="6px",
    )
    return {
        "theme": theme,
        "css_paths": [ASSETS / "theme.css"],
        "favicon_path": ASSETS / "logo.svg",
        "run_history": False,
        "ssr_mode": False,
        "footer_links": ["api"],
        "enable_monitoring": False,
        "show_error": False,
        "max_file_size": MAX_UPLOAD,
        "quiet": True,
        # Gradio would ask itself for the page, and end where a busy machine takes 3 s to answer.
        "_frontend": False,
        "app_kwargs": {
            "middleware": [Middleware(Guarded), Middleware(FullDisk), Middleware(FirstPage)]
        },
    }


def _both(**values: str) -> dict[str, str]:
    """Return the variables for the light and the dark theme: the tokens they name differ."""
    return values | {f"{name}_dark": value for name, value in values.items()}
