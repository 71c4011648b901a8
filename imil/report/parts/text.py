"""Words that several cards or tabs share, and the names of arms and their variants."""

from __future__ import annotations

import re

from imil.core.arms.variants import Penalty, RegionSource, Variant, parse_variant
from imil.core.nets.saliency import Explainer
from imil.core.records import Arm, Split
from imil.core.review.edits import Fill, Mode
from imil.errors import PlanError

TITLE = "IMIL"

OPENING = "Opening your study …"
TAB_OUTLIERS = "Outliers"

SPLIT_WORDS = {Split.TRAIN: "training", Split.VALIDATION: "validation", Split.TEST: "test"}
SPLIT_NAMES = {Split.TRAIN: "Train", Split.VALIDATION: "Validation", Split.TEST: "Test"}

ZIP_BLACK = "Black out text found in corners"

UNKNOWN = "–"

ADVANCED = "Advanced"

TRAINING = "Training"
STOP = "Stop"
STOPPING = "Stopping …"
CLOSE_PAGE = "You can close this page: training goes on, and this view comes back when you do."
LEFT = "{time} left"
STARTING = "Starting …"
QUEUED = "Waiting for the machine"
GO_ON = "Continue"
EPOCH_OF = "Epoch {epoch} of {epochs}"

PAGE = "{first}–{last} of {n}"
MARK_SKIPPED = "skipped"
COMPARE = "Test my masks"
COMPARE_NEEDS_MASKS = "No image is masked yet: mask at least one, then there is something to test."

SALIENCY_ZERO = "The map is zero everywhere: no pixel moves the model's answer to this image."

MASK_ONE = "mask"
MASK_MANY = "masks"

COMPARING = "Testing your masks"
COLUMN_ARM = "Arm"

ARM_NAMES = {
    Arm.CONTROL.value: "Control",
    Arm.IMIL.value: "IMIL, the paper's way",
    Arm.IMIL_APPEND.value: "Edited copies added",
    Arm.COUNTEREXAMPLE.value: "Counterexample",
    Arm.PROPAGATED.value: "Masks on all images",
    Arm.FOCUS.value: "Focus",
    Arm.FOCUS_BLEND.value: "Focus, blended",
    Arm.REBALANCE.value: "Rebalanced",
    Arm.RIGHT_REASON.value: "Right reason",
    Arm.UPWEIGHT.value: "Same images, no masks",
    Arm.AUTO_MASK.value: "Automatic masks",
    Arm.RANDOM_MASK.value: "Random masks",
    Arm.RANDOM_SAMPLE.value: "Right masks, random images",
    Arm.RELABEL.value: "Relabel",
    Arm.DROP.value: "Drop",
    Arm.RANDAUGMENT.value: "RandAugment",
    Arm.TRIVIALAUGMENT.value: "TrivialAugment",
    Arm.AUGMIX.value: "AugMix",
    Arm.RANDOM_ERASING.value: "Random erasing",
    Arm.MIXUP.value: "MixUp",
    Arm.CUTMIX.value: "CutMix",
}
_USUAL = "Usual augmentation, no masks"
ARM_WORDS = {
    Arm.CONTROL.value: "The same extra epochs, no masks",
    Arm.IMIL.value: "Your masks, black fill, originals replaced",
    Arm.IMIL_APPEND.value: "Black fill, originals kept",
    Arm.COUNTEREXAMPLE.value: "Your masks on both queues, hidden region swapped",
    Arm.PROPAGATED.value: "Your masks extended to all images by prediction, swapped",
    Arm.FOCUS.value: "Predicted regions hidden in training and at prediction",
    Arm.FOCUS_BLEND.value: "The same, averaged with the answer to the raw image",
    Arm.REBALANCE.value: "Last layer fitted anew, evenly over what the hidden part says",
    Arm.RIGHT_REASON.value: "Your masks as a penalty on the model's gradients",
    Arm.UPWEIGHT.value: "The mispredicted images ×10",
    Arm.AUTO_MASK.value: "The most salient region hidden, nobody painted",
    Arm.RANDOM_MASK.value: "The same area in random places",
    Arm.RANDOM_SAMPLE.value: "Control for the choice of images",
    Arm.RELABEL.value: "No masks; labels as you corrected them",
    Arm.DROP.value: "No masks; without the images you relabelled or excluded",
    Arm.RANDAUGMENT.value: _USUAL,
    Arm.TRIVIALAUGMENT.value: _USUAL,
    Arm.AUGMIX.value: _USUAL,
    Arm.RANDOM_ERASING.value: _USUAL,
    Arm.MIXUP.value: _USUAL,
    Arm.CUTMIX.value: _USUAL,
}
IMAGE_ONE = "image"
IMAGE_MANY = "images"
SEED_SCOPES = {
    "replication": "full replications",
    "train_on": "same starting model",
}
MAJORITY_LINE = "Always guessing the most common class would score {rate}."
METRIC = "Figure"
ONCE = "once"
TIMES = "{n} times"

METRICS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "auroc": "AUROC",
    "f1": "F1",
    "ece": "Calibration error",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}

