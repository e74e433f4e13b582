# SPDX-License-Identifier: GPL-3.0-or-later
"""Galaxy's importer on a collection's file, by the Python that has it: its warnings and errors, an error fails.

    python release/importer.py TARBALL

The importer's own program ends well also after an error, as of an ansible-lint that took longer than 180 s."""

from __future__ import annotations

import logging
import sys

from galaxy_importer import main as importer


class Errors(logging.Handler):
    """Counts what the importer says from errors upwards."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """One thing that it says."""
        self.count += record.levelno >= logging.ERROR


if __name__ == "__main__":
    errors = Errors()
    importer.logger.addHandler(errors)
    failed = importer.main([sys.argv[1]])
    sys.exit(f"galaxy-importer: {errors.count} errors" if failed or errors.count else 0)
