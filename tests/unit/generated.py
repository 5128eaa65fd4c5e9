"""What the generator wrote, read back."""

from __future__ import annotations

import csv
from pathlib import Path

from coffeeshop.reading.folder import open_folder

COLUMNS = {
    "transactions": "transaction_id,store_id,payment_method_id,voucher_id,user_id,"
    "original_amount,discount_applied,final_amount,created_at",
    "transaction_items": "transaction_id,item_id,quantity,unit_price,subtotal,created_at",
    "users": "user_id,gender,birthdate,registered_at",
    "stores": "store_id,store_name,street,postal_code,city,state,latitude,longitude",
    "menu_items": "item_id,item_name,category,price,is_seasonal,available_from,available_to",
}
SMALL = 100
Rows = list[dict[str, str]]


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def rows_of(folder: Path, table: str) -> Rows:
    rows: Rows = []
    for file in open_folder(folder).files[table]:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows.extend(csv.DictReader(text, strict=True))
    return rows
