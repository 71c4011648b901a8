"""Masks that wait in the browser go out from any tab.

The painter sends its own, but Gradio makes a tab when it is first opened. Until then this does: a
component on no tab, with nothing to be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from imil.app.painter.painter import decode_painted, kept_value
from imil.app.review.mask_submission import refuse_mask, store_mask
from imil.app.server.input_checks import event_value
from imil.app.server.updates import REVIEW_EVENT
from imil.core.records import Queue
from imil.errors import ImilError
from imil.report.parts.markup import ASSETS
from imil.study.library.studies import Studies

# The browser's half: files of one scope, in this order.
SENDER_PARTS = ("masks", "drafts", "unsent", "waiting")


@dataclass(frozen=True, slots=True, eq=False)
class WaitingMasks:
    """The component and what it leads to."""

    studies: Studies

    def place(self) -> gr.HTML:
        """Place the component where Gradio stands now, and attach its callback."""
        script = "".join(
            (ASSETS / "painter" / f"{part}.js").read_text("utf-8") for part in SENDER_PARTS
        )
        waiting = gr.HTML(
            "",
            js_on_load=script,
            apply_default_css=False,
            elem_id="waiting-masks",
            kept=None,
            refused=None,
        )
        waiting.keep(self.keep, None, waiting, trigger_mode="multiple", **REVIEW_EVENT)
        return waiting

    def keep(self, event: gr.EventData) -> Any:
        """Keep a mask that had waited; one that is refused is left to the painter to say."""
        painted = decode_painted(event_value(event, "painted", dict))
        if painted is None:
            return gr.skip()
        try:
            study = self.studies.open(painted.study_id)
            store_mask(study, painted, opened_from=Queue.MISPREDICTED)
        except ImilError as error:
            return gr.update(refused=refuse_mask(self.studies, painted, error))
        name = study.review.mask_name(painted.sample_id, painted.reader)
        return gr.update(kept=kept_value(painted, base=name))
