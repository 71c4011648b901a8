from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from imil.errors import StoreError
from imil.storage.hub.files import Kind, Repo, get_file, put_files, set_variables
from tests.standins.fakehub import READER, TOKEN, FakeHub, Fault

pytestmark = pytest.mark.slow

BOB = "hf_bob"  # of another account
CARD = b"---\ntags: [research-only]\n---\n\n# Lungs\n"
FILES: dict[str, bytes | Path] = {"README.md": CARD, "model.safetensors": b"weights", "a/b": b"b"}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


@pytest.fixture
def hub(server: FakeHub) -> FakeHub:
    server.repos.clear()
    server.faults.clear()
    server.log.clear()
    return server


def lungs(hub: FakeHub, token: str | None = TOKEN, kind: Kind = Kind.MODEL) -> Repo:
    return Repo("alice/lungs", kind, token, hub.endpoint)


def stored(hub: FakeHub, repo: str = "models/alice/lungs") -> dict[str, bytes]:
    return {path: file.data for path, file in hub.repos[repo].files.items()}


def test_files_go_up_in_one_commit_to_a_private_repo_that_is_made(hub: FakeHub) -> None:
    url = put_files(lungs(hub), FILES, message="The model")

    assert url == f"{hub.endpoint}/alice/lungs"
    made = hub.repos["models/alice/lungs"]
    assert made.private
    assert [commit.title for commit in made.history] == ["initial commit", "The model"]
    assert {k: v for k, v in stored(hub).items() if k in FILES} == FILES


def test_the_same_files_again_change_nothing(hub: FakeHub) -> None:
    put_files(lungs(hub), FILES, message="The model")
    put_files(lungs(hub), FILES, message="The model again")

    assert len(hub.repos["models/alice/lungs"].history) == 2


def test_a_card_of_ours_is_renewed_and_one_that_a_person_edited_stays(hub: FakeHub) -> None:
    put_files(lungs(hub), FILES, message="The model")
    put_files(lungs(hub), {**FILES, "README.md": CARD + b"More."}, message="Newer")
    assert stored(hub)["README.md"] == CARD + b"More."

    put_files(lungs(hub), FILES, message="The model")
    hub.put("alice/lungs", stored(hub) | {"README.md": b"# Mine\n"}, private=True)
    put_files(lungs(hub), {**FILES, "README.md": CARD + b"Newest."}, message="Newest")

    assert stored(hub)["README.md"] == b"# Mine\n"
    assert stored(hub)["IMIL_CARD.md"] == CARD + b"Newest."


def test_a_mirror_holds_these_files_alone(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print()")
    space = Repo("alice/imil", Kind.SPACE, TOKEN, hub.endpoint)
    put_files(space, {"README.md": CARD, "old.py": b""}, message="1", mirror=True)
    put_files(space, {"README.md": CARD, "app.py": tmp_path / "app.py"}, message="2", mirror=True)

    found = stored(hub, "spaces/alice/imil")
    assert sorted(found) == [".gitattributes", "README.md", "app.py"]
    assert found["app.py"] == b"print()"


def test_it_goes_on_through_a_busy_hub(hub: FakeHub) -> None:
    hub.faults += [Fault("POST .*/commit/", status=409), Fault("POST .*/commit/", status=503)]
    waits: list[float] = []

    put_files(lungs(hub), FILES, message="The model", wait=waits.append)

    assert len(hub.repos["models/alice/lungs"].history) == 2
    assert [1 <= waits[0] < 2, 4 <= waits[1] < 8, len(waits)] == [True, True, 2]


def test_a_file_comes_back_and_one_that_is_not_there_is_none(hub: FakeHub, tmp_path: Path) -> None:
    hub.put("alice/lungs", {"README.md": CARD}, private=True, kind="datasets")
    repo = lungs(hub, kind=Kind.DATASET)

    found = get_file(repo, "README.md", into=tmp_path)

    assert found is not None
    assert found.read_bytes() == CARD
    assert get_file(repo, "study.zip", into=tmp_path) is None
    with pytest.raises(StoreError, match=r"no data set alice/lungs.*private"):
        get_file(lungs(hub, BOB, Kind.DATASET), "README.md", into=tmp_path / "bob")


def test_what_would_become_public_unasked_is_refused(hub: FakeHub) -> None:
    hub.put("alice/lungs", {}, private=False)

    with pytest.raises(StoreError, match=r"alice/lungs is public.*say --public"):
        put_files(lungs(hub), FILES, message="The model")

    assert stored(hub) == {}
    open_to_all = Repo("alice/lungs", Kind.MODEL, TOKEN, hub.endpoint, private=False)
    put_files(open_to_all, FILES, message="The model")
    assert stored(hub)["model.safetensors"] == b"weights"


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, r"Nothing can be sent to alice/lungs.*there is no token.*Sign in"),
        ("hf_unknown_secret", r"does not know this token.*has expired.*Sign in again"),
        (READER, r"may not write to alice/lungs.*can only read"),
        ("hf_bob", r"may not write to alice/lungs.*somebody else"),
        ("hf_oauth_carol", r"may not write to alice/lungs"),
    ],
)
def test_a_token_that_does_not_do_is_named_by_what_it_lacks_and_never_shown(
    hub: FakeHub, token: str | None, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub.put("alice/lungs", {"README.md": b"# Mine\n"}, private=True)

    with pytest.raises(StoreError, match=said) as caught:
        put_files(lungs(hub, token), FILES, message="x", wait=lambda _: None)

    assert stored(hub) == {"README.md": b"# Mine\n"}
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(lungs(hub, token))
    assert token is None or token not in told


def test_a_hub_that_is_away_or_says_no_is_named(hub: FakeHub) -> None:
    away = Repo("alice/lungs", Kind.MODEL, TOKEN, "http://127.0.0.1:9")
    with pytest.raises(StoreError, match=r"alice/lungs is out of reach.*Check the network"):
        put_files(away, FILES, message="x", wait=lambda _: None)
    hub.faults.append(Fault("POST .*/commit/", times=9, status=429))
    with pytest.raises(StoreError, match=r"answered 429.*throttles.*in some minutes"):
        put_files(lungs(hub), FILES, message="x", wait=lambda _: None)
    hub.faults[0] = Fault("POST .*/commit/", status=418)
    with pytest.raises(StoreError, match=r"answered 418.*does not accept"):
        put_files(lungs(hub), FILES, message="x")
    for name in ("lungs", "a b/c"):
        with pytest.raises(StoreError, match=r"no id of a repo.*owner/name"):
            put_files(Repo(name, Kind.MODEL, TOKEN, hub.endpoint), FILES, message="x")
    with pytest.raises(StoreError, match=r"no id of a repo.*96 characters"):
        put_files(Repo("a/b--c", Kind.MODEL, TOKEN, hub.endpoint), FILES, message="x")


def test_a_space_that_is_not_there_takes_no_variables(hub: FakeHub) -> None:
    with pytest.raises(StoreError, match=r"no Space alice/imil"):
        set_variables(
            Repo("alice/imil", Kind.SPACE, TOKEN, hub.endpoint), variables={"A": "1"}, secrets={}
        )
