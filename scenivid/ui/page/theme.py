"""What the page is dressed in: colours, fonts, and files of its own."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STATIC = Path(__file__).parents[1] / "static"
HEAD = (
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<link rel="stylesheet" href="/scenivid/page.css">'
    '<script type="module" src="/scenivid/main.js"></script>'
)


def theme() -> gr.themes.Base:
    """Calm colours, and fonts that every system has: nothing is fetched from elsewhere."""
    sans = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    mono = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
    return gr.themes.Soft(
        primary_hue="sky",
        secondary_hue="sky",
        neutral_hue="slate",
        radius_size="md",
        font=sans,
        font_mono=mono,
    ).set(
        block_title_background_fill="none",
        block_title_background_fill_dark="none",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_padding="0",
        block_info_text_color="*neutral_500",
        block_info_text_color_dark="*neutral_400",
        body_text_color_subdued="*neutral_500",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_600",
        checkbox_border_color="*neutral_400",
        checkbox_label_border_width="1px",
        checkbox_label_border_color="*neutral_300",
        checkbox_label_border_color_dark="*neutral_600",
        slider_color="*primary_600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
    )
