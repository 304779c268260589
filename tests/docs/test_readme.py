"""README and the pages under docs say what is true: commands, configs, links, and what the demo prints.

UPDATE_DOCS=1 takes the message in README and the picture from a run of the demo.
"""

from __future__ import annotations

import html
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
import yaml
from rich.console import Console
from rich.text import Text

from alerter.cli.main import cli
from alerter.config import build_routes, build_rules, load_config
from alerter.core import health
from alerter.notify.channels import Envelope
from alerter.notify.message import MessageSettings
from alerter.notify.render import Renderer, check_templates
from alerter.notify.samples import KINDS, samples
from alerter.notify.webhook import document

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "demo.svg"
PAGES = sorted([README, ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
USERS_PAGES = [page for page in PAGES if page.name not in ("design.md", "interface.md")]
DAYS = "28"  # until the demo's large spike
WIDTH = 80
BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STALE = "take both anew: UPDATE_DOCS=1 python -m pytest tests/docs/test_readme.py"
SHELL = ("sh", "console")
OPERATORS = {"|", "&&", ";", "||"}


def blocks(page: Path, *languages: str) -> list[str]:
    return [text for language, text in BLOCK.findall(page.read_text("utf-8")) if language in languages]


# ------------------------------------------------------------------ commands
def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every command in a shell block, continued lines joined, `$ ` and comments taken away."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        start = 0
        for index, word in enumerate([*words, ";"]):
            if word in OPERATORS:
                if words[start:index]:
                    yield words[start:index]
                start = index + 1


def without_sudo(words: list[str]) -> list[str]:
    """Leave out `sudo`, its `-u NAME`, and variables that are set for the command."""
    at = 0
    while at < len(words) and (words[at] == "sudo" or "=" in words[at] or words[at] == "-u"):
        at += 2 if words[at] == "-u" else 1
    return words[at:]


def calls_of_alerter(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of every call of alerter: in shell blocks, and in `alerter …` within the text."""
    for text in blocks(page, *SHELL):
        for words in commands(text):
            called = without_sudo(words)
            if called and Path(called[0]).name == "alerter":
                yield called[1:]
    prose = BLOCK.sub("", page.read_text("utf-8"))
    for inline in re.findall(r"`alerter ([^`…]+)`", prose):
        yield shlex.split(inline)


def resolve(arguments: list[str]) -> tuple[click.Command, list[str]]:
    """Find the command that the arguments name, and what is left of them; fail where there is none."""
    found: click.Command = cli
    rest = list(arguments)
    while isinstance(found, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        inner = found.get_command(click.Context(found), name)
        assert inner is not None, f"there is no command alerter {' '.join(arguments)}"
        found = inner
    return found, rest


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shown_exists_with_the_options_shown(page: Path):
    for arguments in calls_of_alerter(page):
        command, rest = resolve(arguments)
        known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
        unknown = [word for word in rest if word.startswith("-") and word.partition("=")[0] not in known]
        assert unknown == [], f"alerter {' '.join(arguments)}"


def test_every_make_target_shown_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    shown = {
        words[1]
        for page in PAGES
        for text in blocks(page, *SHELL)
        for words in commands(text)
        if words[0] == "make" and len(words) > 1
    }
    assert {"demo", "test"} <= shown
    assert shown <= targets


# ------------------------------------------------------------------ configs
def configs() -> list[tuple[str, str]]:
    return [(f"{page.name}-{number}", text) for page in PAGES for number, text in enumerate(blocks(page, "yaml"))]


def whole(text: str) -> str:
    """Add to a part of a config what every config needs, without touching what is there."""
    given = yaml.safe_load(text)
    assert isinstance(given, dict), "a snippet shows keys of the config"
    if "accounts" not in given:
        text += "\naccounts: [{name: prod, username: {env: LEAF_USERNAME}, password: {env: LEAF_PASSWORD}}]\n"
    if "channels" not in given:
        named = {name for route in given.get("routes", ()) for name in route["to"]} or {"screen"}
        text += "\nchannels:\n" + "".join(f'  {name}: {{url: "console://"}}\n' for name in sorted(named))
    return text


@pytest.mark.parametrize(("name", "text"), configs())
def test_every_config_shown_loads(name: str, text: str, tmp_path: Path):
    path = tmp_path / "alerter.yaml"
    path.write_text(whole(text), "utf-8")
    secrets = tmp_path / "credentials"
    secrets.mkdir()
    (tmp_path / "templates").mkdir()
    for secret in re.findall(r"\{credential: (\S+?)\}", text):
        (secrets / secret).write_text(url_for(secret), "utf-8")
    for secret in re.findall(r"\{file: (\S+?)\}", text):
        (tmp_path / secret).write_text(url_for(secret), "utf-8")
        (tmp_path / secret).chmod(0o600)
    names = set(re.findall(r"\{env: (\S+?)\}|\$\{env:(\S+?)\}", whole(text)))
    env = {each: url_for(each) for pair in names for each in pair if each}
    config = load_config(path, env=env, credentials_dir=secrets)
    assert build_rules(config)
    assert build_routes(config)


def url_for(secret: str) -> str:
    """Make up what a secret of that name may hold."""
    known = {
        "database": "postgresql://alerter@db.example.com/alerter",
        "mail": "mailtos://a:b@mail.example.com?to=c@example.com",
        "url": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    }
    return next((address for word, address in known.items() if word in secret.lower()), "made up 77")


# ------------------------------------------------------------------ templates and links
def test_every_template_shown_renders(tmp_path: Path):
    """A template is shown as a block of jinja whose first line is a comment with its file's name."""
    found = [text for page in USERS_PAGES for text in blocks(page, "jinja")]
    for number, text in enumerate(found):
        name = re.match(r"\{# (\S+) #\}", text)
        assert name, "the first line names the file: {# <kind>.<form>.j2 #}"
        file = tmp_path / str(number) / name[1]
        file.parent.mkdir(parents=True)
        file.write_text(text, "utf-8")
        assert check_templates(tmp_path / str(number)) == []
    assert found


def test_the_page_on_messages_names_every_kind_of_template():
    text = (ROOT / "docs" / "messages.md").read_text("utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path):
    text = BLOCK.sub("", page.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{page.name}: {target}"
        if heading:
            titles = re.findall(r"^#+ (.+)$", there.read_text("utf-8"), re.MULTILINE)
            assert heading in {anchor(title) for title in titles}, f"{page.name}: {target}"


def anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


# ------------------------------------------------------------------ what the demo prints
@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("demo")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "alerter", "demo", "--days", DAYS],
        cwd=folder,
        env={**kept, "LANG": "C.UTF-8", "COLUMNS": str(WIDTH), "FORCE_COLOR": "1", "TERM": "xterm-256color"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if os.environ.get("UPDATE_DOCS"):
        _update(done.stdout)
    return done.stdout


def plain(text: str) -> str:
    return Text.from_ansi(text).plain


def spike_of(text: str) -> str:
    """Return the message about the contract's large spike."""
    return re.search(r"^WARNING[^\n]*\(US\) · spike today .*?^Key: \S+$", plain(text), re.MULTILINE | re.DOTALL)[0]


def last_part(text: str) -> str:
    """Return the end of the demo: the table of what was found and where to look next."""
    return text[text.index("What was found") :].strip("\n")


def svg(text: str) -> str:
    """Draw a terminal with the text in it; nothing is loaded from elsewhere."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(text), soft_wrap=True)
    drawn = console.export_svg(title=f"alerter demo --days {DAYS}", unique_id="demo")
    return re.sub(r"@font-face \{.*?\}\s*|<!-- Generated.*?-->\s*", "", drawn, flags=re.DOTALL)


def _update(text: str) -> None:
    page = README.read_text("utf-8")
    excerpt = f"<!-- message -->\n```text\n{spike_of(text)}\n```\n<!-- /message -->"
    README.write_text(
        re.sub(r"<!-- message -->.*?<!-- /message -->", lambda _: excerpt, page, flags=re.DOTALL), "utf-8"
    )
    PICTURE.write_text(svg(last_part(text)), "utf-8")


def test_the_message_in_readme_is_one_that_the_demo_sends(printed: str):
    (shown,) = blocks(README, "text")[:1]
    assert shown.strip() == spike_of(printed), STALE


def test_the_picture_shows_what_the_demo_prints_and_loads_nothing(printed: str):
    """Every word of the picture is printed; counts may have changed since it was taken."""
    drawn = PICTURE.read_text("utf-8")
    shown = " ".join(html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", drawn))
    assert "contract-cap" in shown
    assert uncounted(shown) - uncounted(plain(printed)) <= {"alerter", "demo", "--days"}, STALE
    assert set(re.findall(r"https?://[^\"' )]+", drawn)) == {"http://www.w3.org/2000/svg"}


def uncounted(text: str) -> set[str]:
    return set(re.sub(r"[0-9][0-9,]*", "#", text.replace("\N{NO-BREAK SPACE}", " ")).split())


# ------------------------------------------------------------------ the document for programs
def fields_of_table(page: Path, name: str) -> set[str]:
    (table,) = re.findall(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", page.read_text("utf-8"), re.DOTALL)
    return {
        field for row in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE) for field in re.findall(r"`(\w+)`", row)
    }


def test_the_document_for_programs_has_the_fields_told():
    """The document is made as for a webhook, from a message that the cycle composed."""
    page = ROOT / "docs" / "messages.md"
    payload = samples("contract_cap")[0]
    rendered = Renderer(MessageSettings()).render(payload, "json", "hook")
    envelope = Envelope(
        key="k", thread="t", thread_ref=None, created_at=datetime(2026, 5, 14, tzinfo=UTC), possible_repeat=False
    )
    made = document(rendered, envelope)
    assert fields_of_table(page, "document") == set(made)
    assert fields_of_table(page, "item") == set(made["items"][0]) | {"contract"}


def test_the_page_on_operating_names_every_health_alert():
    text = (ROOT / "docs" / "operating.md").read_text("utf-8")
    assert sorted(kind for kind in health.KINDS if f"| `{kind}` |" not in text) == []
