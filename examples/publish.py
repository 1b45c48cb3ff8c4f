"""Publish measurements by MQTT with paho-mqtt. It creates its own sockets, so they are patched.

python publish.py        with the port in ESP32SOCK_PORT
"""

import json
import time

import paho.mqtt.client as mqtt

import esp32sock

esp32sock.attach()
with esp32sock.patched():
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("test.mosquitto.org", 1883)
    client.loop_start()
    for celsius in (21.5, 21.7, 21.6):
        measured = json.dumps({"at": time.time(), "celsius": celsius})
        client.publish("attic/temperature", measured, qos=1).wait_for_publish(timeout=30)
    client.disconnect()
    client.loop_stop()
print("published")
