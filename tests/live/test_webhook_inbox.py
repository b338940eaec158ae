"""A webhook's inbox keeps each key once, and refuses what is no message."""

import http.client

import segkit as sg


def post(inbox, body, **headers):
    connection = http.client.HTTPConnection(inbox.url.split("/")[2], timeout=5)
    connection.request("POST", "/", body, {name.replace("_", "-"): value for name, value in headers.items()})
    status = connection.getresponse().status
    connection.close()
    return status


def test_each_key_is_kept_once():
    with sg.WebhookInbox() as inbox:
        assert inbox.messages.empty and inbox.url.startswith("http://127.0.0.1:")
        assert [post(inbox, b'{"customer_id": "ada", "key": 1}', Idempotency_Key="1") for _ in range(3)] == [
            204
        ] * 3
        assert post(inbox, b'{"customer_id": "bob"}', Idempotency_Key="2") == 204
        assert post(inbox, b'{"customer_id": "cyd"}') == 400
        assert post(inbox, b"[1]", Idempotency_Key="3") == 400
        assert post(inbox, b"\xff{", Idempotency_Key="4") == 400
        assert post(inbox, b"[" * 100_000, Idempotency_Key="6") == 400
        assert post(inbox, b'{"customer_id": "\\ud83d"}', Idempotency_Key="7") == 400
        assert post(inbox, b"", Idempotency_Key="5", Content_Length="9999999") == 400
        assert inbox.messages.to_dict("records") == [
            {"key": "1", "times": 3, "customer_id": "ada"},
            {"key": "2", "times": 1, "customer_id": "bob"},
        ]
        assert repr(inbox).startswith("WebhookInbox: 2 messages")
