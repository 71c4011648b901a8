"""Words that names are made of, and what they speak for."""

from __future__ import annotations

import re
from collections.abc import Iterable

from imil.core.records import Split

# Folder names, and cells, that mean a split.
SPLITS = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "validation": Split.VALIDATION,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validate": Split.VALIDATION,
    "dev": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
    "eval": Split.VALIDATION,
    "evaluation": Split.VALIDATION,
    "holdout": Split.TEST,
}


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


MASKS = _set(
    "mask masks seg segs segmentation segmentations gt roi rois manual annotation annotations "
    "contour contours groundtruth labelmap labelmaps delineation delineations outline outlines "
    "vessel vessels maske masken"
)
# Images made of others.
DERIVED = _set(
    "augmented augment augmentation aug cropped crop crops resized resize enhanced preprocessed "
    "processed thumbnail thumbnails thumb thumbs normalized denoised rotated flipped segmented"
)
# Columns whose name says that they hold the label.
_LABELS = _set(
    "classification label labels labelname class classes classname "
    "diagnosis diagnose diagnostic dx finding "
    "findings target category outcome groundtruth gt befund befunde pathology malignancy choices "
    "value severity "
    "grade level choice abnormality disease condition type result impression sentiment y stage "
    "tumor tumour birads klasse klassen diagnosen annotation tag tags ground truth histology "
    "annotated diagnostico diagnóstico diagnosi diagnostik conclusion conclusión "
    "conclusione etiqueta clase classe resultado ergebnis "
    "诊断 诊断结果 标签 类别 结果 診断 診断名 病名 所見 진단 диагноз"
)
_WEAK = _set(
    "birads classification level type result y choice annotation stage grade condition tag tags"
)
# Columns of what is no finding.
OTHER = _set(
    "sex gender age male female race ethnicity view position laterality side eye device scanner "
    "site hospital center centre clinic institution localization location region date time year "
    "width height rows columns x y xmin ymin xmax ymax bbox rad reader annotator rater id index "
    "number no nr url link source path file filename image img study series uid spacing pixel "
    "size format method confirm confirmed confidence quality breast projection modality dir "
    "folder directory frame slice split set subset fold partition patient subject weight smoke "
    "area magnification left right user comment comments note notes lesion manufacturer "
    "dataset train test created updated email offset finding follow"
) - {"finding"}
# Words of labels themselves.
CLASS_WORDS = _set(
    "benign malignant normal abnormal positive negative healthy disease diseased sick cancer "
    "tumor tumour lesion nodule pneumonia covid tuberculosis tb control case treated untreated "
    "pathology melanoma nevus naevus carcinoma adenocarcinoma fracture fractured no yes none "
    "viral bacterial infected uninfected parasitized mild moderate severe demented gutartig "
    "bösartig normalbefund polyp cyst stone glaucoma cataract glioma meningioma effusion "
    "cardiomegaly"
)
# Folders in which a part of the images lies, for no reason of theirs.
PART_WORDS = _set("part parts images image imgs img batch folder dir chunk archive vol volume fold")
# Folders that hold images because of where they come from.
CONTAINERS = _set(
    "set sets dataset datasets all files file data images image img imgs png jpg jpeg dicom dcm "
    "collection source hospital center centre site input database export download project"
)
# Words of a view or a side, which are no findings.
SIDES = _set("left right l r od os cc mlo ap pa lat lateral frontal axial coronal sagittal")
# Folders and columns of one person.
PATIENTS = _set(
    "patient patients pat pid sub subj subject subjects person persons mrn participant patnr patid "
    "patientid subjectid personid participantid patienten patientin patientennr patientennummer "
    "patientnr patientnumber fallnummer probanden paciente pacientes paziente pazienti patiënt "
    "pacjent dossier ipp nip nhc historiaclínica historiaclinica prontuário prontuario 患者 "
    "患者编号 患者番号 患者id 病人 病人编号 病历号 환자 환자번호 пациент"
)
# Words for a number, which say nothing of whose it is.
NUMBERS = _set(
    "id nr no n num number name index code codice código codigo numéro numero número nummer de du "
    "del do"
)
# Patients only where nothing better is known: a case or a lesion is of one patient.
CASES = _set("case caseid lesion lesionid exam examid study studyid accession")
READER_WORDS = _set("rad reader annotator rater radiologist expert observer")
BOXES = _set("xmin ymin xmax ymax bbox width height x y box")
NOT_TRUTH = _set("submission submissions prediction predictions predicted template")
# What stands where a value is unknown.
UNKNOWN_WORDS = _set("nan na n/a null ? - #n/a #na <na> nil missing") | {""}
# What stands where a patient is unknown. A class may be called so, a person is not.
_NOBODY = UNKNOWN_WORDS | _set(
    "unknown unk none undefined unbekannt removed anonymous anonymized anonymised anonym "
    "deidentified"
)
# Folders of images that nobody labelled, or that somebody is to predict.
UNLABELLED = _set(
    "nolabel unlabelled unlabeled notlabelled notlabeled unannotated pred preds predict "
    "prediction predictions topredict inference unseen"
)
# What stands where a label could not be told. Some studies have a class of that name.
UNSURE_WORDS = _set(
    "unknown unk unbekannt uncertain unsure unclear undetermined indeterminate indeterminable "
    "undecided ungradable ungradeable notsure notknown notavailable notspecified unspecified "
    "inconclusive nondiagnostic inconnu desconocido unklar"
)
# Images made of one that lies beside them, as names of files say it.
MADE_WORDS = DERIVED | _set(
    "rot rotate rotation flip hflip vflip fliph flipv mirror mirrored noise noisy blur blurred "
    "zoom zoomed bright brightness brighter darker contrast shifted sheared shear jitter gamma "
    "patch tile copy kopie copie overlay overlays heatmap heatmaps gradcam saliency "
    "annotated marked"
)
# Folders that somebody copied.
COPIED = _set("copy copies kopie copie copia backup backups old duplicate duplicates duplicated")
# Folders of masks, beside those of `MASKS`; names of files say other things by these words.
MASK_FOLDERS = MASKS | _set("label labels labelled labeled overlays")
# Words before a number that say what an image is, not whose.
KINDS = _set(
    "class classes grade grades stage stages type types level levels category score bi rads"
)

