"""Beside a driver that nobody here wrote: Adafruit's ESP_ATcontrol, on the same simulated module in turn.

Uploads on a pseudo-terminal without a pace and at 921600 baud, each client with the largest sends it knows;
what the peer received is compared for ours. A burst: five blocks of 200 bytes that come close together, and
how many bytes of them are lost. Firmware 2.1, which both drive.
"""

from __future__ import annotations

from bench._pty import measured
from bench._report import Criterion, Report
from esp32sock.simulator import Settings

PROFILE = "2.1"
LINES = {
    "unpaced": Settings(profile=PROFILE, baud=115200),
    "921600": Settings(profile=PROFILE, paced=True, baud=921600),
}
COUNTS = {"our-upload": 400_000, "adafruit-upload": 40_960}
BURST_BYTES = 1000
RUNS = 3
LEAST_TIMES = {"unpaced": 100.0, "921600": 5.0}
"""Ours beside theirs, by line."""


def run(*, quick: bool = False) -> Report:
    report = Report("peers")
    for name, settings in LINES.items():
        rates = dict.fromkeys(COUNTS, 0.0)
        for _ in range(1 if quick else RUNS):
            for what, count in COUNTS.items():
                rates[what] = max(rates[what], count / measured(what, settings, count)["took_s"])
        for what, rate in rates.items():
            report.rows.append({"line": name, "what": what, "kb_per_s": round(rate / 1000, 1), "lost": 0})
        ratio = round(rates["our-upload"] / rates["adafruit-upload"], 1)
        report.criteria.append(Criterion(f"upload, {name}, beside Adafruit's", ratio, LEAST_TIMES[name]))
    measured("our-burst", LINES["921600"], BURST_BYTES)  # it compares what came
    lost = measured("adafruit-burst", LINES["921600"], BURST_BYTES)["lost"]
    for what, count in {"our-burst": 0, "adafruit-burst": int(lost)}.items():
        report.rows.append({"line": "921600", "what": what, "kb_per_s": None, "lost": count})
    report.criteria.append(Criterion("bytes of a burst that ours loses", 0, 0, at_most=True))
    return report
