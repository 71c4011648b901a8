"""Every word on the screen, in one place, ready for translation."""

from __future__ import annotations

import re

from imil.core.arms.variants import Penalty, Variant, parse_variant
from imil.core.evaluation.verdict import Verdict
from imil.core.nets.saliency import Explainer
from imil.core.records import Arm, Decision, Precision, Queue, Selection, Split
from imil.core.review.edits import Fill, Mode
from imil.core.windows import Window
from imil.errors import PlanError
from imil.storage.records.acts import What

TITLE = "IMIL"
VALUE = "Show an image classifier what to ignore, and measure whether it helped."
RESEARCH_ONLY = "Research use only, not for diagnosis"
SAVED_HERE = "Saved here only · no Hub repo set"
SAVED_HUB = "Saved here, then in {} on the Hub"
SAVED_WAITING = "Saved here, {} waiting for the Hub"
SAVED_ALL = "Saved here · Hub {} ago"
SAVED_SILENT = "Saved here · Hub unreachable for {}"
SAVED_TROUBLE = "Saved here only · {}"
# The same on a phone, beside the line below the header.
SAVED_ONLY_BRIEF = "Saved here only"
SAVED_HUB_BRIEF = "Saved here"
SAVED_WAITING_BRIEF = "Saved here · {} waiting"
SAVED_ALL_BRIEF = "Saved · Hub {} ago"
SAVED_WHY = "Why?"
SAVED_WHY_LABEL = "Why it is not saved further, and what to do"
SAVED_FOR_OWNER = "This is for whoever runs this app to mend. You can go on meanwhile."
SAVED_SILENT_WHY = (
    "The Hugging Face Hub does not answer.",
    "What is saved here goes to {repo} there as soon as it can.",
    "Nothing is to be done and nothing is lost: it is kept on this machine, and sent by itself.",
)
THEME = "Light or dark"
NO_STUDY = "No study open"

# ---- asked for too often ----
COSTS = {
    "demo": "begin demo studies",
    "begin": "begin or look into sets of images",
    "train": "start trainings",
    "ask": "ask the model",
    "export": "make files to download",
}
TOO_OFTEN = (
    "That is more than the app does for one visitor at a time.",
    "Within {within}, one visitor may {acts} {calls} times, so that all visitors are served.",
    "Go on in {wait}; nothing is lost.",
)

TRAINING_OWN = (
    "{n} of your studies train or wait to.",
    "Each takes its turn, and other visitors wait behind them.",
    "Wait until one is done, or stop one on its Train tab; nothing is lost.",
)
TRAINING_ALL = (
    "{n} studies train or wait to, as many as the app takes at a time.",
    "Each takes its turn.",
    "Try again in a while; nothing is lost.",
)
WAITING = "Too much of yours waits to be done. Go on when it is; nothing is lost."

# ---- header ----
STUDY = "Study"
NEW_STUDY = "+ New study"
OFFLINE = "Offline · strokes are kept in this browser"
OFFLINE_BRIEF = "Offline · strokes kept"
UNSENT_ONE = "1 mask waits in this browser"
UNSENT_MANY = "{n} masks wait in this browser"
UNSENT_BRIEF_ONE = "1 mask not saved yet"
UNSENT_BRIEF_MANY = "{n} masks not saved yet"
UNSENT_WHY = (
    "What you masked is not saved yet.",
    "The app did not answer when it was handed in. It is kept in this browser, and not lost.",
    "Open the Outliers tab and leave it open: it is sent from there by itself, and this line goes.",
)
NEXT_VISITOR = "Next visitor"
NEXT_VISITOR_ASK = "Begin for the next visitor?"
NEXT_VISITOR_KEPT = "The study stays in the list of studies, where it can be gone on with."
UNFINISHED = "{n} images have strokes that are not blacked out yet; they stay in this browser."
UNFINISHED_ONE = "1 image has strokes that are not blacked out yet; they stay in this browser."
STAY = "Stay here"
CLOSE = "Close"
GLOSSARY_TITLE = "Words"
GLOSSARY_WORDS = "What the words on this screen mean here."
HEADER_TITLES = {
    "menu": "The study's link, your account, deletion",
    "next": "A fresh demo for the next visitor; this study stays in the list",
    "glossary": "What the words on this screen mean",
    "theme": THEME,
    "close": CLOSE,
}
# ---- the study's own dialog ----
MENU = "This study"
LINK = "Link"
LINK_WORDS = "Private by default: whoever has this link can see the study and work on it."
LINK_COPY = "Copy link"
LINK_COPIED = "The link is copied."
ACCOUNT = "Account"
NO_SIGN_IN = (
    "Nobody can sign in on this machine: the study is in this browser's list and on this server."
)
SIGN_IN = "Sign in with Hugging Face"
SIGN_IN_WORDS = (
    "Signed in, you find your studies in every browser, can share them with your organisations and "
    "keep a private copy in your own account."
)
SIGN_OUT = "Sign out"
SIGNED_OUT = "You are not signed in any more. Sign in and try again."
KEEP_COPY = "Save a private copy to my account"
KEEP_COPY_WORDS = (
    "Masks, answers and figures as a private data set, the model of a finished comparison as a "
    "private model repo. No image is sent. Your token is used once and not kept."
)
KEEP_COPY_SAVING = "Saving a copy…"
KEEP_COPY_SAVED = "Your private copy is saved:"
SHARE_WORDS = "Share with an organisation: its members who sign in find the study in their list."
SHARED = "Shared with {name}."
SHARED_NO_LONGER = "No longer shared with {name}; whoever has opened it still has its link."
OWN_STUDIES = "Your other studies"
DELETE = "Deletion"
DELETE_WORDS = "Removes images, masks, models and results, here and in the app's data set."
DELETE_ACT = "Delete this study…"
DELETE_ASK = "Delete “{name}” for good?"
DELETE_GONE = (
    "Images, masks, models and results are removed for everybody who has the link, and can't be "
    "brought back. Only when it was deleted is kept, and how its log ended. Copies that were saved "
    "to an account or downloaded stay."
)
DELETE_FOR_GOOD = "Delete for good"
DELETING = "Deleting…"
DELETED = "The study is deleted."
DELETED_DEMO = "The study is deleted. A fresh demo is open now."
KEEP_STUDY = "Keep it"
COACH_MARKER = (
    "Paint over this marker: drag across it. It says nothing about the finding, yet the model may "
    "have learned it."
)
COACH_NO_MARKER = (
    "There is no marker on this film: the finding is there, and the model missed it. Nothing to "
    "hide? Press Skip."
)
COACH = "Paint over what should not matter: drag across it. Then press Black out & next."
COACH_CLOSE = "Close the hint"
GLOSSARY = (
    ("Study", "One set of images and those who review it, from the first training to the last."),
    ("Round", "Outliers, masks, training on, comparison. The first training comes before round 1."),
    ("Outlier", "A training image that the model gets wrong: its prediction is not the label."),
    ("Label", "The class that an image is filed under. It can be wrong, too."),
    ("Mask", "The region of an image that you painted, because it should not matter."),
    ("Blackout", "The image with its mask set to black. Training goes on with it."),
    ("Budget", "How many training images may be masked: at most 4 % by default, as in the paper."),
    ("Queue", "An ordered list of training images to look at, such as the mispredicted ones."),
    ("Label suspect", "An image whose label looks wrong. You decide; masks are not for it."),
    ("Wrong reason", "A right answer that rests on what should not matter."),
    ("Shortcut", "Something that goes with the label in these images, but is not the finding."),
    ("Arm", "One way of training on. All arms start from one checkpoint, under one plan."),
    ("Control", "The arm without masks: the same extra epochs, and nothing else changed."),
    ("Plan", "The settings of training. Fixed once it begins, so that arms can be compared."),
    ("Epoch", "One pass of training over all training images."),
    ("Seed", "The number that fixes chance. Five seeds are five repetitions."),
    ("Split", "What an image is used for: training, validation, or test, opened at the end."),
    ("Verdict", "Shown, not shown or harmful: whether masks helped, read from the interval."),
    ("Interval", "The range that a figure may plausibly have, 95 % unless another level is named."),
    ("Points", "Hundredths of accuracy: from .80 to .85 is +5 points."),
    (
        "Saliency",
        "A map of where a prediction looks. A nicer map is no evidence of a better model.",
    ),
    (
        "Predicted mask",
        "What your masks suggest to hide in another image. You look before it counts.",
    ),
    ("Finding check", "A warning when a mask seems to hide the finding itself. It never blocks."),
)

