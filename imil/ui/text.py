"""Every word on the screen, in one place, ready for translation."""

from __future__ import annotations

from imil.core.records import Arm, Split
from imil.core.verdict import Verdict

TITLE = "IMIL"
VALUE = "Show an image classifier what to ignore, and measure whether it helped."
RESEARCH_ONLY = "Research use only, not for diagnosis"
SAVED_HERE = "Saved here only · no Hub repo set"
THEME = "Light or dark"
NO_STUDY = "No study open"

TAB_TRAIN = "Train"
TAB_OUTLIERS = "Outliers"
TAB_RESULTS = "Results"

SPLITS = {Split.TRAIN: "Train", Split.VALIDATION: "Validation", Split.TEST: "Test"}

# ---- painter ----
PREVIOUS = "Previous image"
NEXT = "Next image"
BRUSH = "Brush"
ERASE = "Erase"
SIZE = "Size"
UNDO = "Undo"
CLEAR = "Clear the mask"
PAINTER_TOOLS = "Mask tools"
PAINTER_TOOL = "Tool"
PAINTER_SIZE = "Brush size, keys [ and ]"
PAINTER_TITLES = {
    "brush": "Brush (B)",
    "erase": "Erase (E)",
    "undo": "Undo (Z)",
    "clear": "Clear the mask",
    "previous": "Previous image (P)",
    "next": "Next image (N)",
}
PAINTER_CANVAS = "Image to mask. Drag to paint over what should not matter."
PAINTER_HIDDEN = "% of the image hidden"
PAINTER_NOTHING = "nothing hidden"
PAINTER_START = "Paint over what should not matter"
PAINTER_EMPTY = "Nothing is painted yet. Paint what should not matter, or press Skip."
PAINTER_NO_FILM = "Pick an image on the left."
PAINTER_KEYS = (
    (("N", "P"), "next, previous"),
    (("B", "E"), "brush, erase"),
    (("[", "]"), "size"),
    (("Z",), "undo"),
    (("S",), "skip"),
    (("Enter",), "black out & next"),
)

# ---- train ----
IMAGES = "Images"
SOURCE = "Source"
SOURCE_DEMO = "Demo"
SOURCE_ZIP = "Zip"
DEMO_WORDS = (
    "Synthetic chest films. A mark that has nothing to do with the finding agrees with the label "
    "in 95 % of the training films: a planted shortcut."
)
OPEN_DEMO = "Begin a fresh demo study"
ZIP_WORDS = (
    "A zip with a folder a class, or with train, validation and test folders of them. A "
    "metadata.csv may name file_name, label and patient_id. Files that can't be used are listed, "
    "not fatal."
)
ZIP_FILE = "Zip of images"
ZIP_NAME = "Name of the study"
ZIP_NAME_INFO = "No patient data in it, please."
ZIP_POSITIVE = "Label that counts as positive"
ZIP_POSITIVE_INFO = (
    "Leave empty to keep all classes; one label makes it that label against the rest."
)
OPEN_ZIP = "Read the images"
REOPEN_AS = "Read again with this label"
NO_IMAGES = "No images yet"
NO_IMAGES_WORDS = "Open the demo study, or bring a zip of your own."
SPLIT_TITLE = "Split and class balance"
COLUMN_SPLIT = "Split"
COLUMN_IMAGES = "Images"
COLUMN_PATIENTS = "Patients"
UNKNOWN = "–"
SAMPLE = "Training image, label {label}"
NO_SHARED_PATIENT = "No patient in two splits."
PATIENTS_UNKNOWN = "Patients unknown."
TAKEN = "{taken} taken, {skipped} skipped"
SKIPPED_TITLE = "What was skipped, and why"
SKIPPED_MORE = "and {more} more"

PLAN = "Plan"
PLAN_LOCKED = "Locked once trained"
BACKBONE = "Model"
ADVANCED = "Advanced"
EPOCHS = "Epochs"
EPOCHS_INFO = "Before the masks"
EPOCHS_AFTER = "Epochs after"
EPOCHS_AFTER_INFO = "With and without masks"
BUDGET = "Budget, %"
BUDGET_INFO = "Of the training images"
IMAGE_SIZE = "Image size, px"
BATCH_SIZE = "Batch size"
LEARNING_RATE = "Learning rate"
SEED = "Seed"
PRETRAINED = "Start from pretrained weights"
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
TRAIN_FIRST = "Open a study first: the demo, or a zip of your own."
CLOSE_PAGE = "You can close this page: training goes on, and this view comes back when you do."
LEFT = "{time} left"
STARTING = "Starting …"
QUEUED = "Waiting for the machine"
BEFORE_YOU = "{n} before yours"
STOPPED = "Stopped"
STOPPED_WORDS = "Train again goes on from the last whole epoch."
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

# ---- outliers ----
OUTLIERS_NONE_YET = "Nothing to review yet"
OUTLIERS_NONE_YET_WORDS = (
    "Outliers are training images that the model gets wrong. Train a model first."
)
OUTLIERS_ZERO = "No outliers"
OUTLIERS_ZERO_WORDS = (
    "The model gets every training image right, so there is nothing to mask here. "
    "Without masks both arms train alike."
)
GO_TO_TRAIN = "Go to Train"
MISPREDICTED = "Mispredicted"
WORST_FIRST = "worst first"
QUEUE_NAME = "Mispredicted training images, worst first"
REVIEWED = "{done} of {n} reviewed"
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
MARK_SKIPPED = "skipped"
BLACK_OUT = "Black out & next"
SKIP = "Skip"
MASKED_OF = "{painted} of {allowed}"
MASKED = "masked"
BUDGET_LINE = "{share} of {total} · budget {budget}"
BUDGET_REACHED = "{share} · budget reached"
BUDGET_METER = "Masking budget"
COMPARE = "Compare with and without masks"
BUDGET_DONE = "The budget is used up."
BUDGET_DONE_WORDS = "Now see whether it helped. Masked images can still be changed."
ALL_REVIEWED = "All {n} reviewed."
ALL_REVIEWED_WORDS = "{masked} masked, {skipped} skipped. Now see whether it helped."
HOW_TITLE = "What to paint"
HOW = (
    "Whatever a colleague would ignore: markers, text, tubes, rulers, borders. "
    "Leave the finding itself in sight."
)

# ---- results ----
RESULTS_EMPTY = "No comparison yet"
RESULTS_EMPTY_WORDS = (
    "{masked} masked. Train on with and without the masks, from the same checkpoint."
)
RESULTS_NEEDS_TRAINING = "Train a model and mask some of its outliers first."
SEEDS = "Seeds"
SEEDS_ONE = "1 seed, a first look"
SEEDS_FIVE = "5 seeds, a verdict"
COMPARING = "Training on with and without masks"
ROUND = "Round {number}"
FINAL = "Final comparison"
FINAL_WORDS = "Opens the test set, which is counted: opened {times} so far."
FINAL_SPLIT = "on the test set"
DOWNLOADS = "Downloads"
DOWNLOAD_RESULTS = "Download results.json"
REPORT_DATA = "Data"
REPORT_PROOF = "Patients"
REPORT_VERSIONS = "Versions"
CONTINUE = "Mask more images"
COMPARE_AGAIN = "Compare again"
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
FIGURES_TITLE = "All figures"
FIGURES_ASIDE = "Value (95 % interval), {split}, n = {n}"
EXPLORATORY = "exploratory"

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

UNEXPECTED = "Something went wrong on our side."
UNEXPECTED_WHY = "The server met a fault that it does not know."
UNEXPECTED_FIX = "Nothing stored is lost. Reload the page; if it stays, look in the server's log."
