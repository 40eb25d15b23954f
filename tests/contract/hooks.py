"""What a JSON schema cannot say: why the gateway may refuse a request that fits the document."""

import schemathesis

# Parameters that depend on one another, or on what the gateway issued.
RELATED = {
    "cursor": "a cursor was issued for the same filters, and needs `limit`",
    "expand": "`expand` needs a `limit` of at most 200",
    "until": "`until` is not before `since`",
}
# Codes of requests that depend on the state of the order.
STATE = {
    "precondition-failed": "the tag in `If-Match` is not that of the order",
    "idempotency-key-reused": "the key was used for another message before",
}


@schemathesis.check
def refused_for_a_reason(ctx, response, case):
    """A request that fits the document is refused (400, 412, 422) only for the reasons above."""
    if not case.meta.generation.mode.is_positive or response.status_code not in (400, 412, 422):
        return
    problem = response.json()
    faults = {error.get("parameter", error.get("pointer")) for error in problem.get("errors", [])}
    assert problem["code"] in STATE or (faults and faults <= RELATED.keys()), (
        f"the request fits the document, and was refused: {response.text}"
    )
