"""What somebody can do about an error that ended a command."""

from __future__ import annotations

from coffeeshop.errors import (
    BadData,
    Cancelled,
    CoffeeshopError,
    Forbidden,
    ProtocolError,
    SessionTimeout,
    Unreachable,
)

BUG = 70
GATEWAY_AWAY = (
    "is a gateway running there? Start one with `coffeeshop run-node --type gateway`, "
    "or name another with --gateway URL or COFFEESHOP_GATEWAY"
)
BROKER_AWAY = "is RabbitMQ running? Say where with --broker URL or COFFEESHOP_BROKER_URL"
PORT_TAKEN = "end what listens there, or choose another with --port and --metrics-port"
NOT_ALLOWED = (
    "show a token with --token-file FILE or COFFEESHOP_TOKEN; whoever runs the gateway makes one "
    "with `coffeeshop token NAME`"
)
BROKER_REFUSES = "the user and password are those of --broker URL or COFFEESHOP_BROKER_URL"
BAD_ROW = "correct the row, or leave such rows out with --on-bad-row skip"
TOO_SLOW = "give it a longer --timeout, or send it to a gateway with --detach and `watch` it"
WISHES = (
    "clients of one --session agree on --plan and --partitions, "
    "and each has a --producer of its own"
)
DEFECT = "this is a bug: report it with what you typed, and with the logs"
GONE = "its data is no longer there; send it again with `coffeeshop submit`"


def advice(error: CoffeeshopError, command: str | None) -> str:
    """One line for whoever ran ``command``; empty when the error itself says all there is."""
    match error:
        case Unreachable() if isinstance(error.__cause__, OSError) and command == "run-node":
            return PORT_TAKEN
        case Unreachable():
            return BROKER_AWAY if command == "run-node" else GATEWAY_AWAY
        case Forbidden():
            return BROKER_REFUSES if command == "run-node" else NOT_ALLOWED
        case BadData() if error.column is not None and command == "submit":
            return BAD_ROW
        case SessionTimeout():
            return TOO_SLOW
        case Cancelled():
            return GONE
        case ProtocolError():
            return WISHES if command == "submit" else ""
    return DEFECT if error.exit_code == BUG else ""
