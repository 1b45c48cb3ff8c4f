"""Subscribes and publishes at every quality of service, and hears all of it."""

import sys
import threading
from typing import Any

import paho.mqtt.client as mqtt

heard: list[tuple[str, int, int]] = []
subscribed, complete = threading.Event(), threading.Event()
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="esp32")


def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
    heard.append((message.topic, message.qos, len(message.payload)))
    if len(heard) == 6:
        complete.set()


def on_subscribe(*_: Any) -> None:
    subscribed.set()


client.on_message, client.on_subscribe = on_message, on_subscribe
client.connect(sys.argv[1], int(sys.argv[2]))
client.loop_start()
client.subscribe("room/#", qos=2)
if not subscribed.wait(30):
    sys.exit("no SUBACK")
for size in (10, 5000):
    for qos in (0, 1, 2):
        client.publish(f"room/{qos}", b"x" * size, qos=qos)
if not complete.wait(30):
    sys.exit(f"only {heard}")
client.disconnect()
client.loop_stop()
print(sorted(heard))
