"""Why the gateway may refuse a request that fits the document: what a JSON schema cannot say."""

import schemathesis

# Faults by parameter or member: the words of `detail`.
RELATED = {
    "cursor": ("",),  # was issued for the same filters, and needs `limit`
    "expand": ("requires a limit",),
    "since": ("must be an existing date",),  # such as 30 February
    "until": ("must be an existing date", "must not be before since"),
    "/text": ("is too long for the upstream",),  # percent-encoded, with the path of the upstream
}
# Codes of requests that depend on the state of the order.
STATE = {
    "precondition-failed",  # the tag in `If-Match` is not that of the order
    "idempotency-key-reused",  # the key was used for another message before
}


@schemathesis.check
def refused_for_a_reason(ctx, response, case):
    """A request that fits the document is refused (400, 412, 422) only for the reasons above."""
    if not case.meta.generation.mode.is_positive or response.status_code not in (400, 412, 422):
        return
    # The coverage phase of schemathesis 4.32.5 takes `0` for a value that fits, with each pattern of a quoted tag.
    if case.headers.get("If-Match") == "0":
        return
    problem = response.json()
    faults = [(error.get("parameter", error.get("pointer")), error["detail"]) for error in problem.get("errors", [])]
    related = [any(reason in detail for reason in RELATED.get(where, ())) for where, detail in faults]
    assert problem["code"] in STATE or (related and all(related)), (
        f"the request fits the document, and was refused: {response.text}"
    )
