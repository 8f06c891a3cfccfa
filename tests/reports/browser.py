"""A headless Chromium that draws a report and says what it drew."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Draws all charts, then writes down what plotly holds of them and what the browser has seen.
PROBE = """
<script>
const seen = {errors: [], refused: []};
addEventListener("error", event => seen.errors.push(String(event.message)));
addEventListener("unhandledrejection", event => seen.errors.push(String(event.reason)));
document.addEventListener("securitypolicyviolation", e => seen.refused.push(e.blockedURI));
const plain = values => values === undefined ? null : Array.from(values);
addEventListener("load", () => drawAll().then(() => {
  seen.title = document.title;
  seen.beyond = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  seen.requests = performance.getEntriesByType("resource").map(entry => entry.name);
  seen.buttons = [...new Set([...document.querySelectorAll(".modebar-btn")]
    .map(button => button.dataset.title))];
  seen.heights = charts.map(chart => chart.querySelector(".main-svg").clientHeight);
  seen.shown = charts.map(chart => chart.querySelector(".main-svg").textContent);
  seen.charts = charts.map(chart => ({
    title: chart.parentElement.querySelector("h3").textContent,
    traces: chart._fullData.map(trace => ({
      name: trace.name, x: plain(trace.x), y: plain(trace.y), text: trace.text}))}));
  const pre = document.createElement("pre");
  pre.id = "probe";
  pre.textContent = JSON.stringify(seen);
  document.body.append(pre);
}));
</script>
"""


def browser() -> str:
    """A Chromium's path; skips the test where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    return found


def drawn(report: Path, folder: Path) -> dict[str, Any]:
    """What a browser makes of a report; everything that it says on its console is an error."""
    probed = folder / "probed.html"
    text = report.read_text(encoding="utf-8")
    probed.write_text(text.replace("<body>", f"<body>{PROBE}", 1), encoding="utf-8")
    command = [
        browser(),
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
        *("--enable-logging=stderr", "--virtual-time-budget=60000", "--window-size=1280,900"),
        *(f"--user-data-dir={folder / 'profile'}", "--dump-dom", probed.resolve().as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    match = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match is not None, done.stderr[-2000:]
    seen: dict[str, Any] = json.loads(html.unescape(match[1]))
    seen["console"] = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return seen
