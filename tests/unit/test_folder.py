"""A data folder in either layout, and what is missing from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from coffeeshop.client.folder import find_folder, open_folder
from coffeeshop.errors import BadData, UsageError
from coffeeshop.schema import TABLES


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def flat(folder: Path, *without: str) -> None:
    put(folder, *(f"{table}.csv" for table in TABLES if table not in without))


def names(folder: Path, table: str) -> list[str]:
    return [str(file.relative_to(folder)) for file in open_folder(folder).files[table]]


def test_a_flat_folder_has_one_file_a_table(tmp_path: Path) -> None:
    flat(tmp_path)
    folder = open_folder(tmp_path)
    assert folder.path == tmp_path
    assert folder.files == {table: (tmp_path / f"{table}.csv",) for table in TABLES}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_a_table_may_have_any_of_the_formats(tmp_path: Path, suffix: str) -> None:
    flat(tmp_path, "users")
    put(tmp_path, f"users{suffix}")
    assert names(tmp_path, "users") == [f"users{suffix}"]


def test_a_directory_of_a_table_is_read_in_the_order_of_the_names(tmp_path: Path) -> None:
    flat(tmp_path, "users")
    put(tmp_path, "users/b.csv", "users/a.csv.gz", "users/c.parquet", "users/a1.csv")
    assert names(tmp_path, "users") == [
        "users/a.csv.gz",
        "users/a1.csv",
        "users/b.csv",
        "users/c.parquet",
    ]


def test_other_files_and_directories_are_left_alone(tmp_path: Path) -> None:
    flat(tmp_path, "users")
    put(tmp_path, "users/a.csv", "users/readme.txt", "users/b.csv.bak", "users/deep.csv/x.csv")
    put(tmp_path, "vouchers.csv", "users.txt", "users_old.csv")
    assert names(tmp_path, "users") == ["users/a.csv"]


def test_the_size_of_a_table_is_that_of_its_files(tmp_path: Path) -> None:
    flat(tmp_path, "users")
    put(tmp_path, "users/a.csv", "users/b.csv")
    assert open_folder(tmp_path).size("users") == 2


@pytest.mark.parametrize("missing", [["users"], ["menu_items", "transactions"]])
def test_every_missing_table_is_named(tmp_path: Path, missing: list[str]) -> None:
    flat(tmp_path, *missing)
    (tmp_path / "users").mkdir()
    with pytest.raises(BadData, match=f"no files for table {', '.join(missing)}$") as caught:
        open_folder(tmp_path)
    assert caught.value.file == str(tmp_path)


def test_a_folder_without_any_table_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no table found") as caught:
        open_folder(tmp_path)
    assert all(table in str(caught.value) for table in TABLES)


def test_a_folder_is_found_by_its_path_first(tmp_path: Path) -> None:
    inside = tmp_path / "root" / "mine"
    inside.mkdir(parents=True)
    assert find_folder(str(inside), tmp_path / "elsewhere") == inside


def test_a_folder_is_found_by_its_name_under_the_root(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert find_folder("mine", tmp_path) == tmp_path / "mine"


def test_without_a_name_the_root_itself_is_meant(tmp_path: Path) -> None:
    assert find_folder(None, tmp_path) == tmp_path


@pytest.mark.parametrize("name", [None, "mine"])
def test_a_folder_that_is_nowhere_is_told_with_every_place_tried(
    tmp_path: Path, name: str | None
) -> None:
    root = tmp_path / "no-root"
    with pytest.raises(UsageError, match="no data folder at") as caught:
        find_folder(name, root)
    assert str(root / name if name else root) in str(caught.value)
    assert (" nor " in str(caught.value)) is (name is not None)


def test_a_file_is_no_data_folder(tmp_path: Path) -> None:
    put(tmp_path, "mine")
    with pytest.raises(UsageError):
        find_folder(str(tmp_path / "mine"), tmp_path)


@pytest.mark.parametrize("other", ["stores.csv.gz", "stores.parquet", "stores/stores.csv"])
def test_a_table_that_is_there_twice_is_refused(tmp_path: Path, other: str) -> None:
    for table in TABLES:
        (tmp_path / f"{table}.csv").write_text("id\n")
    (tmp_path / other).parent.mkdir(exist_ok=True)
    (tmp_path / other).write_bytes(b"x")
    with pytest.raises(BadData, match="is also in"):
        open_folder(tmp_path)


def test_files_whose_names_begin_alike_are_different_files(tmp_path: Path) -> None:
    for table in TABLES:
        (tmp_path / table).mkdir()
        for name in ("2024.01.csv", "2024.02.csv"):
            (tmp_path / table / name).write_text("id\n")
    assert len(open_folder(tmp_path).files["users"]) == 2
