from __future__ import annotations

import base64
import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerter.app.logs import LineFormatter, RedactingFilter, configure
from alerter.app.redact import MASK, Redactor

log = logging.getLogger("alerter.test")
HOSTILE = "bob\n2026-01-01 INFO ok\r\x1b[2J\x9b\u2028\u202e\ud800\x00\x7f\"\\'"


@pytest.fixture
def lines() -> Iterator[Callable[..., list[str]]]:
    """Configure logging into a buffer; call again to read what was written since."""
    stream, undo = io.StringIO(), []

    def read(*, level: str = "info", style: str = "logfmt", secrets: tuple[str, ...] = ()) -> list[str]:
        if not undo:
            undo.append(configure(level, style, secrets, stream=stream, env={}))
        written = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        return written.splitlines()

    yield read
    for step in undo:
        step()


def fail(text: str) -> None:
    raise ValueError(text)


def rendered(style: str, message: str = "action=seen", *, journal: bool = False, **fields: object) -> str:
    record = logging.LogRecord("alerter.test", logging.INFO, __file__, 1, message, (), None)
    record.created = datetime(2026, 3, 1, 6, 0, 0, 250_000, tzinfo=UTC).timestamp()
    record.fields = fields
    return LineFormatter(style, journal=journal).format(record)


def test_a_logfmt_line_is_key_value_pairs_with_the_action_first_after_its_origin():
    line = rendered("logfmt", account="prod", calls=3, share=0.5, ok=True, none=None, name="Prärie Hof")
    assert line == (
        "ts=2026-03-01T06:00:00.250+00:00 level=info logger=alerter.test action=seen "
        'account=prod calls=3 share=0.5 ok=true none= name="Prärie Hof"'
    )


def test_a_json_line_is_one_document_with_the_same_keys():
    line = rendered("json", account="prod", calls=3, none=None, users=["a", "b"], nan=float("nan"))
    assert json.loads(line) == {
        "ts": "2026-03-01T06:00:00.250+00:00", "level": "info", "logger": "alerter.test", "action": "seen",
        "account": "prod", "calls": 3, "none": None, "users": '["a", "b"]', "nan": "nan",
    }  # fmt: skip


def test_text_that_is_no_action_is_a_message_and_cannot_pose_as_one():
    assert ' msg="it\'s done"' in rendered("logfmt", "it's done")
    assert ' msg="action=seen level=error"' in rendered("logfmt", "action=seen level=error")


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_hostile_text_neither_forges_a_line_nor_reaches_the_terminal(style: str):
    for line in (rendered(style, HOSTILE), rendered(style, user=HOSTILE), rendered(style, **{HOSTILE: "x"})):
        assert line.isprintable()
        assert len(line.splitlines()) == 1
    if style == "json":
        assert json.loads(rendered(style, user=HOSTILE))["user"] == HOSTILE


@given(st.text(), st.text(), st.sampled_from(["logfmt", "json"]))
def test_every_text_makes_one_printable_line(key: str, value: str, style: str):
    line = rendered(style, **{key: value})
    assert line.isprintable()
    assert line.count("level=" if style == "logfmt" else '"level":') >= 1


def test_a_field_cannot_replace_what_the_line_says_of_itself():
    parsed = json.loads(rendered("json", level="critical", logger="root", ts="never", action="other"))
    assert (parsed["level"], parsed["logger"], parsed["action"]) == ("info", "alerter.test", "seen")
    assert parsed["field_level"] == "critical"


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_a_line_never_grows_past_what_the_journal_takes_in_one_piece(style: str):
    line = rendered(style, **{f"key{number}": "\U000e0001" * 100_000 for number in range(50)}, many=list(range(10**5)))
    assert len(line.encode()) < 48 * 1024
    assert "cut" in line
    assert "more)" in line


def test_a_number_of_any_size_is_written():
    assert "huge number" in rendered("json", big=10**5000)


@pytest.mark.parametrize(
    ("level", "prefix"), [(10, "<7>"), (20, "<6>"), (25, "<6>"), (30, "<4>"), (40, "<3>"), (50, "<2>")]
)
def test_a_line_for_the_journal_has_its_priority_and_leaves_the_time_to_the_journal(level: int, prefix: str):
    record = logging.LogRecord("alerter", level, __file__, 1, "action=seen", (), None)
    line = LineFormatter("logfmt", journal=True).format(record)
    assert line.startswith(f"{prefix}level=")
    assert "ts=" not in line