TAB_TRAIN = "Train"
TAB_OUTLIERS = "Outliers"
TAB_RESULTS = "Results"

SPLIT_WORDS = {Split.TRAIN: "training", Split.VALIDATION: "validation", Split.TEST: "test"}
SPLITS = {Split.TRAIN: "Train", Split.VALIDATION: "Validation", Split.TEST: "Test"}

# ---- painter ----
PREVIOUS = "Previous image"
NEXT = "Next image"
BRUSH = "Brush"
BOX = "Box"
ERASE = "Erase"
SIZE = "Size"
UNDO = "Undo"
REDO = "Redo"
CLEAR = "Clear the mask"
PAINTER_TOOLS = "Mask tools"
PAINTER_TOOL = "Tool"
PAINTER_MODE = "Mode"
PAINTER_MODES = (
    ("hide", "Hide", "Hide what I paint (M)"),
    ("keep", "Keep", "Keep only what I paint (M)"),
)
PAINTER_SIZE = "Brush size, keys [ and ]"
PAINTER_MORE = "More: brush size, preview, keys"
PAINTER_TITLES = {
    "brush": "Brush (B)",
    "box": "Box (X)",
    "erase": "Erase (E)",
    "undo": "Undo (Z)",
    "redo": "Redo (Y)",
    "clear": "Clear the mask",
    "previous": "Previous image (P)",
    "next": "Next image (N)",
}
PAINTER_WINDOW = "Window"
PAINTER_WINDOW_TITLE = "{name} window ({key})"
WINDOWS = {
    Window.FULL: "Full",
    Window.LUNG: "Lung",
    Window.BONE: "Bone",
    Window.AUTO: "Auto",
}
PAINTER_LEVELS = "Set the window: its width and its centre; or drag with the right button"
PAINTER_LEVEL = {"width": "Width", "centre": "Level"}
PAINTER_LOOKS = "Where the model looks"
PAINTER_LOOKS_SHORT = "Saliency"
PAINTER_LOOKS_LABEL = "Where the model looks: opacity, key O"
PAINTER_PANEL = "More and keys"
PAINTER_PEEK = "Hold to preview"
PAINTER_KEYS_ON = "Single keys. Without them, Ctrl Z and the keys of the focused image still work."
PAINTER_ALL = "all keys"
# What the painter says by itself, in the browser.
PAINTER_WORDS = {
    "canvas": "Image to mask. Drag to paint. With the keyboard: arrows move a box, Shift and "
    "arrows size it, Space paints it.",
    "hidden": "% of the image hidden",
    "nothing": "nothing hidden",
    "start": "Paint over what should not matter",
    "start-keep": "Paint what alone should matter",
    "turned-keep": "What you painted is now all that stays",
    "turned-hide": "What you painted is now hidden",
    "box": "Space paints the box, Shift and arrows size it",
    "box-erase": "Space erases the box, Shift and arrows size it",
    "empty": "Nothing is painted yet. Paint what should not matter, or press Skip.",
    "erased": "Nothing is left of the mask. The one saved before stays until you save another.",
    "much": "Almost all of the image is hidden. Erase part, so that the finding stays visible.",
    "much-keep": "Almost all of the image is hidden. Paint more of what should matter.",
    "none": "Nothing is predicted irrelevant in this image.",
    "draft": "Your unfinished mask is back",
    "storage": "This browser has no room for unfinished masks. Save this one before you go on.",
    "looking": "Asking where the model looks …",
    "offline": "The connection is lost. You can go on painting: your mask is kept in this browser.",
    "offline-move": "The connection is lost. The next image can be opened when it is back.",
    "unsent": "Not saved yet: the connection is lost. Your mask is kept in this browser, and is "
    "sent when the connection is back.",
    "unanswered": "Not saved yet: the server does not answer. Your mask is kept in this browser. "
    "Reload the page to send it again.",
    "sent": "Saved: your mask of {sample}, which had waited for the connection.",
    "other": "Another tab has saved a mask for this image. Yours is shown and not saved: "
    "“Black out & next” replaces the saved one.",
    "other-act": "Show the saved mask",
}
PAINTER_NO_FILM = "Pick an image on the left."
PAINTER_KEYS = (
    (("N", "P"), "next, previous"),
    (("M",), "hide or keep"),
    (("[", "]"), "size"),
    (("Z",), "undo"),
    (("V",), "hold to preview"),
)
PAINTER_ALL_KEYS = (
    (("N", "P"), "next, previous image"),
    (("Enter",), "black out & next"),
    (("S",), "skip"),
    (("L",), "label is wrong"),
    (("M",), "hide or keep"),
    (("B", "X", "E"), "brush, box, erase"),
    (("[", "]"), "size"),
    (("Z", "Y"), "undo, redo; also with Ctrl"),
    (("V",), "hold to preview"),
    (("O",), "where the model looks"),
    (("1", "2", "3", "4"), "window"),
    (("?",), "this list"),
    (("←", "↑", "→", "↓"), "move a box; with Shift size it, with Ctrl by a pixel"),
    (("Space",), "paint the box"),
    (("Right drag",), "set the window"),
)

# ---- train ----
IMAGES = "Images"
SOURCE = "Source"
DEMO_WORDS = (
    "Synthetic chest films. A mark that has nothing to do with the finding agrees with the label "
    "in 95 % of the training films: a planted shortcut."
)
OPEN_DEMO = "Begin a fresh demo, already trained"
OPEN_DEMO_UNTRAINED = "Begin one to train yourself"
DEMO_CHOICE = "Trained, its outliers are there at once; untrained, its plan can still be changed."
ZIP_WORDS = (
    "A zip of pictures or DICOM files with a folder a class, or with train, validation and test "
    "folders of them, or with a table (CSV, .xlsx) of labels. Files that can't be used, damaged "
    "ones too, are listed, not fatal. An exported study.zip opens as a study of its own. The zip "
    "itself is deleted here as soon as it was read."
)
ZIP_FILE = "Zip of images"
ZIP_NAME = "Name of the study"
ZIP_NAME_INFO = "No patient data in it, please."
ZIP_POSITIVE = "Label that counts as positive"
ZIP_POSITIVE_INFO = (
    "Leave empty to keep all classes; one label makes it that label against the rest."
)
ZIP_OPTIONS = "How the zip is read"
ZIP_HAS = "{images} in the zip{dicom}{masks}."
ZIP_DICOM = ", {n} of them DICOM"
ZIP_MASKS = ", and {masks}"
ZIP_OPEN = "Asked before anything is read: {question} Pick one below."
ZIP_LEFT_OUT = "{files} of the zip will be left out"
ZIP_UNTRIED = "The zip is large: which of its files are damaged is told once it is read."
ZIP_TABLE_FILE = "Table that is not in the zip (CSV or .xlsx)"
ZIP_QUESTIONS = {
    "label": "What the label is",
    "several": "Several labels of an image",
    "patient": "Whose image it is",
    "split": "Training and testing",
    "masks": "Images that may be masks",
    "variant": "Images that lie there twice",
    "table": "Tables",
    "file": "Which image a row is for",
    "group": "Site, or a known shortcut",
    "frame": "Frame of a DICOM file",
}
ZIP_PATIENT_INFO = "Or write how file names tell, such as {patient}_* or {patient}/*"
ZIP_FRAME = "DICOM with several frames: use frame"
ZIP_FRAME_INFO = "Counted from 1; 0 leaves such files out"
ZIP_VIEW = "DICOM window"
ZIP_VIEW_INFO = "1 is the file's first; 0 keeps all grey levels"
ZIP_BLACK = "Black out text found in corners"
OPEN_ZIP = "Read the images"