_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])")


def words(text: str) -> list[str]:
    """Return the words of a name in lower case: “leftMask_01” has left and mask."""
    return [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text))]


def plain_word(text: str) -> str:
    """Return a name's letters and digits alone, in lower case."""
    return re.sub(r"[\W_]", "", text).lower()


def has(text: str, known: Iterable[str]) -> bool:
    """Return whether one of the words, or all of them together, is known."""
    own = words(text)
    return any(word in known for word in (*own, plain_word(text)))


def last_part(title: str) -> str:
    """Return what a column of nested records is called: “c” of “a.b.c”; dots may shorten words."""
    return re.split(r"(?<=\w)\.(?=\w)", title)[-1]


def split_word(text: str) -> Split | None:
    """Return the split that a name speaks of; None where it speaks of none or of several."""
    found = {SPLITS[word] for word in words(text) if word in SPLITS}
    return found.pop() if len(found) == 1 else None


def label_prior(column: str) -> float:
    """Return how much a column's name says that it holds the label."""
    own = words(column)
    if plain_word(column) in _LABELS or (
        own and all(word in _LABELS or word in CLASS_WORDS for word in own)
    ):
        return 1.5 if plain_word(column) in _WEAK else 3.0
    known = sum(word in _LABELS or word in CLASS_WORDS for word in own)
    other = sum(word in OTHER for word in own)
    return (2.0 if known else 0.0) - 2.5 * bool(other)


def class_share(labels: Iterable[str]) -> float:
    """Return the share of labels that have a word of a finding."""
    own = list(labels)
    return sum(has(label, CLASS_WORDS) for label in own) / len(own) if own else 0.0


def is_unknown(cell: str) -> bool:
    """Return whether a cell stands for no value."""
    return cell.strip().lower() in UNKNOWN_WORDS


def is_nobody(patient: str) -> bool:
    """Return whether an id stands for no patient: what bears it need not be of one person."""
    return patient.strip().lower() in _NOBODY
