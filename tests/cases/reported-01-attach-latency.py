"""attach() over a line with a round trip of 120 ms and more (serial servers, rfc2217, VPN, Wi-Fi bridges).
Sources: esptool#383, zwave-js-ui#3542, usbip#56 (serial over a network: latency breaks what has short
waits), esp-protocols#305 (the OK of one command taken for that of the next). Reality: such lines have 50
to 300 ms; everything still arrives, in order. Expected: attached, with the firmware's version and the
address. Exit 0 if so.
"""

import sys

import esp32sock

bad = 0
for profile, ms in (("2.4", 120), ("2.4", 150), ("2.0", 250), ("4.1", 250), ("1.0", 250)):
    try:
        with esp32sock.attach(f"sim://{profile}?latency_ms={ms}") as i:
            ok = "version" in i.status().firmware and i.status().station_ip is not None
            print(profile, ms, "ok" if ok else f"WRONG {i.status()}")
    except OSError as e:
        ok = False
        print(profile, ms, "FAILED:", str(e)[:170])
    bad += not ok
sys.exit(bool(bad))