# ---- images that are not there, and those that may leave ----

# What is missing; what is kept; which zip to bring; which data set to fetch from.
MISSING = (
    "{missing} of {n} are not on this machine.",
    "Classes, splits, labels, {masks} and results are kept.",
    (
        "Bring the file again that “{name}” was begun with on {day}: images are told by their "
        "pixels, whatever the files are called. What was trained is then trained again from the "
        "plan."
    ),
    "Fetch them again from {repo}; the first training is then made again from the plan.",
)
# A file that was skipped, whose name is not kept.
A_FILE = "A file"
BROUGHT = "{found} came back, {missing} still missing. {others} in the file left out."
BROUGHT_LOST = "{files} of it can’t be read."
BRING_FILE = "The zip that the study was begun with"
BRING = "Bring the images again"
FETCH_AGAIN = "Fetch the images again"
KEPT_MASKS = "Masks that are kept (white is hidden)"
CONSENT = "Keep a copy of the images in {repo} (private)"
CONSENT_WORDS = (
    (
        "Without the tick no image leaves this machine: masks, labels, predictions, times and "
        "codes that stand for the images go to {repo}, and file names nowhere."
    ),
    (
        "With it the images go there too, written again from their pixels alone, and the first "
        "model goes to a private repo beside it: then a restart asks you for nothing."
    ),
)
CONSENT_GIVEN = (
    (
        "Images are kept in {repo}, and the first model in a private repo beside it. File names "
        "go nowhere."
    ),
    (
        "Take the tick away and no further image leaves this machine; what is there stays until "
        "the study is deleted."
    ),
)
NOTHING_LEAVES = (
    "Nothing leaves this machine: images, masks and results are kept here only. Images are kept "
    "without file names and metadata."
)
KEPT_DAYS = (
    "{days} days after its last visit the study's images and models are deleted from this machine, "
    "unless it is on an account's list. What was drawn, decided and found stays, and the study "
    "then says which file to bring; one in which nothing was drawn or decided is deleted whole."
)
NO_IMAGES = "No images yet"
NO_IMAGES_WORDS = "Open the demo study, fetch a public set, or bring images of your own."
SPLIT_TITLE = "Split and class balance"
COLUMN_SPLIT = "Split"
COLUMN_IMAGES = "Images"
COLUMN_PATIENTS = "Patients"
UNKNOWN = "–"
SAMPLE = "Training image, label {label}"
TAKEN = "{taken} taken, {skipped} skipped"
SKIPPED_MORE = "and {more} more"

PLAN = "Plan"
PLAN_LOCKED = "Locked once trained"
BACKBONE = "Model"
BACKBONE_INFO = "The network to train"
ADVANCED = "Advanced"
EPOCHS = "Epochs"
EPOCHS_INFO = "Before the masks"
EPOCHS_AFTER = "Epochs after"
EPOCHS_AFTER_INFO = "With and without masks"
BUDGET = "Budget, %"
BUDGET_INFO = "Of the training images"
IMAGE_SIZE = "Image size, px"
IMAGE_SIZE_INFO = "Side after scaling"
BATCH_SIZE = "Batch size"
BATCH_SIZE_INFO = "Images a step"
LEARNING_RATE = "Learning rate"
LEARNING_RATE_INFO = "At its peak"
SEED = "Seed"
SEED_INFO = "Fixes all that is random"
PRETRAINED = "Start from pretrained weights"
PRETRAINED_INFO = "From ImageNet, where the model has any; said where they can't be had"
PRECISION = "Arithmetic"
PRECISION_INFO = "On the processor. The choice is kept: every arm trains in it"
PRECISIONS = {
    Precision.AUTO: "By model and processor",
    Precision.FP32: "float32 (fp32)",
    Precision.BF16: "bfloat16 (bf16)",
}
OUR_CHOICE = "What the paper does not state is our choice, and is recorded with the study."
PLAN_MODEL = "Model"
PLAN_EPOCHS = "Epochs"
PLAN_SIZE = "Image size"
PLAN_BUDGET = "Budget"

TRAINING = "Training"
TRAIN = "Train"
STOP = "Stop"
STOPPING = "Stopping …"
REVIEW = "Review {n}"
REVIEW_NONE = "See the outliers"
TRAIN_EMPTY = (
    "Loss and accuracy will appear here, an epoch at a time. You can close this page and come back."
)
TRAIN_FIRST = "Open a study first: the demo, a public set, or images of your own."
CLOSE_PAGE = "You can close this page: training goes on, and this view comes back when you do."
LEFT = "{time} left"
STARTING = "Starting …"
QUEUED = "Waiting for the machine"
BEFORE_YOU = "{n} before yours"
STOPPED = "Stopped"
STOPPED_WORDS = "Continue goes on from the last whole epoch."
IMAGES_AWAITED = "Waiting for the images"
IMAGES_AWAITED_WORDS = (
    "They are not on this machine. Once they are back, this training is made again from the plan, "
    "by itself."
)
GO_ON = "Continue"
FAILED = "Training failed"
EPOCH_OF = "Epoch {epoch} of {epochs}"
VALIDATION_ACCURACY = "Validation accuracy {value}"
VALIDATION_N = "n = {n}"
LOSS_BY_EPOCH = "Loss by epoch"
ACCURACY_BY_EPOCH = "Accuracy by epoch"
CURVE_TRAIN = "Train"
CURVE_VALIDATION = "Valid."
MISPREDICTED_OF = "{n} of {total} training images are mispredicted."
TEST_CLOSED = "Test set: not opened."

# ---- train: where images come from ----
SOURCES = {
    "demo": ("Demo films", "Synthetic, at once"),
    "public": ("Public set", "Real images, one click"),
    "zip": ("Your own zip", "Folders or table"),
    "hub": ("Hub id", "Any image data set"),
}
PUBLIC_SET = "Public set"
PUBLIC_FACTS = (
    "{repo} · licence {licence} · a sample of {limit} of {images} images: {shows}. {remark}"
)
PUBLIC_CITE = "Cite: {citation}"
FETCH_SAMPLE = "Fetch {limit} images"
HUB_WORDS = (
    "An image folder or Parquet with images and labels. Images are written again without their "
    "metadata; no script of the data set is run."
)
HUB_ID = "Id of the data set"
HUB_ID_PLACEHOLDER = "owner/name or owner/name@revision"
HUB_LOOK = "See what it has"
HUB_FETCH = "Fetch the images"
HUB_CONFIG = "Configuration"
HUB_SPLITS = "Splits"
HUB_SPLITS_INFO = "None picked reads them all"
HUB_LABEL = "Label column"
HUB_LIMIT = "Images, at most"
HUB_LIMIT_INFO = "A sample in the set's own class shares"
HUB_TOKEN = "Access token"  # noqa: S105  # a label, no secret
HUB_TOKEN_INFO = "For gated and private sets; used once, never kept"  # noqa: S105  # the same
HUB_HAS = "{repo} · licence {licence} · {splits}. Label: {label}. Patients: {patient}."
HUB_NO_LICENCE = "not stated on its card"
HUB_NO_PATIENT = "not named"
HUB_OPTIONS = "Configuration, splits, columns, token"
READING = "Reading images"
READING_COUNT = "{done} of {total}"
READING_STARTS = "Connecting, or unpacking …"
READING_ON = "You can close this page: reading goes on."
READING_STOP = "Stop reading"
READING_GONE = (
    "Reading was cut off.",
    "The app was restarted in the middle of it, and nothing of it is kept. Start it again.",
)
TWINS_NONE = ("No near duplicate across splits.", "{n} images compared.")
TWINS_KEPT = (
    "No near duplicate across splits.",
    "{n} images compared; {kept} that look the same were kept together.",
)
TWINS_ACROSS = (
    "{pairs} of near duplicates lie in two splits.",
    "The accuracy may be too high. Remove one of each, or let the app make the splits.",
)
TWINS_MOVED = (
    "No near duplicate across splits.",
    "{n} images compared; {moved} moved to the stricter split, where the duplicate was.",
)
TWINS_INSIDE = ("{pairs} of near duplicates inside one split.", "")
TWINS_EXACT = "Of so many images only exact copies are found."
TWINS_SHOW = "Show them"
TWINS_MORE = "and {more} more"
BURNT = (
    "Text seems to be burnt into the corners of {images}.",
    "A model learns from it, and it may name people. To hide it, tick “Black out” and read again.",
)
BURNT_BLACK = (
    "Text in the corners of {images} was blacked out.",
    "What was found is not all there may be: look at the images.",
)
BURNT_NONE = ("No text found in the corners of images.", "Small or faint text is missed.")
TINY = (
    "Few images of “{label}”: {n} in {split}.",
    "One image more or less right changes its share by {points} points.",
)

