"""A client of the gateway in Python, with the package that openapi-python-client makes from the OpenAPI document.

With `tjansteguiden-gateway demo` running:

    pip install -r ../requirements.txt
    openapi-python-client generate --path ../../openapi/openapi.json --output-path generated --overwrite
    pip install ./generated
    python journey.py

GATEWAY_URL and GATEWAY_API_KEY name another gateway.
"""

import os
import uuid
from typing import TypeVar

from tjansteguiden_gateway_api_client import AuthenticatedClient
from tjansteguiden_gateway_api_client.api.client import get_me
from tjansteguiden_gateway_api_client.api.customers import get_customer
from tjansteguiden_gateway_api_client.api.orders import (
    add_order_message,
    change_order_status,
    get_order,
    list_orders,
)
from tjansteguiden_gateway_api_client.models import (
    AddedMessage,
    ChangedStatus,
    Customer,
    Me,
    MessageInput,
    MessageType,
    Order,
    OrderList,
    OrderStatus,
    Problem,
    StatusInput,
)
from tjansteguiden_gateway_api_client.types import UNSET, Unset

gateway = AuthenticatedClient(
    base_url=os.environ.get("GATEWAY_URL", "http://127.0.0.1:8080"),
    token=os.environ.get("GATEWAY_API_KEY", "the-demo-needs-none"),
)

T = TypeVar("T")


def expect(kind: type[T], answer: object) -> T:
    """Returns an answer of this kind. Every error is a Problem: `code` is for programs, `detail` for people."""
    if isinstance(answer, kind):
        return answer
    if isinstance(answer, Problem):
        raise RuntimeError(f"{answer.status} {answer.code}: {answer.detail}")
    raise RuntimeError(f"expected {kind.__name__}, got {answer!r}")


# Up to four new orders, in pages of two. A further page needs the same filters, and the cursor of the page before it. The last
# page has no cursor: sent without one, the request would be for the first page again.
ids: list[int] = []
cursor: str | Unset = UNSET
while True:
    answer = list_orders.sync(client=gateway, since="2016-03-14", status=["new"], limit=2, cursor=cursor)
    page = expect(OrderList, answer)
    ids += [order.id for order in page.items]
    cursor = page.next_cursor
    if not cursor or len(ids) >= 4:
        break
if not ids:
    raise RuntimeError("there are no new orders")
print("new orders:", ", ".join(str(id) for id in ids))

# One order. Lists have a summary; the log and most of the customer are read with the id.
order = expect(Order, get_order.sync(ids[0], client=gateway))
service = order.service.name if order.service else "no service"
print(f"order {order.id}: {service}, {len(order.messages)} log entries")

# A guarded change: it is made only if the order's status and log are still those that were read.
tag = order.status_tag
received = StatusInput(OrderStatus.RECEIVED)
changed = expect(ChangedStatus, change_order_status.sync(order.id, client=gateway, body=received, if_match=tag))
print(f"status: {order.status} -> {changed.status}")

# The change made the tag stale, as a change of somebody else would: nothing is written.
active = StatusInput(OrderStatus.ACTIVE)
stale = expect(Problem, change_order_status.sync(order.id, client=gateway, body=active, if_match=tag))
print(f"stale tag: {stale.status} {stale.code}, the status is {stale.current_status}")

# A message with a key. After any error it can be sent again with the same key: the log gets it once.
key = str(uuid.uuid4())
message = MessageInput(type_=MessageType.ALERT, text="Kunden nås bäst efter kl. 16")
for _ in range(2):
    response = add_order_message.sync_detailed(order.id, client=gateway, body=message, idempotency_key=key)
    added = expect(AddedMessage, response.parsed)
    print(f"message: {added.text} ({'replayed' if 'Idempotency-Replayed' in response.headers else 'added'})")

# A key stands for one message. Another text with it is an error in the program.
other = MessageInput(type_=MessageType.ALERT, text="Kunden nås inte")
reused = expect(Problem, add_order_message.sync(order.id, client=gateway, body=other, idempotency_key=key))
print(f"other text: {reused.status} {reused.code}")

missing = expect(Problem, get_order.sync(999_999, client=gateway))
print(f"order 999999: {missing.status} {missing.code}")

# The customer of the order. Personal data is masked or absent unless the client has the scope `personal-data:read`.
if not order.customer or not order.customer.id:
    raise RuntimeError("the order has no customer")
customer = expect(Customer, get_customer.sync(order.customer.id, client=gateway))
print(f"customer {customer.id}: {customer.first_name} {customer.last_name}")

# What this client may do.
me = expect(Me, get_me.sync(client=gateway))
print(f"client {me.client}: {' '.join(me.scopes)}")
