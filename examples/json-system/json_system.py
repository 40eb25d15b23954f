"""A JSON system that the facade can stand in front of: the API of openapi/openapi.json over one SQLite file.

It has what programs need that speak the legacy protocol through the facade, and the back-office page: lists, details, guarded
changes of a status, messages with idempotency keys. It is an example to start from; README.md says what it leaves out.
"""

import argparse
import base64
import json
import os
import re
import secrets
import sqlite3
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from enum import StrEnum
from pathlib import Path as File
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import uvicorn
from fastapi import Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

DATABASE = File(os.environ.get("JSON_SYSTEM_DATABASE", "json-system.sqlite"))
TOKENS = dict(pair.split("=", 1) for pair in os.environ.get("JSON_SYSTEM_TOKENS", "").split(",") if pair)
PAGE = File(__file__).resolve().parent.parent / "back-office" / "dist"
ZONE = ZoneInfo("Europe/Stockholm")
SCOPES = ["orders:read", "orders:write", "customers:read", "personal-data:read"]

# `placed` and `updated` are instants in UTC, for comparisons; `document` is what the API returns, without status and messages.
# `version` counts the changes of the status: one that was changed and changed back has another tag.
SCHEMA = """
CREATE TABLE IF NOT EXISTS customers (id INTEGER PRIMARY KEY, updated TEXT NOT NULL, document TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, placed TEXT NOT NULL, status TEXT, version INTEGER NOT NULL DEFAULT 0,
  document TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS orders_by_time ON orders (placed, id);
CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders, at TEXT, type TEXT,
  text TEXT) STRICT;
CREATE INDEX IF NOT EXISTS messages_by_order ON messages (order_id, id);
CREATE TABLE IF NOT EXISTS idempotency_keys (client TEXT NOT NULL, order_id INTEGER NOT NULL, key TEXT NOT NULL,
  message_id INTEGER NOT NULL REFERENCES messages, PRIMARY KEY (client, order_id, key)) STRICT;
"""


@contextmanager
def transaction() -> Generator[sqlite3.Connection]:
    """One connection and one transaction, so that a write is applied as a whole or not at all."""
    database = sqlite3.connect(DATABASE, timeout=10, isolation_level=None, check_same_thread=False)
    database.row_factory = sqlite3.Row
    try:
        database.execute("BEGIN IMMEDIATE")
        yield database
        database.execute("COMMIT")
    finally:
        # Rolls back what was not committed.
        database.close()


# --- problems


class Problem(Exception):
    """An error response (RFC 9457). `outcome` says of a write whether it was applied."""

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, /, **members: Any
    ) -> None:
        self.status, self.code, self.detail, self.headers, self.members = status, code, detail, headers, members

    def response(self, request: Request) -> Response:
        title = self.code.replace("-", " ").capitalize()
        body = {"type": f"/problems/{self.code}", "title": title, "status": self.status, "detail": self.detail}
        body |= {"instance": request.url.path, "code": self.code, "requestId": str(uuid.uuid4())} | self.members
        return JSONResponse(body, self.status, self.headers, "application/problem+json")


app = FastAPI(openapi_url=None)


@app.exception_handler(Problem)
def on_problem(request: Request, problem: Problem) -> Response:
    return problem.response(request)


@app.exception_handler(RequestValidationError)
def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    faults = [(fault["loc"], fault["msg"]) for fault in error.errors()]
    errors = [
        {"pointer": "".join(f"/{step}" for step in place if isinstance(step, str)), "detail": text}
        if source == "body"
        else {"parameter": str(place[0]), "detail": text}
        for (source, *place), text in faults
    ]
    is_body = all(source == "body" for (source, *_), _ in faults)
    is_object = is_body and all(error.get("pointer") for error in errors)
    status, code = (422, "invalid-value") if is_object else (400, "malformed-body" if is_body else "invalid-parameter")
    return Problem(status, code, "the request is not valid", errors=errors).response(request)


@app.exception_handler(HTTPException)
def on_http_error(request: Request, error: HTTPException) -> Response:
    code = {404: "route-not-found", 405: "method-not-allowed"}.get(error.status_code, "malformed-body")
    return Problem(error.status_code, code, error.detail, error.headers).response(request)


@app.exception_handler(Exception)
def on_fault(request: Request, _: Exception) -> Response:
    # What failed was rolled back. Only the commit itself may have been applied and failed all the same.
    outcome = {} if request.method == "GET" else {"outcome": "unknown"}
    return Problem(500, "internal-error", "an internal error occurred", **outcome).response(request)


# --- parameters


