"""A store in a data set on the Hugging Face Hub, with this machine's disk in front of it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from imil.errors import StoreError
from imil.storage.base import (
    ACCOUNTS,
    RECORDS,
    Saved,
    by_file_name,
    is_record,
    study_of,
    tombstone_file,
)
from imil.storage.hub.background import BackgroundReads, NoAnswerYetError, ReadAnswer
from imil.storage.hub.errors import FAILURES, failure_of, silent
from imil.storage.hub.outbox import Committer, Outbox, Pace
from imil.storage.hub.packs import RECORD_BYTES, Packs, is_pack, read_pack
from imil.storage.hub.repo import HubRepo
from imil.storage.local import LocalStore

# Names that go up in one commit. The Hub advises 50 to 100 files; a name brings up to two.
_NAMES_AT_ONCE = 100
# Below the store's own folder.
OUTBOX = "outbox"
_STUDY = "studies/{}/study.json"
# What is noted of a study that is to be forgotten: still being removed here, or gone from here.
_BEGUN, _GONE_HERE = b"begun", b""
# When the data set was made that this disk has sent to.
_MADE = "made"


def store_folder(home: Path) -> Path:
    """Return where a home keeps its state."""
    return home / "store"


def side_folder(home: Path, repo: str) -> Path:
    """Return where a home keeps what is only the store's own, of a data set."""
    # What one data set has, another has not.
    return home / "hub" / repo.replace("/", "--")


def beside_app(home: Path, repo: str | None) -> LocalStore:
    """Return the store of a command that runs beside the app, which sends what it writes."""
    if repo is None:
        return LocalStore(store_folder(home))
    # Marked for the app's next start: packs are filled by one process alone.
    outbox = Outbox(LocalStore(side_folder(home, repo) / OUTBOX))
    return LocalStore(store_folder(home), writing=outbox.putting)


