"""A listing of files and tables into a reading: each decision by the evidence for it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from imil.core.records import Split
from imil.datasets.layout import words
from imil.datasets.layout.candidates import ENOUGH, LabelHypothesis, clear, rank_hypotheses
from imil.datasets.layout.folders import level_candidates, name_candidates, splits_of
from imil.datasets.layout.masks import (
    SURE_OF_MASKS,
    UNSURE,
    copies,
    is_telling,
    mask_groups,
    variants,
)
from imil.datasets.layout.matching import Files
from imil.datasets.layout.owners import IN_NAMES, owners_of, shared
from imil.datasets.layout.reading import (
    Decisions,
    ImageFile,
    LeftOut,
    MaskFile,
    Reading,
    counted,
)
from imil.datasets.layout.sheets import (
    NAMED,
    Column,
    Sheet,
    any_column,
    columns_of,
    forced_candidate,
    label_candidates,
    understood,
)
from imil.datasets.tables.table import Grid
from imil.errors import DataError

NONE, ALL = "none", "all"
_MASKS, LEAVE, _IMAGES = "reference masks", "left out", "images"
TOGETHER = "each combination"
# Where labels come from without a table.
PLACES = ("folders", "file names")
# Rows of a table, and tables, that are named; more rows are counted.
_MOST_ROWS, MOST_TABLES_TOLD = 200, 6


@dataclass(frozen=True)
class Listed:
    """What lies there, before any image is read.

    Attributes:
        images: files that are images, by "/"-separated path.
        tables: tables by path, one a sheet.
        sizes: bytes of each image.
        flat: whether an image has two values alone; None where it can't be told cheaply.
        digest: equal for files of equal bytes.
        uids: image files by DICOM SOPInstanceUID, where headers were read.
        owners: patients by DICOM header, hashed.
        unreadable: image files that can't be read; rows that name them are no news.
    """

    images: tuple[str, ...]
    tables: Mapping[str, Grid] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    flat: Callable[[str], bool | None] = lambda _: None
    digest: Callable[[str], object] = lambda name: name
    uids: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()


def read_layout(listed: Listed, answers: Mapping[str, str] | None = None) -> Reading:
    """Return how a data set is understood; answers override what the evidence says.

    The order in which files are listed, and the case of their names, change nothing.

    Raises:
        DataError: an answer that fits no question.
    """
    return _Layout(listed, Decisions(dict(answers or {}))).read()


class _Layout:
    """One reading in the making: each step narrows what the next one looks at."""

    def __init__(self, listed: Listed, decisions: Decisions) -> None:
        self._listed = listed
        self._decisions = decisions
        self._left: dict[str, str] = {}
        self._rows: dict[str, str] = {}
        self._columns: dict[str, Column] = {}
        self._masks: dict[str, str | None] = {}
        self._names: tuple[str, ...] = tuple(sorted(listed.images))

    def read(self) -> Reading:
        """Return the reading."""
        self._drop_copies()
        self._part_masks()
        self._pick_variant()
        level, folder_splits = splits_of(self._names)
        sheets = self._sheets()
        self._columns = columns_of(sheets)
        self._masks_of_tables(sheets)
        label = self._label(sheets, level, folder_splits)
        splits = self._splits(sheets, folder_splits, label)
        labels = self._labels(label)
        owners = self._owners(sheets, labels, splits)
        self._tell_rows(sheets, label)
        return self._reading(labels, splits, owners, sheets, label, folder_splits)

    def _leave(self, names: Collection[str], why: str) -> None:
        self._left |= dict.fromkeys(names, why)
        self._names = tuple(name for name in self._names if name not in self._left)

    def _drop_copies(self) -> None:
        found = copies(self._names, self._listed.sizes, self._listed.digest)
        for name, kept in found.items():
            self._left[name] = f"It is a copy of “{kept}”."
        self._names = tuple(name for name in self._names if name not in found)
        if found:
            self._decisions.tell(
                f"copies: {len(found)} images are byte for byte others of the same name, and are "
                "taken once."
            )

    def _part_masks(self) -> None:
        groups = [g for g in mask_groups(self._names, self._listed.flat) if g.points >= UNSURE]
        if not groups:
            return
        found = {name: other for group in groups for name, other in group.of.items()}
        told = ", ".join(group.name for group in groups)
        sure = all(group.points >= SURE_OF_MASKS for group in groups)
        chosen = self._decisions.decide(
            "masks",
            f"Are the {len(found)} images in {told} masks?",
            (_MASKS, LEAVE, _IMAGES),
            _MASKS if sure else None,
        )
        two = any(group.two_valued for group in groups)
        self._decisions.tell(
            f"masks: {len(found)} images by {told}"
            + (", of two values alone" if two else "")
            + f"; {sum(other is not None for other in found.values())} belong to an image."
        )
        if chosen == LEAVE:
            self._leave(found, "It is a mask.")
        elif chosen != _IMAGES:
            self._masks |= found
            self._names = tuple(name for name in self._names if name not in found)

    def _pick_variant(self) -> None:
        found = variants(self._names)
        if found is None:
            return
        level, parts = found
        made = {folder: sum(w in words.DERIVED for w in words.words(folder)) for folder in parts}
        fewest = [folder for folder in sorted(made) if made[folder] == min(made.values())]
        below = any(name.count("/") > level + 1 for name in self._names)
        telling = sum(map(is_telling, self._names))
        sure = len(fewest) == 1 and (below or 2 * telling > len(self._names))
        choices = (*sorted(parts), ALL)
        chosen = self._decisions.decide(
            "variant",
            "The same images seem to lie in several folders. Which are to be read?",
            choices,
            fewest[0] if sure else None,
        )
        folders = ", ".join(f"“{folder}”" for folder in sorted(parts))
        self._decisions.tell(
            f"variants: the folders {folders} hold the same images or classes, made differently."
        )
        if chosen not in (None, ALL):
            dropped = [n for folder, own in parts.items() if folder != chosen for n in own]
            self._leave(dropped, f"“{chosen}” holds these images too, and is what is read.")

    def _sheets(self) -> list[Sheet]:
        files = Files.of(self._names, self._listed.uids)
        column = self._decisions.answers.get("file", "").removeprefix("column ") or None
        found = [
            sheet
            for name in sorted(self._listed.tables)
            if (sheet := understood(name, self._listed.tables[name], files, column)) is not None
        ]
        if column is not None and not found and self._listed.tables:
            name = min(self._listed.tables)
            raise _no_files(name, self._listed.tables[name])
        named = {sheet.name for sheet in found}
        if self._listed.tables:
            picked = self._picked_table(named)
            if picked == NONE:
                return []
            found = [sheet for sheet in found if picked in (ALL, sheet.name)]
        if found:
            columns = sorted({t for sheet in found for t in sheet.grid.names if t})
            first = next((s.column for s in found if s.column), "")
            self._decisions.decide(
                "file",
                "Which column says which image a row is for?",
                tuple(f"column {title}" for title in columns),
                f"column {first}",
            )
            named_by = ", ".join(
                f"“{sheet.name}” names {len(sheet.reached)} images by “{sheet.column}”"
                for sheet in sorted(found, key=lambda s: -len(s.reached))[:MOST_TABLES_TOLD]
            )
            self._decisions.tell(f"tables: {named_by}.")
        idle = sorted(set(self._listed.tables) - set(named))
        if idle:
            listed = ", ".join(f"“{name}”" for name in idle[:MOST_TABLES_TOLD])
            verb = "names" if len(idle) == 1 else "name"
            self._decisions.tell(f"tables: {listed} {verb} no image.")
        return found

    def _picked_table(self, named: Collection[str]) -> str:
        """Return which table is read: all, none, or one by the end of its path."""
        tables = sorted(self._listed.tables)
        written = self._decisions.answers.get("table")
        answers = dict(self._decisions.answers)
        if written not in (None, ALL, NONE):
            fits = [name for name in tables if f"/{name}".endswith(f"/{written}")]
            if not fits:
                raise DataError(
                    f"There is no table “{written}”.",
                    why="Nothing of that name is there.",
                    fix="Name a table that lies beside the images, or check its path.",
                )
            if fits[0] not in named:
                raise _no_files(fits[0], self._listed.tables[fits[0]])
            answers["table"] = fits[0]
            self._decisions.answers = answers
        chosen = self._decisions.decide(
            "table", "Which tables are read?", (ALL, NONE, *tables), ALL
        )
        return chosen or ALL

    def _masks_of_tables(self, sheets: Sequence[Sheet]) -> None:
        """Take masks, and other images, that columns beside that of the images name."""
        known = Files.of((*self._names, *self._masks))
        for sheet in sheets:
            for at, title in enumerate(sheet.grid.names):
                masked = (
                    words.has(title, words.MASKS) or words.plain_word(title) == "relevantfilename"
                )
                if at == sheet.at or not (masked or at in sheet.others):
                    continue
                pairs: dict[str, str] = {}
                cells = sheet.cells(at)
                for (line, _), named, cell in zip(sheet.grid.rows, sheet.files, cells, strict=True):
                    found = known.find(sheet.name, cell, "name")
                    if len(found) == 1 and len(named) == 1 and found[0] != named[0]:
                        pairs[found[0]] = named[0]
                    elif masked and cell and named and not found:
                        where = f"{sheet.name}, line {line}"
                        self._rows[where] = f"The mask “{cell}” is not there."
                if not pairs:
                    continue
                self._decisions.tell(
                    f"{'masks' if masked else 'left out'}: {len(pairs)} images of the column "
                    f"“{title}”."
                )
                if masked:
                    self._masks |= pairs
                    self._names = tuple(name for name in self._names if name not in pairs)
                else:
                    self._leave(pairs, f"The column “{title}” names it beside another image.")

    def _label(
        self, sheets: Sequence[Sheet], level: int | None, splits: Mapping[str, object]
    ) -> LabelHypothesis | None:
        inside = [name for name in self._names if not splits or name in splits]
        reached = {file for sheet in sheets if sheet.labelled() for file in sheet.reached}
        images = len(reached & set(self._names)) or len(self._names)
        found = [
            *label_candidates(sheets, min(len(self._names), max(images, len(self._names) // 2))),
            *level_candidates(inside, splits, level),  # type: ignore[arg-type]
            *name_candidates(inside),
        ]
        ranked = rank_hypotheses(found) or self._single_class()
        best = clear(ranked)
        known = {candidate.choice for candidate in found}
        rest = {
            choice: column
            for column in self._columns.values()
            if (choice := f"column {column.title}") not in known
        }
        if not ranked and not (rest and "label" in self._decisions.answers):
            if self._names:
                self._decisions.tell("label: no folder, file name or column gives the images any.")
            return None
        by_choice = {candidate.choice: candidate for candidate in ranked}
        near = [c for c in ranked if c.score > ranked[0].score - 3 or c.family]
        text = "Which of these is the label?"
        chosen = self._decisions.decide(
            "label",
            text,
            tuple(c.choice for c in [*near, *(c for c in ranked if c not in near)]) + tuple(rest),
            None if best is None else best.choice,
        )
        if chosen in rest:
            picked = forced_candidate(self._columns, rest[chosen])
        else:
            picked = by_choice[chosen] if chosen else ranked[0]
        kinds = counted(list(picked.values.values()))
        self._decisions.tell(
            f"label: {picked.told}"
            + (" (provisional)" if chosen is None else "")
            + f": {len(kinds)} different in {len(picked.values)} images."
        )
        for row in picked.rows:
            self._decisions.tell(f"label: {row}")
        return picked

    def _single_class(self) -> list[LabelHypothesis]:
        """Return the column that is called a label and has one value, which is told of it."""
        named = (c for c in self._columns.values() if words.label_prior(c.title) >= NAMED)
        found = (forced_candidate(self._columns, column) for column in named)
        return [replace(one, score=ENOUGH) for one in found if one.values][:1]

    def _labels(self, label: LabelHypothesis | None) -> dict[str, str]:
        """Return each image's label, cells of several labels by what was decided about them."""
        if label is None:
            return {}
        values = {n: label.values[n] for n in self._names if n in label.values}
        atoms = {n: a for n, a in label.atoms.items() if n in values}
        if any(len(parts) > 1 for parts in atoms.values()):
            single = sorted({atom for parts in atoms.values() for atom in parts})
            counts = Counter(values.values())
            few = all(count > 1 for count in counts.values()) and len(counts) <= 2 * len(single)
            chosen = self._decisions.decide(
                "several",
                f"{sum(len(p) > 1 for p in atoms.values())} images have several labels. What are "
                "the classes?",
                (TOGETHER, *single),
                TOGETHER if few else None,
            )
            if chosen not in (None, TOGETHER):
                return {n: chosen if chosen in a else f"not {chosen}" for n, a in atoms.items()}
            self._decisions.tell("label: a cell of several labels is a class of its own.")
        return values

    def _splits(
        self, sheets: Sequence[Sheet], folders: Mapping[str, str], label: LabelHypothesis | None
    ) -> dict[str, str]:
        """Return the split of each image with a label; none where all would be for training."""
        labelled = set(label.values) & set(self._names) if label else set(self._names)
        sources: dict[str, dict[str, str]] = {}
        for column in self._columns.values():
            own = _split_cells(column)
            if own:
                sources[f"column {column.title}"] = own
        by_table: dict[str, str] = {}
        # An image that several name is for the strictest: it was seen by nobody in training.
        for split in Split:
            for sheet in sheets:
                if sheet.labelled() and words.split_word(sheet.name) is split:
                    by_table |= dict.fromkeys((f for own in sheet.files for f in own), split)
        sources |= {"folders": dict(folders), "tables": by_table}
        useful = {
            choice: {n: str(s) for n, s in own.items() if n in labelled}
            for choice, own in sources.items()
        }
        useful = {
            choice: own
            for choice, own in useful.items()
            if len(set(own.values())) > 1 or (own and "train" not in own.values())
        }
        useful = {c: own for c, own in useful.items() if len(own) >= 0.5 * len(labelled)}
        order = ("folders", *sorted(c for c in useful if c.startswith("column")), "tables")
        best = next((choice for choice in order if choice in useful), NONE)
        chosen = self._decisions.decide(
            "split",
            "What says which images are for training and for testing?",
            (*(c for c in order if c in useful), NONE),
            best,
        )
        if chosen in (None, NONE):
            if folders and not useful:
                self._decisions.tell(
                    "split: all images with a label are for training; none is used."
                )
            return {}
        counts = ", ".join(f"{s} {n}" for s, n in counted(list(useful[chosen].values())).items())
        self._decisions.tell(f"split: by {chosen}: {counts}.")
        outside = labelled - useful[chosen].keys()
        self._leave(
            outside,
            "It lies outside of the split folders."
            if chosen == "folders"
            else "Nothing says whether it is for training or testing.",
        )
        return useful[chosen]

    def _owners(
        self, sheets: Sequence[Sheet], labels: Mapping[str, str], splits: Mapping[str, str]
    ) -> dict[str, str]:
        """Return whose image each is, as far as that is known."""
        names = [name for name in self._names if name in labels]
        written = self._decisions.answers.get("patient", "")
        found = owners_of(names, labels, sheets, self._columns, self._listed.owners, written)
        best = next(iter(found.useful), NONE)
        likely: str | None = best
        if best in found.inferred and best != written:
            groups = len(set(found.useful[best].values()))
            twice = shared(found.useful[best], splits)
            if best in found.doubtful:
                likely = NONE
                self._decisions.tell(
                    "patients: file names look as if they named them: "
                    f"“{best.removeprefix(IN_NAMES)}” sorts the {len(names)} images into {groups} "
                    "groups."
                )
            elif twice:
                likely = None
                self._decisions.tell(
                    f"patients: by {best}, {twice} of {groups} have images in two splits."
                )
        titles = sorted(f"column {column.title}" for column in self._columns.values())
        chosen = self._decisions.decide(
            "patient",
            "What says whose image each is? Images of one patient stay in one split.",
            tuple(dict.fromkeys((*found.useful, *titles, NONE))),
            likely,
        )
        if chosen in (None, NONE):
            self._decisions.tell("patients: unknown.")
            return found.useful.get(best, {}) if chosen is None else {}
        own = found.useful.get(chosen, {})
        self._decisions.tell(
            f"patients: by {chosen}: {len(set(own.values()))} of {len(own)} images."
        )
        if chosen in found.inferred:
            return own
        headers = {n: self._listed.owners[n] for n in names if n in self._listed.owners}
        return {**headers, **own}

    def _reading(
        self,
        labels: Mapping[str, str],
        splits: Mapping[str, str],
        owners: Mapping[str, str],
        sheets: Sequence[Sheet],
        label: LabelHypothesis | None,
        folder_splits: Mapping[str, object],
    ) -> Reading:
        masks = defaultdict(list)
        for mask, image in sorted(self._masks.items()):
            if image is not None:
                masks[image].append(mask)
        more = {field: self._beside(field) for field in _MORE}
        self._decisions.require_known()
        taken = [name for name in self._names if name in labels]
        images = tuple(
            ImageFile(
                name,
                labels[name],
                splits.get(name),
                owners.get(name),
                masks[name][0] if len(masks[name]) == 1 else None,
                more["group"].get(name),
                more["reference_label"].get(name),
                more["frame"].get(name),
            )
            for name in taken
        )
        left = {**self._left, **self._rows}
        for name in self._names:
            if name not in labels:
                left[name] = self._why_unlabelled(name, label, folder_splits)
        return Reading(
            images,
            tuple(MaskFile(mask, self._masks[mask]) for mask in sorted(self._masks)),
            tuple(LeftOut(name, left[name]) for name in sorted(left)),
            tuple(self._decisions.evidence),
            tuple(self._decisions.questions),
            counted([image.label for image in images]),
            tuple(sheet.name for sheet in sheets),
        )

    def _beside(self, key: str) -> dict[str, str]:
        """Return each image's cell of the column that is kept beside the label for this."""
        known, text = _MORE[key]
        columns = self._columns
        likely = next((f"column {columns[k].title}" for k in known if k in columns), NONE)
        chosen: str | None = likely
        if columns and text:
            titles = sorted(column.title for column in columns.values())
            choices = (*(f"column {title}" for title in titles), NONE)
            chosen = self._decisions.decide(key, text, choices, likely)
        return any_column(columns).get(chosen or NONE, {})

    def _why_unlabelled(
        self, name: str, label: LabelHypothesis | None, splits: Mapping[str, object]
    ) -> str:
        if label is not None and name in label.left:
            return label.left[name]
        if splits and name not in splits:
            return "It lies outside of the split folders."
        if label is None or label.where == "folders":
            return "It lies in no class folder, and no table names it."
        return "No table names it, or what it says is no label."

    def _tell_rows(self, sheets: Sequence[Sheet], label: LabelHypothesis | None) -> None:
        """Note the rows of the tables of labels that name no image."""
        told = Files.of(self._listed.unreadable)
        for sheet in sheets if label is not None and label.where not in PLACES else ():
            lines = [line for line, _ in sheet.grid.rows]
            cells = sheet.cells(sheet.at)
            missing = [
                (line, cell)
                for line, cell, own in zip(lines, cells, sheet.files, strict=True)
                if not own and not told.find(sheet.name, cell, "name")
            ]
            for line, cell in missing[:_MOST_ROWS]:
                self._rows[f"{sheet.name}, line {line}"] = (
                    f"“{cell}” is not there." if cell else f"No {sheet.column}."
                )
            if len(missing) > _MOST_ROWS:
                self._decisions.tell(
                    f"tables: {len(missing)} rows of “{sheet.name}” name no image that is there."
                )


def _no_files(name: str, grid: Grid) -> DataError:
    columns = ", ".join(f"“{column}”" for column in grid.names if column) or "empty"
    return DataError(
        f"“{name}” names none of the images.",
        why=f"Its columns are {columns}, and no cell of them is a file's name or DICOM UID.",
        fix="Pick the column that says which image a row is for, or check the names in it.",
    )


# What is kept beside the label: columns by letters and digits alone, and the question about it.
_MORE = {
    "group": (
        ("site", "group", "hospital", "center", "centre", "clinic", "institution", "scanner"),
        "Which column says the site, or whether a known shortcut is there?",
    ),
    "frame": (
        ("frame", "framenumber", "slice"),
        "Which column says which frame of a DICOM file is meant?",
    ),
    "reference_label": (("referencelabel",), ""),
}


def _split_cells(column: Column) -> dict[str, str]:
    """Return the splits that a column names; nothing if a cell of it names anything else."""
    cells = {cell.lower() for own in column.cells.values() for cell in own if cell}
    if not cells or not cells <= words.SPLITS.keys():
        return {}
    return {f: words.SPLITS[own[0].lower()] for f, own in column.cells.items() if own[0]}