# ---- train: presets ----
PRESET = "Preset"
PRESETS = {
    "recommended": ("Recommended", "{backbone} at {size} px: measured on {on}."),
    "paper": (
        "Paper",
        (
            "ResNet-50 and 4 % of the images, as published. Our choice: ImageNet weights, 224 px, "
            "10 + 10 epochs, the rest."
        ),
    ),
}
PRESET_ON_FILMS = "synthetic films on two CPU cores"
PRESET_ON_SKIN = "skin images on two CPU cores"
PRESET_UNMEASURED = "{backbone} at {size} px: our choice, for want of the offline extra."

# ---- outliers ----
OUTLIERS_NONE_YET = "Nothing to review yet"
OUTLIERS_NONE_YET_WORDS = (
    "Outliers are training images that the model gets wrong. Train a model first."
)
OUTLIERS_NO_IMAGES = "The images are not on this machine"
OUTLIERS_NO_IMAGES_WORDS = (
    "What you painted is kept: {masks}. Bring the images again on the Train tab, and go on where "
    "you stopped."
)
GO_TO_TRAIN = "Go to Train"
QUEUE = "Queue"
QUEUE_NAME = "Images of the queue, first things first"
QUEUES = {
    Queue.MISPREDICTED.value: "Mispredicted",
    Queue.LABEL_SUSPECT.value: "Label suspects",
    Queue.WRONG_REASON.value: "Wrong reason",
    Queue.HIGH_LOSS.value: "High loss",
    Queue.RANDOM.value: "Random",
}
MISPREDICTED_WORDS = {
    Selection.IN_SAMPLE.value: "The trained model gets these images wrong.",
    Selection.OUT_OF_FOLD.value: "Models trained without these images get them wrong.",
    Selection.PERSISTENT.value: (
        "Got wrong in at least {at_least} of the last {last} epochs of training."
    ),
}
QUEUE_WORDS = {
    Queue.LABEL_SUSPECT.value: (
        "By the answers in training the label looks wrong. A rare one can look so: you decide."
    ),
    Queue.WRONG_REASON.value: (
        "Right, but less so when what your masks suggest to hide comes from another image."
    ),
    Queue.HIGH_LOSS.value: "The {allowed} training images of highest loss, right or wrong.",
    Queue.RANDOM.value: (
        "All training images, in random order. Mask here when little is mispredicted."
    ),
}
QUEUE_EMPTY = {
    Queue.MISPREDICTED.value: (
        "No training image is mispredicted",
        (
            "So there is nothing of that kind to mask. A model can still be right for the wrong "
            "reason: masks on random images show it what to ignore."
        ),
    ),
    Queue.LABEL_SUSPECT.value: (
        "No label looks wrong",
        "The answers in training agree with every label well enough. Go on with another queue.",
    ),
    Queue.WRONG_REASON.value: (
        "No wrong reason was found",
        (
            "No answer depends on what your masks suggest to hide. Masks on random images add to "
            "what it is judged by."
        ),
    ),
}
QUEUE_ALL_TRIAGED = (
    "Nothing left to mask here",
    (
        "No image is left in this queue, apart from those you relabelled or excluded. Masks on "
        "random images can be compared too."
    ),
)
PAINT_RANDOM = "Mask random images"
SELECTION = "How mispredicted images are found"
SELECTION_INFO = (
    "The paper does not say. Each mask keeps the way in which its image was found, and the plan "
    "is the same for all."
)
SELECTIONS = {
    Selection.IN_SAMPLE.value: "In-sample: by the trained model",
    Selection.OUT_OF_FOLD.value: "Out-of-fold: by models that never saw the image",
    Selection.PERSISTENT.value: "Persistent: wrong in most of the last epochs",
}
FOLDS_COST = (
    "This takes {trainings} more trainings, as much work as {epochs} epochs of the first training."
)
FOLDS_TIME = "About {time} on this machine."
FOLDS_START = "Train the folds"
FOLDS_READY = "The folds are trained."
FOLDS_USE = "Find them out-of-fold"
FOLDS_METER = "Training the folds"
RELABEL_TO = "Relabel to {label}"
EXCLUDE = "Exclude"
KEEP_LABEL = "Label is right"
LOOKS_LIKE = "Looks like"
DECISIONS = {
    Decision.RELABEL.value: "relabelled",
    Decision.EXCLUDE.value: "excluded",
    Decision.KEEP.value: "label kept",
}
DECIDED = {
    Decision.RELABEL.value: "Relabelled to {label}.",
    Decision.EXCLUDE.value: "Excluded.",
    Decision.KEEP.value: "The label is right.",
}
TRIAGED = "{count} relabelled or excluded."
TRIAGE_WORDS = (
    "This changes the arms Relabel and Drop alone, so that what masks gain is never mixed with "
    "what labels gain."
)
REVIEWED = "{done} of {n} reviewed"
REVIEWED_ALL = "All {n} reviewed"
FIRST_OF = "first {n} of {found}"
FILTER = "Filter"
SORT = "Sort"
# The queue's own order, by what it is read from.
SORTS_OWN = {
    Queue.MISPREDICTED.value: "Worst first",
    Queue.LABEL_SUSPECT.value: "Most suspect first",
    Queue.WRONG_REASON.value: "Largest drop first",
    Queue.HIGH_LOSS.value: "Highest loss first",
    Queue.RANDOM.value: "As drawn",
}
SORT_CELL = "Highest loss first"
SORTS = {
    "least_sure": "Least sure first",
    "name": "File name",
    "not_reviewed": "Not reviewed first",
}
CLASS = "Class"
ALL_CLASSES = "All classes"
MATRIX = "Training images by label, a row, and by what the model says. A cell shows its images."
SAID_CORNER = "label, said →"
MATRIX_CELL = "{count} labelled {label}, the model says {predicted}"
WRONG_OF = "{wrong} of {total} wrong"
WRONG_SUSPECTS = "{n} label suspects"
WRONG_TRIAGED = "{n} relabelled or excluded"
CELL_WORDS = "Every training image in one cell of the matrix below, right or wrong."
PART_CELL = "Labelled {label}, said {predicted}"
PART_CLASS = "Labelled {label}"
SHOW_WHOLE = "Show all"
NONE_OF_CLASS = "No image of this queue is labelled {label}"
NONE_OF_CELL = "No image labelled {label} is said to be {predicted}"
NONE_OF_WORDS = "Choose another class or cell, or press “Show all” for the whole queue."
LOOKING = "Looking for wrong reasons …"
LOOKING_WORDS = (
    "What your masks suggest to hide is swapped in every image that is predicted right. It goes on "
    "while you work on another queue."
)
PAGE = "{first}–{last} of {n}"
EARLIER = "Earlier images"
LATER = "Later images"
LABEL = "Label"
MODEL_SAYS = "Model says"
LABEL_SMALL = "label {label}"
LOSS_OF = "Loss {loss} · training image"
PATIENT = " · {patient}"
PLACE = "{place} of {n}"
MARK_MASKED = "masked"
READER = "Reader"
READERS = "Readers"
READERS_BLIND = "blind to each other"
READERS_OPEN = "shown each other's masks since {time} UTC"
READER_COLUMNS = ("Reader", "Images masked", "Passed over", "Median time an image", "Time in all")
PAIR_COLUMNS = ("Pair", "Both masked", "Only the first", "Only the second", "Dice", "IoU")
PAIR = "{first} and {second}"
AGREE_ALL = (
    "All readers: Dice {dice}, IoU {iou}, mean over {n} masked by two or more "
    "(95 % interval over patients). Both say how far two masks overlap: .00 not at all, 1.00 fully."
)
AGREE_ALONE = "{alone} by one reader alone, of which nothing can be said."
AGREE_NONE = "No image is masked by two readers yet, so nothing can be said of how far they agree."
AGREE_IMAGE_ONE = "training image"
AGREE_IMAGE_MANY = "training images"
AGREE_ALONE_ONE = "image was masked"
AGREE_ALONE_MANY = "images were masked"
LATE = "{masks} saved since then: not independent, and left out of the agreement."
BLIND_NOTE = "Readers see their own masks only,"
BLIND_NOTE_WORDS = (
    "until they are shown each other's. Then the masks of each image stand here side by side. This "
    "can't be undone, and masks saved later count as not independent."
)
UNBLIND = "Show readers each other's masks"
UNBLIND_SURE = "Have all readers finished? Whoever has seen a mask no longer judges by themselves."
UNBLIND_DO = "Yes, show them"
LOWEST_AGREEMENT = "Least agreement first"
LOWEST_SHOWN = "{shown} of {n} images; every one is in the file"
AGREE_OF = "Dice {dice} · IoU {iou}"
MASK_OF = "{sample}, mask: {reader}"
POOLED_MASK = {
    "union": "All: union",
    "intersection": "All: intersection",
    "majority": "All: majority",
}
POOLINGS = {"union": "Union", "intersection": "Intersection", "majority": "Majority"}
POOLING = "Masks of several readers"
POOLING_INFO = (
    "Of several readers: what any of them hides (union), what all hide (intersection), or what "
    "more than half hide (majority)"
)
BY_READER = "Each reader's masks alone, too"
BY_READER_INFO = "One more arm a reader, against the same control"
DOWNLOAD_AGREEMENT = "agreement.csv"
READER_INFO = "Goes with each mask. You see your own alone."
READS_AS = "as {reader}"
READER_UNNAMED = "{masks} painted without a name: clear the field to see them."
MARK_SKIPPED = "skipped"
BLACK_OUT = "Black out & next"
SKIP = "Skip"
MASKED_OF = "{painted} of {allowed}"
MASKED = "masked"
BUDGET_LINE = "{share} of {total} · budget {budget}"
BUDGET_REACHED = "{share} · budget reached"
BUDGET_METER = "Masking budget"
COMPARE = "Compare with and without masks"
BUDGET_DONE = "The budget is used up. Masked images can still be changed."
ALL_REVIEWED = "All {n} reviewed: {masked} masked, {skipped} skipped."
SPENT = "{each} an image, {total} in all"
SPENT_NONE = "The time that you take is recorded with each mask."
SUSPECT = "Label is wrong"
RIGHT_LABEL = "The right label"
BACK = "Back"
LABEL_HOW_TITLE = "What to decide"
LABEL_HOW = (
    "Look at the image alone: which label would you give it? Exclude it where it shows neither "
    "class well enough."
)
HOW_TITLE = "What to paint"
HOW = (
    "Whatever a colleague would ignore: markers, text, tubes, rulers, borders. "
    "Leave the finding itself in sight."
)