class HubStore:
    """Keeps everything on disk at once, and in a data set soon after.

    `write` and `add` return when the content is on this disk; a thread then sends what waits, that
    of all visitors together. A study that is not on this disk is fetched whole when it is first
    asked for. Its `study.json` is written last, so that a study on disk is a whole one.

    A study of which only the first `study.json` was ever written stays here: its visitor has done
    nothing yet.

    Args:
        local: the disk in front.
        side: folder for what is only the store's own: what waits, packs.
        repo: the data set.
        pace: how often is committed; the usual if None.
        reads: how long somebody waits for the Hub; as usual if None.
    """

    def __init__(
        self,
        local: LocalStore,
        side: Path,
        repo: HubRepo,
        *,
        pace: Pace | None = None,
        reads: BackgroundReads | None = None,
    ) -> None:
        self._local = local
        self._repo = repo
        self._reads = reads or BackgroundReads()
        self._pace = pace or Pace()
        # When the data set was made that everything was sent to, and when it was last looked at.
        self._side = LocalStore(side)
        self._looked = time.monotonic()
        self._outbox = Outbox(LocalStore(side / OUTBOX))
        self._packs = Packs(LocalStore(side / "packs"))
        self._elsewhere = LocalStore(side / "elsewhere")
        self._shown = LocalStore(side / "shown")
        self._forgotten = LocalStore(side / "forgotten")
        # Studies that the Hub has, or is to have; and since when it has all of each.
        self._begun: set[str] = set()
        self._complete = dict.fromkeys(LocalStore(side / "sent").names(""), time.monotonic())
        self._sent = LocalStore(side / "sent")
        # Lists of accounts that the Hub was asked for.
        self._asked: set[str] = set()
        self._forget_on()
        self._older = self._unsent()
        self._begun |= self._older.keys()
        self._committer = Committer(repo.id, self._send, self._pace)

    def read(self, name: str) -> bytes | None:
        """Return the content, or None only where neither disk nor Hub has any.

        StoreError if it can't be read, or the Hub can't be asked for what is not here.
        """
        found = self._local.read(name)
        study_id = study_of(name)
        if found is None and name.startswith(ACCOUNTS):
            return self._fetch_list(name)
        if found is not None or study_id is None:
            return found
        self._fetch(study_id)
        found = self._local.read(name)
        if found is None and self._elsewhere.read(name) is not None:
            found = self._get(name)
        return found

    def write(self, name: str, content: bytes) -> None:
        """Set the content, replacing what was there; StoreError if this disk can't keep it."""
        study_id = study_of(name)
        if study_id is not None and name == _STUDY.format(study_id) and self._first(study_id):
            self._local.write(name, content)
            return
        with self._putting(name):
            self._local.write(name, content)

    def add(self, name: str, content: bytes, *, shown: bytes | None = None) -> None:
        """Set the content of a new name; StoreError if it is taken or this disk can't keep it."""
        if shown is not None:
            self._shown.write(name, shown)
        with self._putting(name):
            self._local.add(name, content)

    def hide(self, study_id: str) -> None:
        """Show nothing more of a study but the records themselves; StoreError if not."""
        self._shown.forget(study_id)

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return all names that begin with `prefix`, sorted: a study's whole, else this disk's."""
        study_id = study_of(prefix)
        if study_id is not None:
            self._fetch(study_id)
        return self._local.names(prefix)

    def there(self, names: Collection[str]) -> frozenset[str]:
        """Return which of the names there are, here or on the Hub, with one request at most."""
        here = self._local.there(names)
        away = [n for n in names if n not in here and study_of(n) not in self._begun]
        if not away:
            return here
        return here | self._ask(("there", *away), lambda: self._repo.there(away))

    def published(self, study_id: str) -> dict[str, bytes]:
        """Return a study's acts and small records as the data set has them now, asked anew."""

        def ask() -> tuple[dict[str, bytes | None], ...]:
            paths = [path for path in self._repo.folder(f"studies/{study_id}") if is_pack(path)]
            return tuple(read_pack(study_id, self._repo.get(path) or b"") for path in paths)

        packs = self._ask(("published", study_id), ask)
        return {n: content for pack in packs for n, content in pack.items() if content is not None}

    def of_study(self, study_id: str) -> tuple[str, ...]:
        """Return the names of a study's records, in the order of their file names."""
        self._fetch(study_id)
        away = (*self._local.of_study(study_id), *self._elsewhere.of_study(study_id))
        return tuple(sorted(set(away), key=by_file_name))

    def forget(self, study_id: str) -> None:
        """Remove all of a study but its tombstone: here, and from the Hub as soon as it answers.

        StoreError if something here can't be removed.
        """
        # The Hub loses what is not here, so nothing is removed there before all is removed here.
        self._forgotten.write(study_id, _BEGUN)
        self._forget_here(study_id)
        self._committer.ask()

    def _forget_here(self, study_id: str) -> None:
        self._outbox.drop(study_id)
        for kept in (self._local, self._elsewhere, self._shown):
            kept.forget(study_id)
        self._packs.forget(study_id)
        self._sent.remove(study_id)
        self._complete.pop(study_id, None)
        self._begun.add(study_id)  # what is written from now on is no visitor's first look
        # It is sent again, after all the rest is gone from there.
        self._outbox.mark(self._local.there([tombstone_file(study_id)]))
        self._forgotten.write(study_id, _GONE_HERE)

    def _forget_on(self) -> None:
        """Go on with removing what an earlier process was removing when it ended."""
        for study_id in self._forgotten.names(""):
            # What can't be removed now is tried again at the next start, and when it is asked for.
            with suppress(StoreError):
                if self._forgotten.read(study_id) == _BEGUN:
                    self._forget_here(study_id)

    def saved(self, study_id: str) -> Saved:
        """Return how far the study's state has got to the Hub."""
        waiting, complete = self._outbox.waiting(study_id), self._complete.get(study_id)
        return Saved(
            repo=self._repo.id,
            waiting=waiting,
            ago=None if complete is None else time.monotonic() - complete,
            silent=self._committer.silent if waiting else None,
            trouble=self._committer.trouble,
        )

    def close(self) -> None:
        """Send what waits, if the Hub takes it within seconds; the rest goes up at the next start.

        The store can still be read and written to afterwards, but sends nothing more.
        """
        self._committer.close()

    # ---- to the Hub -----------------------------------------------------------------------------

    @contextmanager
    def _putting(self, name: str) -> Iterator[None]:
        """Mark a name before it is written, and ask for it to be sent afterwards."""
        study_id = study_of(name)
        own = None if study_id is None else _STUDY.format(study_id)
        if study_id is not None and study_id not in self._begun:
            self._begun.add(study_id)
            if name != own and self._local.read(str(own)) is not None:
                with self._outbox.putting(str(own)):
                    pass
        with self._outbox.putting(name):
            yield
        self._committer.ask()

    def _first(self, study_id: str) -> bool:
        """Return whether this is the first that is written of a study."""
        return study_id not in self._begun and self._local.read(_STUDY.format(study_id)) is None

    def _unsent(self) -> dict[str, tuple[str, ...]]:
        """Return the names of each study that is here and never was whole on the Hub.

        They were saved before there was a data set, or while it could not be reached.
        """
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name in (*self._local.names("studies/"), *self._local.names(RECORDS)):
            study_id = study_of(name)
            if study_id is not None and study_id not in self._complete:
                found[study_id].append(name)
        lists = [name for name in self._local.names(ACCOUNTS) if name not in self._complete]
        whole = {s: tuple(names) for s, names in found.items() if _whole(s, names)}
        return whole | {name: (name,) for name in lists}

    def _send(self) -> bool:
        """Send some of what waits; return whether there was any."""
        for older in tuple(self._older):
            self._mark({older: self._older[older]})
            del self._older[older]
        self._forget_there()
        batch = self._outbox.ready(_NAMES_AT_ONCE)
        contents: dict[str, bytes | None] = {}
        for name in batch:
            # A file that the disk does not give back waits, and holds up no other.
            with suppress(StoreError):
                contents[name] = self._local.read(name)
        batch = {name: batch[name] for name in contents}
        if not batch:
            if time.monotonic() - self._looked >= self._pace.look:
                self._notice(self._repo.made())
            return False
        # A name whose content was never kept brings nothing: nobody was told that it was.
        files = self._files({name: kept for name, kept in contents.items() if kept is not None})
        made = self._repo.commit(files, f"{len(batch)} saved") if files else None
        self._outbox.sent(batch)
        for name in batch:
            if name.startswith(ACCOUNTS):
                self._mark_complete(name)
        touched = {study_of(name) for name in batch}
        for sent_of in touched:
            if sent_of is not None and not self._outbox.waiting(sent_of):
                self._mark_complete(sent_of)
        if files:
            self._notice(made)
        return True

    def _notice(self, made: str | None) -> None:
        """Have everything sent again where the data set is not the one that it was sent to.

        It was deleted then, and made anew under its name. Told by the time when it was made: its
        last commit would not do, since another app that deletes a study takes away the past.
        """
        self._looked = time.monotonic()
        before = self._side.read(_MADE)
        if made is None or made.encode() == before:
            return
        if before is not None:
            for study_id in tuple(self._complete):
                self._sent.remove(study_id)
                del self._complete[study_id]
            self._outbox.mark(self._of_no_study())
            self._mark(self._unsent())
        # Last: until then whoever starts again notices again.
        self._side.write(_MADE, made.encode())

    def _of_no_study(self) -> tuple[str, ...]:
        return tuple(name for name in self._local.names("") if study_of(name) is None)

    def _mark(self, names: Mapping[str, tuple[str, ...]]) -> None:
        """Mark names for sending, by study, but those of a study that is being forgotten."""
        forgotten = self._forgotten.names("")
        for study_id, own in names.items():
            if study_id not in forgotten:
                self._outbox.mark(own)

    def _forget_there(self) -> None:
        """Remove from the Hub what is gone from here."""
        for study_id in self._forgotten.names(""):
            if self._forgotten.read(study_id) == _BEGUN:
                continue  # whoever removes it here asks again
            own = (*self._local.of_study(study_id), *self._local.names(f"studies/{study_id}/"))
            self._repo.remove(study_id, keep=frozenset(own))
            self._forgotten.remove(study_id)

    def _mark_complete(self, study_id: str) -> None:
        if study_id not in self._complete:
            self._sent.write(study_id, b"")
        self._complete[study_id] = time.monotonic()

    def _files(self, contents: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return what goes up for names and their contents, by path."""
        files: dict[str, bytes] = {}
        packed: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        for name, content in contents.items():
            study_id = study_of(name)
            if study_id is not None and _immutable(name, study_id):
                packed[study_id][name] = content
            if study_id is None or is_record(name) or not _immutable(name, study_id):
                alone = len(content) > RECORD_BYTES  # then it is read back from there
                files[name] = content if alone else self._shown.read(name) or content
        for of_study, records in packed.items():
            files |= self._packs.take(of_study, records)
        return files

    # ---- from the Hub ---------------------------------------------------------------------------

    def _fetch(self, study_id: str) -> None:
        """Bring a study to this disk if it is not there; StoreError if the Hub can't be asked."""
        if not self._here(study_id):
            self._ask(("study", study_id), lambda: self._fetch_now(study_id))

    def _here(self, study_id: str) -> bool:
        return study_id in self._begun or self._local.read(_STUDY.format(study_id)) is not None

    def _fetch_now(self, study_id: str) -> None:
        self._repo.check()
        paths = self._repo.folder(f"studies/{study_id}")
        contents = {path: self._repo.get(path) or b"" for path in paths}
        if self._here(study_id):
            return  # it was deleted here, or begun, while the Hub was slow
        if contents:
            # First: if the data set turns out to be another one meanwhile, it is taken back.
            self._mark_complete(study_id)
        name = _STUDY.format(study_id)
        for path in sorted(contents, key=lambda path: (path == name, path)):
            self._keep(study_id, path, contents[path])
        if contents:
            self._begun.add(study_id)

    def _fetch_list(self, name: str) -> bytes | None:
        """Return an account's list, brought to this disk; StoreError if the Hub can't be asked."""

        def ask() -> None:
            self._repo.check()
            found = self._repo.get(name)
            if found is not None and self._local.read(name) is None:
                self._local.write(name, found)
                self._mark_complete(name)
            self._asked.add(name)

        if name not in self._asked and self._local.read(name) is None:
            self._ask(("list", name), ask)
        return self._local.read(name)

    def _keep(self, study_id: str, path: str, content: bytes) -> None:
        if not is_pack(path):
            self._local.write(path, content)
            return
        for record, kept in read_pack(study_id, content).items():
            if kept is None:
                self._elsewhere.write(record, b"")
            elif self._local.read(record) is None:
                self._local.write(record, kept)

    def _get(self, name: str) -> bytes | None:
        """Return a record that lies on the Hub alone, and keep it here; None where it is gone."""

        def ask() -> bytes | None:
            found = self._repo.get(name)
            if found is not None:
                self._local.write(name, found)
            return found

        return self._ask(("record", name), ask)

    def _ask(self, key: Hashable, ask: Callable[[], ReadAnswer]) -> ReadAnswer:
        """Return the Hub's answer; StoreError for whatever keeps it from answering."""
        try:
            return self._reads.get(key, ask)
        except NoAnswerYetError as cause:
            raise silent(self._repo.id) from cause
        except FAILURES as cause:
            raise _not_fetched(cause, self._repo.id) from cause


def _whole(study_id: str, names: Sequence[str]) -> bool:
    """Return whether what is on disk of a study is all of it, and more than a first look.

    Without its own file, which is fetched last, it is what a killed process had fetched; a list of
    an account, where older versions kept it, and what is left of a deleted study have none.
    """
    own = f"studies/{study_id}/"
    if _STUDY.format(study_id) in names:
        return len(names) > 1
    return any(name in names for name in (f"{own}account.json", f"{own}tombstone.json"))


def _immutable(name: str, study_id: str) -> bool:
    """Return whether a name is never written again, so that it goes into a pack."""
    return is_record(name) or name.startswith(f"studies/{study_id}/acts/")


def _not_fetched(cause: BaseException, repo: str) -> StoreError:
    found = failure_of(cause, repo)
    return StoreError(
        "What is not on this machine could not be asked for on the Hub.",
        why=f"{found.error.what} {found.error.why}",
        fix="Try again in a while; nothing was changed." if found.passes else found.error.fix,
    )
