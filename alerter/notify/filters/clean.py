"""Make other people's text harmless before any sink sees it, and escape it for the sink that shows it."""

from __future__ import annotations

import re
import unicodedata

VALUE_LIMIT = 120  # characters of one value
TITLE_LIMIT = 200  # characters of a title

_BREAKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
# C0, DEL, C1; direction marks and overrides; invisible marks that split words or hide in them; tag characters
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LINE_CONTROLS = re.compile(_CONTROLS.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))
_SURROGATES = re.compile("[\ud800-\udfff]")
_SLACK_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_SLACK_MARKS = str.maketrans({"*": "\u2217", "~": "\u223c", "`": "\u02cb"})  # look alike, format nothing
_SLACK_UNDERSCORE = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")


def clean(value: object, limit: int = VALUE_LIMIT) -> str:
    """Return `value` as one line of at most `limit` characters without control, direction or surrogate characters."""
    text = str(value)
    text = text[: limit * 8]  # a megabyte is not worth a look
    text = _SURROGATES.sub("\ufffd", text)
    text = _CONTROLS.sub("", _BREAKS.sub(" ", text)).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def clean_lines(text: str) -> str:
    """Return a whole text with its line feeds, but without what could steer a terminal, a header or a reader's eye."""
    text = _SURROGATES.sub("\ufffd", text.replace("\r\n", "\n"))
    return _LINE_CONTROLS.sub("", text)


def slack_text(value: object) -> str:
    """Escape for Slack's mrkdwn: no mention, link, bold, italic, strike or code can come out of `value`."""
    text = str(value).translate(_SLACK_ENTITIES).translate(_SLACK_MARKS)
    return _SLACK_UNDERSCORE.sub(lambda found: "\u02cd" * len(found[0]), text)


def slack_code(value: object) -> str:
    """Escape for the inside of a Slack code span, where only the back-quote and the entities mean something."""
    return str(value).translate(_SLACK_ENTITIES).replace("`", "\u02cb")


def clip_lines(text: str, limit: int, note: str = "… and {lines} more lines") -> str:
    """Cut `text` at a line's end so that it and the note about what is missing fit into `limit` characters."""
    if len(text) <= limit:
        return text
    lines = text.split("\n")
    kept: list[str] = []
    room = limit - len(note) - 8
    for line in lines:
        if room < len(line) + 1:
            break
        kept.append(line)
        room -= len(line) + 1
    if not kept:
        kept = [text[: max(0, room)]]
    return "\n".join([*kept, note.format(lines=len(lines) - len(kept))])


def width(text: str) -> int:
    """The columns `text` takes in a monospaced font: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    columns = 0
    for char in text:
        if not unicodedata.combining(char):
            columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return columns


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Fill `text` with spaces to `columns`, on its left when it is to stand `right`."""
    gap = " " * max(0, columns - width(text))
    return gap + text if right else text + gap