# ---- what the model would say ----
IF_HIDDEN = "If this were hidden, the model would say"
MODEL_SAYS_NOW = "As it is, the model says"
P_OF = "p({label})"
ARROW = "→"
HALF = ".50"
FLIPS = "· flips"
FLIPS_TO_LABEL = "Prediction flips: now agrees with the label"
FLIPS_FROM_LABEL = "Prediction flips: no longer agrees with the label"
FLIPS_TO = "Prediction flips to {label}, which is not the label"
SAME_PREDICTION = "Same prediction"
NO_CHANGE = "No change"
NOTHING_HIDDEN = "Nothing is hidden yet"
EVIDENCE_STAYS = "Finding check: the evidence for the label stays."
MAY_HIDE = "The mask may hide the finding itself."
MAY_HIDE_EVIDENCE = (
    "The label is {label}, and p({label}) falls when this is hidden. "
    "Erase there, or go on if you are sure."
)
MAY_HIDE_LARGE = "It covers {share} of the image. Erase there, or go on if you are sure."

# ---- where the model looks ----
SALIENCY_ZERO = "The map is zero everywhere: no pixel moves the model's answer to this image."

COPIED_FROM = " · mask copied from {source}"

# ---- predicted masks ----
START_PREDICTED = "Start from the predicted mask"
START_SURE = "Start from the predicted mask · sure {share}"
PREDICTED_TITLE = "Predicted for the other images"
PREDICTED_ASIDE = "Predicted, not painted"
PREDICTED_BEFORE = (
    "From your {masks} the app can predict what is irrelevant in every other training image. "
    "Look at a sample before it is used."
)
PREDICTED_WITHDRAWN = "Confirmed before, but the masks have changed since."
PREDICTED_WITHDRAWN_WORDS = "What follows from them is new. Look at it and confirm it anew."
PREDICTED_KINDS = {
    "consensus": "by consensus: the same place in every image, where most masks hide it",
    "pixel_model": "by a pixel model: learned from contrast, texture and place",
}
PREDICTED_HOW = "From {masks}, {kind}."
PREDICTED_AGREEMENT = "Agreement with painted masks that were left out"
PREDICTED_AGREEMENT_WORDS = "consensus {consensus}, pixel model {pixel_model}; a guess reaches .50"
PREDICTED_CONFIDENCE = "Mean confidence"
PREDICTED_CONFIDENCE_WORDS = "over the predicted regions of {n} random training images"
PREDICTED_SAMPLE = "Predicted mask of {sample}, sure {share}. Open it to correct it."
PREDICTED_SURE = "sure {share}"
PREDICTED_OPEN = "Not right? Open an image and correct its mask: the others follow."
PREDICTED_LOOK = "Look at the predicted masks"
PREDICTED_CONFIRM = "These are right: use them for the other images"
PREDICTED_CONFIRMED = "Confirmed."
PREDICTED_CONFIRMED_WORDS = (
    "By {reader}, {time} UTC, from {masks}. The comparison now has an arm that uses them, "
    "“Propagated”. A mask more withdraws this until you confirm again."
)
PREDICTED_PREPARE = "Prepare the download"
PREDICTED_DOWNLOAD = "Download predicted_masks.parquet"
PREDICTED_BLIND = (
    "Predicted from your own masks alone: you are not shown what other readers painted. What arms "
    "use is predicted from all masks, and can be confirmed once readers are shown each other's."
)
MASK_ONE = "mask"
MASK_MANY = "masks"

# ---- results ----
RESULTS_EMPTY = "No comparison yet"
RESULTS_EMPTY_WORDS = (
    "{masked} masked. Train on with and without the masks, from the same checkpoint."
)
RESULTS_NEEDS_MASKS = (
    "No image is masked yet. On the Outliers tab, paint over what should not matter; then train on "
    "with and without your masks."
)
RESULTS_NEEDS_TRAINING = "Train a model and mask some of its outliers first."
RESULTS_NEEDS_IMAGES = (
    "The images are not on this machine; what you painted is kept ({masks}). Bring the images "
    "again on the Train tab."
)
SEEDS = "Seeds"
SEEDS_ONE = "1 seed, a first look"
SEEDS_FIVE = "5 seeds, a verdict"
COMPARING = "Training on with and without masks"
ROUND = "Round {number}"
FINAL = "Final comparison"
FINAL_SPLIT = "on the test set"
DOWNLOADS = "Downloads"
REPORT_DATA = "Data"
REPORT_PROOF = "Patients"
REPORT_VERSIONS = "Versions"
ARMS_TITLE = "Every arm against control"
ARMS_ASIDE = "Points of {split} accuracy, 95 % interval"
COLUMN_ARM = "Arm"
COLUMN_ACCURACY = "Accuracy"
COLUMN_POINTS = "Points"
COLUMN_VERDICT = "Verdict"
MAJORITY = "Majority class"
MAJORITY_WORDS = "Always the commonest label"
REFERENCE = "reference"
CURVES_TITLE = "Curves of the first seed"
FIGURES_TITLE = "Figures"
EXPLORATORY = "exploratory"
ARM_MASKED = "{masks} masked"
ARM_LEVEL = "{level} interval, Holm"
ARMS_UNEQUAL = (
    "Masked arms are comparable only at equal counts; here they have {fewest} to {most} masks."
)
ARMS_EXPLORATORY = (
    "Exploratory arms were not named beforehand: their intervals are widened by Holm's procedure."
)

