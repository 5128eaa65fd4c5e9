"""A data folder in either layout, and what is missing from it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coffeeshop.errors import BadData, UsageError
from coffeeshop.reading.folder import STRANGERS, find_folder, open_folder
from coffeeshop.reading.layout import Entry, rooted
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
    flat(tmp_path, "users")
    assert find_folder(None, tmp_path) == tmp_path


def test_a_root_that_is_no_data_folder_is_told_with_the_folders_it_holds(tmp_path: Path) -> None:
    for name in ("north", "south", ".example-x1"):
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError) as caught:
        find_folder(None, tmp_path)
    assert str(caught.value) == f"which data folder? {tmp_path} holds north, south"


@pytest.mark.parametrize("root", ["empty", "nowhere"])
def test_a_root_without_folders_is_told_so(tmp_path: Path, root: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=f"there is none in {tmp_path / root}"):
        find_folder(None, tmp_path / root)


def test_a_folder_that_is_nowhere_is_told_with_every_place_tried(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no data folder at mine nor") as caught:
        find_folder("mine", tmp_path / "no-root")
    assert str(tmp_path / "no-root" / "mine") in str(caught.value)


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


ALIKE = ["users.CSV", "Users.csv", "users.csv.GZ", "users.csv.bz2", "users.CSV.zst", "users.csv.xz"]
ALIKE += ["users.csv.lz4", "users.tsv", "users.txt", "users.gz", "users.parq", "users.pq", "USERS"]
ALIKE += ["users.csv/part-00000-6b1f-c000.csv", "users/year=2024/month=01/data_0.parquet"]
ALIKE += ["users/part-00000", "USERS/000000_0", "users.parquet/part-0.snappy.parquet"]
ALIKE += ["users_2024-01.csv", "users-part-2.csv", "users.2024.01.csv", "users_ene_2024.csv"]


@pytest.mark.parametrize("name", ALIKE)
def test_a_file_is_found_whatever_the_capitals_packing_and_folders(
    tmp_path: Path, name: str
) -> None:
    flat(tmp_path, "users")
    put(tmp_path, name)
    assert names(tmp_path, "users") == [name]
    assert open_folder(tmp_path).warnings == ()


SYSTEM = ["._users.csv", ".~lock.users.csv#", "~$users.xlsx", ".DS_Store", "Thumbs.db", "_SUCCESS"]
SYSTEM += [".users.csv.crc", "_committed_123", "__MACOSX/._users.csv", ".ipynb_checkpoints/a.csv"]


@pytest.mark.parametrize("name", SYSTEM)
@pytest.mark.parametrize("folder", ["", "users/"])
def test_what_the_system_and_programs_leave_behind_is_no_data(
    tmp_path: Path, name: str, folder: str
) -> None:
    flat(tmp_path, "users")
    put(tmp_path, "users/a.csv", folder + name)
    assert names(tmp_path, "users") == ["users/a.csv"]
    assert open_folder(tmp_path).warnings == ()


REFUSED = {
    "a.zip": "zip archive",
    "a.csv.zip": "zip archive",
    "a.tar.gz": "tar archive",
    "a.csv.br": "brotli",
    "a.csv.Z": "compress",
    "A.XLSX": "Excel",
    "a.json": "JSON",
    "a.orc": "columnar",
    "a.parquet.gz": "packed once more",
    "_delta_log/0.json": "Delta Lake",
    "metadata/v1.metadata.json": "Iceberg",
    ".hoodie/hoodie.properties": "Hudi",
}


@pytest.mark.parametrize("name", REFUSED)
def test_data_that_is_not_read_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    flat(tmp_path, "users")
    put(tmp_path, "users/b.csv", f"users/{name}")
    with pytest.raises(BadData, match=REFUSED[name]) as caught:
        open_folder(tmp_path)
    assert str(caught.value.file).startswith(str(tmp_path / "users"))


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    flat(tmp_path, "users")
    put(tmp_path, "users/a.csv")
    (tmp_path / "users" / "b.csv").touch()
    with pytest.raises(BadData, match="the file is empty") as caught:
        open_folder(tmp_path)
    assert caught.value.file == str(tmp_path / "users" / "b.csv")


TWICE = [
    ("users/a.csv", "users/a.csv.gz"),
    ("users/a.csv", "users/A.CSV"),
    ("users/a.csv", "users/a.snappy.parquet"),
    ("users/2024/a.csv", "users/2024/a.tsv"),
    ("users/2024.csv", "users/2024/a.csv"),
    ("users/a.csv", "users/a (1).csv"),
    ("users/a.csv", "users/a - Copy.csv"),
    ("users/a.csv", "users/Copy of a.csv"),
    ("users.csv", "users (2).csv"),
    ("users.csv", "users_2024.csv"),
    ("users/a.csv", "Users/b.csv"),
    ("users.csv", "users.parquet/part-0.parquet"),
]


@pytest.mark.parametrize(("one", "other"), TWICE)
def test_rows_that_are_there_in_two_forms_are_refused(tmp_path: Path, one: str, other: str) -> None:
    flat(tmp_path, "users")
    put(tmp_path, one, other)
    with pytest.raises(BadData, match=r"also in|is a copy of"):
        open_folder(tmp_path)


def test_the_same_name_in_two_folders_is_two_files(tmp_path: Path) -> None:
    flat(tmp_path, "users")
    put(tmp_path, "users/y=1/part-0.csv", "users/y=2/part-0.csv")
    assert names(tmp_path, "users") == ["users/y=1/part-0.csv", "users/y=2/part-0.csv"]


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    flat(tmp_path)
    put(tmp_path, "stores.csv.bak", "users_old.csv", "notes.md", "backup/users.csv", "backup/x.csv")
    put(tmp_path, "vouchers.csv", "payment_methods/a.csv", "transaktions/a.csv")
    warnings = " | ".join(open_folder(tmp_path).warnings)
    for name in ("stores.csv.bak", "users_old.csv", "notes.md", "backup/ (2 files)"):
        assert name in warnings
    assert "transaktions/ (1 file); did you mean 'transactions'?" in warnings
    assert "vouchers" not in warnings
    assert "payment" not in warnings


def test_what_is_not_read_in_a_table_is_named(tmp_path: Path) -> None:
    flat(tmp_path, "users")
    put(tmp_path, "users/a.csv", "users/README.txt", "users/b.csv.bak", "users/_old/b.csv")
    (warning,) = open_folder(tmp_path).warnings
    assert all(name in warning for name in ("README.txt", "b.csv.bak", "_old/b.csv"))
    assert names(tmp_path, "users") == ["users/a.csv"]


def test_a_misspelt_table_is_told_with_what_was_meant(tmp_path: Path) -> None:
    flat(tmp_path, "transaction_items")
    put(tmp_path, "transactions_items/a.csv")
    with pytest.raises(BadData, match="transactions_items is no table's name: did you mean"):
        open_folder(tmp_path)


def test_a_folder_above_the_tables_says_where_they_are(tmp_path: Path) -> None:
    put(tmp_path, "export/2024/stores.csv")
    with pytest.raises(BadData, match="there are tables in export/2024"):
        open_folder(tmp_path)


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    flat(tmp_path / "shop", "users", "stores")
    put(tmp_path, "elsewhere/a.csv", "elsewhere.csv")
    (tmp_path / "shop" / "users").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "shop" / "stores.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert names(tmp_path / "shop", "users") == ["users/a.csv"]
    assert names(tmp_path / "shop", "stores") == ["stores.csv"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere", "is a link to nothing"),
        ("link.csv", "is a link that leads back to itself"),
        ("../users", "is a link to a folder that it is in"),
        ("a.csv", "the same data is also in users/a.csv"),
    ],
)
def test_a_link_that_cannot_be_followed_is_refused(tmp_path: Path, target: str, words: str) -> None:
    flat(tmp_path, "users")
    put(tmp_path, "users/a.csv")
    (tmp_path / "users" / "link.csv").symlink_to(target)
    with pytest.raises(BadData, match=words) as caught:
        open_folder(tmp_path)
    assert caught.value.file == str(tmp_path / "users" / "link.csv")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    flat(tmp_path, "users")
    put(tmp_path, "users/a.csv")
    os.mkfifo(tmp_path / "users" / "b.csv")
    with pytest.raises(BadData, match="neither a file nor a folder"):
        open_folder(tmp_path)


def test_a_second_name_of_a_file_is_the_same_rows_again(tmp_path: Path) -> None:
    flat(tmp_path, "users")
    put(tmp_path, "users/a.csv", "backup/old.csv")
    os.link(tmp_path / "users" / "a.csv", tmp_path / "users" / "b.csv")
    with pytest.raises(BadData, match=r"the same data is also in users/a\.csv"):
        open_folder(tmp_path)


def test_a_large_folder_that_is_no_table_is_not_searched(tmp_path: Path) -> None:
    flat(tmp_path)
    put(tmp_path, *(f"music/{n}.mp3" for n in range(STRANGERS + 5)))
    (warning,) = open_folder(tmp_path).warnings
    assert f"music/ ({STRANGERS} files" in warning


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (["shop/users.csv", "shop/stores/a.csv"], "shop"),
        (["users/a.csv", "users/b.csv"], ""),
        (["users.csv", "shop/stores.csv"], ""),
        (["users/users.csv", "users/stores.csv"], "users"),
    ],
)
def test_the_paths_of_a_chosen_folder_may_begin_with_its_name(paths: list[str], name: str) -> None:
    found, entries = rooted([Entry(path, 1) for path in paths])
    assert found == name
    assert [entry.path for entry in entries] == [p.removeprefix(f"{name}/") for p in paths]
