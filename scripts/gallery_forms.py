"""Write the forms of the gallery: `.venv/bin/python scripts/gallery_forms.py`.

They are what the SQL of the gallery is compiled to. A session that asks one of it needs no parser
then, whose import takes as long as a small analysis.
"""

from __future__ import annotations

import json
from pathlib import Path

from coffeeshop.questions import gallery
from coffeeshop.questions.sql import question_of

PLACE = Path(gallery.__file__).parent / gallery.FORMS


def written() -> str:
    """The file of this version."""
    forms = {each.name: question_of(each.text, each.name).to_json() for each in gallery.ready()}
    return json.dumps(forms, indent=1) + "\n"


if __name__ == "__main__":
    PLACE.write_text(written(), encoding="utf-8")