def test_a_prefix_is_written_only_where_the_stream_is_the_journal(tmp_path):
    with (tmp_path / "out").open("w+") as stream:
        status = os.fstat(stream.fileno())
        for journal in (f"{status.st_dev}:{status.st_ino}", "8:1"):
            undo = configure("info", "logfmt", (), stream=stream, env={"JOURNAL_STREAM": journal})
            log.info("action=seen")
            undo()
        stream.seek(0)
        first, second = stream.read().splitlines()
    assert first.startswith("<6>level=info")
    assert second.startswith("ts=")


SECRETS = ("hunter2", 'p@ss/w:rd#%&" \\é', "gehe/im+1", "line\nfeed-secret\n", "tok_0123456789abcdefTOKEN")


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_masked_however_it_was_encoded(secret: str):
    redactor = Redactor([secret])
    encoded = quote(secret, safe="")
    spellings = [
        secret, secret.strip(), quote(secret), encoded,
        quote_plus(secret), quote(encoded, safe=""), json.dumps(secret), repr(secret), repr({"k": secret}),
        f"https://me:{encoded}@example.org/x",
    ]  # fmt: skip
    for text in spellings:
        masked = redactor.text(f"before {text} after")
        assert MASK in masked
        assert secret.strip() not in masked
        assert masked.startswith("before ")
        assert masked.endswith(" after")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("before", ["", "u", "us", "me@example.org:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_inside_base64_is_masked_at_every_offset(secret: str, before: str, encode: Callable[[bytes], bytes]):
    whole = encode(f"{before}{secret}!".encode()).decode()
    masked = Redactor([secret]).text(f"Authorization: Basic {whole}")
    assert MASK in masked
    left = masked.removeprefix("Authorization: Basic ").partition(MASK)
    assert len(left[0]) <= len(encode(before.encode())) + 1
    assert len(left[2]) <= 4


@given(st.text(min_size=4), st.text(), st.text())
def test_no_secret_survives_in_any_text(secret: str, before: str, after: str):
    if secret.strip() and secret not in MASK:
        masked = Redactor([secret]).text(before + secret + after)
        assert MASK in masked


def test_the_parts_of_a_service_url_that_look_like_tokens_are_secrets_too():
    redactor = Redactor(
        ["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops", "mailtos://me:s3cr%2Ft@smtp.example.org"]
    )
    assert redactor.text("token A1BRTD4JD refused") == f"token {MASK} refused"
    assert redactor.text("T1JJ3T3L2 TIiajkdnlazkcOXrIdevi7FQ") == f"{MASK} {MASK}"
    assert redactor.text("password s3cr/t") == f"password {MASK}"
    assert redactor.text("smtp.example.org said no") == "smtp.example.org said no"


def test_words_of_an_address_stay_readable():
    redactor = Redactor(["https://hooks.slack.com/services/T0000AAAA/B0000BBBB/abcd1234efgh5678"])
    assert redactor.text("GET /services/billingapplication") == "GET /services/billingapplication"
    assert redactor.text("POST /services/T0000AAAA") == f"POST /services/{MASK}"


def test_a_very_short_secret_is_masked_where_it_stands_alone():
    assert Redactor(["ab"]).text("ab cab ab.") == f"{MASK} cab {MASK}."


def test_without_secrets_nothing_is_masked():
    assert Redactor(["", "  "]).text("all of it") == "all of it"


def test_the_longer_of_two_secrets_is_masked_whole():
    assert Redactor(["hunter2", "hunter2-and-more"]).text("hunter2-and-more") == MASK


def test_secrets_are_masked_in_text_fields_and_arguments(lines):
    lines(secrets=("hunter2",))
    log.info("with %s", "hunter2")
    log.info("action=seen", extra={"fields": {"deep": [{"hunter2": ("hunter2", object)}], "url": "x?p=hunter2"}})
    written = lines()
    assert len(written) == 2
    assert all(MASK in line and "hunter2" not in line for line in written)


def test_secrets_are_masked_in_exceptions_their_causes_and_notes(lines):
    lines(secrets=("hunter2",))
    try:
        try:
            fail("inner hunter2")
        except ValueError as error:
            error.add_note("hunter2 again")
            raise RuntimeError("outer hunter2") from error
    except RuntimeError:
        log.exception("action=failed")
    (line,) = lines()
    assert f'error="RuntimeError: outer {MASK}"' in line
    assert "trace=" in line
    assert "hunter2" not in line


def test_secrets_are_masked_in_what_other_libraries_log(lines):
    lines(secrets=("hunter2",))
    logging.getLogger("urllib3").warning("Bad token %s", "hunter2")
    logging.getLogger("somebody.else").error("hunter2")
    assert [MASK in line and "hunter2" not in line for line in lines()] == [True, True]


def test_a_handler_that_somebody_else_attached_prints_no_secret_either(lines):
    foreign, stream = logging.getLogger("somebody.with.handler"), io.StringIO()
    foreign.addHandler(handler := logging.StreamHandler(stream))
    try:
        lines(secrets=("hunter2",))
        try:
            fail("hunter2")
        except ValueError:
            foreign.exception("it is %s", "hunter2")
    finally:
        foreign.removeHandler(handler)
    assert MASK in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize("name", ["apprise", "urllib3.connectionpool", "requests", "apscheduler.scheduler"])
def test_libraries_that_print_their_payload_at_debug_never_log_below_info(lines, name: str):
    lines(level="debug")
    logging.getLogger(name).debug("POST /services/secret")
    assert lines() == []
    log.debug("action=seen")
    assert len(lines()) == 1


def test_a_record_with_arguments_that_do_not_fit_is_written_all_the_same(lines):
    lines()
    log.info("%d items", "three")
    assert "three" in lines()[0]


def test_an_exception_in_a_thread_is_logged_and_masked(lines):
    lines(secrets=("hunter2",))

    thread = threading.Thread(target=fail, args=("hunter2",), name="poll-prod")
    thread.start()
    thread.join(5)
    (line,) = lines()
    assert "action=thread_crashed" in line
    assert "thread=poll-prod" in line
    assert "hunter2" not in line


def test_a_warning_of_a_library_becomes_a_log_line(lines):
    lines()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)  # catch_warnings has put its own function in place
        logging.captureWarnings(capture=True)
        warnings.warn("old API", stacklevel=1)
        logging.captureWarnings(capture=False)
    assert "old API" in lines()[0]


def test_configuring_again_replaces_level_style_and_secrets():
    first, second = io.StringIO(), io.StringIO()
    undo = configure("info", "logfmt", ("hunter2",), stream=first, env={})
    again = configure("warning", "json", ("hunter3",), stream=second, env={})
    log.info("action=quiet")
    log.warning("action=loud", extra={"fields": {"old": "hunter2", "new": "hunter3"}})
    again()
    undo()
    assert first.getvalue() == ""
    parsed = json.loads(second.getvalue())
    assert (parsed["action"], parsed["old"], parsed["new"]) == ("loud", "hunter2", MASK)


def test_undoing_leaves_logging_as_it_was():
    root = logging.getLogger()
    before = (list(root.handlers), root.level, sys.excepthook, threading.excepthook)
    configure("debug", "json", ("hunter2",), stream=io.StringIO(), env={})()
    assert (list(root.handlers), root.level, sys.excepthook, threading.excepthook) == before


def test_a_broken_stream_loses_lines_and_nothing_else():
    code = (
        "import sys, logging; from alerter.app.logs import configure\n"
        "configure('info', 'logfmt', ('hunter2',)); sys.stderr.close()\n"
        "logging.getLogger('alerter').info('action=%s', 'hunter2'); print('still here')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == ("still here\n", "")


def test_a_crash_of_the_program_prints_no_secret():
    code = (
        "from alerter.app.logs import configure\n"
        "configure('info', 'logfmt', ('hunter'+'2',)); raise SystemError('hunter'+'2')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "action=crashed" in done.stderr
    assert "hunter2" not in done.stderr


def test_masking_a_record_twice_changes_nothing_more():
    record = logging.LogRecord("alerter", 20, __file__, 1, "%s", ("hunter2",), None)
    redacting = RedactingFilter(Redactor(["hunter2"]))
    assert redacting.filter(record)
    assert redacting.filter(record)
    assert record.getMessage() == MASK