ARM_NAMES = {
    Arm.CONTROL.value: "Control",
    Arm.IMIL.value: "IMIL, the paper's way",
    Arm.IMIL_APPEND.value: "Edited copies added",
    Arm.COUNTEREXAMPLE.value: "Counterexample",
    Arm.PROPAGATED.value: "Propagated",
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
VERDICTS = {
    Verdict.SHOWN.value: "SHOWN",
    Verdict.NOT_SHOWN.value: "NOT SHOWN",
    Verdict.HARMFUL.value: "HARMFUL",
    Verdict.ONE_RUN.value: "One run, not evidence",
}
RUNS_NOT_EVIDENCE = "{n} runs, not evidence"
VERDICT_WORDS = {
    Verdict.SHOWN.value: "Your masks made the model better on images it had never seen.",
    Verdict.NOT_SHOWN.value: "No difference could be shown at this size.",
    Verdict.HARMFUL.value: "This arm made the model worse on images it had never seen.",
}
ONE_RUN_WORDS = "{points} points in a single run. Run 5 seeds for a verdict."
FEW_RUNS_WORDS = "{points} points over {n} runs. Run 5 seeds for a verdict."
AGAINST = "{arm} against control: the same extra epochs without masks, from one checkpoint."
ARM_VERDICT_WORDS = {
    Verdict.SHOWN.value: "This arm made the model better on images it had never seen.",
    Verdict.NOT_SHOWN.value: VERDICT_WORDS[Verdict.NOT_SHOWN.value],
    Verdict.HARMFUL.value: VERDICT_WORDS[Verdict.HARMFUL.value],
}
RECOMMENDED = "recommended"
NOT_RECOMMENDED = "No arm is recommended for this round; the notes say why."
NOT_RECOMMENDED_UNSAID = "No arm is recommended: nothing could be predicted to choose it by."
RECOMMENDED_CONTROL = (
    "Recommended: train on without masks. No arm was better than control on validation."
)
RECOMMENDED_IMIL = "Recommended on validation: {arm}, so one comparison was named beforehand."
RECOMMENDED_ARM = "Recommended on validation: {arm}."
CHOSEN = (
    "Chosen on validation: {gain} points of balanced accuracy against control, with what the "
    "irrelevant region tells taken off."
)
CHOSEN_HERE = (
    "Chosen on these validation images ({gain} points of balanced accuracy against control, with "
    "what the irrelevant region tells taken off): its figures flatter until the final comparison."
)
UNNAMED = "Exploratory"
UNNAMED_WORDS = (
    "No comparison of this round was named beforehand: the paper's arm was not compared, and "
    "no other arm is recommended."
)
MASK_ONLY = "Mask-only classifier {figure}, n = {n}, at chance."
MASK_ONLY_ABOVE = (
    "A classifier that sees the masks alone, and no image, reaches a balanced accuracy of "
    "{figure}, n = {n}; chance is {chance}. What an arm gains may come from that."
)
MASK_ONLY_WARNING = "The masks give the class away."
MASK_ONLY_UNKNOWN = "Mask-only classifier: too few masks of each class to tell."
FACT_POINTS = "Accuracy, points"
BALANCED = "balanced {points}"
FACT_INTERVAL = "95 % interval"
FACT_PATIENTS = "{split} patients"
FACT_IMAGES = "{split} images"
FACT_SEEDS = "Seeds"
FACT_MASKED = "Masked"
INTERVAL_NONE = "none"
INTERVAL_NEEDS = "needs 2 seeds or more"
ABOVE = "paired, above 0"
BELOW = "paired, below 0"
SPANS = "paired, spans 0"
OF_IMAGES = "{n} images"
IMAGE_ONE = "image"
IMAGE_MANY = "images"
PATIENTS_NOT_KNOWN = "patients unknown"
OF_TRAINING = "{share} of training"
SEED_SCOPES = {
    "replication": "full replications",
    "train_on": "train-on, one checkpoint",
}
TEST_OPENED = "Test set opened {times}."
TEST_NOT_OPENED = "Test set not opened."
MAJORITY_LINE = "The commonest label alone scores {rate}."
METRIC = "Figure"
CONFUSION_TITLE = "Confusion matrices"
CONFUSION_ASIDE = "Rows are labels; counts summed over seeds"
SAID = "said {label}"
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

# ---- results: figures ----
EXPLAINERS = {
    Explainer.GRAD_CAM.value: "Grad-CAM",
    Explainer.INTEGRATED_GRADIENTS.value: "Integrated gradients",
}
SWAPPED_TITLE = "With the irrelevant region swapped"
SWAPPED_ASIDE = "{split}, n = {n}"
SWAPPED_WORDS = {
    "reference": (
        "What reference masks call irrelevant is replaced by another image's pixels: a stand-in "
        "for another hospital."
    ),
    "predicted": (
        "What is predicted irrelevant from the painted masks is replaced by another image's "
        "pixels: a stand-in for another hospital."
    ),
}
SWAPPED_BADGE = {"reference": "reference masks", "predicted": "predicted masks"}
SWAPPED_LEVEL = "Points against control, 95 % intervals that are not corrected."
SWAPPED_NONE = (
    "No image was swapped, so how an arm does where the irrelevant region differs is not known."
)
SWAPPED_ACCURACY = "Accuracy, swapped"
SWAPPED_BALANCED = "Balanced, swapped"
FLIP_RATE = "Predictions that flip"
CLASSES_TITLE = "By class"
CLASSES_ASIDE = "Each against all others, {split}"
COLUMN_CLASS = "Class"
COLUMN_N = "n"
OPERATING_TITLE = "At 90 % sensitivity"
OPERATING_ASIDE = "Threshold chosen on validation"
OPERATING_LATER = (
    "Given in the final comparison: on validation the threshold would be judged by the images "
    "that it was chosen on."
)
OPERATING_NOT_BINARY = "Given for two classes only; here there are {n}."
GROUPS_TITLE = "By group"
GROUPS_ASIDE = "{split}, the worst group of each arm marked"
GROUPS_NONE = (
    "The images have no groups. A column “group”, such as the site, gives figures for each."
)
COLUMN_GROUP = "Group"
WORST = "worst"
WORST_NONE = "No group is large enough to be called the worst."
GROUP_NOT_BALANCED = "lacks a class"
EXPLANATIONS_TITLE = "Where the models look, in figures"
EXPLANATIONS_SECONDARY = "Secondary: a better map is not evidence of a better model"
EXPLANATIONS_WORDS = (
    "Share of the map inside the irrelevant region (less is better), and how often the map's peak "
    "lies outside it (more is better)."
)
COLUMN_EXPLAINER = "Explainer"
COLUMN_WRONG_REASON = "Wrong-reason share"
COLUMN_POINTING = "Pointing game"
COLUMN_MAPS = "Maps"
ZERO_MAPS = "{zero} of {maps} maps are zero everywhere"
ZERO_MAP = "1 of {maps} maps is zero everywhere"
NO_ZERO_MAPS = "{maps} maps, none zero everywhere"
EVERY_TITLE = "Every figure of every arm"
EVERY_ASIDE = "Value (95 % interval), {split}, n = {n}"
MCNEMAR_TITLE = "McNemar's test, a seed"
MCNEMAR_WORDS = (
    "Images that the arm alone, and control alone, has right; exact, two-sided, never pooled. It "
    "takes images for independent, and never decides."
)
MCNEMAR_CELL = "+{gained} {minus}{lost}, p {p}"
P_SMALL = "< .001"
SEED_NUMBER = "Seed {seed}"
CANDIDATES_TITLE = "What the recommended arm was chosen from"
CANDIDATES_WORDS = (
    "On validation: the greatest gain of balanced accuracy against control, with what the "
    "predicted irrelevant region tells taken off, whose interval lies above 0, among arms that "
    "lose at most {points} point of accuracy. Ties go to fewer masks; without a gain, control."
)
COLUMN_CANDIDATE = "Accuracy"
COLUMN_CANDIDATE_INDEPENDENT = "Balanced, region's part off"
COLUMN_CANDIDATE_GAIN = "Points"
COLUMN_CANDIDATE_SWAPPED = "Balanced, swapped"
COLUMN_MASKS = "Masks to paint"
COLUMN_CHOICE = "Choice"
CHOICE_NOT_ELIGIBLE = "loses too much accuracy"
CHOICE_TIED = "as good"
OTHER_ARMS = "The other arms"
DOSES_MASKS = "Points by images masked"
DOSES_MINUTES = "Points by your minutes"
DOSES_ASIDE = "Accuracy against control"
DOSES_WORDS = "0 masks are control. Whiskers are the intervals of the table above."
AXIS_MASKS = "images masked"
AXIS_MINUTES = "minutes"
REPORT_WORDS = "In words"
WORDS_VERDICT = (
    "{arm} against control: {word}. {points} points of {split} accuracy{around}, balanced "
    "{balanced}; n = {n}, {seeds} ({scope})."
)
WORDS_INTERVAL = " {interval}"
WORDS_SWAPPED = (
    "{arm}, swapped: balanced accuracy {figure}; {points} points against control; {flips} of the "
    "predictions flip."
)
WORDS_WORST = "{arm}: worst group “{group}” {figure}, n = {n}."
WORDS_OPERATING = (
    "{arm}: at the threshold for 90 % sensitivity on validation, sensitivity {sensitivity}, "
    "specificity {specificity}."
)
WORDS_EXPLAINED = (
    "{arm}, {explainer}: wrong-reason share {wrong}, pointing game {pointing}; {maps}."
)

# ---- results: what to compare ----
ARMS_ADVANCED = "Advanced: arms to compare"
ARMS_PRESET = "Arms"
PRESET_REVIEWED = "From your review"
PRESET_PAPER = "The paper"
PRESET_RECOMMENDED = "Recommended"
PRESET_OWN = "Own choice"
ARMS_CHOICE = "Each is compared with control, from one checkpoint, for the same epochs"
ARM_CHOICE = "{name}: {words}"
EDIT_FILL = "What hides a region"
EDIT_FILL_INFO = "Other than black: a variant of IMIL beside it"
EDIT_MODE = "Edited images"
EDIT_MODE_INFO = "Other than in their place: a variant of IMIL"
PENALTY = "Penalty of Right reason"
PENALTY_INFO = "Its weight is chosen on validation"
SHARES = "Also compare with the first {shares} of the masks"
SHARES_INFO = "Shares of the training images, for each arm that is given masks"
TRAININGS = "{arms} × {seeds}: {trainings} in all. What is trained already is not trained again."
TRAINING_ONE = "short training"
TRAINING_MANY = "short trainings"
ARM_ONE = "arm"
ARM_MANY = "arms"
SEED_ONE = "seed"
SEED_MANY = "seeds"

# ---- results: seeds, rounds, images, files ----
SEEDS_OF = "{done} of {asked} seeds …"
SEEDS_SO_FAR = (
    "{points} points over {done} of {asked} seeds so far. A verdict takes {needed}; this card "
    "follows."
)
MORE_SEEDS = "Run {seeds}"
MORE_SEED_ONE = "more seed"
MORE_SEED_MANY = "more seeds"
SEED_OF = "Seed {seed} of {asked}"
NEXT_ROUND = "Round {number} · {painted} of {allowed} masked"
COMPARE_ROUND = "Compare round {number}"
COMPARE_OTHERS = "Compare again"
CHANGED_SINCE = "You changed masks or labels since. The next comparison is round {number}."
TEST_SEEN = "test set seen"
TEST_SEEN_WORDS = (
    "The test set had been opened before this round, so what was seen there may have led to it."
)
FINAL_COUNTED = "Final comparison opens the test set, and each opening is counted."
FINAL_SO_FAR = "Opened {times} so far."
ROUNDS_TITLE = "Rounds so far"
ROUNDS_ASIDE = "Points of validation accuracy against control"
COLUMN_ROUND = "Round"
COLUMN_SEEDS = "Seeds"
COLUMN_MASKED = "Masked"

CASES_TITLE = {
    Split.VALIDATION: "Validation images fixed and broken",
    Split.TEST: "Test images fixed and broken",
}
CASES_ASIDE = "First seed, against control"
CASES_NONE = "No image is right in one and wrong in the other."
FIXED = "{n} fixed"
BROKEN = "{n} broken"
FIXED_WORDS = "right only after"
BROKEN_WORDS = "wrong only after"
SHOW_ALL = "Show all {n}"
MATRICES_TITLE = {
    Split.VALIDATION: "Validation confusion matrices",
    Split.TEST: "Test confusion matrices",
}
MATRICES_ASIDE = "First seed · a cell opens its images"
MATRICES_UNKNOWN = (
    "The images behind the counts are not known: this round was made by an older version, and its "
    "models are gone."
)
CELL = "{n} with label {label} of which {arm} said {said}. Open them."
CELL_TITLE = "{arm}: label {label}, said {said}"
FIXED_TITLE = "{arm}: fixed, right only after"
BROKEN_TITLE = "{arm}: broken, wrong only after"
CASE_SAID = "said {label} {confidence}"
CASE_CONTROL = "control {label} {confidence}"
CASE_LABEL = "label {label}"
CASE_OPEN = "Open {sample}: {words}"
CASES_PAGE = "{first}–{last} of {n}"
CASES_BACK = "Back to all"
WORST_GROUP = "Worst group, accuracy"

LOOKS_TITLE = "Where the models look"
LOOKS_WORDS = (
    "Each model explained for what it says, by integrated gradients; brighter counts more. First "
    "seed, on images that {arm} fixed or broke."
)
LOOKS_MAKING = "The maps are being computed; they appear here by themselves."
LOOKS_BEFORE = "Round 0"
LOOK_ALT = "{model} looks at this image; it says {label}, {confidence}"
LOOK_FIXED = "fixed"
LOOK_BROKEN = "broken"

DOWNLOAD_REPORT = "Download report"
DOWNLOAD_FILE = "Download: {name}"
DOWNLOAD_MODEL_OF = "Arm of the model"
DOWNLOADS_WORDS = "Made when you ask, of what this page shows. No image is in them."
FILES = {
    "report": ("Report", "HTML, plots inside, works without a network"),
    "results_json": ("Every figure", "results.json, for programs"),
    "results_csv": ("Figures a seed", "results.csv, a row an arm, metric and seed"),
    "images": ("Answers an image", "Parquet: what each arm and seed says to each image"),
    "masks": ("Masks", "PNG an image and Parquet, zipped"),
    "curves": ("Curves", "curves.csv: loss and accuracy by epoch, arm and seed"),
    "model": ("Model", "safetensors, config and model card, zipped"),
    "onnx": ("Model as ONNX", "For programs without torch; checked against it"),
}

DAMAGED_MASKS = "{masks} can’t be read."
DAMAGED_MASKS_WORDS = (
    "A damaged file counts for nothing, and an earlier mask of its image may stand in its place. "
    "All others are kept. Mask the image again on the Outliers tab, or restore the file from a "
    "copy: {names}"
)
DAMAGED_MASK_OF = "{image}, {name}"

# ---- audit ----
AUDIT_TITLE = "Audit trail"
AUDIT_WORDS = (
    "Every act is written down when it is done, each with a fingerprint of the one before it: "
    "whoever changes, removes or inserts one later breaks the chain. Its head is the fingerprint "
    "of the last act."
)
AUDIT_INTACT = "Chain intact: {acts}, head {digest}"
AUDIT_ACT = "act"
AUDIT_ACTS = "acts"
AUDIT_CHAIN = (
    "The list of images, masks, trainings and comparisons are the ones that the acts tell of. All "
    "of it was checked on {time} UTC, and since then what came after."
)
AUDIT_UNCOVERED = "What the log does not vouch for"
AUDIT_UNCOVERED_MORE = "And {n} more."
AUDIT_WAITING = "{acts} not in the log yet."
AUDIT_CHECK = "Check everything again"
AUDIT_BROKEN = "Chain broken"
AUDIT_BROKEN_WORDS = (
    "Somebody, or a fault of the disk, changed the study outside of this app, or another app went "
    "on with it. Its figures prove nothing until that is explained."
)
AUDIT_ALONE = (
    "No copy of the log leaves this machine, so nothing tells whether all of it was written anew."
)
AUDIT_COMPARE = "Compare with the Hub"
AUDIT_NOT_COMPARED = "Not compared yet with the copy in {repo} on the Hub."
AUDIT_NOT_ASKED = "Not compared with the copy in {repo} on the Hub. {why} Try again later."
AUDIT_NONE_THERE = "{repo} on the Hub has no act of this study yet."
AUDIT_COMPARED = (
    "Compared with the copy in {repo} on the Hub: {acts}, head {digest}, asked on {time} UTC."
)
AUDIT_AGREES = "All of it is in this log."
AUDIT_MORE = "{n} earlier acts are in the files."
AUDIT_NOBODY = "visitor"
AUDIT_NUMBER = "No."
AUDIT_TIME = "Time (UTC)"
AUDIT_WHO = "Who"
AUDIT_WHAT = "What"
AUDIT_IMAGE = "Image"
AUDIT_ANSWER = "Label’s probability"
AUDIT_SECONDS = "Spent"
ACTS = {
    What.STUDY_BEGUN: "Study begun",
    What.PLAN_SET: "Plan set",
    What.TRAINING_STARTED: "Training started",
    What.ARITHMETIC_CHOSEN: "Arithmetic chosen",
    What.TRAINING_STOPPED: "Training stopped",
    What.TRAINING_FINISHED: "Training finished",
    What.MASK_ACCEPTED: "Mask accepted",
    What.MASK_COPIED: "Mask copied",
    What.ANSWERED: "Model answered to a mask",
    What.SKIPPED: "Image skipped",
    What.RELABELLED: "Label changed",
    What.EXCLUDED: "Image excluded",
    What.LABEL_KEPT: "Label found right",
    What.SELECTION_SET: "Way of finding outliers set",
    What.FOLDS_STARTED: "Out-of-fold training started",
    What.PREDICTIONS_CONFIRMED: "Predicted masks confirmed",
    What.COMPARISON_ASKED: "Comparison asked for",
    What.COMPARISON_STOPPED: "Comparison stopped",
    What.COMPARISON_FINISHED: "Comparison finished",
    What.TEST_OPENED: "Test set opened",
    What.UNBLINDED: "Readers shown each other's masks",
    What.CONSENT_GIVEN: "Consent given",
    What.CONSENT_WITHDRAWN: "Consent withdrawn",
    What.SHARED: "Study shared",
    What.EXPORTED: "Study exported",
    What.IMPORTED: "Study imported",
    What.IMAGES_REMOVED: "Images and models removed, long unvisited",
    What.FILES_NOTED: "Fingerprints of files taken",
    What.GAP: "Gap: something was not written down",
}
RECORD_FILES = {
    "study": ("Study", "study.zip: everything, to open elsewhere or to replay"),
    "study_light": ("Study without images", "study.zip: masks, figures and log alone"),
    "acts_csv": ("Log as a table", "acts.csv, a row an act"),
    "acts_jsonl": ("Log as it is kept", "acts.jsonl, with the fingerprints"),
}

# ---- model card ----
CARD_TITLE = "{arm} · {study}"
CARD_FIRST = (
    "An image classifier trained with IMIL, in which a clinician shows a classifier what to "
    "ignore. **Research use only, not for diagnosis.**"
)
CARD_USE = "Intended use"
CARD_USE_WORDS = (
    "To study what masks change in what a classifier learns, on images like those it was trained "
    "on. It is no medical device, nobody has approved it, and no decision on a patient may rest "
    "on it."
)
CARD_DATA = "Data"
CARD_DATA_WORDS = "{images} images of “{name}”, classes: {classes}. {proof}"
CARD_SPLITS = "Training {train}, validation {validation}, test {test}."
CARD_ARM = "What this arm is"
CARD_ARM_WORDS = (
    "{arm}: {words}. {masks} training images were masked for it. Trained on from one checkpoint "
    "under the same plan as control; these are the weights of seed {seed}."
)
CARD_FOUND = "What the comparison found"
CARD_LIMITS = "Limits"
CARD_LIMITS_WORDS = (
    "Every figure is of the split that it names; validation follows training, shortcut included.",
    "The figures say nothing about other scanners, hospitals or patients.",
    "Images are resized to a square of {size} px, without keeping their proportions.",
    "A map of where the model looks is not evidence of a better model.",
    "Probabilities may be badly calibrated; see the calibration error in the report.",
)
CARD_LOAD = "How to load it"

# ---- data set card ----
DATA_CARD_TITLE = "Masks of “{study}”"
CARD_FIRST_DATA = (
    "Regions that a clinician painted as irrelevant for a classifier of medical images, made with "
    "IMIL. The images themselves are not among these files. **Research use only, not for "
    "diagnosis.**"
)
DATA_CARD_WORDS = (
    "Masks on {masks} of the {images} images of “{name}” (classes: {classes}), painted in "
    "{minutes} min."
)
DATA_CARD_COLUMNS = "Columns of the masks"
DATA_CARD_COLUMN_WORDS = (
    "`mask`: an image, white = irrelevant; `image_name`: the image it belongs to.",
    "`label`, `prediction`, `confidence`: its class, and what the model said when it was offered.",
    "`reader`, `seconds`, `time`: who painted, for how long, when (UTC).",
    "`queue`, `selection`, `origin`, `source`, `round`: how image and mask came about.",
)
DATA_CARD_LIMITS = (
    "A mask says what a reader found irrelevant for this task; it outlines no organ or finding.",
    "Masks were painted on images that one model got wrong, not on a sample of all images.",
)


# How a variant's settings read; each differs from the usual one of its arm.
FILLS = {
    Fill.BLACK.value: "black fill",
    Fill.MEAN.value: "mean fill",
    Fill.NOISE.value: "noise fill",
    Fill.BLUR.value: "blurred",
    Fill.SWAP.value: "swapped",
}
MODES = {Mode.REPLACE.value: "originals replaced", Mode.APPEND.value: "originals kept"}
PENALTIES = {
    Penalty.INPUT_GRADIENTS.value: "input gradients",
    Penalty.GRAD_CAM.value: "Grad-CAM",
}
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
    words = []
    if variant.queue is not None:
        words.append(VARIANT_QUEUE.format(queue=variant.queue.replace("_", " ")))
    if variant.fill is not None:
        words.append(FILLS[variant.fill])
    if variant.mode is not None:
        words.append(MODES[variant.mode])
    if variant.penalty is not None:
        words.append(PENALTIES[variant.penalty])
    if variant.weight is not None:
        words.append(VARIANT_WEIGHT.format(weight=variant.weight))
    if variant.share is not None:
        words.append(VARIANT_SHARE.format(share=100 * variant.share))
    if variant.reader is not None:
        words.append(VARIANT_READER.format(reader=variant.reader))
    return words
