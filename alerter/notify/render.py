"""Render payloads into messages: the user's template where there is one, ours where there is none or theirs fails."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alerter.errors import Problem
from alerter.notify import view
from alerter.notify.filters.clean import TITLE_LIMIT, clean, clean_lines, clip_lines, slack_text
from alerter.notify.filters.format import Words, as_day
from alerter.notify.message import MessageSettings, Payload, Rendered
from alerter.notify.samples import KINDS, samples
from alerter.notify.slackbody import slack_body

if TYPE_CHECKING:
    from jinja2 import Environment

log = logging.getLogger("alerter.notify")

TEXT_LIMIT = 20_000  # characters of a plain text
HTML_LIMIT = 200_000
_STRING_LIMITS = {"key": 300, "threshold": 160}


class _Failure(Exception):
    """A user's template that did not render: where and why."""

    def __init__(self, file: Path, line: int, message: str) -> None:
        super().__init__(message)
        self.file, self.line, self.message = file, line, message

    def __str__(self) -> str:
        return f"{self.file.name}{f':{self.line}' if self.line else ''} {self.message}"


class Renderer:
    """Render messages as `settings` say, with the user's templates of `templates_dir` in the place of ours.

    A template is a file `<kind>.<form>.j2`, in the folder or in a subfolder named after a channel.
    """

    def __init__(self, settings: MessageSettings, templates_dir: Path | None = None) -> None:
        from alerter.notify import templating  # noqa: PLC0415  Jinja is slow to import

        self._settings = settings
        self._dir = templates_dir
        self._jinja = templating
        self._ours = {form: templating.environment(form) for form in templating.FORMS}
        self._theirs: dict[str, Environment] = (
            {form: templating.environment(form, templates_dir) for form in templating.FORMS} if templates_dir else {}
        )

    def render(self, payload: Mapping[str, Any], service: str, channel: str) -> Rendered:
        """Render one payload for one service; never raise, for a message must not be lost to its looks."""
        payload = tidy(payload)
        try:
            return self._render(payload, service, channel, note="")
        except _Failure as failure:
            error = clean(str(failure), 300)
            log.warning("action=template_failed", extra={"fields": {"template": failure.file.name, "error": error}})
        except Exception as failure:  # noqa: BLE001  whatever a payload holds, its message goes out
            error = clean(f"{type(failure).__name__}: {failure}", 300)
            log.warning("action=render_failed", extra={"fields": {"error": error}})
        try:
            note = f"Your template failed ({error}); this is the built-in message."
            return self._render(payload, service, "", note=note, error=error)
        except Exception as failure:  # noqa: BLE001  the last resort needs no template and no figures
            return _bare(payload, service, clean(f"{error}; {type(failure).__name__}: {failure}", 300))

    def _render(self, payload: Payload, service: str, channel: str, *, note: str, error: str | None = None) -> Rendered:
        kind = view.template_kind(payload)
        theirs = not error
        context = self._context(payload, note)
        title = self._own("title", kind, channel, context) if theirs else None
        if title is not None:
            context["title"] = clean(title, TITLE_LIMIT)
        context["title"] = context["title"] or "alerter"
        text = self._form("text", kind, channel if theirs else None, context)
        html = self._form("html", kind, channel if theirs else None, context) if service == "mail" else None
        slack = self._slack(kind, channel if theirs else None, context) if service == "slack" else None
        return Rendered(
            title=str(context["title"]),
            text=clip_lines(clean_lines(text).strip(), TEXT_LIMIT) or str(context["title"]),
            html=None if html is None else clean_lines(html)[:HTML_LIMIT],
            slack=slack,
            error=error,
            payload=payload,
        )

    def _context(self, payload: Payload, note: str) -> dict[str, Any]:
        document = view.build(payload, self._settings)
        items = [item for item in payload.get("items") or () if isinstance(item, Mapping)]
        made_on = as_day(payload.get("made_at"))
        figures = items[0].get("figures") if items else None
        words = Words(self._settings, year=made_on.year if made_on else 0)
        labels = [len(fact["label"]) for section in document["sections"] for fact in section["facts"]]
        return {
            **{key: payload.get(key) for key in ("account", "contract", "severity", "made_at", "data_at")},
            **document,
            "note": note,
            "labels": max(labels, default=0),
            "message": payload,
            "items": items,
            "figures": figures if isinstance(figures, Mapping) else {},
            "words": words.for_figures(figures if isinstance(figures, Mapping) else {}),
        }

    def _form(self, form: str, kind: str, channel: str | None, context: dict[str, Any]) -> str:
        """Render the user's template of this form where there is one, else ours; theirs may use `builtin`."""
        ours = self._jinja.run(self._ours[form].get_template(f"message.{form}.j2"), context)
        if channel is None:
            return ours
        theirs = self._own(form, kind, channel, {**context, "builtin": self._escaped(form, ours)})
        return ours if theirs is None else theirs

    def _escaped(self, form: str, text: str) -> Any:
        if form == "html":
            from markupsafe import Markup  # noqa: PLC0415  comes with Jinja

            return Markup(text)  # noqa: S704  our own template made it, with autoescape
        return self._jinja.Safe(text)

    def _slack(self, kind: str, channel: str | None, context: dict[str, Any]) -> dict[str, Any]:
        own = channel is not None and self._file("slack", kind, channel) is not None
        mrkdwn = self._form("slack", kind, channel, context)
        return slack_body(str(context["title"]), mrkdwn, str(context["tone"]), mentions=own)

    def _file(self, form: str, kind: str, channel: str) -> str | None:
        """Find the user's template: the channel's own first."""
        if self._dir is None:
            return None
        for name in ((f"{channel}/{kind}.{form}.j2",) if channel else ()) + (f"{kind}.{form}.j2",):
            if ".." not in name and (self._dir / name).is_file():
                return name
        return None

    def _own(self, form: str, kind: str, channel: str, context: Mapping[str, Any]) -> str | None:
        """Render the user's template, None where there is none; raise _Failure where it fails."""
        name = self._file(form, kind, channel)
        if name is None or self._dir is None:
            return None
        return run_file(self._theirs[form], self._dir, name, context)


