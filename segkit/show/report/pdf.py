"""Print a page into a PDF with a browser that is installed here."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge", "microsoft-edge"
)  # fmt: skip
PATH = "SEGKIT_CHROMIUM"
SECONDS = 120


def find_browser() -> str:
    """Return the path of a browser that prints.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    browser = os.environ.get(PATH) or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise RuntimeError(
            "A PDF is printed by Chromium or Chrome, and none was found. Install one, or name its path in the "
            f"environment variable {PATH}; or write 'segments.html' and print it from your browser."
        )
    return browser


def print_pdf(html: str, browser: str) -> bytes:
    """Return a page as PDF.

    Parameters
    ----------
    html : str
        The page, which loads nothing.
    browser : str
        Path of Chromium or Chrome.

    Returns
    -------
    bytes

    Raises
    ------
    RuntimeError
        If the browser cannot print it.
    """
    with tempfile.TemporaryDirectory(prefix="segkit-") as folder:
        page, pdf = Path(folder) / "page.html", Path(folder) / "page.pdf"
        page.write_text(html, encoding="utf-8")
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder}/user",
        ]
        command += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        try:
            done = subprocess.run(
                [*command, f"--print-to-pdf={pdf}", page.as_uri()],
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _cannot_print(browser, str(error)) from error
        if done.returncode or not pdf.exists():
            raise _cannot_print(browser, (done.stderr.strip().splitlines() or ["it said nothing"])[-1])
        return pdf.read_bytes()


def _cannot_print(browser: str, why: str) -> RuntimeError:
    return RuntimeError(
        f"{browser} could not print the report: {why}. Write 'segments.html' instead, and print it from your browser."
    )
