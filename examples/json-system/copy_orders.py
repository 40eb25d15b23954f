"""Copies orders and customers from a gateway into the database of json_system.py: the one-way copy of a migration.

Orders that the system already has are left as they are, because they may have changed here. Run it as often as needed.
"""

import argparse
import json
import os
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from json_system import instant, transaction


def get(url: str) -> Any:
    token = os.environ.get("GATEWAY_TOKEN")
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as response:
        return json.load(response)


def items(url: str, **query: str | int) -> Iterator[dict[str, Any]]:
    """The items of a list, page by page."""
    while True:
        page = get(f"{url}?{urllib.parse.urlencode(query)}")
        if page.get("unreadable"):
            raise SystemExit(f"{url}: some items cannot be read; nothing of this page was copied")
        yield from page["items"]
        if "nextCursor" not in page:
            return
        query["cursor"] = page["nextCursor"]


def copy_order(order: dict[str, Any]) -> bool:
    if "problem" in order:
        raise SystemExit(f"order {order['id']} cannot be read: {order['problem']['detail']}")
    id, status, messages = order.pop("id"), order.pop("status", None), order.pop("messages")
    order.pop("statusTag")
    with transaction() as database:
        insert = "INSERT INTO orders (id, placed, status, document) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        placed = instant(order.get("orderedAt", "1970-01-01"))
        if database.execute(insert, [id, placed, status, json.dumps(order)]).rowcount == 0:
            return False
        rows = [[id, message.get("at"), message.get("type"), message.get("text")] for message in messages]
        database.executemany("INSERT INTO messages (order_id, at, type, text) VALUES (?, ?, ?, ?)", rows)
    return True


def copy_customer(customer: dict[str, Any], since: str) -> None:
    id = customer.pop("id")
    with transaction() as database:
        insert = "INSERT INTO customers VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET document = excluded.document"
        database.execute(insert, [id, instant(since), json.dumps(customer)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gateway", help="URL of the API, such as http://127.0.0.1:8080; GATEWAY_TOKEN has the token, if any")
    parser.add_argument("--since", required=True, help="a date, such as 2016-03-01")
    arguments = parser.parse_args()
    copied = sum(map(copy_order, items(f"{arguments.gateway}/orders", since=arguments.since, expand="detail", limit=200)))
    customers = 0
    for customer in items(f"{arguments.gateway}/customers", since=arguments.since, limit=1000):
        copy_customer(customer | get(f"{arguments.gateway}/customers/{customer['id']}"), arguments.since)
        customers += 1
    print(f"copied {copied} orders and {customers} customers")


if __name__ == "__main__":
    main()