def client(authorization: Annotated[str, Header()] = "") -> str:
    """The client whose token the request has."""
    token = authorization.removeprefix("Bearer ").encode()
    for name, known in TOKENS.items():
        if secrets.compare_digest(token, known.encode()):
            return name
    raise Problem(401, "unauthenticated", "a valid token is required", {"WWW-Authenticate": "Bearer"})


def instant(text: str) -> str:
    """A date (its begin in the time zone of the system) or a time with an offset, as an instant in UTC."""
    try:
        is_date = "T" not in text.upper()
        moment = datetime.combine(date.fromisoformat(text), time(), ZONE) if is_date else datetime.fromisoformat(text)
        if moment.tzinfo:
            return moment.astimezone(UTC).isoformat()
    except ValueError:
        pass
    raise Problem(400, "invalid-parameter", "since and until must be dates or times with an offset")


Client = Annotated[str, Depends(client)]
Id = Annotated[int, Path(ge=1, le=2**53 - 1)]
Limit = Annotated[int | None, Query(ge=1, le=1000)]


class OrderStatus(StrEnum):
    """What a client may set."""

    NEW, RECEIVED, ACTIVE, WAITING, CANCELLED, DELIVERED = "new", "received", "active", "waiting", "cancelled", "delivered"


class MessageType(StrEnum):
    """What a client may write."""

    ERROR, ALERT, SYSTEM, LOG = "error", "alert", "system", "log"


class StatusInput(BaseModel):
    model_config = ConfigDict(extra="forbid")
    status: OrderStatus


