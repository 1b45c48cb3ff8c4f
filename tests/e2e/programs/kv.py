"""Values small and large, a pipeline, and a subscription."""

import sys

import redis

with redis.Redis(sys.argv[1], int(sys.argv[2]), socket_timeout=30, socket_keepalive=True) as store:
    print(store.ping(), store.set("key", "x" * 100_000), len(store.get("key")))
    with store.pipeline() as pipe:
        for _ in range(100):
            pipe.incr("counter")
        print(pipe.execute()[-1])
    with store.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("news")
        print(listener.get_message(timeout=30))  # the confirmation
        store.publish("news", "hello")
        message = listener.get_message(timeout=30)
        print(message and message["data"])
    store.delete("key", "counter")
