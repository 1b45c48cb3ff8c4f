"""Values small and large, a pipeline, and a subscription."""

import sys

import redis

host, port = sys.argv[1], int(sys.argv[2])
with redis.Redis(host, port, socket_timeout=30, socket_keepalive=True, protocol=2) as store:
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