def run_file(env: Environment, folder: Path, name: str, context: Mapping[str, Any]) -> str:
    """Compile and run one file of a folder; raise _Failure with its line for any error in it."""
    from alerter.notify import templating  # noqa: PLC0415  Jinja is slow to import

    file = folder / name
    try:
        return templating.run(env.get_template(name), context)
    except Exception as error:  # noqa: BLE001  a template can raise anything
        reason = clean(f"{type(error).__name__}: {error}", 240)
        raise _Failure(file, templating.line_of(error, file), reason) from None


def tidy(value: Any, name: str = "", depth: int = 0) -> Any:
    """Copy a payload as plain data: strings cleaned and capped, lists and depth bounded, anything else as text."""
    if isinstance(value, str):
        return clean(value, _STRING_LIMITS.get(name, 120))
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth > 8:
        return None
    if isinstance(value, Mapping):
        pairs = list(value.items())[:200]
        return {clean(key, 60): tidy(inner, str(key), depth + 1) for key, inner in pairs}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [tidy(inner, name, depth + 1) for inner in list(value)[:1000]]
    return clean(value)


def _bare(payload: Payload, service: str, error: str) -> Rendered:
    title, text = view.bare(payload)
    text = f"{text}\nThis message could not be laid out: {error}"
    slack = slack_body(title, slack_text(text), "warning") if service == "slack" else None
    return Rendered(title=title or "alerter", text=text, slack=slack, error=error, payload=payload)


def check_templates(folder: Path) -> list[Problem]:
    """Render every template of `folder` against samples of its kind; return what is wrong, with file and line."""
    from alerter.notify import templating  # noqa: PLC0415  Jinja is slow to import

    if not folder.is_dir():
        return [Problem(str(folder), 0, 0, "", "there is no such folder of templates")]
    problems: list[Problem] = []
    renderer = Renderer(MessageSettings(), folder)
    environments = {form: templating.environment(form, folder) for form in templating.FORMS}
    for file in sorted([*folder.glob("*.j2"), *folder.glob("*/*.j2")]):
        kind, _, form = file.name.removesuffix(".j2").rpartition(".")
        if form not in templating.FORMS or not kind:
            problems.append(Problem(str(file), 0, 0, "", _misnamed()))
        elif kind not in KINDS:
            problems.append(Problem(str(file), 0, 0, "", f"unknown kind {kind!r}, expected one of {', '.join(KINDS)}"))
        else:
            problems += _check_file(renderer, environments[form], folder, file, kind)
    return problems


def _misnamed() -> str:
    return "a template's name is <kind>.<form>.j2, the form one of title, text, html, slack"


def _check_file(renderer: Renderer, env: Environment, folder: Path, file: Path, kind: str) -> list[Problem]:
    name = file.relative_to(folder).as_posix()
    for sample in samples(kind):
        context = {**renderer._context(tidy(sample), ""), "builtin": ""}  # noqa: SLF001  the check is the renderer's own
        try:
            run_file(env, folder, name, context)
        except _Failure as failure:
            return [Problem(str(file), failure.line, 0, "", failure.message)]
    return []