class MessageInput(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: MessageType
    text: Annotated[str, Field(max_length=7900, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"), Field(pattern=r"\S")]


# --- documents


def present(**members: Any) -> dict[str, Any]:
    """Members that have a value: an absent one is left out, never null."""
    return {name: value for name, value in members.items() if value not in (None, {})}


def summary(order: sqlite3.Row) -> dict[str, Any]:
    """An order as lists have it."""
    document = json.loads(order["document"])
    ids = {name: present(id=document.get(name, {}).get("id")) for name in ("service", "provider", "customer")}
    names = ("type", "orderedAt", "requestedDeliveryAt", "deliverAsap")
    return present(id=order["id"], status=order["status"], **{name: document.get(name) for name in names}, **ids)


def details(database: sqlite3.Connection, order: sqlite3.Row) -> dict[str, Any]:
    """An order with its log."""
    rows = database.execute("SELECT at, type, text FROM messages WHERE order_id = ? ORDER BY id", [order["id"]])
    document = json.loads(order["document"]) | {"messages": [present(**row) for row in rows], "statusTag": tag(order)}
    return present(id=order["id"], status=order["status"]) | document


def tag(order: sqlite3.Row) -> str:
    return f'"{order["id"]}-{order["version"]}"'


def find_order(database: sqlite3.Connection, id: int) -> sqlite3.Row:
    order = database.execute("SELECT * FROM orders WHERE id = ?", [id]).fetchone()
    return order or not_found("order", id)


def not_found(kind: str, id: int) -> Any:
    raise Problem(404, f"{kind}-not-found", f"there is no {kind} {id}")


def listed(request: Request, items: list[dict[str, Any]], cursor: str | None = None) -> Response:
    """A list as NDJSON, whose last line says that it is complete, or as one document."""
    if "application/x-ndjson" not in request.headers.get("accept", ""):
        return JSONResponse(present(items=items, nextCursor=cursor))
    lines = [*items, present(complete=True, count=len(items), nextCursor=cursor)]
    return StreamingResponse((json.dumps(line) + "\n" for line in lines), media_type="application/x-ndjson")


# --- routes


@app.get("/me")
def get_me(client: Client) -> dict[str, Any]:
    return {"client": client, "upstream": "json-system", "scopes": SCOPES, "timeZone": ZONE.key, "settleTimeSeconds": 0}


@app.get("/orders")
def list_orders(
    client: Client,
    request: Request,
    since: str,
    until: str = "9999-12-30",
    status: Annotated[list[str] | None, Query()] = None,
    limit: Limit = None,
    cursor: Annotated[str, Query(pattern="^[A-Za-z0-9_-]*$")] = "",
) -> Response:
    """Orders by time and id. A cursor is the place of the last one of its page."""
    placed, id = json.loads(base64.urlsafe_b64decode(cursor + "===")) if cursor else (instant(since), 0)
    wanted = [name for names in status or [] for name in names.split(",")]
    condition = f"AND status IN ({','.join('?' * len(wanted))})" if wanted else ""
    select = f"SELECT * FROM orders WHERE (placed, id) > (?, ?) AND placed < ? {condition} ORDER BY placed, id LIMIT ?"
    with transaction() as database:
        rows = database.execute(select, [placed, id, instant(until), *wanted, (limit or -2) + 1]).fetchall()
    page = rows[:limit]
    if len(rows) == len(page):
        return listed(request, [summary(row) for row in page])
    place = json.dumps([page[-1]["placed"], page[-1]["id"]]).encode()
    return listed(request, [summary(row) for row in page], base64.urlsafe_b64encode(place).decode().rstrip("="))


@app.get("/orders/{id}")
def get_order(client: Client, id: Id) -> dict[str, Any]:
    with transaction() as database:
        return details(database, find_order(database, id))


@app.get("/orders/{id}/messages")
def list_order_messages(client: Client, id: Id) -> dict[str, Any]:
    with transaction() as database:
        return {"items": details(database, find_order(database, id))["messages"]}


@app.get("/orders/{id}/status")
def get_order_status(client: Client, response: Response, id: Id) -> dict[str, Any]:
    with transaction() as database:
        order = find_order(database, id)
    response.headers["ETag"] = tag(order)
    return present(status=order["status"])


@app.patch("/orders/{id}/status")
def change_order_status(
    client: Client, response: Response, id: Id, body: StatusInput, if_match: Annotated[str, Header()] = "*"
) -> dict[str, Any]:
    """Changes the status if it is still the one that `If-Match` stands for."""
    with transaction() as database:
        order = find_order(database, id)
        if if_match != "*" and tag(order) not in [known.strip() for known in if_match.split(",")]:
            detail = "the order has changed since it was read"
            current = present(currentStatus=order["status"])
            raise Problem(412, "precondition-failed", detail, {"ETag": tag(order)}, outcome="not-applied", **current)
        database.execute("UPDATE orders SET status = ?, version = version + 1 WHERE id = ?", [body.status, id])
        insert_message(database, id, "system", f"Status changed to {body.status}")
        response.headers["ETag"] = tag(find_order(database, id))
    return {"status": body.status}


@app.post("/orders/{id}/messages", status_code=201)
def add_order_message(
    client: Client, response: Response, id: Id, body: MessageInput, idempotency_key: Annotated[str | None, Header()] = None
) -> dict[str, Any]:
    """Adds a message to the log. A key that the client has used for this order adds nothing."""
    key = idempotency_key and idempotency_key.strip('"')
    if key is not None and not re.fullmatch(r"[A-Za-z0-9._~-]{16,128}", key):
        raise Problem(400, "invalid-parameter", "Idempotency-Key must have 16 to 128 letters, digits or ._~-")
    with transaction() as database:
        find_order(database, id)
        select = "SELECT at, type, text FROM messages JOIN idempotency_keys ON message_id = id"
        known = database.execute(f"{select} WHERE client = ? AND idempotency_keys.order_id = ? AND key = ?", [client, id, key])
        if added := known.fetchone():
            if (added["type"], added["text"]) != (body.type, body.text):
                detail = "the key was used for another message"
                raise Problem(422, "idempotency-key-reused", detail, outcome="not-applied")
            response.headers["Idempotency-Replayed"] = "true"
            return present(**added)
        message_id, at = insert_message(database, id, body.type, body.text)
        if key is not None:
            database.execute("INSERT INTO idempotency_keys VALUES (?, ?, ?, ?)", [client, id, key, message_id])
    return {"at": at, "type": body.type, "text": body.text}


def insert_message(database: sqlite3.Connection, order_id: int, type: str, text: str) -> tuple[int | None, str]:
    at = datetime.now(ZONE).isoformat(timespec="seconds")
    insert = "INSERT INTO messages (order_id, at, type, text) VALUES (?, ?, ?, ?)"
    return database.execute(insert, [order_id, at, type, text]).lastrowid, at


@app.get("/customers")
def list_customers(client: Client, request: Request, since: date) -> Response:
    select = "SELECT id, document FROM customers WHERE updated >= ? ORDER BY id"
    with transaction() as database:
        rows = database.execute(select, [instant(since.isoformat())]).fetchall()
    return listed(request, [{"id": row["id"]} | json.loads(row["document"]) for row in rows])


@app.get("/customers/{id}")
def get_customer(client: Client, id: Id) -> dict[str, Any]:
    with transaction() as database:
        row = database.execute("SELECT document FROM customers WHERE id = ?", [id]).fetchone() or not_found("customer", id)
    return {"id": id} | json.loads(row["document"])


if PAGE.is_dir():
    app.mount("/example", StaticFiles(directory=PAGE, html=True))

with sqlite3.connect(DATABASE) as created:
    created.executescript("PRAGMA journal_mode = WAL;" + SCHEMA)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8090)
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args().port, log_level="warning")
