"""The JSON of a Slack message, within Slack's limits.

`text` is the whole message, for notifications, screen readers and Slack-compatible servers without blocks; `blocks`
is what Slack shows.  Limits: header 150 characters, section text 3,000, 50 blocks; we stay below 3,500 in all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any

from alerter.notify.filters.clean import clean, clean_lines, clip_lines, slack_text
from alerter.notify.message import Rendered

TEXT_LIMIT = 3500
_HEADER_LIMIT = 150
_SECTION_LIMIT = 2900
_BLOCK_LIMIT = 48  # of 50: one left for the note of a repeat
SMALL_PRINT = "---"  # a line of its own: what follows is shown small
_FENCE = "```"
_LINK = re.compile(r"<https?://[^<>|\s]+(\|[^<>]*)?>")
_MENTION = re.compile(r"<(![a-z]+(\^[A-Z0-9]+)?|[@#][A-Z0-9]+)(\|[^<>]*)?>")
_TONES = {"critical": "\U0001f534", "warning": "\U0001f7e0", "info": "\U0001f535", "good": "\U0001f7e2"}


def slack_body(title: str, mrkdwn: str, tone: str, *, mentions: bool = False) -> dict[str, Any]:
    """Wrap mrkdwn into `text` and `blocks`; without `mentions` no angle bracket but a link's survives."""
    mark = _TONES.get(tone, _TONES["info"])
    source = clip_lines(_only_links(clean_lines(mrkdwn).strip(), mentions), TEXT_LIMIT - len(title) - 40)
    if source.count(_FENCE) % 2:  # cut inside a table
        source += f"\n{_FENCE}"
    main, _, small = source.partition(f"\n{SMALL_PRINT}\n")
    blocks: list[dict[str, Any]] = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": _header(f"{mark} {title}"), "emoji": False},
        }
    ]
    blocks += [{"type": "section", "text": _mrkdwn(part)} for part in _parts(main)]
    blocks += [{"type": "context", "elements": [_mrkdwn(part)]} for part in _parts(small)]
    text = f"{mark} *{slack_text(title)}*\n{source.replace(f'{chr(10)}{SMALL_PRINT}{chr(10)}', chr(10))}"
    return {
        "text": text.strip(),
        "blocks": blocks[:_BLOCK_LIMIT],
        "mrkdwn": True,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def plain_body(rendered: Rendered) -> dict[str, Any]:
    """Make the barest message: the plain text, escaped, for a server that did not like the blocks."""
    return {"text": clip_lines(slack_text(clean_lines(rendered.text)), TEXT_LIMIT)}


def backstop(rendered: Rendered) -> dict[str, Any]:
    """Return the body to put on the wire, whatever the rendering held: never empty, never too long."""
    body = dict(rendered.slack or {})
    if not body.get("text") or not body.get("blocks"):
        body = slack_body(rendered.title, slack_text(clean_lines(rendered.text)), "info")
    return body


def _header(title: str) -> str:
    """Fit a title, its entities escaped, into a header; plain text is read for entities, too."""
    limit = _HEADER_LIMIT
    while True:
        text = escape(clean(title, limit), quote=False)
        if len(text) <= _HEADER_LIMIT:
            return text
        limit -= 5


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _only_links(text: str, mentions: bool) -> str:
    """Escape every `<` that does not begin a web link (or, from a user's template, a mention)."""
    out: list[str] = []
    at = 0
    while at < len(text):
        found = _LINK.match(text, at) or (_MENTION.match(text, at) if mentions else None)
        if text[at] == "<" and found:
            out.append(found[0])
            at = found.end()
        else:
            out.append("&lt;" if text[at] == "<" else text[at])
            at += 1
    return "".join(out)


def _parts(text: str) -> Iterator[str]:
    """Cut text at paragraphs into parts that fit a block, a table's fence closed and opened again where it is cut."""
    part, fenced = "", False
    for line in text.split("\n"):
        if part and (len(part) + len(line) + 8 > _SECTION_LIMIT or (not line and not fenced)):
            if part.strip():
                yield f"{part}\n{_FENCE}" if fenced else part
            part = f"{_FENCE}\n" if fenced else ""
        clipped = line[: _SECTION_LIMIT - 20]
        part = f"{part}\n{clipped}" if part.strip() or (fenced and part) else clipped
        if line.count(_FENCE) % 2:
            fenced = not fenced
    if part.strip():
        yield part