EXPLAINER_NAMES = {
    Explainer.GRAD_CAM.value: "Grad-CAM",
    Explainer.INTEGRATED_GRADIENTS.value: "Integrated gradients",
}
SWAPPED_WORDS = {
    "reference": (
        "We replaced what reference masks call irrelevant by the same area of another image, as a "
        "stand-in for a hospital without this shortcut."
    ),
    "predicted": (
        "We replaced what your masks predict as irrelevant by the same area of another image, as a "
        "stand-in for a hospital without this shortcut."
    ),
}
EXPLANATIONS_SECONDARY = "Secondary: a better map is not evidence of a better model"

SEED_ONE = "seed"
SEED_MANY = "seeds"

MATRICES_UNKNOWN = (
    "The images behind the counts are not known: this round was made by an older version, and its "
    "models are gone."
)
CASE_LABEL = "label {label}"

LOOK_FIXED = "fixed"
LOOK_BROKEN = "broken"

RECORD_FILES = {
    "study": ("Study", "study.zip: everything, to open elsewhere or to replay"),
    "study_light": ("Study without images", "study.zip: masks, figures and log alone"),
    "acts_csv": ("Log as a table", "acts.csv, a row an act"),
    "acts_jsonl": ("Log as it is kept", "acts.jsonl, with the fingerprints"),
}

CARD_DATA = "Data"
CARD_FOUND = "What the comparison found"
CARD_LIMITS = "Limits"
CARD_LOAD = "How to load it"

# How a variant's settings read; each differs from the usual one of its arm.
FILL_NAMES = {
    Fill.BLACK.value: "black fill",
    Fill.MEAN.value: "mean fill",
    Fill.NOISE.value: "noise fill",
    Fill.BLUR.value: "blurred",
    Fill.SWAP.value: "swapped",
}
MODE_NAMES = {Mode.REPLACE.value: "originals replaced", Mode.APPEND.value: "originals kept"}
PENALTY_NAMES = {
    Penalty.INPUT_GRADIENTS.value: "input gradients",
    Penalty.GRAD_CAM.value: "Grad-CAM",
}
REGION_NAMES = {
    RegionSource.PREDICTED.value: "predicted regions",
    RegionSource.DISC.value: "all but a central disc",
    RegionSource.TEMPLATE.value: "the masks' mean shape",
    RegionSource.SHUFFLED.value: "masks of other images",
}
VARIANT_MARGIN = "margin {margin:g} %"
VARIANT_RAW = "raw image {raw:g} %"
VARIANT_QUEUE = "{queue} queue"
VARIANT_WEIGHT = "weight {weight:g}"
VARIANT_SHARE = "first {share:g} %"
VARIANT_READER = "masks of {reader}"
VARIANT_READER_ALONE = "One reader's masks alone, otherwise as “{arm}”"
VARIANT_OF = "Otherwise as “{arm}”"
# In a variant's name: with other settings it is no longer the paper's way.
VARIANT_NAMES = {Arm.IMIL.value: "IMIL"}


def arm_name(variant: Variant) -> str:
    """Return an arm's or variant's name for people: the arm's, then its settings."""
    settings = _settings(variant)
    arm = ARM_NAMES[variant.arm]
    if settings:
        arm = VARIANT_NAMES.get(variant.arm, arm)
    return " · ".join((arm, *settings))


def with_arm_names(words: str) -> str:
    """Return a sentence of the program with arms by their names for people.

    Arms are named there as programs name them, such as “right_reason+100”: in quotation marks, or
    by a word that is no English one.
    """
    return _RAW_ARM.sub(_spoken, words)


def _spoken(found: re.Match[str]) -> str:
    opening, raw, closing = found.groups()
    quoted, plain = bool(opening and closing), raw.isalpha()
    try:
        name = arm_name(parse_variant(raw))
    except PlanError:
        return found.group()
    if quoted:
        return f"{opening}{name}{closing}"
    return found.group() if plain and raw != Arm.IMIL else f"{opening}{name}{closing}"


def arm_words(variant: Variant) -> str:
    """Return what differs in an arm or variant."""
    if variant.changed:
        words = VARIANT_OF if variant.reader is None else VARIANT_READER_ALONE
        return words.format(arm=ARM_NAMES[variant.arm])
    return ARM_WORDS[variant.arm.value]


# A word that may be the name of an arm or variant, with quotation marks around it or not.
_RAW_ARM = re.compile(r"(“?)\b([a-z_]+(?:\+[a-z0-9_.]+%?)*(?:@[^”:,]+)?)(?![\w+])(”?)")


def _settings(variant: Variant) -> list[str]:
    share, margin, raw = (
        None if value is None else 100 * value
        for value in (variant.share, variant.margin, variant.raw)
    )
    words = (
        variant.queue and VARIANT_QUEUE.format(queue=variant.queue.replace("_", " ")),
        variant.fill and FILL_NAMES[variant.fill],
        variant.mode and MODE_NAMES[variant.mode],
        variant.penalty and PENALTY_NAMES[variant.penalty],
        None if variant.weight is None else VARIANT_WEIGHT.format(weight=variant.weight),
        None if share is None else VARIANT_SHARE.format(share=share),
        variant.region and REGION_NAMES[variant.region],
        None if margin is None else VARIANT_MARGIN.format(margin=margin),
        None if raw is None else VARIANT_RAW.format(raw=raw),
        variant.reader and VARIANT_READER.format(reader=variant.reader),
    )
    return [word for word in words if word]
