"""`python -m tests.settings_table`: writes the table of settings into the README."""

from pathlib import Path

from rybbit.config import SETTINGS, Setting

README = Path(__file__).parent.parent / "README.md"
BEGIN = "<!-- settings: made by `python -m tests.settings_table`, checked by tests/test_docs.py -->\n"
END = "<!-- end of settings -->\n"


def settings_table() -> str:
    """The table in Markdown."""
    lines = ["| setting | default | meaning |", "| --- | --- | --- |", *(_row(row) for row in SETTINGS)]
    return "\n".join(lines) + "\n"


def _row(setting: Setting) -> str:
    plain = (
        "" if setting.name == "instance_path" or setting.default in ("", (), None) else str(setting.default)
    )
    shown = f"`{plain}`" if plain else ""
    return f"| `{setting.environment_name}` | {shown} | {setting.help} |"


def readme_with_table(text: str) -> str:
    """The README with the table that the code has now."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + settings_table() + END + tail


if __name__ == "__main__":
    README.write_text(readme_with_table(README.read_text()))
