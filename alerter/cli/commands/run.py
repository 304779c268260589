"""`alerter run`: the daemon."""

# ruff: noqa: PLC0415 - what is heavy is imported when it is used: `alerter --help` must answer at once

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from alerter.cli.frame import Command, config_option, find_config, frame_of, read_config


@click.command("run", cls=Command, short_help="Run the daemon.")
@config_option
def command(config: Path | None) -> int:
    """Poll, evaluate and send messages until told to stop.

    SIGTERM and Ctrl-C end it cleanly, SIGHUP reads the config anew (a bad file changes nothing).
    It logs to standard error and speaks systemd's notify protocol.

    \b
    Examples:
      alerter run --config /etc/alerter/alerter.yaml
      systemctl reload alerter
    """
    import logging

    from alerter.app.logs import configure

    path = find_config(config)
    load = partial(read_config, path)
    loaded = load()
    configure("debug" if frame_of().debug else loaded.log.level, loaded.log.format, loaded.secrets)
    for warning in loaded.warnings:
        logging.getLogger("alerter.config").warning(
            "action=config_warning", extra={"fields": {"problem": str(warning)}}
        )
    from alerter.app.daemon import Daemon

    return Daemon(loaded, load=load).run()
