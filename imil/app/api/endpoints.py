"""Every step that a visitor can take, as a named endpoint for gradio_client.

An endpoint is a function; its name, what is sent to it and what it says of itself are the
function's. Values are JSON; files are uploaded as Gradio does it. What is sent is checked before it
is called, and a mistake is answered with the sentences that the screen would show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from types import MappingProxyType
from typing import Any

import gradio as gr
from gradio.components.api_component import Api
from gradio.events import api
from gradio_client.utils import python_type_to_json_schema

from imil.app.api import external, results, review, studies, training
from imil.app.api.parameters import as_sent
from imil.app.server.rates import Cost, costs
from imil.app.server.served_files import Uploads
from imil.study.library.studies import Studies

# Every endpoint, with what is expensive about it.
ENDPOINTS: Mapping[Callable[..., Any], Cost | None] = MappingProxyType(
    {
        studies.open_demo: Cost.DEMO,
        studies.look_at_archive: Cost.BEGIN,
        studies.open_archive: Cost.BEGIN,
        studies.public_sets: None,
        studies.open_public_set: Cost.BEGIN,
        studies.look_at_hub: Cost.BEGIN,
        studies.open_hub: Cost.BEGIN,
        studies.open_study: None,
        studies.set_consent: None,
        studies.bring_images: Cost.BEGIN,
        studies.fetch_images: Cost.BEGIN,
        studies.audit: None,
        studies.delete_study: None,
        training.set_plan: None,
        training.set_preset: None,
        training.set_deployment: None,
        training.train: Cost.TRAIN,
        training.out_of_fold_cost: None,
        training.start_out_of_fold: Cost.TRAIN,
        training.compare: Cost.TRAIN,
        training.more_seeds: Cost.TRAIN,
        training.training_status: None,
        training.stop: None,
        review.select: None,
        review.queue: None,
        review.confusion: None,
        review.image: None,
        review.answer: Cost.ASK,
        review.saliency: Cost.ASK,
        review.submit_mask: None,
        review.skip: None,
        review.relabel: None,
        review.exclude: None,
        review.keep_label: None,
        review.predictions: Cost.ASK,
        review.predicted_mask: Cost.ASK,
        review.predicted_masks: Cost.EXPORT,
        review.confirm_predictions: None,
        review.readers: None,
        review.unblind: None,
        review.agreement: None,
        results.results: None,
        results.final_comparison: Cost.TRAIN,
        results.rounds: None,
        results.confusion_matrices: None,
        results.cell_images: None,
        results.changed_images: None,
        external.external_sets: None,
        external.add_external_set: Cost.BEGIN,
        external.add_external_hub: Cost.BEGIN,
        external.remove_external_set: None,
        results.looks: Cost.ASK,
        results.download: Cost.EXPORT,
    }
)


def add_endpoints(opened: Studies, uploads: Uploads) -> None:
    """Add every endpoint to the Blocks being built."""
    for function, cost in ENDPOINTS.items():
        called = as_sent(function, opened, uploads)
        if cost is not None:
            called = costs(cost)(called)
        sent = signature(called)
        if gr.FileData not in [each.annotation for each in sent.parameters.values()]:
            api(called, concurrency_limit=None)
            continue
        # `gr.File` refuses a path that was not uploaded: `gr.api` would not.
        inputs = [
            gr.File(visible=False) if each.annotation is gr.FileData else _value(each)
            for each in sent.parameters.values()
        ]
        answer = Api(None, python_type_to_json_schema(sent.return_annotation))
        gr.Button(visible=False).click(called, inputs, answer, concurrency_limit=None)


def _value(sent: Parameter) -> Api:
    usual = None if sent.default is Parameter.empty else sent.default
    return Api(usual, python_type_to_json_schema(sent.annotation))
